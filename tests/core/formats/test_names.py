"""Which names may be in a path, in a shell command and in SHA256SUMS."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaniya_core.errors import IllegalName
from thaniya_core.formats.names import (
    RESERVED_FILES,
    Series,
    check_file,
    check_host,
    check_id,
    check_series_name,
    check_slot,
    check_user,
    id_time,
    is_legal_file,
    make_id,
    parse_series,
    slot_name,
)

CHECKS = [check_user, check_host, check_series_name, check_file, check_slot, check_id]
SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@=,%-]*")


@pytest.mark.parametrize("check", CHECKS)
@given(st.text())
def test_name_is_refused_or_safe_in_a_path_and_a_shell(check, text):
    try:
        name = check(text)
    except IllegalName as error:
        assert "\n" not in error.message
        assert len(error.message) < 400
    else:
        assert name == text
        assert SAFE.fullmatch(name)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../a", "a/b", "-rf", ".hidden", "a\n", "a\x00", "a b", "ä", "\udcff", "a;b", "$a", "x" * 300],
)
def test_dangerous_name_is_refused(check, name):
    with pytest.raises(IllegalName):
        check(name)


@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._+@=,%-]{0,199}", fullmatch=True))
def test_file_of_the_documented_form_is_legal(name):
    assert is_legal_file(name) is (name not in RESERVED_FILES)


@pytest.mark.parametrize("name", sorted(RESERVED_FILES))
def test_file_that_the_archive_writes_itself_cannot_be_uploaded(name):
    with pytest.raises(IllegalName, match="written by the archive itself"):
        check_file(name)


@given(
    st.from_regex(
        r"[a-z][a-z0-9_-]{0,31}/[A-Za-z0-9][A-Za-z0-9._-]{0,63}/[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True
    )
)
def test_series_is_read_as_it_is_written(text):
    assert str(parse_series(text)) == text


@pytest.mark.parametrize("text", ["alice", "alice/web1", "alice/web1/a/b", "/web1/a", "Alice/web1/a", "alice/../a"])
def test_what_is_no_series_is_refused(text):
    with pytest.raises(IllegalName):
        parse_series(text)


def test_series_sort_by_user_host_and_name():
    assert sorted([Series("b", "a", "a"), Series("a", "b", "a"), Series("a", "a", "b")])[0] == Series("a", "a", "b")


@given(st.datetimes(datetime(2000, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)))
def test_id_tells_when_it_was_made(moment):
    assert id_time(make_id(moment)) == moment.replace(microsecond=0)


@given(st.lists(st.datetimes(datetime(2000, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)), min_size=2))
def test_ids_sort_by_time(moments):
    ids = {make_id(moment): moment.replace(microsecond=0) for moment in moments}

    times = [ids[identifier] for identifier in sorted(ids)]

    assert times == sorted(times)


@pytest.mark.parametrize(("number", "name"), [(1, "thaniya_01"), (99, "thaniya_99"), (100, "thaniya_100")])
def test_slots_are_numbered(number, name):
    assert slot_name(number) == name


def test_slot_beyond_the_last_is_refused():
    with pytest.raises(IllegalName):
        slot_name(1000)
