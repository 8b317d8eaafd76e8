"""Which policy holds for a series."""

from __future__ import annotations

import pytest

from thaniya_core.errors import ConfigInvalid, IllegalName, NotFound
from thaniya_core.formats.names import Series
from thaniya_core.retention import RetentionSettings, parse_policy, read_configured
from thaniya_core.store import MemoryStore
from thaniya_core.testing import FixedClock

SERIES = Series("alice", "web1", "nightly")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def settings(store: MemoryStore, configured: dict[str, object]) -> RetentionSettings:
    return RetentionSettings(store, FixedClock(), read_configured(configured, "thaniya.toml"))


def test_nothing_set_keeps_everything(store):
    applied = settings(store, {}).of(SERIES)
    assert applied.policy.keeps_everything
    assert applied.scope == ""


@pytest.mark.parametrize(
    ("configured", "given", "scope", "policy"),
    [
        ({"default": "keep-last=1"}, {}, "default", "keep-last=1"),
        ({"default": "keep-last=1", "alice": "keep-last=2"}, {}, "alice", "keep-last=2"),
        ({"alice": "keep-last=2", str(SERIES): "keep-last=3"}, {"alice": "keep-last=4"}, str(SERIES), "keep-last=3"),
        ({"alice": "keep-last=2"}, {"alice": "keep-last=4"}, "alice", "keep-last=4"),
        ({"default": "keep-last=1"}, {"alice/web1/other": "keep-last=4"}, "default", "keep-last=1"),
        ({"default": "keep-last=1"}, {str(SERIES): ""}, str(SERIES), ""),
    ],
)
def test_nearest_policy_holds_and_a_command_goes_before_the_file(store, configured, given, scope, policy):
    made = settings(store, configured)
    for each, text in given.items():
        made.set(each, parse_policy(text), "login:root")
    applied = made.of(SERIES)
    assert (applied.scope, str(applied.policy)) == (scope, policy)


def test_what_is_taken_back_leaves_what_the_file_says(store):
    made = settings(store, {"alice": {"keep-last": 2}})
    made.set("alice", parse_policy("keep-last=4"), "login:root")
    made.unset("alice", "login:root")
    assert str(made.of(SERIES).policy) == "keep-last=2"
    assert made.of(SERIES).is_configured
    with pytest.raises(NotFound):
        made.unset("alice", "login:root")
    assert [(event.action, event.subject) for event in store.read_events()] == [
        ("retention.set", "alice"),
        ("retention.unset", "alice"),
    ]


@pytest.mark.parametrize(
    ("configured", "told"),
    [
        ({"Alice": "keep-last=1"}, '"Alice"'),
        ({"alice/web1": "keep-last=1"}, "not a series"),
        ({"alice": "keep-lst=1"}, "knows no keep-lst"),
        ({"alice": {"keep-daily": "x"}}, "keep-daily=x"),
        ({"alice": 7}, "expected a policy"),
    ],
)
def test_error_in_the_file_names_its_place(configured, told):
    with pytest.raises(ConfigInvalid, match=told) as caught:
        read_configured(configured, "/etc/thaniya/thaniya.toml")
    assert "/etc/thaniya/thaniya.toml: [retention]" in str(caught.value)


@pytest.mark.parametrize("scope", ["", "*", "Alice", "alice/web1", "alice/web1/nightly/x", "alice/../x"])
def test_what_is_no_scope_is_refused(store, scope):
    with pytest.raises(IllegalName):
        settings(store, {}).set(scope, parse_policy("keep-last=1"), "login:root")


BOB, SHOP, SITE = Series("bob", "nas", "photos"), Series("alice", "db1", "shop"), Series("alice", "web1", "site")


@pytest.mark.parametrize(
    ("scope", "held"),
    [
        ("default", [BOB]),
        ("alice", [SITE]),
        ("bob", [BOB]),
        (str(SHOP), [SHOP]),
        (str(SITE), [SITE]),
        ("nobody", []),
    ],
)
def test_scope_holds_the_series_that_no_closer_policy_holds(store, scope, held):
    made = settings(store, {"default": "keep-last=1", str(SHOP): "keep-last=2"})
    made.set("alice", parse_policy(""), "login:root")
    assert made.held_by(scope, [SHOP, SITE, BOB]) == held


def test_scope_that_is_set_holds_the_series_that_it_would_hold(store):
    made = settings(store, {"alice": "keep-last=1"})
    every = [Series("default", "web1", "nightly"), SHOP, SITE, BOB]
    for scope in ("default", "alice", "default/web1/nightly", str(SITE), "bob"):
        would = made.held_by(scope, every)
        made.set(scope, parse_policy("keep-last=3"), "login:root")
        assert would == [series for series, applied in made.of_each(every) if applied.scope == scope]
        made.unset(scope, "login:root")
    with pytest.raises(IllegalName):
        made.held_by("Alice", every)


def test_survey_tells_what_holds_where_for_how_many_and_what_would_without_it(store):
    made = settings(store, {"alice": "keep-last=1", "carol": "keep-last=7"})
    for each in ("default", "bob", "alice", str(SITE)):
        made.set(each, parse_policy("keep-last=4" if each == "alice" else "keep-last=9"), "login:root")
    every = [SHOP, SITE, BOB, Series("default", "web1", "nightly")]
    told = made.survey(every, ["dave", "alice"])
    assert [(each.scope, each.held, each.applied.scope) for each in told] == [
        ("default", 1, "default"),
        ("alice", 1, "alice"),
        (str(SHOP), 1, "alice"),
        (str(SITE), 1, str(SITE)),
        ("bob", 1, "bob"),
        (str(BOB), 1, "bob"),
        ("carol", 0, "carol"),
        ("dave", 0, "default"),
        ("default/web1/nightly", 1, "default"),
    ]
    assert all(each.held == len(made.held_by(each.scope, every)) for each in told)
    for each in told:
        if each.has_own and not each.applied.is_configured:
            made.unset(each.scope, "login:root")
            (then,) = [after for after in made.survey(every, ["dave"]) if after.scope == each.scope] or [None]
            assert then is None or then.applied == each.otherwise
            made.set(each.scope, each.applied.policy, "login:root")
        else:
            assert each.otherwise == each.applied
