"""Whether all is well: rules that look at facts, and telling people, programs and other monitors what they find."""

from thaniya_core.monitor.channels import make_channels
from thaniya_core.monitor.expectations import Expectations
from thaniya_core.monitor.facts import SeriesFacts, ServerFacts, VolumeFacts
from thaniya_core.monitor.findings import Finding
from thaniya_core.monitor.health import Report, examine
from thaniya_core.monitor.metrics import measure
from thaniya_core.monitor.nagios import plugin_output, status_line
from thaniya_core.monitor.notifier import Notifier, Sent
from thaniya_core.monitor.pings import Pings
from thaniya_core.monitor.prometheus import exposition
from thaniya_core.monitor.rhythm import Rhythm, expected_rhythm
from thaniya_core.monitor.series import examine_series
from thaniya_core.monitor.summary import Arrived, LastBackup, SeriesSummary
from thaniya_core.monitor.work import RETENTION_RUN

__all__ = [
    "RETENTION_RUN",
    "Arrived",
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
    "VolumeFacts",
    "examine",
    "examine_series",
    "expected_rhythm",
    "exposition",
    "make_channels",
    "measure",
    "plugin_output",
    "status_line",
]
