"""Long reading leaves the disk to others, and can be stopped."""

from __future__ import annotations

import pytest

from thaniya_core.system.throttle import Stopped, Throttle
from thaniya_core.testing import FixedClock


def test_bytes_take_their_time():
    clock = FixedClock()
    throttle = Throttle(clock, 1000)
    begun = clock.monotonic()

    for _ in range(10):
        throttle(500)

    assert clock.monotonic() - begun == pytest.approx(5)


def test_slow_reading_is_not_held_back_and_makes_up_for_nothing():
    clock = FixedClock()
    throttle = Throttle(clock, 1000)
    clock.advance(100)
    begun = clock.monotonic()

    throttle(1000)
    throttle(1000)

    assert clock.monotonic() - begun == pytest.approx(2)


@pytest.mark.parametrize("rate", [None, 0])
def test_without_a_limit_nothing_waits(rate):
    clock = FixedClock()
    begun = clock.monotonic()

    Throttle(clock, rate)(10**12)

    assert clock.monotonic() == begun


def test_it_stops_while_it_waits():
    clock = FixedClock()
    begun = clock.monotonic()
    throttle = Throttle(clock, 1, should_stop=lambda: clock.monotonic() - begun > 3)

    with pytest.raises(Stopped):
        throttle(10**6)

    assert clock.monotonic() - begun < 4
