"""Whether all is well: rules that look at facts, and telling people, programs and other monitors what they find."""

from thaniya_core.monitor.calendar import DayState
from thaniya_core.monitor.channels import make_channels
from thaniya_core.monitor.expectations import Expectations
from thaniya_core.monitor.facts import SeriesFacts, ServerFacts, VolumeFacts
from thaniya_core.monitor.findings import Finding
from thaniya_core.monitor.health import Report, examine
from thaniya_core.monitor.kept import decode_survey, keep_survey, read_survey
from thaniya_core.monitor.metrics import measure
from thaniya_core.monitor.nagios import plugin_output, status_line
from thaniya_core.monitor.notifier import Notifier, Sent
from thaniya_core.monitor.pings import Pings
from thaniya_core.monitor.prometheus import exposition
from thaniya_core.monitor.rhythm import Rhythm, expected_rhythm
from thaniya_core.monitor.series import examine_series
from thaniya_core.monitor.summary import Arrived, LastBackup, SeriesSummary
from thaniya_core.monitor.survey import CALENDAR_DAYS, Survey, SurveyedSeries, SurveyedUser, SurveyedVolume
from thaniya_core.monitor.surveying import Surveyor
from thaniya_core.monitor.work import RETENTION_RUN

__all__ = [
    "CALENDAR_DAYS",
    "RETENTION_RUN",
    "Arrived",
    "DayState",
    "Expectations",
    "Finding",
    "LastBackup",
    "Notifier",
    "Pings",
    "Report",
    "Rhythm",
    "Sent",
    "SeriesFacts",
    "SeriesSummary",
    "ServerFacts",
    "Survey",
    "SurveyedSeries",
    "SurveyedUser",
    "SurveyedVolume",
    "Surveyor",
    "VolumeFacts",
    "decode_survey",
    "examine",
    "examine_series",
    "expected_rhythm",
    "exposition",
    "keep_survey",
    "make_channels",
    "measure",
    "plugin_output",
    "read_survey",
    "status_line",
]
