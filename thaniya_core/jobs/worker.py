"""The worker: runs due jobs, each in a thread of its own up to the configured number."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping

from thaniya_core.config import JobLimits
from thaniya_core.errors import ThaniyaError
from thaniya_core.jobs.queue import JobQueue
from thaniya_core.model import Event, Job, JobKind, JobState
from thaniya_core.store import StateTransaction, Store
from thaniya_core.system.clock import Clock

logger = logging.getLogger(__name__)

Handler = Callable[[Job], None]
"""Does the work of a job; an exception is a failed attempt."""


class Worker:
    """Runs jobs in passes: `run_due` starts what is due and returns at once, `drain` waits for all of it."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        queue: JobQueue,
        limits: JobLimits,
        handlers: Mapping[JobKind, Handler],
        on_failed: Callable[[StateTransaction, Job], None],
        on_free: Callable[[], None],
    ) -> None:
        """
        Args:
            store, clock, queue, limits: the parts it works with.
            handlers: what does the work, by kind.
            on_failed: told of each failed attempt, within the transaction that notes it, with the job as it is then:
                queued again or given up.
            on_free: told when a job has ended and another may be started.
        """
        self._store = store
        self._clock = clock
        self._queue = queue
        self._limits = limits
        self._handlers = handlers
        self._on_failed = on_failed
        self._on_free = on_free
        self._threads: dict[threading.Thread, str] = {}
        self._lock = threading.Lock()
        self._host = socket.gethostname()
        self.name = f"{self._host}:{os.getpid()}"

    def take_over(self) -> None:
        """Void what dead workers of this host had claimed. Call once, when the service starts."""
        self._queue.release(self._host)

    def run_due(self) -> int:
        """Start the jobs that are due, as far as there are free workers; gives how many."""
        with self._lock:
            running = set(self._threads.values())
        self._queue.renew(self.name, running)
        started = 0
        while len(running) + started < self._limits.workers:
            job = self._queue.claim_next(self.name)
            if job is None:
                break
            thread = threading.Thread(target=self._run, args=(job,), name=f"job {job.id}", daemon=True)
            with self._lock:
                self._threads[thread] = job.id
            thread.start()
            started += 1
        return started

    def drain(self, timeout_s: float | None = None) -> bool:
        """Wait for the jobs that run, all together `timeout_s` seconds; False when some still do then."""
        deadline = None if timeout_s is None else self._clock.monotonic() + timeout_s
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(None if deadline is None else max(0.0, deadline - self._clock.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def _run(self, job: Job) -> None:
        try:
            self._work(job)
        except Exception:
            # Its claim runs out, as that of a worker that died, and it is run again.
            logger.exception("it cannot be noted how job %s ended", job.id)
        finally:
            with self._lock:
                self._threads.pop(threading.current_thread(), None)
            self._on_free()

    def _work(self, job: Job) -> None:
        try:
            self._handlers[job.kind](job)
        except Exception as error:  # noqa: BLE001 - whatever it is, the job keeps it as its reason
            self._note_failure(job, error)
        else:
            self._queue.finish(job)

    def _note_failure(self, job: Job, error: Exception) -> None:
        expected = isinstance(error, ThaniyaError | OSError)
        reason = str(error) if expected else f"{type(error).__name__}: {error}"
        logger.warning("attempt %d of job %s failed: %s", job.attempts, job.id, reason, exc_info=not expected)
        failed = self._queue.fail(job, reason, self._on_failed)
        if failed.state is JobState.FAILED:
            self._store.add_event(
                Event(self._clock.now(), "service", f"job.{job.kind}", job.subject, False, f"given up: {reason}")
            )
