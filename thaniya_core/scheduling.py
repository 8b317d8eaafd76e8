"""What the schedule does: the work of its tasks, which takes several rooms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

from thaniya_core.archive import Verification, VolumeWatch
from thaniya_core.config import Config, History
from thaniya_core.errors import ThaniyaError
from thaniya_core.formats.names import Series
from thaniya_core.formats.quantities import format_size
from thaniya_core.jobs import Task
from thaniya_core.model import Event
from thaniya_core.monitor import RETENTION_RUN
from thaniya_core.monitoring import LOOK_BACK, Monitoring, write_textfile
from thaniya_core.retention import NotPruned, Retention, RetentionSettings
from thaniya_core.store import Store
from thaniya_core.system.clock import Clock
from thaniya_core.system.throttle import Stopped

ShouldStop = Callable[[], bool]

ACTOR = "service"


def make_tasks(
    config: Config,
    store: Store,
    clock: Clock,
    settings: RetentionSettings,
    retention: Retention,
    verification: Verification,
    volumes: VolumeWatch,
    monitoring: Callable[[], Monitoring],
) -> tuple[Task, ...]:
    """The parts of the schedule, each at the interval of the configuration that bears its name.

    Args:
        config, store, clock, settings, retention, verification, volumes: what does the work.
        monitoring: gives the monitoring when it is first needed.
    """
    intervals = config.schedule

    def why_nothing_to_remove() -> str:
        return "" if any(applied.policy for applied in settings.all()) else "no policy is set (thaniya retention set)"

    def task(name: str, what: str, work: Callable[[ShouldStop], str], why_idle: Callable[[], str]) -> Task:
        return Task(name, what, timedelta(seconds=getattr(intervals, name)), work, why_idle)

    return (
        task("volumes", "look at the volumes", partial(look_at_volumes, volumes), lambda: ""),
        task("health", "check and tell people", lambda _: tell(monitoring()), lambda: ""),
        task(
            "metrics",
            "write the metrics",
            lambda _: write_metrics(config, monitoring()),
            lambda: "" if config.metrics.textfile else "[metrics] names no textfile",
        ),
        task(
            RETENTION_RUN,
            "apply retention",
            partial(apply_retention, store, settings, retention),
            why_nothing_to_remove,
        ),
        task(
            "verify",
            "read backups again",
            partial(verify_due, verification, timedelta(seconds=intervals.verify)),
            lambda: "" if config.verify.every else "`every` of [verify] is 0",
        ),
        task(
            "history",
            "drop old history",
            lambda _: drop_old_history(config.history, store, clock),
            lambda: "" if config.history.keep or config.history.keep_log else "[history] keeps everything",
        ),
    )


def look_at_volumes(volumes: VolumeWatch, should_stop: ShouldStop) -> str:
    """Tell which volumes are not there any more, nearly full, or all right again."""
    volumes.tell_changes()
    return ""


def tell(monitoring: Monitoring) -> str:
    """Check, keep the survey, tell people what has changed, and send the pings that are due. Where nobody is to be told
    the survey is made still."""
    told = monitoring.tell()
    if told is None:
        return "another process was about it"
    sent = sum(not each.reason for each in told.sent)
    return f"{told.report.status}, {len(told.report.findings)} findings, {sent} messages sent"


def write_metrics(config: Config, monitoring: Monitoring) -> str:
    """Write the metrics' file.

    Raises:
        ThaniyaError: it cannot be written.
    """
    if config.metrics.textfile is None:
        return ""
    write_textfile(config.metrics.textfile, monitoring.metrics(monitoring.check()))
    return str(config.metrics.textfile)


def apply_retention(store: Store, settings: RetentionSettings, retention: Retention, should_stop: ShouldStop) -> str:
    """Remove what the policies do not keep, series by series. One that fails does not stop the others.

    Raises:
        Stopped: it was asked to stop.
        ThaniyaError: series failed; names the first.
    """

    def with_policy() -> Iterator[Series]:
        for series, applied in settings.of_each(store.catalog_series()):
            if should_stop():
                raise Stopped
            if applied.policy:
                yield series

    count = removed = freed_bytes = 0
    failures: list[str] = []
    for result in retention.apply_each(with_policy(), ACTOR):
        count += 1
        if isinstance(result, NotPruned):
            failures.append(f"{result.series}: {result.error}")
        else:
            removed += len(result.removed)
            freed_bytes += result.freed_bytes
    if failures:
        raise ThaniyaError(f"{len(failures)} of {count} series failed, {failures[0]}")
    return f"{count} series, {removed} backups removed, {format_size(freed_bytes)}"


def verify_due(verification: Verification, horizon: timedelta, should_stop: ShouldStop) -> str:
    """Read the backups again whose time has come.

    Raises:
        Stopped: it was asked to stop.
        ThaniyaError: some could not be looked at; names the first. Broken ones are no failure: they are told as such.
    """
    run = verification.run_due(horizon, should_stop, ACTOR)
    if run.was_stopped:
        raise Stopped
    if run.unreadable:
        raise ThaniyaError(f"{len(run.unreadable)} backups could not be looked at, {run.unreadable[0]}")
    broken = sum(bool(backup.broken) for backup in run.verified)
    return f"{len(run.verified)} backups read" + (f", {broken} broken" if broken else "")


def drop_old_history(settings: History, store: Store, clock: Clock) -> str:
    """Drop ended uploads and jobs, and months of the audit log, that are older than they are to be kept.

    Counted back from the newest ended upload, so that nothing is dropped for a clock that was put forward. What
    `thaniya check` looks back on stays.

    Raises:
        ThaniyaError: a file cannot be read or removed.
    """
    newest = next(store.read_upload_history(), None)
    now = clock.now()
    latest = min(now, newest.ended_at) if newest is not None and newest.ended_at is not None else None
    told: list[str] = []
    for what, keep_s, drop in (
        ("history", settings.keep, store.drop_history),
        ("log", settings.keep_log, store.drop_events),
    ):
        dropped = drop(latest - max(timedelta(seconds=keep_s), LOOK_BACK)) if latest and keep_s else []
        if dropped:
            span = dropped[0] if len(dropped) == 1 else f"{dropped[0]} to {dropped[-1]}"
            store.add_event(Event(now, ACTOR, f"{what}.drop", span))
            told.append(f"{what} of {span} dropped")
    return ", ".join(told) or "nothing dropped"
