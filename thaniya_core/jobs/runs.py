"""When a part of the schedule is to run, and how its record changes as it does: pure functions."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from thaniya_core.model import RUN_CLAIM, RunRecord

RETRY = timedelta(hours=1)
"""A run that failed is repeated after this, or after the task's interval where that is shorter."""


def next_run(record: RunRecord, every: timedelta, now: datetime) -> datetime:
    """When a task that nobody runs is to run next; in the past when that is overdue."""
    if record.began_at is None or record.was_stopped or record.began_at > now:  # the clock was put back
        return now
    return record.began_at + (min(every, RETRY) if record.failure_by(now) else every)


def is_due(record: RunRecord, every: timedelta, now: datetime) -> bool:
    """Whether a task is to be run now."""
    return every > timedelta(0) and not record.is_running(now) and next_run(record, every, now) <= now


def begin(record: RunRecord, runner: str, now: datetime) -> RunRecord:
    """The record while a process runs the task. How the last run failed stays until this one has ended."""
    return replace(
        record,
        began_at=now,
        claimed_by=runner,
        claim_until=now + RUN_CLAIM,
        failure=record.failure_by(now),
        was_stopped=False,
    )


def succeed(record: RunRecord, detail: str, now: datetime) -> RunRecord:
    """The record after a run that came to a good end."""
    return replace(record, ran_at=now, ended_at=now, detail=detail, failure="", claimed_by="", claim_until=None)


def fail(record: RunRecord, failure: str, now: datetime) -> RunRecord:
    """The record after a run that failed."""
    return replace(record, ended_at=now, failure=failure, claimed_by="", claim_until=None)


def stop(record: RunRecord) -> RunRecord:
    """The record after a run that was asked to stop: it is due at once, and how the one before it ended stays."""
    return replace(record, claimed_by="", claim_until=None, was_stopped=True)


def forgive(record: RunRecord) -> RunRecord:
    """The record of a task that nobody runs and that is off now: what failed when it was not is no failure any more."""
    return replace(record, failure="", claimed_by="", claim_until=None)
