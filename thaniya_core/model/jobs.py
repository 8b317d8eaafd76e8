"""Queued work, and the records of what the schedule runs."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct


class JobKind(StrEnum):
    ARCHIVE = "archive"


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """Given up; an administrator may retry it."""

    @property
    def is_ended(self) -> bool:
        return self in (JobState.DONE, JobState.FAILED)


class Job(Struct, frozen=True):
    """Queued work."""

    id: str
    kind: JobKind
    subject: str
    """What it works on: for archive the upload's id."""
    created_at: datetime
    not_before: datetime
    """A retry waits until then."""
    state: JobState = JobState.QUEUED
    attempts: int = 0
    reason: str = ""
    """Why the last attempt failed."""
    claimed_by: str = ""
    """host:pid of the worker that runs it."""
    began_at: datetime | None = None
    """When the last attempt began; None before the first."""
    claim_until: datetime | None = None
    """After this the claim is void, and another worker may take the job."""
    ended_at: datetime | None = None


RUN_CLAIM = timedelta(minutes=2)
"""How long a claim on a part of the schedule holds without being renewed."""


class RunRecord(Struct, frozen=True):
    """A part of the schedule: how its last runs went, and who runs it now."""

    name: str
    """`retention`, `verify`, `health`, `metrics`, `volumes`, `history`."""
    ran_at: datetime | None = None
    """When a run last came to a good end."""
    detail: str = ""
    """What that run did."""
    began_at: datetime | None = None
    """When the last run began, whatever became of it."""
    ended_at: datetime | None = None
    """When a run last came to its end, good or not."""
    failure: str = ""
    """Why the last run that came to an end, or died, failed; empty when it did not."""
    was_stopped: bool = False
    """The last run was asked to stop before its end, and is to be done again."""
    claimed_by: str = ""
    """host:pid of the process that runs it."""
    claim_until: datetime | None = None
    """After this that process counts as dead, and another one may run it."""

    def is_running(self, now: datetime) -> bool:
        """Whether a process that is alive runs it."""
        # A claim that reaches further than any claim does was made before the clock was put back.
        return self.claim_until is not None and now <= self.claim_until <= now + RUN_CLAIM

    def failure_by(self, now: datetime) -> str:
        """Why the last run failed: as it was noted, or that its process died before it could note anything."""
        if self.claim_until is not None and not self.is_running(now):
            return f"{self.claimed_by} began it and died before its end"
        return self.failure
