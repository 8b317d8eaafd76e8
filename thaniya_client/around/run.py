"""A whole run: what is around a backup, and the backup in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from thaniya_client.around.run_lock import hold_run_lock
from thaniya_client.around.state import prepare_runs_directory, run_name
from thaniya_client.connectors.interface import Connector
from thaniya_client.driver import default_host, make_backup
from thaniya_client.log import ClientLog
from thaniya_client.tasks.interface import Task
from thaniya_client.values import OnProgress, Report
from thaniya_core.errors import Busy, ThaniyaError
from thaniya_core.formats.names import check_host, check_series_name


def run_backup(
    connector: Connector,
    place: str,
    tasks: Sequence[Task],
    *,
    name: str,
    host: str | None,
    wait: bool,
    patience_s: float,
    on_progress: OnProgress | None,
) -> Report:
    """Make a backup with all that is around it; see `Target.backup`."""
    host = default_host() if host is None else check_host(host)
    with _series_locked(place, host, check_series_name(name)) as hindrance:
        log = ClientLog()
        try:
            if hindrance:
                log.warn(hindrance)
            return make_backup(
                connector,
                tasks,
                name=name,
                host=host,
                wait=wait,
                patience_s=patience_s,
                on_progress=on_progress,
                log=log,
            )
        finally:
            log.close()


@contextmanager
def _series_locked(place: str, host: str, name: str) -> Iterator[str]:
    """Hold the lock of the series. Gives why there is none: a state directory that fails must not cost the backup.

    Raises:
        Busy: another run holds it.
    """
    with ExitStack() as held:
        hindrance = ""
        try:
            file = prepare_runs_directory() / f"{run_name(place, host, name)}.lock"
            held.enter_context(hold_run_lock(file, f"{host}/{name}"))
        except Busy:
            raise
        except ThaniyaError as exc:
            hindrance = f"another run at the same time would not be noticed: {exc}"
        yield hindrance
