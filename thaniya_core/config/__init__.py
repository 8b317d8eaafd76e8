"""thaniya.toml -> Config."""

from thaniya_core.config.kinds import Account, Level, MailAddress, Seconds, Size, Url, UrlTemplate, fill_template
from thaniya_core.config.reading import find_config, load_config
from thaniya_core.config.settings import (
    CheckLimits,
    Config,
    Gate,
    GateKind,
    History,
    JobLimits,
    Metrics,
    Notify,
    Paths,
    Ping,
    ScheduleIntervals,
    Settings,
    SlotLimits,
    VerifyLimits,
    VolumeSettings,
)

__all__ = [
    "Account",
    "CheckLimits",
    "Config",
    "Gate",
    "GateKind",
    "History",
    "JobLimits",
    "Level",
    "MailAddress",
    "Metrics",
    "Notify",
    "Paths",
    "Ping",
    "ScheduleIntervals",
    "Seconds",
    "Settings",
    "Size",
    "SlotLimits",
    "Url",
    "UrlTemplate",
    "VerifyLimits",
    "VolumeSettings",
    "fill_template",
    "find_config",
    "load_config",
]
