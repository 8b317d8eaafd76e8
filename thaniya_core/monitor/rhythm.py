"""When the next backup of a series is expected: as an administrator said, or as its own rhythm shows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from msgspec import Struct

from thaniya_core.model import UploadState
from thaniya_core.monitor.facts import SeriesFacts

_GAPS = 10
"""The rhythm is that of so many newest gaps between backups."""

_LEAST_GAPS = 6
_LEAST_SPAN = timedelta(days=8)
"""Less than this has not seen a weekend."""

_WINDOW = timedelta(days=15)
"""Two weekends: what is longer than the second longest gap of this time is not the series' way."""

_REGULAR_SHARE = 0.7
"""So many gaps are to be near the usual one, that is within half of it."""

_LEAST_GRACE_S = 1800


class Rhythm(Struct, frozen=True):
    """How often backups of a series come."""

    every_s: int
    allowed_s: int
    """A backup that is older than this is late; grace included."""
    is_learned: bool = False

    @property
    def due_s(self) -> int:
        """A backup that is older than this is due; what is allowed beyond is grace."""
        return self.allowed_s - default_grace_s(self.every_s) if self.is_learned else self.every_s


def default_grace_s(every_s: int) -> int:
    """How much later is still in time when nobody said: a quarter of the interval, half an hour at least."""
    return max(every_s // 4, _LEAST_GRACE_S)


def expected_rhythm(facts: SeriesFacts, *, learn: bool) -> Rhythm | None:
    """What to expect of a series; None for nothing: it is retired, or nobody said and it shows no rhythm.

    Nothing is learned of a user who may not back up.
    """
    said = facts.expectation
    if said is not None:
        return None if said.every_s is None else Rhythm(said.every_s, said.every_s + said.grace_s)
    if not learn or not facts.user_is_enabled:
        return None
    return learn_rhythm(arrivals(facts))


def arrivals(facts: SeriesFacts) -> list[datetime]:
    """When backups of a series came, the oldest first; those that retention has removed lately too."""
    by_id = {backup.id: backup.document.created_at for backup in facts.backups}
    by_id |= {upload.id: upload.created_at for upload in facts.ended if upload.state is UploadState.ARCHIVED}
    return sorted(by_id.values())


def learn_rhythm(times: Iterable[datetime]) -> Rhythm | None:
    """The rhythm of a series of which nobody said anything; None when there are too few backups or no regularity.

    The interval is the median of the last ten gaps. A series that pauses at weekends, or at night, is allowed the
    longest pause that it made twice in the last two weeks.

    Args:
        times: when its backups came, the oldest first.
    """
    moments = list(times)
    gaps = [(after - before).total_seconds() for before, after in pairwise(moments)]
    newest = gaps[-_GAPS:]
    if len(newest) < _LEAST_GAPS or moments[-1] - moments[0] < _LEAST_SPAN:
        return None
    usual = median(newest)
    regular = sum(usual / 2 <= gap <= usual * 1.5 for gap in newest)
    if usual <= 0 or regular < _REGULAR_SHARE * len(newest):
        return None
    in_window = sum(moment >= moments[-1] - _WINDOW for moment in moments[:-1])
    looked_at = sorted(gaps[-max(_GAPS, in_window) :])
    longest = looked_at[-2] if len(looked_at) >= _GAPS else looked_at[-1]
    longest = max(usual, longest)
    return Rhythm(round(usual), round(longest) + default_grace_s(round(usual)), is_learned=True)
