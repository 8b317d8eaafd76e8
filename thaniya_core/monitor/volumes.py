"""The rules about volumes: gone, full, full soon, and none that takes backups."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from thaniya_core.config import CheckLimits
from thaniya_core.formats.quantities import format_duration, format_size
from thaniya_core.model import Severity
from thaniya_core.monitor.facts import VolumeFacts
from thaniya_core.monitor.findings import Finding
from thaniya_core.monitor.growth import days_until_full, growth_per_day
from thaniya_core.monitor.summary import Arrived, SeriesSummary
from thaniya_core.system.space import DiskSpace


def volume_names(volumes: Sequence[VolumeFacts]) -> dict[str, str]:
    """What to call each volume, by its id: its label, and the id too where others bear the same label."""
    bearers = Counter(facts.volume.label for facts in volumes)
    return {
        each.id: each.label if bearers[each.label] == 1 else f"{each.label} {each.id}"
        for each in (facts.volume for facts in volumes)
    }


def examine_volumes(
    volumes: Sequence[VolumeFacts], series: Iterable[SeriesSummary], limits: CheckLimits, now: datetime
) -> Iterator[Finding]:
    """What is wrong with the volumes."""
    if not any(facts.volume.active for facts in volumes):
        yield _none_active(len(volumes))
    growth = growth_by_volume(series, now)
    names = volume_names(volumes)
    for facts in volumes:
        name = names[facts.volume.id]
        if facts.space is None:
            yield _gone(name, facts)
        else:
            yield from _find_low(name, facts, facts.space, limits)
            yield from _find_filling(name, facts, facts.space, growth.get(facts.volume.id), limits)


def growth_by_volume(series: Iterable[SeriesSummary], now: datetime) -> dict[str, float | None]:
    """Bytes a day by which each volume grows that something came onto; see `growth_per_day`."""
    arrived: defaultdict[str, list[Arrived]] = defaultdict(list)
    for each in series:
        for piece in each.arrived:
            arrived[piece.volume].append(piece)
    return {volume: growth_per_day(pieces, now) for volume, pieces in arrived.items()}


def _none_active(number: int) -> Finding:
    return Finding(
        "no_usable_volume",
        "volumes",
        Severity.CRITICAL,
        f"none of {number} volumes takes new backups: uploads are refused"
        if number
        else "there is no volume: uploads are refused",
        "thaniya volume activate VOLUME, or thaniya volume add DIRECTORY",
    )


def _gone(name: str, facts: VolumeFacts) -> Finding:
    return Finding(
        "volume_gone",
        name,
        Severity.CRITICAL if facts.volume.active else Severity.WARNING,
        facts.problem or f"it is not at {facts.volume.path}",
        f"mount its disk at {facts.volume.path}; nothing is written there meanwhile",
    )


def _find_low(name: str, facts: VolumeFacts, space: DiskSpace, limits: CheckLimits) -> Iterator[Finding]:
    bytes_free = f"{format_size(space.free_bytes)} of {format_size(space.total_bytes)} are free"
    inodes_free = f"{space.free_files} of {space.total_files} inodes are free"
    rooms = [(space.free_bytes, space.total_bytes, facts.low_bytes, bytes_free)]
    if space.total_files:
        rooms.append((space.free_files, space.total_files, facts.low_files, inodes_free))
    shares = [(free / total if total else 0.0, free < low, text) for free, total, low, text in rooms]
    scarce = [(share, text) for share, is_low, text in shares if is_low or share < limits.free_critical]
    if facts.volume.active and scarce:
        share, text = min(scarce)
        yield Finding(
            "volume_full",
            name,
            Severity.CRITICAL if share < limits.free_critical else Severity.WARNING,
            f"{text} ({share:.1%})",
            "enlarge it, add another volume, or let retention remove more: thaniya retention plan",
        )


def _find_filling(
    name: str, facts: VolumeFacts, space: DiskSpace, per_day: float | None, limits: CheckLimits
) -> Iterator[Finding]:
    if not limits.full_within or not facts.volume.active:
        return
    days = days_until_full(space.free_bytes, per_day)
    if per_day is not None and days is not None and days * 86400 < limits.full_within:
        yield Finding(
            "volume_filling",
            name,
            Severity.WARNING,
            f"it is full in {format_duration(days * 86400)}: {format_size(space.free_bytes)} are free, "
            f"and {format_size(round(per_day))} a day come to stay",
            "enlarge it, add another volume, or set a retention policy: thaniya retention plan",
        )
