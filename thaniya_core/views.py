"""What a `Server` takes and hands out, in one place, for those who know nothing else of the core: the console.

Values only, and the pure functions that read and write them.
"""

from thaniya_core.archive import Inside, VolumeStatus, unlisted_archives
from thaniya_core.config import ConsoleTheme
from thaniya_core.jobs import ScheduledTask, TaskState
from thaniya_core.monitor import DayState, Finding, Survey, SurveyedSeries, SurveyedUser, SurveyedVolume
from thaniya_core.observing import Live
from thaniya_core.retention import Applied, Candidate, Decision, Plan, Policy, Pruned, SeriesPlan, parse_policy
from thaniya_core.system.harmless import make_harmless
from thaniya_core.system.privileges import login_actor
from thaniya_core.system.terminal import show_error
from thaniya_core.system.throttle import Stopped

__all__ = [
    # The server at one instant, and at a glance.
    "Live", "Survey", "SurveyedSeries", "SurveyedVolume", "SurveyedUser", "DayState", "Finding",
    # Volumes, schedule.
    "VolumeStatus", "ScheduledTask", "TaskState",
    # What is inside a backup; work that was told to stop.
    "Inside", "unlisted_archives", "Stopped",
    # Retention.
    "Applied", "Candidate", "Decision", "Plan", "Policy", "Pruned", "SeriesPlan", "parse_policy",
    # People and foreign text.
    "login_actor", "make_harmless", "show_error",
    # The configuration.
    "ConsoleTheme",
]  # fmt: skip
