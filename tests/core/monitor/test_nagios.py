"""What a monitoring plugin prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from thaniya_core.config import CheckLimits
from thaniya_core.model import Severity, Slot, Volume
from thaniya_core.monitor import Finding, Report, ServerFacts, VolumeFacts, examine, plugin_output, status_line
from thaniya_core.system.space import DiskSpace

LIMITS = CheckLimits()
# https://www.monitoring-plugins.org/doc/guidelines.html, "Performance data".
PERFORMANCE = re.compile(
    r"('[^'=]+'|[^'= ]+)=-?[0-9.]+(us|ms|s|%|B|KB|MB|TB|c)?;[0-9.:~@]*;[0-9.:~@]*;[0-9.]*(;[0-9.]*)?"
)


def report(make, *findings: Finding, label: str = "first") -> Report:
    volumes = (
        VolumeFacts(Volume("disk", label, Path("/disk")), DiskSpace(10**12, 5 * 10**11, 0, 0), low_bytes=5 * 10**10),
    )
    well = examine(
        [make.facts(*make.daily(20))], ServerFacts(make.now, slots=(Slot("thaniya_01"),), volumes=volumes), LIMITS
    )
    assert well.findings == ()
    return Report(make.now, findings, well.server, well.series)


def test_good_state_is_one_line(make):
    (line,) = plugin_output(report(make), LIMITS, 50)
    text, _, performance = line.partition(" | ")
    assert text == "THANIYA OK - 20 backups in 1 series, the last 9 h 54 min ago"
    assert "backups=20;;;0" in performance
    assert "'free_first'=500000000000B;50000000000:;30000000000:;0;1000000000000" in performance


LATE = Finding("series_late", "alice/web1/nightly", Severity.WARNING, "no good backup for 2 d", "look at it")
GONE = Finding("volume_gone", "first", Severity.CRITICAL, "it is not at /disk", "mount it")


def test_findings_are_counted_and_told_line_by_line(make):
    lines = plugin_output(report(make, GONE, LATE), LIMITS, 50)
    assert lines[0].startswith(
        "THANIYA CRITICAL - 1 critical, 1 warning: volume_gone first: it is not at /disk | series=1;"
    )
    assert lines[1:] == [
        "CRITICAL volume_gone first: it is not at /disk (mount it)",
        "WARNING series_late alice/web1/nightly: no good backup for 2 d (look at it)",
    ]


def test_many_findings_are_cut_and_said_to_be(make):
    lines = plugin_output(report(make, *[LATE] * 9), LIMITS, 2)
    assert len(lines) == 4
    assert lines[-1] == "and 7 more: thaniya check --json"


@pytest.mark.parametrize("label", ["first", "my disk", "a'b=c|d\n", "é"])
def test_performance_data_can_be_read_whatever_is_in_the_names(make, label):
    nasty = Finding("slot_degraded", "a|b", Severity.WARNING, "x | y=1\nrm 'z'", "p|q")
    lines = plugin_output(report(make, nasty, label=label), LIMITS, 50)
    assert [line.count("|") for line in lines] == [1, 0]
    assert all("\n" not in line for line in lines)
    rest = lines[0].partition(" | ")[2]
    while rest:
        match = PERFORMANCE.match(rest)
        assert match, rest
        rest = rest[match.end() :].removeprefix(" ")


def test_severities_are_those_of_the_exit_codes():
    assert [severity.exit_code for severity in Severity] == [0, 1, 2, 3]
    assert status_line(Severity.UNKNOWN, "state.json cannot be read") == "THANIYA UNKNOWN - state.json cannot be read"
