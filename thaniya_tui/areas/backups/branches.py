"""The tree of series as values: users, their hosts, the series of these."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import groupby

from msgspec import Struct
from rich.text import Text

from thaniya_core.formats.names import Series
from thaniya_core.formats.quantities import format_size
from thaniya_core.model import Severity, Upload, UploadState
from thaniya_core.views import SurveyedSeries
from thaniya_tui import render


class Branch(Struct, frozen=True):
    """A user, a host of a user, or a series, with what is below it."""

    key: str
    """`alice`, `alice/web1`, `alice/web1/nightly`."""
    name: str
    """The last part of the key."""
    severity: Severity
    """The worst of what is below."""
    backups: int
    broken: int
    stored_bytes: int
    coming: int
    """Uploads on their way."""
    below: tuple[Branch, ...] = ()

    @property
    def is_series(self) -> bool:
        return self.key.count("/") == 2


def coming_in(uploads: Iterable[Upload]) -> dict[Series, int]:
    """How many uploads of each series are on their way."""
    coming: dict[Series, int] = {}
    for upload in uploads:
        if upload.state is UploadState.FAILED:
            continue  # it waits for an administrator
        coming[upload.series] = coming.get(upload.series, 0) + 1
    return coming


def grow(surveyed: Iterable[SurveyedSeries], coming: dict[Series, int]) -> tuple[Branch, ...]:
    """The users with their hosts and series, by name; series that have their first upload now among them."""
    known = {each.series: each for each in surveyed}
    leaves = [_leaf(series, known.get(series), coming.get(series, 0)) for series in sorted({*known, *coming})]
    return _gather(_gather(leaves))


def _leaf(series: Series, surveyed: SurveyedSeries | None, coming: int) -> Branch:
    if surveyed is None:
        return Branch(str(series), series.name, Severity.OK, 0, 0, 0, coming)
    return Branch(
        str(series),
        series.name,
        surveyed.severity,
        surveyed.backups,
        surveyed.broken,
        surveyed.stored_bytes,
        coming,
    )


def _gather(branches: Iterable[Branch]) -> tuple[Branch, ...]:
    """The branches by what stands before the last part of their keys."""
    groups = groupby(branches, lambda branch: branch.key.rpartition("/")[0])
    return tuple(_bind(key, tuple(below)) for key, below in groups)


def _bind(key: str, below: tuple[Branch, ...]) -> Branch:
    return Branch(
        key,
        key.rpartition("/")[2],
        max((branch.severity for branch in below), key=lambda severity: severity.rank),
        sum(branch.backups for branch in below),
        sum(branch.broken for branch in below),
        sum(branch.stored_bytes for branch in below),
        sum(branch.coming for branch in below),
        below,
    )


def prune(branches: Iterable[Branch], fits: Callable[[str], bool]) -> tuple[Branch, ...]:
    """The branches with those series only whose key fits."""
    kept: list[Branch] = []
    for branch in branches:
        if branch.is_series:
            if fits(branch.key):
                kept.append(branch)
        elif below := prune(branch.below, fits):
            kept.append(_bind(branch.key, below))
    return tuple(kept)


def walk(branches: Iterable[Branch]) -> Iterator[Branch]:
    """Each branch, then what is below it."""
    for branch in branches:
        yield branch
        yield from walk(branch.below)


def series_of(branches: Iterable[Branch]) -> list[str]:
    """The keys of the series, in their order."""
    return [branch.key for branch in walk(branches) if branch.is_series]


def find(branches: Iterable[Branch], key: str) -> Branch | None:
    """The branch of a key."""
    for branch in branches:
        if branch.key == key:
            return branch
        if key.startswith(f"{branch.key}/"):
            return find(branch.below, key)
    return None


def way_to(key: str) -> frozenset[str]:
    """The keys that have to be open for a branch to be seen."""
    parts = key.split("/")
    return frozenset("/".join(parts[:count]) for count in range(1, len(parts)))


def open_first(branches: Iterable[Branch], most: int) -> frozenset[str]:
    """The keys to open so that the first so many series are seen."""
    opened: set[str] = set()
    series = (branch for branch in walk(branches) if branch.is_series)
    for branch, _ in zip(series, range(most), strict=False):
        opened |= way_to(branch.key)
    return frozenset(opened)


def shape_of(branches: Iterable[Branch], opened: Collection[str]) -> tuple[str, ...]:
    """The keys that are seen when so many are open, in their order."""
    return tuple(_seen(branches, opened))


def _seen(branches: Iterable[Branch], opened: Collection[str]) -> Iterator[str]:
    for branch in branches:
        yield branch.key
        if branch.key in opened:
            yield from _seen(branch.below, opened)


def draw_label(branch: Branch) -> Text:
    """How a branch is written: the sign of its severity, whether something is coming in, its name."""
    label = Text.assemble(render.severity_sign(branch.severity), " ")
    if branch.coming:
        label.append("▶ ", "moving")
    label.append_text(render.foreign(branch.name))
    return label


def draw_summary(branch: Branch, width: int) -> list[Text]:
    """What is below a user or a host."""
    series = sum(each.is_series for each in walk(branch.below))
    lines = [
        Text(render.foreign(branch.key).plain, "strong"),
        Text(f"{series:,} series, {branch.backups:,} backups, {format_size(branch.stored_bytes)}"),
    ]
    if branch.coming:
        lines.append(Text(f"▶ {branch.coming} coming in", "moving"))
    if branch.broken:
        lines.append(Text(f"✗ {branch.broken} broken", "bad"))
    worst = [each for each in walk(branch.below) if each.is_series and each.severity is not Severity.OK]
    lines += [Text.assemble(render.severity_sign(each.severity), " ", render.foreign(each.key)) for each in worst[:20]]
    if len(worst) > 20:
        lines.append(Text(f"and {len(worst) - 20:,} more", "faint"))
    lines.append(Text("open it with enter, and choose a series to see its backups", "faint"))
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines
