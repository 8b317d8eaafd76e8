"""Which policy holds for a series: the one set for it, for its user, or for everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping

from msgspec import Struct

from thaniya_core.errors import ConfigInvalid, NotFound, WrongUsage
from thaniya_core.formats.names import Series, check_user, parse_series
from thaniya_core.model import Event, RetentionSetting
from thaniya_core.retention.policy import Policy, make_policy, parse_policy
from thaniya_core.store import Store
from thaniya_core.system.clock import Clock

EVERYTHING = "default"
"""The scope of the policy that holds where nothing else does; a user of that name cannot have one of its own."""


class Applied(Struct, frozen=True):
    """A policy, and where it was set."""

    policy: Policy
    scope: str
    """`default`, a user or a series; empty where nothing is set, and everything is kept."""
    is_configured: bool = False
    """It stands in thaniya.toml; otherwise it was set by a command, which goes before."""


class ScopeStatus(Struct, frozen=True):
    """How it is with a scope."""

    scope: str
    applied: Applied
    """What holds there."""
    otherwise: Applied
    """What would hold there without what a command set for it; the same where no command did."""
    held: int
    """For so many series its policy holds, or would hold if it had one."""

    @property
    def has_own(self) -> bool:
        """Whether what holds there was set for it."""
        return self.applied.scope == self.scope

    @property
    def is_series(self) -> bool:
        return "/" in self.scope


def check_scope(text: str) -> str:
    """Give the text back when it is a scope: `default`, a user's name or a series.

    Raises:
        IllegalName: it is none of these.
    """
    if text == EVERYTHING:
        return text
    return str(parse_series(text)) if "/" in text else check_user(text)


def read_configured(values: Mapping[str, object], where: str) -> dict[str, Policy]:
    """The policies of `[retention]` in thaniya.toml, by scope: each a text or a table.

    Raises:
        ConfigInvalid: a scope or a policy is not understood; names the key.
    """
    policies: dict[str, Policy] = {}
    for scope, value in values.items():
        try:
            check_scope(scope)
            if isinstance(value, str):
                policies[scope] = parse_policy(value)
            elif isinstance(value, Mapping):
                policies[scope] = make_policy(value)
            else:
                raise WrongUsage(f"expected a policy, got {value!r}")
        except WrongUsage as error:
            raise ConfigInvalid(f'{where}: [retention] "{scope}": {error.message}', hint=error.hint) from error
    return policies


class RetentionSettings:
    """The policies that were set, in the configuration and by commands."""

    def __init__(self, store: Store, clock: Clock, configured: Mapping[str, Policy]) -> None:
        """
        Args:
            store, clock: what they say.
            configured: the policies of thaniya.toml, by scope.
        """
        self._store = store
        self._clock = clock
        self._configured = configured

    def all(self) -> list[Applied]:
        """Every policy that was set, by scope; one in the configuration that a command's goes before is left out."""
        given = self._given()
        return [
            Applied(policy, scope, scope not in given)
            for scope, policy in sorted({**self._configured, **given}.items())
        ]

    def of(self, series: Series) -> Applied:
        """The policy that holds for a series."""
        return next(self.of_each([series]))[1]

    def of_each(self, many: list[Series]) -> Iterator[tuple[Series, Applied]]:
        """The policy that holds for each of many series."""
        given = self._given()
        for series in many:
            yield series, self._find(_upwards(str(series)), given)

    def held_by(self, scope: str, many: Iterable[Series]) -> list[Series]:
        """Those of many series for which the policy of a scope holds, or would hold if it had one.

        Raises:
            IllegalName: it is no scope.
        """
        check_scope(scope)
        known = {*self._configured, *self._given()}
        return [series for series in many if scope in _within_reach(series, known)]

    def survey(self, many: Iterable[Series], users: Iterable[str]) -> list[ScopeStatus]:
        """How it is with every scope: the default, then each user with the series after it, by name.

        Args:
            many: all series.
            users: that are to be told of too, with series or without.
        """
        given = self._given()
        known = {*self._configured, *given}
        held = Counter(scope for series in many for scope in _within_reach(series, known))
        named = {*known, *held, *users} - {EVERYTHING}
        return [self._status(scope, given, held[scope]) for scope in (EVERYTHING, *sorted(named, key=_in_order))]

    def _status(self, scope: str, given: Mapping[str, Policy], held: int) -> ScopeStatus:
        applied = self._find(_upwards(scope), given)
        otherwise = self._find(_upwards(scope), given, taken_back=scope) if scope in given else applied
        return ScopeStatus(scope, applied, otherwise, held)

    def set(self, scope: str, policy: Policy, actor: str) -> None:
        """Set the policy of a scope."""
        check_scope(scope)
        with self._store.transaction() as state:
            state.retention.put(RetentionSetting(scope, str(policy)))
        self._log(actor, "retention.set", scope, str(policy) or "keep everything")

    def unset(self, scope: str, actor: str) -> None:
        """Take back what was set for a scope; what thaniya.toml says of it holds again.

        Raises:
            NotFound: nothing was set for it by a command.
        """
        with self._store.transaction() as state:
            if not state.retention.remove(check_scope(scope)):
                raise NotFound(f"no policy was set for {scope}", hint="see `thaniya retention show`")
        self._log(actor, "retention.unset", scope, "")

    def _given(self) -> dict[str, Policy]:
        return {setting.scope: parse_policy(setting.policy) for setting in self._store.read().retention.all()}

    def _find(self, scopes: Iterable[str], given: Mapping[str, Policy], taken_back: str = "") -> Applied:
        for scope in scopes:
            if scope in given and scope != taken_back:
                return Applied(given[scope], scope)
            if scope in self._configured:
                return Applied(self._configured[scope], scope, is_configured=True)
        return Applied(Policy(), "")

    def _log(self, actor: str, action: str, scope: str, detail: str) -> None:
        self._store.add_event(Event(self._clock.now(), actor, action, scope, detail=detail))


def _upwards(scope: str) -> tuple[str, ...]:
    """A scope, and those whose policy holds where it has none: the nearest first."""
    return tuple(dict.fromkeys((scope, scope.partition("/")[0], EVERYTHING)))


def _within_reach(series: Series, known: Container[str]) -> Iterator[str]:
    """The scopes of a series up to the first that has a policy."""
    for scope in _upwards(str(series)):
        yield scope
        if scope in known:
            return


def _in_order(scope: str) -> list[str]:
    """Sorts a user's series after the user."""
    return scope.split("/")
