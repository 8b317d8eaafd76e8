"""What is shown of volumes: rows, and everything about one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct
from rich.console import Console
from rich.text import Text

from thaniya_core.formats.quantities import format_duration, format_size
from thaniya_core.model import Volume, VolumeCondition
from thaniya_core.views import Live, Survey, SurveyedVolume
from thaniya_tui import render
from thaniya_tui.areas.volumes.looking import Look
from thaniya_tui.widgets import Column, Row

Looked = Callable[[Volume], Look]
"""What is known of a volume by looking at it."""

_BAR = 10
_NAME = 12
_LONG_DAYS = 400.0

VOLUME_COLUMNS = (
    Column("label", "volume", 10, grows=True),
    Column("state", "state", 13),
    Column("active", "active", 6),
    Column("bar", "used", _BAR, from_width=74),
    Column("part", "", 4, is_right=True),
    Column("free", "free", 10, is_right=True),
    Column("backups", "backups", 7, is_right=True, from_width=84),
    Column("stored", "stored", 10, is_right=True, from_width=96),
    Column("full", "full in", 8, is_right=True, from_width=62),
)


class Shown(Struct, frozen=True):
    """A volume with all that is known of it now."""

    volume: Volume
    look: Look = Look()
    surveyed: SurveyedVolume | None = None
    silent_s: float = 0.0
    """For how long its disk has owed an answer; 0 when it does not."""

    @property
    def condition(self) -> VolumeCondition:
        """By the newest look, or as it was told last."""
        if self.look.status is not None:
            return self.look.status.condition
        return self.surveyed.condition if self.surveyed is not None else self.volume.condition

    @property
    def problem(self) -> str:
        """What is wrong with it, in words; empty when nothing is."""
        if self.silent_s:
            return f"its disk has not answered for {format_duration(self.silent_s)}"
        if self.look.status is not None:
            return "" if self.look.status.condition is VolumeCondition.OK else self.look.status.detail
        return self.surveyed.problem if self.surveyed is not None else ""

    @property
    def sizes(self) -> tuple[int, int] | None:
        """All bytes of its disk and the free ones; None when nobody can tell."""
        if self.look.status is not None:
            space = self.look.status.space
            return None if space is None else (space.total_bytes, space.free_bytes)
        if self.surveyed is None or self.surveyed.total_bytes is None or self.surveyed.free_bytes is None:
            return None
        return self.surveyed.total_bytes, self.surveyed.free_bytes

    @property
    def used_part(self) -> float | None:
        """The part of its disk that is full."""
        sizes = self.sizes
        return None if sizes is None else 1 - sizes[1] / sizes[0] if sizes[0] else 0.0


def gather(live: Live | None, survey: Survey | None, look: Looked) -> list[Shown]:
    """The volumes in their order."""
    surveyed = {each.id: each for each in survey.volumes} if survey is not None else {}
    now = time.monotonic()
    return [
        Shown(volume, look(volume), surveyed.get(volume.id), look(volume).silent_s(now))
        for volume in (live.volumes if live is not None else ())
    ]


def volume_rows(volumes: Iterable[Shown]) -> Iterator[Row]:
    """A row a volume."""
    for each in volumes:
        sizes, part, surveyed = each.sizes, each.used_part, each.surveyed
        yield Row(
            each.volume.id,
            (
                render.foreign(each.volume.label),
                _state(each),
                Text("yes") if each.volume.active else Text("no", "faint"),
                Text("") if part is None else render.bar(part, _BAR, _style(each)),
                Text("-" if part is None else f"{part:.0%}", justify="right"),
                render.size(None if sizes is None else sizes[1]),
                render.number(None if surveyed is None else surveyed.backups),
                render.size(None if surveyed is None else surveyed.stored_bytes),
                Text(_full_in(surveyed), justify="right"),
            ),
        )


def _state(each: Shown) -> Text:
    return Text("✗ no answer", "bad") if each.silent_s else render.volume_condition(each.condition)


def _style(each: Shown) -> str:
    return str(render.volume_condition(each.condition).spans[0].style)


def _full_in(surveyed: SurveyedVolume | None) -> str:
    if surveyed is None or surveyed.full_in_days is None:
        return "-"
    return "> 1 y" if surveyed.full_in_days >= _LONG_DAYS else format_duration(surveyed.full_in_days * 86400)


def facts_of(each: Shown) -> list[tuple[str, Text]]:
    """Everything about a volume, by name."""
    volume, surveyed = each.volume, each.surveyed
    state = _state(each)
    if each.problem:
        state.append(f": {render.foreign(each.problem).plain}")
    facts = [
        ("state", state),
        ("path", render.foreign(volume.path)),
        ("space", _space(each)),
        ("lies there", _contents(each)),
        ("full in", Text(_full_words(surveyed))),
        ("inodes", _inodes(each)),
        ("nearly full", Text(f"below {format_size(surveyed.low_bytes)}" if surveyed and surveyed.low_bytes else "-")),
        ("new backups", Text("come here" if volume.active else "do not come here; those on it stay")),
        ("id", render.foreign(volume.id, "faint")),
    ]
    hint = _hint(each)
    return [*facts[:1], ("what next", hint), *facts[1:]] if hint else facts


def draw_facts(each: Shown | None, width: int) -> list[Text]:
    """The facts of a volume, one below the other."""
    if each is None:
        return [Text("no volume yet: press a, and name a directory", "caution", no_wrap=True)]
    return [line for name, value in facts_of(each) for line in _fact_lines(name, value, width)]


def _fact_lines(name: str, value: Text, width: int) -> Iterator[Text]:
    """A fact, in as many lines as it takes."""
    room = max(width - _NAME, 1)
    for number, part in enumerate(Text.assemble(value).wrap(Console(width=room), room)):
        line = Text.assemble((f"{'' if number else name:<{_NAME}}", "faint"), part)
        line.truncate(width)
        yield line


def count_of(backups: int) -> str:
    """So many backups, in words."""
    return f"{backups:,} backup{'' if backups == 1 else 's'}"


def _hint(each: Shown) -> Text:
    if each.silent_s:
        return Text("look at the machine: dmesg, mount, the network to it")
    match each.condition:
        case VolumeCondition.MISSING:
            return Text("mount its disk, or press s to look for it elsewhere")
        case VolumeCondition.LOW if each.volume.active:
            return Text("enlarge it, add another volume, or let retention remove more")
        case VolumeCondition.DAMAGED:
            return Text("see what the disk says: dmesg; then thaniya doctor")
    return Text("")


def _space(each: Shown) -> Text:
    sizes = each.sizes
    if sizes is None:
        return Text("nobody can tell now", "faint")
    total, free = sizes
    return Text(f"{format_size(free)} of {format_size(total)} free ({each.used_part or 0.0:.0%} used)")


def _inodes(each: Shown) -> Text:
    space = each.look.status.space if each.look.status is not None else None
    if space is None:
        return Text("nobody can tell now", "faint")
    if not space.total_files:
        return Text("no limit")
    return Text(f"{space.free_files:,} of {space.total_files:,} free")


def _contents(each: Shown) -> Text:
    surveyed = each.surveyed
    if surveyed is None:
        return Text("looking at everything …", "faint")
    told = Text(f"{count_of(surveyed.backups)}, {format_size(surveyed.stored_bytes)}")
    if each.sizes is not None and (other := each.sizes[0] - each.sizes[1] - surveyed.stored_bytes) > 0:
        told.append(f"; other things {format_size(other)}", "faint")
    return told


def _full_words(surveyed: SurveyedVolume | None) -> str:
    if surveyed is None or surveyed.full_in_days is None:
        return "never, or nobody can tell yet"
    return f"{_full_in(surveyed)}, if it goes on as in the last weeks"
