"""The schedule: what is due when, claims, and what becomes of runs that fail, stop or die."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from thaniya_core.errors import Busy, NotFound, ThaniyaError, WrongState
from thaniya_core.jobs import Schedule, Task, TaskState
from thaniya_core.jobs.runs import RETRY, begin, fail, is_due, next_run, stop, succeed
from thaniya_core.model import RUN_CLAIM, RunRecord
from thaniya_core.store import MemoryStore
from thaniya_core.system.throttle import Stopped

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
DEADLINE_S = 30.0
NEVER = RunRecord("task")


class Work:
    """A task that does what the test wants, in a store that several processes may share."""

    def __init__(self, clock, store, name="task", every=DAY) -> None:
        self.clock = clock
        self.store = store
        self.every = every
        self.name = name
        self.fails: Exception | None = None
        self.why_idle = ""
        self.runs = 0
        self.was_asked_to_stop = False
        self.started = threading.Semaphore(0)
        self.may_end = threading.Event()
        self.may_end.set()

    @property
    def task(self) -> Task:
        return Task(self.name, "do the task", self.every, self.do, lambda: self.why_idle)

    def do(self, should_stop) -> str:
        self.started.release()
        assert self.may_end.wait(DEADLINE_S)
        if should_stop():
            raise Stopped
        self.runs += 1
        if self.fails is not None:
            raise self.fails
        return f"run {self.runs}"

    @property
    def record(self) -> RunRecord:
        return self.store.read().runs.get(self.name)

    @property
    def events(self) -> list[tuple[bool, str]]:
        return [(event.ok, event.detail) for event in self.store.read_events() if event.subject == self.name]


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def work(clock, store):
    return Work(clock, store)


@pytest.fixture
def schedule(clock, store, work):
    return Schedule(store, clock, [work.task])


def run(schedule) -> int:
    started = schedule.run_due()
    assert schedule.drain(DEADLINE_S)
    return started


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (NEVER, NOW),
        (succeed(begin(NEVER, "h:1", NOW - DAY / 2), "", NOW), NOW + DAY / 2),
        (fail(begin(NEVER, "h:1", NOW), "no disk", NOW), NOW + RETRY),
        (stop(begin(NEVER, "h:1", NOW)), NOW),
        (begin(NEVER, "h:1", NOW - 3 * RUN_CLAIM), NOW - 3 * RUN_CLAIM + RETRY),  # died
        (succeed(begin(NEVER, "h:1", NOW + DAY), "", NOW + DAY), NOW),  # the clock was put back
    ],
)
def test_next_run_follows_from_how_the_last_one_ended(record, expected):
    assert next_run(record, DAY, NOW) == expected


def test_failed_run_of_a_task_that_runs_often_waits_no_longer_than_ever():
    record = fail(begin(NEVER, "h:1", NOW), "no disk", NOW)
    assert next_run(record, timedelta(minutes=5), NOW) == NOW + timedelta(minutes=5)


def test_claim_holds_until_it_runs_out_or_the_clock_is_put_back():
    record = begin(NEVER, "h:1", NOW)
    assert record.is_running(NOW + RUN_CLAIM)
    assert record.failure_by(NOW + RUN_CLAIM) == ""
    assert not record.is_running(NOW + RUN_CLAIM + SECOND)
    assert record.failure_by(NOW + RUN_CLAIM + SECOND) == "h:1 began it and died before its end"
    assert not record.is_running(NOW - SECOND)


@given(
    st.lists(st.sampled_from(["succeed", "fail", "stop", "die"]), max_size=8),
    st.integers(1, 10 * 86400),
    st.integers(0, 20 * 86400),
)
def test_every_task_is_due_again_within_its_interval_whatever_became_of_its_runs(ends, every_s, later_s):
    record, now, every = NEVER, NOW, timedelta(seconds=every_s)
    for what in ends:
        record = begin(record, "h:1", now)
        now += SECOND
        if what == "succeed":
            record = succeed(record, "", now)
        elif what == "fail":
            record = fail(record, "no disk", now)
        elif what == "stop":
            record = stop(record)
    now += max(every, RUN_CLAIM) + timedelta(seconds=1 + later_s)
    assert is_due(record, every, now)
    assert not is_due(record, timedelta(0), now)


def test_task_runs_at_its_interval(schedule, work, clock):
    assert [run(schedule), run(schedule), work.runs] == [1, 0, 1]
    clock.advance(86399)
    assert run(schedule) == 0
    clock.advance(1)
    assert run(schedule) == 1
    assert (work.record.detail, work.record.ran_at, work.record.claim_until) == ("run 2", clock.now(), None)
    assert work.events == []  # that all is well is no news


def test_failure_is_kept_told_once_and_tried_again_sooner(schedule, work, clock, caplog):
    work.fails = ThaniyaError("no disk")
    began = clock.now()
    run(schedule)
    assert (work.record.failure, work.record.ran_at, work.record.ended_at) == ("no disk", None, began)
    clock.advance(3600)
    run(schedule)
    assert work.runs == 2
    assert work.events == [(False, "cannot do the task: no disk")]
    assert caplog.text.count("cannot do the task: no disk") == 2
    work.fails = None
    clock.advance(3600)
    run(schedule)
    assert work.record.failure == ""
    assert work.events[1:] == [(True, "works again")]


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("a mistake")])
def test_task_that_fails_stops_no_other(clock, store, error):
    bad, good = Work(clock, store, "bad"), Work(clock, store, "good")
    bad.fails = error
    schedule = Schedule(store, clock, [bad.task, good.task])
    assert run(schedule) == 2
    assert (good.record.detail, type(error).__name__ in bad.record.failure or "Input" in bad.record.failure) == (
        "run 1",
        True,
    )


def test_task_whose_reason_to_rest_cannot_be_found_out_stops_no_other(clock, store):
    def breaks() -> str:
        raise ThaniyaError("the policy cannot be read")

    good = Work(clock, store, "good")
    schedule = Schedule(store, clock, [replace(Work(clock, store, "bad").task, why_idle=breaks), good.task])
    assert run(schedule) == 2
    assert good.runs == 1


def test_task_is_off_without_an_interval_or_without_anything_to_do(clock, store, work):
    work.every = timedelta(0)
    off = Schedule(store, clock, [work.task])
    assert (run(off), off.show()[0].state, off.show()[0].why_off) == (0, TaskState.OFF, "switched off in [schedule]")
    work.every, work.why_idle = DAY, "no policy"
    idle = Schedule(store, clock, [work.task])
    assert (run(idle), idle.show()[0].state, idle.show()[0].why_off) == (0, TaskState.OFF, "no policy")
    work.why_idle = ""
    assert run(idle) == 1


@pytest.mark.parametrize("died", [False, True])
def test_failure_of_a_task_that_is_off_now_is_no_failure_any_more(schedule, work, clock, store, died):
    work.fails = ThaniyaError("the file cannot be written")
    assert run(schedule) == 1
    if died:
        with store.transaction() as state:
            state.runs.put(begin(work.record, "host:1", clock.now()))
        clock.advance(2 * RUN_CLAIM.total_seconds())
    work.why_idle = "no file is configured"

    assert run(schedule) == 0

    (shown,) = schedule.show()
    assert (shown.failure, shown.state, shown.why_off) == ("", TaskState.OFF, "no file is configured")
    assert work.record.failure_by(clock.now()) == ""
    assert work.events[-1] == (True, "off now: no file is configured")
    assert run(schedule) == 0
    assert len(work.events) == 2  # told once


def test_two_processes_run_a_task_once(schedule, work, clock, store):
    work.may_end.clear()
    other = Schedule(store, clock, [work.task])
    assert schedule.run_due() == 1
    assert work.started.acquire(timeout=DEADLINE_S)
    assert other.run_due() == 0
    assert other.show()[0].state is TaskState.RUNNING
    with pytest.raises(Busy):
        other.run_now("task", "login:test")
    work.may_end.set()
    assert schedule.drain(DEADLINE_S)
    assert (work.runs, other.run_due()) == (1, 0)


def test_run_that_lasts_keeps_its_claim(schedule, work, clock, store):
    work.may_end.clear()
    schedule.run_due()
    other = Schedule(store, clock, [work.task])
    for _ in range(10):
        clock.advance(RUN_CLAIM.total_seconds() * 0.6)
        schedule.run_due()
        assert other.run_due() == 0
        assert work.record.failure_by(clock.now()) == ""
    work.may_end.set()
    assert schedule.drain(DEADLINE_S)
    assert (work.runs, work.record.claim_until) == (1, None)


def test_claim_is_renewed_while_one_waits(schedule, work, clock, store, monkeypatch):
    monkeypatch.setattr("thaniya_core.jobs.schedule._RENEW_S", 0.01)
    work.may_end.clear()
    renewed = threading.Event()
    real = schedule.renew
    monkeypatch.setattr(schedule, "renew", lambda: (real(), renewed.set()))
    waiter = threading.Thread(target=schedule.run_now, args=("task", "login:test"))
    waiter.start()
    assert work.started.acquire(timeout=DEADLINE_S)
    clock.advance(RUN_CLAIM.total_seconds() * 0.9)
    for _ in range(2):  # the first may have begun before
        renewed.clear()
        assert renewed.wait(DEADLINE_S)
    assert work.record.claim_until == clock.now() + RUN_CLAIM
    work.may_end.set()
    waiter.join(DEADLINE_S)
    assert not waiter.is_alive()


def test_task_of_a_process_that_died_is_told_and_run_again(schedule, work, clock, store):
    with store.transaction() as state:
        state.runs.put(begin(succeed(NEVER, "well", clock.now()), "host:1", clock.now()))
    assert schedule.show()[0].state is TaskState.RUNNING
    clock.advance(RUN_CLAIM.total_seconds() + 1)
    (shown,) = schedule.show()
    assert (shown.state, shown.failure) == (TaskState.WAITING, "host:1 began it and died before its end")
    clock.advance(3600)
    assert run(schedule) == 1
    assert (work.record.failure, work.record.detail) == ("", "run 1")
    assert work.events == [
        (False, "cannot do the task: host:1 began it and died before its end"),
        (True, "works again"),
    ]


def test_run_that_counted_as_dead_does_not_overwrite_the_one_that_followed(schedule, work, clock, store):
    work.may_end.clear()
    schedule.run_due()
    clock.advance(3601)  # stopped by a debugger, say: nothing renewed its claim
    other_work = Work(clock, store)
    other = Schedule(store, clock, [other_work.task])
    assert run(other) == 1
    work.fails = ThaniyaError("too late")
    work.may_end.set()
    assert schedule.drain(DEADLINE_S)
    assert (work.record.detail, work.record.failure) == ("run 1", "")


def test_stopped_run_is_no_failure_and_due_at_once(schedule, work, clock, store):
    work.may_end.clear()
    schedule.run_due()
    schedule.stop()
    work.may_end.set()
    assert schedule.drain(DEADLINE_S)
    assert (work.runs, work.record.failure, work.record.claim_until) == (0, "", None)
    assert schedule.run_due() == 0  # it was asked to stop
    assert run(Schedule(store, clock, [work.task])) == 1


def test_run_that_does_not_stop_in_time_is_given_back(schedule, work, store, clock):
    work.may_end.clear()
    schedule.run_due()
    assert not schedule.shut_down(0.01)
    assert (work.record.was_stopped, work.record.claim_until, work.record.failure) == (True, None, "")
    work.fails = ThaniyaError("too late")
    work.may_end.set()
    assert schedule.drain(DEADLINE_S)
    assert work.record.failure == ""  # the task is nobody's but the next one's
    assert Schedule(store, clock, [work.task]).show()[0].state is TaskState.DUE


def test_interrupted_wait_gives_back_what_runs(schedule, work, monkeypatch):
    def interrupts() -> None:
        work.may_end.set()
        raise KeyboardInterrupt

    monkeypatch.setattr("thaniya_core.jobs.schedule._RENEW_S", 0.01)
    monkeypatch.setattr(schedule, "renew", interrupts)
    work.may_end.clear()
    with pytest.raises(KeyboardInterrupt):
        schedule.run_now("task", "login:test")
    assert (work.record.claim_until, work.record.failure) == (None, "")


@pytest.mark.parametrize("call", [lambda schedule: schedule.run_now("task", "login:test"), Schedule.run_due_to_end])
def test_interrupt_between_the_claim_and_the_work_gives_back_the_claim(schedule, store, work, monkeypatch, call):
    monkeypatch.setattr(Schedule.shut_down, "__defaults__", (0.01,))
    work.may_end.clear()
    transaction = store.transaction

    @contextmanager
    def interrupted_after_it():
        with transaction() as state:
            yield state
        if work.record.claim_until is not None and not schedule._running:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(store, "transaction", interrupted_after_it)
    with pytest.raises(KeyboardInterrupt):
        call(schedule)
    assert (work.record.was_stopped, work.record.claim_until, work.record.failure) == (True, None, "")
    work.may_end.set()
    assert schedule.drain(DEADLINE_S)


@pytest.mark.parametrize("call", [lambda schedule: schedule.run_now("task", "login:test"), Schedule.run_due_to_end])
def test_signal_while_one_waits_gives_back_what_does_not_stop(schedule, work, monkeypatch, call):
    monkeypatch.setattr(Schedule.shut_down, "__defaults__", (0.01,))
    work.may_end.clear()
    main = threading.main_thread().ident

    def waits() -> bool:
        functions = {frame.f_code.co_name for frame, _ in traceback.walk_stack(sys._current_frames()[main])}
        return {"drain", "wait"} <= functions

    def interrupt() -> None:
        while not waits():
            os.sched_yield()
        signal.pthread_kill(main, signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        call(schedule)
    interrupter.join(DEADLINE_S)
    assert (work.record.was_stopped, work.record.claim_until, work.record.failure) == (True, None, "")
    work.may_end.set()
    assert schedule.drain(DEADLINE_S)


def test_task_is_run_at_once_when_somebody_asks(schedule, work):
    run(schedule)
    assert schedule.run_now("task", "login:test").last.detail == "run 2"
    work.fails = ThaniyaError("no disk")
    assert schedule.run_now("task", "login:test").failure == "no disk"
    work.why_idle = "no policy"
    with pytest.raises(WrongState, match="no policy"):
        schedule.run_now("task", "login:test")
    with pytest.raises(NotFound, match="no part other"):
        schedule.run_now("other", "login:test")


def test_what_a_command_did_counts_as_a_run(schedule, work, clock):
    schedule.note_run("task", "by hand")
    assert (run(schedule), work.record.ran_at, work.record.detail) == (0, clock.now(), "by hand")
    clock.advance(86400)
    work.may_end.clear()
    schedule.run_due()
    schedule.note_run("task", "meanwhile")
    assert work.record.detail == "by hand"
    work.may_end.set()
    assert schedule.drain(DEADLINE_S)
    assert work.record.detail == "run 1"


def test_threads_that_begin_at_the_same_moment_run_a_task_once(clock, store, work):
    work.may_end.clear()
    schedules = [Schedule(store, clock, [work.task]) for _ in range(8)]
    gate = threading.Barrier(8)
    started: list[int] = []

    def begin_one(schedule) -> None:
        gate.wait(DEADLINE_S)
        started.append(schedule.run_due())

    threads = [threading.Thread(target=begin_one, args=(each,)) for each in schedules]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    work.may_end.set()
    assert all(each.drain(DEADLINE_S) for each in schedules)
    assert (sum(started), work.runs) == (1, 1)
