"""All findings in one line, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import floor

from thaniya_core.monitor.facts import VolumeFacts
from thaniya_core.monitor.findings import Finding, sort_findings
from thaniya_core.monitor.summary import SeriesSummary

_MOST = 4
"""So many kinds of findings are named; of the others it is told how many there are."""

SAYS: Mapping[str, tuple[str, str]] = {
    "series_late": ("1 series late", "{} series late"),
    "series_missing": ("1 series never came", "{} series never came"),
    "series_failing": ("1 series failing", "{} series failing"),
    "backup_broken": ("1 series with broken backups", "{} series with broken backups"),
    "backup_empty": ("1 backup empty", "{} backups empty"),
    "backup_shrunk": ("1 backup far smaller than usual", "{} backups far smaller than usual"),
    "backup_grown": ("1 backup far larger than usual", "{} backups far larger than usual"),
    "backups_unverified": ("backups not verified for long", "backups not verified for long"),
    "user_without_backup": ("1 user without a backup", "{} users without a backup"),
    "upload_failed": ("1 upload given up", "{} uploads given up"),
    "upload_stuck": ("1 upload stuck", "{} uploads stuck"),
    "job_failed": ("1 job given up", "{} jobs given up"),
    "job_failing": ("1 job failing", "{} jobs failing"),
    "job_stuck": ("1 job stuck", "{} jobs stuck"),
    "volume_gone": ("1 volume not there", "{} volumes not there"),
    "volume_full": ("1 volume nearly full", "{} volumes nearly full"),
    "volume_filling": ("1 volume full soon", "{} volumes full soon"),
    "slot_degraded": ("1 slot degraded", "{} slots degraded"),
    "slot_disabled": ("1 slot disabled", "{} slots disabled"),
    "no_usable_slot": ("no usable slot", "no usable slot"),
    "no_usable_volume": ("no volume takes backups", "no volume takes backups"),
    "service_not_running": ("the service does not run", "the service does not run"),
    "retention_not_applied": ("retention not applied", "retention not applied"),
    "schedule_failed": ("1 part of the schedule failing", "{} parts of the schedule failing"),
    "schedule_stuck": ("1 part of the schedule stuck", "{} parts of the schedule stuck"),
    "clock_set_back": ("the clock was set back", "the clock was set back"),
    "notification_failed": ("1 way to tell people failing", "{} ways to tell people failing"),
    "ping_failed": ("1 ping failing", "{} pings failing"),
}
"""Of each finding's code: what is said of one, and of several."""

_SERIES_CODES = frozenset(
    {"series_late", "series_missing", "series_failing", "backup_broken", "backup_empty", "backup_shrunk"}
)
"""With one of these not everything counts as backed up."""


def verdict(findings: Iterable[Finding], series: Sequence[SeriesSummary], volumes: Sequence[VolumeFacts]) -> str:
    """What there is to say first: `2 series late, 1 volume at 91 %`, or `all 14 series are backed up`."""
    found = sort_findings(findings)
    kinds = Counter(finding.code for finding in found)  # in the order of the worst of each
    said = [_say(code, [finding.subject for finding in found if finding.code == code], volumes) for code in kinds]
    if len(said) > _MOST:
        rest = sum(list(kinds.values())[_MOST - 1 :])
        said = [*said[: _MOST - 1], f"{rest} more findings"]
    if not kinds.keys() & _SERIES_CODES:
        said.insert(0, _coverage(series))
    return ", ".join(said)


def _say(code: str, subjects: Sequence[str], volumes: Sequence[VolumeFacts]) -> str:
    count = len(subjects)
    if code == "volume_full" and count == 1:
        return _fill(subjects[0], volumes) or SAYS[code][0]
    one, many = SAYS.get(code, (f"1 {code}", f"{{}} {code}"))
    return one if count == 1 else many.format(count)


def _fill(label: str, volumes: Sequence[VolumeFacts]) -> str:
    """How full it is; nothing where it is the inodes that are scarce."""
    for facts in volumes:
        space = facts.space
        if facts.volume.label == label and space is not None and space.total_bytes > 0:
            is_by_inodes = space.total_files and (
                space.free_files / space.total_files < space.free_bytes / space.total_bytes
            )
            return "" if is_by_inodes else f"1 volume at {floor(100 * (1 - space.free_bytes / space.total_bytes))} %"
    return ""


def _coverage(series: Sequence[SeriesSummary]) -> str:
    expected = [each for each in series if not each.is_retired]
    done = sum(each.last is not None for each in expected)
    if not series or (expected and not done):
        return "nothing is backed up yet"
    if not expected:
        return "every series is retired"
    if done < len(expected):
        return f"{done} of {len(expected)} series are backed up"
    return f"all {done} series are backed up" if done > 1 else "the one series is backed up"
