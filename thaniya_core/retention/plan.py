"""What a policy keeps and removes of one series, each backup with its reasons: a pure function, for preview and deed.

Newest first, the newest backup of a bucket is kept; a bucket is an hour, a day, an ISO week, a month or a year of local
time. Empty buckets do not count. While the count of a rule is not reached, the oldest backup is kept too, so that a
series grows into its yearly backup instead of losing its beginning.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo

from msgspec import Struct

from thaniya_core.retention.policy import ALL, Period, Policy


class Candidate(Struct, frozen=True):
    """A backup, as far as retention looks at it."""

    id: str
    at: datetime
    """The server's time."""
    is_pinned: bool = False
    is_broken: bool = False
    parent: str = ""
    """The id of the backup that it cannot be restored without; empty for none."""


class Decision(Struct, frozen=True):
    """Whether a backup stays, and why."""

    candidate: Candidate
    keep: bool
    reasons: tuple[str, ...]


class Plan(Struct, frozen=True):
    """A decision for each backup of a series, the newest first."""

    decisions: tuple[Decision, ...]

    @property
    def kept(self) -> tuple[Decision, ...]:
        return tuple(decision for decision in self.decisions if decision.keep)

    @property
    def removed(self) -> tuple[Decision, ...]:
        return tuple(decision for decision in self.decisions if not decision.keep)


def make_plan(
    candidates: Iterable[Candidate],
    policy: Policy,
    zone: tzinfo | None = None,
    now: datetime | None = None,
    awaited: Mapping[str, str] | None = None,
) -> Plan:
    """Decide about the backups of one series.

    A pinned backup stays and uses up no count. A broken one stays until somebody removes it, and never counts. So does
    one of a time that is still to come: it was made while the clock was wrong, and `keep-within`, which counts back
    from the newest, would else remove all others. What a backup that stays needs stays too.

    Args:
        candidates: all backups of the series, in any order.
        policy: what is kept.
        zone: whose hours, days, weeks, months and years count; None is the machine's own.
        now: what is later than this is still to come; None where nothing is, as on paper.
        awaited: backups that an upload on its way builds on, and its id.
    """
    newest_first = sorted(candidates, key=lambda candidate: (candidate.at, candidate.id), reverse=True)
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    if policy.keeps_everything:
        for candidate in newest_first:
            reasons[candidate.id].append("no policy")
    else:
        come = [candidate for candidate in newest_first if now is None or candidate.at <= now]
        for candidate in newest_first[: len(newest_first) - len(come)]:
            reasons[candidate.id].append("its time is still to come: it does not count until then")
        _apply_rules(come, policy, zone, reasons)
    for candidate in newest_first:
        if awaited and candidate.id in awaited:
            reasons[candidate.id].append(f"needed by {awaited[candidate.id]}, which is on its way")
    _keep_parents(newest_first, reasons)
    return Plan(
        tuple(
            Decision(candidate, candidate.id in reasons, tuple(reasons.get(candidate.id, ("no rule keeps it",))))
            for candidate in newest_first
        )
    )


def _apply_rules(
    newest_first: Sequence[Candidate], policy: Policy, zone: tzinfo | None, reasons: defaultdict[str, list[str]]
) -> None:
    good = [candidate for candidate in newest_first if not candidate.is_broken]
    counted = [candidate for candidate in good if not candidate.is_pinned]
    for candidate in newest_first:
        if candidate.is_pinned:
            reasons[candidate.id].append("pinned")
        if candidate.is_broken:
            reasons[candidate.id].append("broken: it is not removed unasked, and does not count")
    for period, count in policy.counts:
        for candidate, reason in _keep_counted(counted, period, count, zone):
            reasons[candidate.id].append(reason)
    for period, span in policy.within:
        # A pinned backup uses up no count, but it is a sign of life as any other.
        since = span.before(good[0].at, zone) if good else datetime.min
        recent = [candidate for candidate in counted if candidate.at > since]
        for candidate in _newest_of_each(recent, period, zone):
            reasons[candidate.id].append(f"within {span}" if period is Period.LAST else f"{period} within {span}")
    _keep_minimum(good, max(policy.minimum, 1), reasons)


def _keep_counted(
    counted: Sequence[Candidate], period: Period, count: int, zone: tzinfo | None
) -> Iterator[tuple[Candidate, str]]:
    number = 0
    last = None
    for candidate, is_in_new_bucket in _with_buckets(counted, period, zone):
        if number == count and count != ALL:
            return
        last = candidate
        if is_in_new_bucket:
            number += 1
            yield candidate, f"{period} {number}"
            last = None
    if last is not None:
        # The count is not reached, and the oldest was not kept for its bucket.
        yield last, f"{period} {number + 1} (oldest)"


def _newest_of_each(counted: Sequence[Candidate], period: Period, zone: tzinfo | None) -> Iterator[Candidate]:
    return (candidate for candidate, is_newest in _with_buckets(counted, period, zone) if is_newest)


def _with_buckets(
    counted: Sequence[Candidate], period: Period, zone: tzinfo | None
) -> Iterator[tuple[Candidate, bool]]:
    """Each backup, and whether it is the newest of its bucket."""
    previous: Hashable = None
    for candidate in counted:
        bucket = _bucket(candidate, period, zone)
        yield candidate, bucket != previous
        previous = bucket


def _bucket(candidate: Candidate, period: Period, zone: tzinfo | None) -> Hashable:
    local = candidate.at.astimezone(zone)
    match period:
        case Period.LAST:
            return candidate.id
        case Period.HOURLY:
            # With the offset: when the clocks go back, the hour that comes twice is two hours.
            return local.date(), local.hour, local.utcoffset()
        case Period.DAILY:
            return local.date()
        case Period.WEEKLY:
            return local.isocalendar()[:2]
        case Period.MONTHLY:
            return local.year, local.month
        case Period.YEARLY:
            return local.year


def _keep_minimum(good: Sequence[Candidate], minimum: int, reasons: defaultdict[str, list[str]]) -> None:
    """Have so many good backups kept at least, the newest first; the last good one always."""
    missing = minimum - sum(candidate.id in reasons for candidate in good)
    for candidate in good:
        if missing <= 0:
            return
        if candidate.id not in reasons:
            reasons[candidate.id].append(f"minimum {minimum}" if minimum > 1 else "the last good one")
            missing -= 1


def _keep_parents(newest_first: Sequence[Candidate], reasons: defaultdict[str, list[str]]) -> None:
    known = {candidate.id: candidate for candidate in newest_first}
    for candidate in newest_first:
        child = candidate
        if child.id not in reasons:
            continue
        while (parent := known.get(child.parent)) is not None:
            is_new = parent.id not in reasons
            why = f"needed by {child.id}"
            if why not in reasons[parent.id]:
                reasons[parent.id].append(why)
            if not is_new:
                break  # what it needs is kept by its own turn, or was by another's
            child = parent
