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
