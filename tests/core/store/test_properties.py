"""Any sequence of changes gives the same on disk, in memory, and in a dictionary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thaniya_core.model import Slot, Upload
from thaniya_core.store import MemoryStore, TinyStore

NAMES = st.sampled_from([f"thaniya_{number:02d}" for number in range(1, 6)])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
CHANGES = st.one_of(
    st.builds(lambda name, reason: ("put", Slot(name, reason=reason)), NAMES, TEXTS),
    st.builds(lambda name: ("remove", name), NAMES),
)
TRANSACTIONS = st.lists(st.tuples(st.lists(CHANGES, max_size=6), st.booleans()), max_size=6)


class Stopped(Exception):
    """Leaves a transaction."""


def carry_out(store, changes, stops):
    results = []
    try:
        with store.transaction() as state:
            for action, what in changes:
                results.append(state.slots.put(what) if action == "put" else state.slots.remove(what))
            results.append(state.slots.all())
            if stops:
                raise Stopped
    except Stopped:
        pass
    return results


def carry_out_in_dict(slots, changes, stops):
    results = []
    changed = dict(slots)
    for action, what in changes:
        if action == "put":
            changed[what.name] = what
            results.append(None)
        else:
            results.append(changed.pop(what, None) is not None)
    results.append([changed[name] for name in sorted(changed)])
    return (slots if stops else changed), results


@settings(max_examples=100, deadline=None)
@given(transactions=TRANSACTIONS)
def test_both_stores_do_what_a_dictionary_does(transactions, tmp_path_factory: pytest.TempPathFactory):
    directory = tmp_path_factory.mktemp("state")
    tiny, memory, slots = TinyStore(directory), MemoryStore(), {}
    for changes, stops in transactions:
        slots, expected = carry_out_in_dict(slots, changes, stops)
        assert carry_out(tiny, changes, stops) == expected
        assert carry_out(memory, changes, stops) == expected
        everything = [slots[name] for name in sorted(slots)]
        assert memory.read().slots.all() == everything
        assert tiny.read().slots.all() == everything
        assert TinyStore(directory).read().slots.all() == everything


CREATED = datetime(2026, 11, 29, 12, tzinfo=UTC)
ENDED = st.builds(
    lambda number, hours: Upload(
        f"20261129T120000Z-{number:06x}",
        *("alice", "web1", "nightly", "thaniya_01"),
        created_at=CREATED,
        last_activity_at=CREATED,
        ended_at=CREATED + timedelta(hours=hours),
    ),
    st.integers(1, 6),
    st.integers(-24, 240),
)


@settings(max_examples=100, deadline=None)
@given(added=st.lists(ENDED, max_size=12))
def test_both_stores_keep_the_same_history(added, tmp_path_factory: pytest.TempPathFactory):
    tiny, memory = TinyStore(tmp_path_factory.mktemp("state")), MemoryStore()
    for upload in added:
        tiny.add_history(upload)
        memory.add_history(upload)
    history = list(memory.read_upload_history())
    assert list(tiny.read_upload_history()) == history
    assert [tiny.find_ended_upload(upload.id) for upload in history] == history
    for since in (CREATED - timedelta(days=2), CREATED, CREATED + timedelta(days=3)):
        ended = sorted(memory.read_ended_uploads(since), key=lambda upload: upload.id)
        assert sorted(tiny.read_ended_uploads(since), key=lambda upload: upload.id) == ended
