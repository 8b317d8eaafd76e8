"""Any sequence of changes gives the same on disk, in memory, and in a dictionary."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thaniya_core.model import Slot
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
