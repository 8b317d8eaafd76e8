"""What an administrator expects of a series."""

from __future__ import annotations

from thaniya_core.errors import NotFound, WrongUsage
from thaniya_core.formats.names import Series
from thaniya_core.formats.quantities import format_duration
from thaniya_core.model import Event, Expectation
from thaniya_core.monitor.rhythm import default_grace_s
from thaniya_core.store import Store
from thaniya_core.system.clock import Clock

_LONGEST_S = 3653 * 86400


class Expectations:
    """The expectations that were set."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def all(self) -> list[Expectation]:
        """Every one, by series."""
        return self._store.read().expectations.all()

    def set(self, series: Series, every_s: int, grace_s: int | None, actor: str) -> Expectation:
        """Expect a backup of a series every so many seconds.

        Args:
            series: it need not have a backup yet.
            every_s: the interval.
            grace_s: so much later is still in time; None for a quarter of the interval, half an hour at least.
            actor: who says so, for the audit log.

        Raises:
            WrongUsage: no time is between two backups, or ten years.
            NotFound: the series has neither a user nor backups.
        """
        if every_s <= 0:
            raise WrongUsage("backups cannot be expected every 0 seconds", hint="write it like 1d or 12h")
        grace_s = default_grace_s(every_s) if grace_s is None else grace_s
        if max(every_s, grace_s) > _LONGEST_S:
            raise WrongUsage("that is longer than ten years", hint="to expect nothing any more, say --retired")
        detail = f"every {format_duration(every_s)}, grace {format_duration(grace_s)}"
        return self._put(Expectation(str(series), self._clock.now(), every_s, grace_s), series, detail, actor)

    def retire(self, series: Series, actor: str) -> Expectation:
        """Expect nothing of a series any more.

        Raises:
            NotFound: the series has neither a user nor backups.
        """
        return self._put(Expectation(str(series), self._clock.now()), series, "retired", actor)

    def unset(self, series: Series, actor: str) -> None:
        """Take back what was said of a series; what its own rhythm shows is expected again.

        Raises:
            NotFound: nothing was said of it.
        """
        with self._store.transaction() as state:
            if not state.expectations.remove(str(series)):
                raise NotFound(f"nothing was set for {series}", hint="see `thaniya series list`")
        self._log(actor, "series.unset", series, "")

    def _put(self, expectation: Expectation, series: Series, detail: str, actor: str) -> Expectation:
        has_backups = bool(self._store.read_catalog(series))
        with self._store.transaction() as state:
            if not has_backups and state.users.get(series.user) is None:
                raise NotFound(f"there is no user {series.user!r}", hint="see `thaniya user list`")
            state.expectations.put(expectation)
        self._log(actor, "series.set", series, detail)
        return expectation

    def _log(self, actor: str, action: str, series: Series, detail: str) -> None:
        self._store.add_event(Event(self._clock.now(), actor, action, str(series), detail=detail))
