"""A whole run: what is around a backup, and the backup in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import sleep

import msgspec

from thaniya_client.around.debts import Debts, debts_left
from thaniya_client.around.limits import Limits, may_pass
from thaniya_client.around.priority import lowered_priority
from thaniya_client.around.run_lock import hold_run_lock
from thaniya_client.around.state import prepare_runs_directory, run_name
from thaniya_client.around.steps import Steps, do_before, tell_error
from thaniya_client.around.time_limit import TimeLimit
from thaniya_client.connectors.interface import Connector
from thaniya_client.driver import make_backup
from thaniya_client.encryption.recipients import Recipients
from thaniya_client.log import WARNINGS_KEPT, ClientLog
from thaniya_client.tasks.interface import Task
from thaniya_client.values import OnProgress, Phase, Progress, Report
from thaniya_core.errors import Busy, StepFailed, ThaniyaError
from thaniya_core.system.signals import ended_by_signals, held_signals


def run_backup(
    connector: Connector,
    place: str,
    tasks: Sequence[Task],
    *,
    name: str,
    host: str,
    wait: bool,
    patience_s: float,
    on_progress: OnProgress | None,
    steps: Steps,
    limits: Limits,
    tags: tuple[str, ...],
    recipients: Recipients | None = None,
) -> Report:
    """Make a backup with all that is around it; see `Target.backup`."""
    run = run_name(place, host, name)
    limit = TimeLimit(limits.time_limit_s)

    def make(log: ClientLog) -> Report:
        with lowered_priority(limits.nice, limits.idle_disk, log.warn):
            report = make_backup(
                connector,
                tasks,
                name=name,
                host=host,
                wait=wait,
                patience_s=patience_s,
                on_progress=limit.watched(on_progress),
                log=log,
                bytes_per_s=limits.bytes_per_s,
                tags=tags,
                recipients=recipients,
            )
            limit.end()
        return report

    failures: list[str] = []
    with ended_by_signals():
        try:
            with limit, _series_locked(run, f"{host}/{name}") as (runs, hindrance):
                report = _try_again(
                    lambda earlier: _run_once(
                        steps, runs and runs / f"{run}.json", [hindrance] if hindrance else [], earlier, make, failures
                    ),
                    limits,
                    limit,
                    on_progress,
                )
        except BaseException as exc:
            for failure in failures:
                exc.add_note(failure)
            with held_signals():
                tell_error(steps, exc)
            raise
        if failures:
            error = StepFailed(f"backup {report.id} is {report.state}, but {'; '.join(failures)}")
            with held_signals():
                tell_error(steps, error)
            failures += getattr(error, "__notes__", ())
    return _with_warnings(report, failures)


def _try_again(
    run: Callable[[Sequence[str]], Report], limits: Limits, limit: TimeLimit, on_progress: OnProgress | None
) -> Report:
    """Run until it succeeds, as often as allowed. `run` is told how earlier tries failed."""
    earlier: list[str] = []
    while True:
        try:
            report = run(earlier)
        except ThaniyaError as exc:
            if len(earlier) >= limits.retries or not may_pass(exc) or limit.left_s() <= limits.retry_pause_s:
                raise
            earlier.append(f"try {len(earlier) + 1} of {limits.retries + 1} failed: {exc}")
            if on_progress is not None:
                on_progress(Progress(Phase.WAITING, detail=f"{earlier[-1]}; again in {limits.retry_pause_s:g} s"))
            sleep(limits.retry_pause_s)
        else:
            return msgspec.structs.replace(report, tries=len(earlier) + 1)


@contextmanager
def _series_locked(run: str, series: str) -> Iterator[tuple[Path | None, str]]:
    """Hold the lock of the series. A state directory that fails must not cost the backup.

    Yields:
        The state directory; or None, and why there is none.

    Raises:
        Busy: another run holds it.
    """
    with ExitStack() as held:
        try:
            runs = prepare_runs_directory()
            held.enter_context(hold_run_lock(runs / f"{run}.lock", series))
        except Busy:
            raise
        except ThaniyaError as exc:
            held.close()
            yield None, f"another run at the same time, and what killed runs left, would not be noticed: {exc}"
            return
        yield runs, ""


def _run_once(
    steps: Steps,
    file: Path | None,
    warnings: Sequence[str],
    notes: Sequence[str],
    make: Callable[[ClientLog], Report],
    failures: list[str],
) -> Report:
    """Make the backup with its steps; what cannot be taken back goes to `failures`."""
    log = ClientLog()
    debts = Debts(file, log.note)
    try:
        for warning in warnings:
            log.warn(warning)
        for note in notes:
            log.note(note)
        if file is not None:
            _settle_left(file, debts, log)
        do_before(steps, debts, log)
        return make(log)
    finally:
        with held_signals():
            failures += debts.settle()
            log.close()


def _settle_left(own: Path, debts: Debts, log: ClientLog) -> None:
    """Take back what killed runs have left, of this and of any other series of this account."""
    for file in debts_left(own.parent):
        with held_signals():
            if file == own:
                left = debts.settle_left()
            else:
                try:
                    with hold_run_lock(file.with_suffix(".lock"), file.stem):
                        left = Debts(file, log.note).settle_left()
                except ThaniyaError:
                    continue  # that run is at work
        for failure in left:
            log.warn(failure)


def _with_warnings(report: Report, more: Sequence[str]) -> Report:
    return msgspec.structs.replace(
        report,
        warnings=(*report.warnings, *more)[: WARNINGS_KEPT + len(more)],
        warning_count=report.warning_count + len(more),
    )
