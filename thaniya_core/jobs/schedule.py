"""The schedule: what is done again and again, how often, and who does it now.

A task is claimed in the store before it runs. The claim runs out unless it is renewed, so that one of a process that
died is void soon and is told as a failure; two services or ticks at the same time do each task once.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from thaniya_core.errors import Busy, NotFound, ThaniyaError, WrongState
from thaniya_core.jobs.runs import begin, fail, forgive, is_due, next_run, stop, succeed
from thaniya_core.model import RUN_CLAIM, Event, RunRecord
from thaniya_core.store import Store
from thaniya_core.system.attempts import attempt
from thaniya_core.system.clock import Clock
from thaniya_core.system.signals import held_signals
from thaniya_core.system.throttle import Stopped

logger = logging.getLogger(__name__)

STOP_S = 5.0
"""So long a task has to end once it was asked to stop; nothing is lost of one that takes longer."""

_RENEW_S = 20.0

ShouldStop = Callable[[], bool]


class Task(Struct, frozen=True):
    """Something that is done again and again."""

    name: str
    what: str
    """Completes the sentence "cannot …"."""
    every: timedelta
    """From the beginning of one run to that of the next; zero switches it off."""
    work: Callable[[ShouldStop], str]
    """Does it, and gives in few words what was done. An exception is a failure; asked to stop it raises `Stopped`."""
    why_idle: Callable[[], str] = lambda: ""
    """Why there is nothing to do on this server; empty when there is."""


class TaskState(StrEnum):
    """What is about a task now."""

    OFF = "off"
    RUNNING = "running"
    DUE = "due"
    WAITING = "waiting"


class ScheduledTask(Struct, frozen=True):
    """A task as it is now."""

    name: str
    state: TaskState
    why_off: str
    every_s: int
    next_at: datetime | None
    """When it runs next, overdue or not; None while it runs or is off."""
    failure: str
    """Why the last run failed; empty when it did not."""
    last: RunRecord
    what: str = ""
    """What it does: `apply retention`."""


class Schedule:
    """Runs tasks in passes: `run_due` starts what is due and returns at once, `drain` waits for it."""

    def __init__(self, store: Store, clock: Clock, tasks: Iterable[Task]) -> None:
        self._store = store
        self._clock = clock
        self._tasks = {task.name: task for task in tasks}
        self._runner = f"{socket.gethostname()}:{os.getpid()}"
        self._running: dict[threading.Thread, RunRecord] = {}
        """By its thread, each run as it was claimed."""
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        """Notified when a run has ended."""
        self._is_stopping = False

    def show(self) -> list[ScheduledTask]:
        """How each task is now."""
        records, now = self._records(), self._clock.now()
        return [self._show(task, records[task.name], now) for task in self._tasks.values()]

    def run_due_to_end(self) -> int:
        """Run the tasks that are due and wait for their end; gives how many.

        Whatever interrupts this, as Ctrl-C does, shuts the schedule down.
        """
        with self._given_back():
            with held_signals():  # a claim that is not kept in `_running` could not be given back
                started = self.run_due()
            self._wait()
            return started

    def run_due(self) -> int:
        """Start the tasks that are due, each in a thread of its own; gives how many.

        Call it again while they run: it keeps their claims.
        """
        self.renew()
        records, now = self._records(), self._clock.now()
        for task in self._tasks.values():
            if records[task.name].failure_by(now) and (why_off := _why_off(task)):
                self._forgive(task, why_off)
        due = [task for task in self._tasks.values() if is_due(records[task.name], task.every, now)]
        return sum(self._begin(task, is_due) for task in due if not self._is_stopping and not _why_idle(task))

    def run_now(self, name: str, actor: str) -> ScheduledTask:
        """Run a task whether it is due or not, and wait for its end; gives how it is then.

        Args:
            name: which task.
            actor: who asks for it, for the audit log: what the task does is logged as the service's own doing.

        Raises:
            NotFound: there is no such task.
            WrongState: it has nothing to do on this server.
            Busy: it is being run already.
        """
        task = self._tasks.get(name)
        if task is None:
            raise NotFound(f"the schedule has no part {name}", hint=f"there are {', '.join(self._tasks)}")
        if why_idle := _why_idle(task):
            raise WrongState(f"there is nothing to do for {name}: {why_idle}")
        with self._given_back():
            with held_signals():
                has_begun = self._begin(task, lambda record, _, now: not record.is_running(now))
            if has_begun:
                self._store.add_event(Event(self._clock.now(), actor, "schedule.ask", name))
                self._wait()
        if not has_begun:
            raise Busy(f"{name} is being run already", hint="see `thaniya schedule`")
        return self._show(task, self._records()[name], self._clock.now())

    def renew(self) -> None:
        """Keep the claims of what this process runs."""
        with self._lock:
            claimed = list(self._running.values())
        now = self._clock.now()
        records = self._records()
        held = [records[run.name] for run in claimed if _is_same_run(records[run.name], run)]
        if all(each.claim_until and RUN_CLAIM / 2 <= each.claim_until - now <= RUN_CLAIM for each in held):
            return
        for run in held:
            self._change(run, lambda record: replace(record, claim_until=now + RUN_CLAIM))

    def _wait(self) -> None:
        """Wait for all that runs here, however long it takes, and keep its claims meanwhile."""
        while not self.drain(_RENEW_S):
            self.renew()

    @contextmanager
    def _given_back(self) -> Iterator[None]:
        """Shut the schedule down when something interrupts the block."""
        try:
            yield
        except BaseException:
            with held_signals():
                self.shut_down()
            raise

    def stop(self) -> None:
        """Ask all that runs to stop soon, and start nothing any more."""
        self._is_stopping = True

    def drain(self, timeout_s: float) -> bool:
        """Wait for what runs here, all together `timeout_s` seconds; False when some still does then."""
        # Not by `Thread.join`: one that is interrupted takes the thread for ended from then on (CPython issue 90882).
        with self._changed:
            threads = set(self._running)
            return self._changed.wait_for(lambda: threads.isdisjoint(self._running), timeout_s)

    def shut_down(self, wait_s: float = STOP_S) -> bool:
        """Before the process ends: have all stop, and give the claims back of what has not after so many seconds.

        Returns:
            Whether all has come to its end.
        """
        self.stop()
        if self.drain(wait_s):
            return True
        with self._lock:
            left = list(self._running.values())
        for run in left:
            self._change(run, stop)
        return False

    def note_run(self, name: str, detail: str) -> None:
        """Note that a command has just done all that a task does."""
        now = self._clock.now()
        with self._store.transaction() as state:
            record = state.runs.get(name) or RunRecord(name)
            if not record.is_running(now):  # else the run that goes on will be noted
                state.runs.put(succeed(replace(record, began_at=now, was_stopped=False), detail, now))

    def _records(self) -> dict[str, RunRecord]:
        known = {record.name: record for record in self._store.read().runs.all()}
        return {name: known.get(name) or RunRecord(name) for name in self._tasks}

    def _show(self, task: Task, record: RunRecord, now: datetime) -> ScheduledTask:
        why_off = _why_off(task)
        next_at = None
        if record.is_running(now):
            state = TaskState.RUNNING
        elif why_off:
            state = TaskState.OFF
        else:
            next_at = next_run(record, task.every, now)
            state = TaskState.DUE if next_at <= now else TaskState.WAITING
        every_s = round(task.every.total_seconds())
        return ScheduledTask(task.name, state, why_off, every_s, next_at, record.failure_by(now), record, task.what)

    def _forgive(self, task: Task, why_off: str) -> None:
        """Else what failed would be told for ever: a task that is off is not run again, and never succeeds."""
        with self._store.transaction() as state:
            now = self._clock.now()
            record = state.runs.get(task.name)
            if record is None or record.is_running(now) or not record.failure_by(now):
                return
            state.runs.put(forgive(record))
        self._store.add_event(Event(now, "service", "schedule.run", task.name, detail=f"off now: {why_off}"))

    def _begin(self, task: Task, may_begin: Callable[[RunRecord, timedelta, datetime], bool]) -> bool:
        """Claim a task and start it; False when another process has been quicker."""
        with self._store.transaction() as state:
            now = self._clock.now()
            record = state.runs.get(task.name) or RunRecord(task.name)
            if not may_begin(record, task.every, now):
                return False
            claimed = begin(record, self._runner, now)
            state.runs.put(claimed)
        if claimed.failure != record.failure:
            attempt("tell how a part of the schedule ended", partial(self._tell, task, claimed.failure))
        thread = threading.Thread(target=self._run, args=(task, claimed), name=f"schedule {task.name}", daemon=True)
        with self._lock:
            self._running[thread] = claimed
        thread.start()
        return True

    def _run(self, task: Task, claimed: RunRecord) -> None:
        try:
            self._work(task, claimed)
        except Exception:
            # The claim runs out, as that of a process that died, and the task is run again.
            logger.exception("it cannot be noted how %s of the schedule ended", task.name)
        finally:
            with self._changed:
                self._running.pop(threading.current_thread(), None)
                self._changed.notify_all()

    def _work(self, task: Task, claimed: RunRecord) -> None:
        try:
            detail = task.work(lambda: self._is_stopping)
        except Stopped:
            self._change(claimed, stop)
        except Exception as error:
            expected = isinstance(error, ThaniyaError | OSError)
            failure = str(error) if expected else f"{type(error).__name__}: {error}"
            logger.warning("cannot %s: %s", task.what, failure, exc_info=not expected)
            if self._change(claimed, lambda record: fail(record, failure, self._clock.now())):
                self._tell_change(task, claimed.failure, failure)
        else:
            if self._change(claimed, lambda record: succeed(record, detail, self._clock.now())):
                self._tell_change(task, claimed.failure, "")

    def _change(self, run: RunRecord, change: Callable[[RunRecord], RunRecord]) -> bool:
        """Change the record of a run; False when it counted as dead meanwhile and the task was begun anew."""
        with self._store.transaction() as state:
            current = state.runs.get(run.name)
            if current is None or not _is_same_run(current, run):
                return False
            state.runs.put(change(current))
            return True

    def _tell_change(self, task: Task, before: str, failure: str) -> None:
        if failure != before:
            self._tell(task, failure)

    def _tell(self, task: Task, failure: str) -> None:
        """Write to the audit log that a task fails, or works again."""
        detail = f"cannot {task.what}: {failure}" if failure else "works again"
        self._store.add_event(Event(self._clock.now(), "service", "schedule.run", task.name, not failure, detail))


def _why_off(task: Task) -> str:
    """Why a task is not run by itself; empty when it is."""
    return _why_idle(task) if task.every > timedelta(0) else "switched off in [schedule]"


def _why_idle(task: Task) -> str:
    try:
        return task.why_idle()
    except (ThaniyaError, OSError):
        return ""  # what is wrong will be told by the work, and keeps no other task from being done


def _is_same_run(one: RunRecord, other: RunRecord) -> bool:
    return (one.claimed_by, one.began_at) == (other.claimed_by, other.began_at)
