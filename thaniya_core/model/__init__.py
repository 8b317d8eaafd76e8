"""The things a server knows of: frozen values, no input or output. A module for each room whose things they are."""

from thaniya_core.model.backups import Backup
from thaniya_core.model.chains import Agreement, agree_on_parent, awaited_parents, increments_on, mark_broken_chains
from thaniya_core.model.events import Event
from thaniya_core.model.health import Alert, ChannelRecord, Expectation, PingRecord, Severity
from thaniya_core.model.jobs import RUN_CLAIM, Job, JobKind, JobState, RunRecord
from thaniya_core.model.retention import RetentionSetting
from thaniya_core.model.slots import Collected, Refusal, Slot, SlotState, SlotUsage
from thaniya_core.model.uploads import EndedUpload, Upload, UploadState
from thaniya_core.model.users import MIN_RSA_BITS, PublicKey, Role, User, check_admitted
from thaniya_core.model.volumes import Volume, VolumeCondition

__all__ = [
    "MIN_RSA_BITS",
    "RUN_CLAIM",
    "Agreement",
    "Alert",
    "Backup",
    "ChannelRecord",
    "Collected",
    "EndedUpload",
    "Event",
    "Expectation",
    "Job",
    "JobKind",
    "JobState",
    "PingRecord",
    "PublicKey",
    "Refusal",
    "RetentionSetting",
    "Role",
    "RunRecord",
    "Severity",
    "Slot",
    "SlotState",
    "SlotUsage",
    "Upload",
    "UploadState",
    "User",
    "Volume",
    "VolumeCondition",
    "agree_on_parent",
    "awaited_parents",
    "check_admitted",
    "increments_on",
    "mark_broken_chains",
]
