"""What a `Server` takes and hands out, in one place, for those who know nothing else of the core: the console.

Values only, and the pure functions that read and write them.
"""

from thaniya_core.accounts import UNLIMITED, Instructions, Unlimited, parse_max_uploads, parse_quota
from thaniya_core.archive import Inside, Rescanned, VolumeStatus, unlisted_archives
from thaniya_core.config import ConsoleTheme
from thaniya_core.jobs import ScheduledTask, TaskState
from thaniya_core.monitor import DayState, Finding, Survey, SurveyedSeries, SurveyedUser, SurveyedVolume
from thaniya_core.observing import Live
from thaniya_core.retention import ALL as ALL_BACKUPS
from thaniya_core.retention import EVERYTHING as DEFAULT_SCOPE
from thaniya_core.retention import KEYS as POLICY_KEYS
from thaniya_core.retention import (
    Applied,
    Candidate,
    Decision,
    NotPruned,
    Period,
    Plan,
    PlanSums,
    Policy,
    Pruned,
    ScopeStatus,
    SeriesPlan,
    check_scope,
    parse_policy,
)
from thaniya_core.store import LoggedEvent, LogPlace
from thaniya_core.system.harmless import make_harmless
from thaniya_core.system.privileges import login_actor
from thaniya_core.system.run import end_programs
from thaniya_core.system.terminal import show_error
from thaniya_core.system.throttle import Stopped

__all__ = [
    # The server at one instant, and at a glance.
    "Live", "Survey", "SurveyedSeries", "SurveyedVolume", "SurveyedUser", "DayState", "Finding",
    # Volumes, schedule, the audit log.
    "VolumeStatus", "Rescanned", "ScheduledTask", "TaskState", "LogPlace", "LoggedEvent",
    # What is inside a backup; work that was told to stop.
    "Inside", "unlisted_archives", "Stopped",
    # Retention.
    "Applied", "Candidate", "Decision", "Period", "Plan", "PlanSums", "Policy", "ScopeStatus", "SeriesPlan",
    "NotPruned", "Pruned", "check_scope", "parse_policy", "ALL_BACKUPS", "DEFAULT_SCOPE", "POLICY_KEYS",
    # Users.
    "Instructions", "UNLIMITED", "Unlimited", "parse_max_uploads", "parse_quota",
    # Leaving without waiting for threads.
    "end_programs",
    # People and foreign text.
    "login_actor", "make_harmless", "show_error",
    # The configuration.
    "ConsoleTheme",
]  # fmt: skip
