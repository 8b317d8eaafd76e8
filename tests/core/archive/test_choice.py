"""Which volume a new backup goes to."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaniya_core.archive.choice import Room, choose_room
from thaniya_core.errors import NotFound
from thaniya_core.model import Volume


def room(name: str, free: int, needed: int = 10) -> Room:
    return Room(Volume(name, name, Path("/") / name), free, needed)


ROOMS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=6).map(
    lambda pairs: [room(f"v{number}", *pair) for number, pair in enumerate(pairs)]
)


def test_series_stays_where_it_is():
    assert choose_room([room("a", 10), room("b", 99)], "a").volume.id == "a"


def test_series_goes_to_the_emptiest_when_it_does_not_fit_where_it_is():
    assert choose_room([room("a", 9), room("b", 50), room("c", 99)], "a").volume.id == "c"


@pytest.mark.parametrize("preferred", ["", "gone"])
def test_new_series_goes_to_the_emptiest(preferred):
    assert choose_room([room("a", 50), room("b", 99)], preferred).volume.id == "b"


def test_where_it_fits_goes_before_the_emptiest():
    assert choose_room([room("a", 50, needed=4), room("b", 99, needed=100)]).volume.id == "a"


def test_no_volume_is_told():
    with pytest.raises(NotFound, match="no active volume is there"):
        choose_room([])


@given(ROOMS, st.sampled_from(["", "v0", "v3"]))
def test_what_fits_somewhere_is_put_where_it_fits(rooms, preferred):
    chosen = choose_room(rooms, preferred)

    assert chosen.fits == any(each.fits for each in rooms)
    if any(each.fits and each.volume.id == preferred for each in rooms):
        assert chosen.volume.id == preferred


@given(ROOMS, st.integers(0, 60))
def test_what_allocation_admits_fits_where_it_is_put(rooms, size):
    """Allocation compares with the emptiest volume alone; whichever is chosen then has room too."""
    rooms = [Room(each.volume, each.free_bytes, size) for each in rooms]
    admitted = size <= max(each.free_bytes for each in rooms)

    assert all(choose_room(rooms, preferred).fits == admitted for preferred in ("", "v0", "v1"))
