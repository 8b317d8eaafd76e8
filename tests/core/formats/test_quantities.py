"""Sizes and durations as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaniya_core.errors import WrongUsage
from thaniya_core.formats.quantities import (
    format_duration,
    format_size,
    parse_duration,
    parse_level,
    parse_percent,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("10G", 10 * 1024**3),
        ("1.5 TiB", 3 * 1024**4 // 2),
        ("512 k", 512 * 1024),
        ("7b", 7),
        ("1MB", 1024**2),
        (42, 42),
        ("9007199254740993", 9007199254740993),
        ("8191.5P", 16383 * 1024**5 // 2),
    ],
)
def test_size_is_read(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("1h30m", 5400), ("7d", 604800), ("2w", 1209600), ("60", 60), (5, 5)],
)
def test_duration_is_read(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("parse", [parse_size, parse_duration])
@pytest.mark.parametrize("text", ["", "-1", "1x", "G", "1.5.5G", "1e9", "1h 30", "²", "9" * 400, "9" * 5000, "nan"])
def test_what_is_no_quantity_is_refused(parse, text):
    with pytest.raises(WrongUsage):
        parse(text)


@pytest.mark.parametrize("parse", [parse_size, parse_duration])
@given(st.text())
def test_any_text_is_read_or_refused(parse, text):
    try:
        assert parse(text) >= 0
    except WrongUsage:
        pass


@given(st.integers(0, 2**60))
def test_shown_size_is_read_back_to_within_its_precision(size):
    shown = format_size(size)

    assert abs(parse_size(shown) - size) <= 0.051 * 1024 ** max(0, "BKMGTP".index(shown.split()[1][0]))


def test_durations_are_such_that_dates_can_take_them():
    assert timedelta(seconds=parse_duration("999999999999w")) == timedelta(days=365_000)


@given(st.integers(0, 10**10))
def test_duration_in_seconds_is_read_back(seconds):
    assert parse_duration(f"{seconds}s") == seconds


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(4.21, "4.2 s"), (59, "59 s"), (180, "3 min"), (7500, "2 h 5 min"), (7200, "2 h"), (3 * 86400, "3 d")],
)
def test_duration_is_shown_for_people(seconds, shown):
    assert format_duration(seconds) == shown


def test_unknown_size_is_shown_as_a_dash():
    assert format_size(None) == "-"


@pytest.mark.parametrize(("text", "percent"), [("5%", 5), ("0.5 %", 0.5), ("100", 100), (" 7% ", 7)])
def test_parts_in_a_hundred_are_read(text, percent):
    assert parse_percent(text) == percent


@pytest.mark.parametrize("text", ["", "%", "0%", "100.1%", "-5%", "5 percent", "5%%", "nan"])
def test_what_is_no_part_in_a_hundred_is_refused(text):
    with pytest.raises(WrongUsage):
        parse_percent(text)


@pytest.mark.parametrize(("text", "level"), [("5%", 50), ("0.1 %", 1), ("99%", 990), ("0%", 0), ("2k", 2048), ("7", 7)])
def test_level_is_a_part_of_the_whole_or_a_size(text, level):
    assert parse_level(text, 1000) == level


@pytest.mark.parametrize("text", ["", "%", "100%", "-1%", "5%%", "many"])
def test_what_is_no_level_is_refused(text):
    with pytest.raises(WrongUsage, match="no level"):
        parse_level(text, 1000)
