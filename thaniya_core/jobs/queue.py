"""The queue of jobs: enqueue, claim, finish, retry.

A job is claimed before it is worked on. A claim runs out unless it is renewed, so that a job of a worker that died is
taken up by another.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from msgspec.structs import replace

from thaniya_core.config import JobLimits
from thaniya_core.errors import NotFound, WrongState
from thaniya_core.formats.names import check_id, make_id
from thaniya_core.model import Event, Job, JobKind, JobState
from thaniya_core.store import StateTransaction, Store
from thaniya_core.system.clock import Clock

CLAIM = timedelta(minutes=10)
"""How long a claim holds without being renewed."""


def retry_delay(attempts: int, limits: JobLimits) -> timedelta:
    """How long to wait after so many failed attempts: twice as long each time, up to the longest."""
    return timedelta(seconds=min(limits.longest_delay, limits.first_delay * 2 ** min(attempts - 1, 40)))


def is_due(job: Job, now: datetime, limits: JobLimits) -> bool:
    """Whether a worker may take a job now."""
    if job.state is JobState.QUEUED:
        # A date beyond every delay was set before the clock was put back.
        return job.not_before <= now or job.not_before > now + timedelta(seconds=limits.longest_delay)
    if job.state is not JobState.RUNNING:
        return False
    # A claim that reaches further than any claim does was made before the clock was put back.
    return job.claim_until is None or job.claim_until < now or job.claim_until > now + 2 * CLAIM


def claim(job: Job, worker: str, now: datetime) -> Job:
    """The job as a worker holds it."""
    return replace(
        job,
        state=JobState.RUNNING,
        attempts=job.attempts + 1,
        claimed_by=worker,
        claim_until=now + CLAIM,
        began_at=now,
    )


def fail(job: Job, reason: str, now: datetime, limits: JobLimits) -> Job:
    """The job after a failed attempt: queued for a later one, or given up."""
    if job.attempts >= limits.attempts:
        return replace(job, state=JobState.FAILED, reason=reason, claimed_by="", claim_until=None, ended_at=now)
    return replace(
        job,
        state=JobState.QUEUED,
        reason=reason,
        claimed_by="",
        claim_until=None,
        not_before=now + retry_delay(job.attempts, limits),
    )


class JobQueue:
    """The jobs of a server."""

    def __init__(self, store: Store, clock: Clock, limits: JobLimits) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits

    def waiting(self) -> list[Job]:
        """Jobs that are queued, running or given up; the oldest first."""
        return self._store.read().jobs.all()

    def list_ended(self, limit: int) -> list[Job]:
        """The newest jobs that are done, the newest first."""
        return list(itertools.islice(self._store.read_job_history(), limit))

    def list_all(self, ended_limit: int) -> list[Job]:
        """Waiting jobs and the newest done ones, each once, the oldest first."""
        # One that is done in this moment is in both: it counts as done.
        each = {job.id: job for job in [*self.waiting(), *self.list_ended(ended_limit)]}
        return sorted(each.values(), key=lambda job: (job.created_at, job.id))

    def get(self, job_id: str) -> Job:
        """A job, waiting or ended.

        Raises:
            NotFound: there is none of this id.
        """
        job = self._store.read().jobs.get(check_id(job_id)) or self._store.find_ended_job(job_id)
        if job is None:
            raise NotFound(f"there is no job {job_id}", hint="see `thaniya job list --all`")
        return job

    def enqueue(self, state: StateTransaction, kind: JobKind, subject: str) -> Job:
        """Queue a job within a transaction."""
        now = self._clock.now()
        job = Job(make_id(now), kind, subject, created_at=now, not_before=now)
        state.jobs.put(job)
        return job

    def claim_next(self, worker: str) -> Job | None:
        """Claim the oldest job that is due; None when there is none."""
        now = self._clock.now()
        if not any(is_due(job, now, self._limits) for job in self._store.read().jobs.all()):
            return None
        with self._store.transaction() as state:
            for job in state.jobs.all():
                if is_due(job, now, self._limits):
                    claimed = claim(job, worker, now)
                    state.jobs.put(claimed)
                    return claimed
        return None

    def renew(self, worker: str, job_ids: Collection[str]) -> None:
        """Keep a worker's claims on jobs that it works on still."""
        now = self._clock.now()
        held = [job for job in self._store.read().jobs.all() if job.claimed_by == worker and job.id in job_ids]
        # One that reaches further than a claim does was made before the clock was put back; it counts for nothing.
        if all(job.claim_until is not None and CLAIM / 2 <= job.claim_until - now <= CLAIM for job in held):
            return
        with self._store.transaction() as state:
            for job in state.jobs.all():
                if job.claimed_by == worker and job.id in job_ids:
                    state.jobs.put(replace(job, claim_until=now + CLAIM))

    def release(self, host: str) -> None:
        """Void the claims of this host's earlier workers, which are dead. Only the one running service may do this."""
        with self._store.transaction() as state:
            for job in state.jobs.all():
                if job.state is JobState.RUNNING and job.claimed_by.rpartition(":")[0] == host:
                    state.jobs.put(replace(job, state=JobState.QUEUED, claimed_by="", claim_until=None))

    def finish(self, job: Job) -> None:
        """Move a job that is done into the history."""
        self._store.add_history(
            replace(job, state=JobState.DONE, ended_at=self._clock.now(), claimed_by="", claim_until=None, reason="")
        )
        with self._store.transaction() as state:
            state.jobs.remove(job.id)

    def fail(self, job: Job, reason: str, also: Callable[[StateTransaction, Job], None]) -> Job:
        """Note a failed attempt; gives the job as it is then.

        Args:
            job: the job as it was claimed.
            reason: why the attempt failed.
            also: changes its subject, in the same transaction.
        """
        with self._store.transaction() as state:
            failed = fail(job, reason, self._clock.now(), self._limits)
            state.jobs.put(failed)
            also(state, failed)
        return failed

    def retry(self, job_id: str, actor: str, also: Callable[[StateTransaction, Job], None]) -> Job:
        """Run a job now that waits for a retry or was given up, with all its attempts again.

        Args:
            job_id: the job.
            actor: who asks, for the audit log.
            also: changes its subject, in the same transaction.

        Raises:
            NotFound, WrongState: no such job; it runs or is done.
        """
        self.get(job_id)
        with self._store.transaction() as state:
            job = state.jobs.get(job_id)
            if job is None or job.state is JobState.RUNNING:
                raise WrongState(f"the job {job_id} is {'done' if job is None else 'running'}")
            job = replace(job, state=JobState.QUEUED, attempts=0, not_before=self._clock.now(), ended_at=None)
            state.jobs.put(job)
            also(state, job)
        self._store.add_event(Event(self._clock.now(), actor, "job.retry", job_id))
        return job

    def drop(self, subject: str) -> None:
        """Forget the jobs of a subject that is not to be worked on any more."""
        with self._store.transaction() as state:
            for job in state.jobs.all():
                if job.subject == subject and job.state is not JobState.RUNNING:
                    state.jobs.remove(job.id)
