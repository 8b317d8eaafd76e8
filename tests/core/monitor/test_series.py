"""The rules about one series."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from thaniya_core.config import CheckLimits
from thaniya_core.formats.manifest import BackupFile, FileKind
from thaniya_core.model import Severity, UploadState
from thaniya_core.monitor.findings import worst
from thaniya_core.monitor.series import examine_series

LIMITS = CheckLimits()
ENDS = [UploadState.REJECTED, UploadState.FAILED, UploadState.EXPIRED, UploadState.ABORTED]


def found(facts, now, limits=LIMITS):
    return {finding.code: finding for finding in examine_series(facts, limits, now)}


def test_series_in_time_with_backups_like_the_others_is_well(make):
    assert found(make.facts(*make.daily(20)), make.now) == {}


@pytest.mark.parametrize(
    ("hours", "severity"),
    [(30, None), (31, Severity.WARNING), (53, Severity.WARNING), (55, Severity.CRITICAL), (900, Severity.CRITICAL)],
)
def test_late_series_is_told_and_worse_once_the_next_is_missing_too(make, hours, severity):
    expectation = make.expect(make.day, timedelta(hours=6))
    series = make.facts(make.backup(make.now - timedelta(hours=hours)), expectation=expectation)
    late = found(series, make.now).get("series_late")
    assert (late.severity if late else None) == severity
    if late:
        assert late.subject == "alice/web1/nightly"
        assert "one is expected every 24 h, at the latest after 30 h" in late.text
        assert "thaniya series set alice/web1/nightly --retired" in late.cure


def test_learned_expectation_says_that_it_is_learned(make):
    series = make.facts(*make.daily(20, last=make.now - make.day * 3))
    late = found(series, make.now)["series_late"]
    assert late.severity is Severity.CRITICAL
    assert "learned from its rhythm" in late.text


def test_series_that_was_announced_and_never_came_is_missing(make):
    since = make.now - make.day * 2
    series = make.facts(expectation=make.expect(make.day, since=since))
    missing = found(series, make.now)["series_missing"]
    assert missing.text.startswith("no backup at all for 2 d; one is expected every 24 h")
    assert found(series, since + timedelta(hours=23)) == {}


def test_broken_backup_does_not_count_as_one(make):
    good, broken = make.daily(2)
    series = make.facts(good, replace(broken, broken="a.tar is damaged"), expectation=make.expect(make.day))
    codes = found(series, make.now)
    assert set(codes) == {"backup_broken", "series_late"}
    assert codes["backup_broken"].severity is Severity.CRITICAL
    assert "1 of 2 backups are broken" in codes["backup_broken"].text
    assert "a.tar is damaged" in codes["backup_broken"].text


@pytest.mark.parametrize("state", ENDS)
def test_attempt_that_failed_after_the_last_success_is_told(make, state):
    attempt = make.upload(make.now - timedelta(hours=1), state, reason="the sums differ")
    failing = found(make.facts(*make.daily(3), ended=(attempt,)), make.now)["series_failing"]
    assert f"the last attempt ended without a backup: {state}, the sums differ" in failing.text
    assert attempt.id in failing.cure


def test_failure_before_the_last_success_is_over(make):
    attempt = make.upload(make.now - make.day * 2, UploadState.REJECTED)
    assert found(make.facts(*make.daily(5), ended=(attempt,)), make.now) == {}


def test_several_failures_in_a_row_are_critical(make):
    attempts = tuple(make.upload(make.now - timedelta(hours=hours), UploadState.EXPIRED) for hours in (1, 2))
    once = found(make.facts(*make.daily(3), ended=attempts[:1]), make.now)["series_failing"]
    twice = found(make.facts(*make.daily(3), ended=attempts), make.now)["series_failing"]
    assert (once.severity, twice.severity) == (Severity.WARNING, Severity.CRITICAL)
    assert "the last 2 attempts" in twice.text


def test_series_that_never_succeeded_says_so(make):
    attempt = make.upload(make.now - make.day, UploadState.REJECTED)
    assert "none ever succeeded" in found(make.facts(ended=(attempt,)), make.now)["series_failing"].text


@pytest.mark.parametrize(
    ("size_mib", "code", "severity"),
    [
        (0.5, "backup_shrunk", Severity.CRITICAL),
        (4, "backup_shrunk", Severity.WARNING),
        (6, None, None),
        (29, None, None),
        (31, "backup_grown", Severity.WARNING),
    ],
)
def test_unusual_size_is_told(make, size_mib, code, severity):
    last = make.backup(make.now - timedelta(hours=1), int(size_mib * make.mib), number=9)
    codes = found(make.facts(*make.daily(10), last), make.now)
    assert set(codes) == ({code} if code else set())
    if code:
        assert codes[code].severity is severity
        assert "usually 10.0 MiB" in codes[code].text


def test_usual_size_takes_some_backups_and_is_the_median(make):
    small = make.backup(make.now, 100)
    assert found(make.facts(*make.daily(3), small), make.now) == {}
    one_huge = make.backup(make.now - make.day * 4, 500 * make.mib, number=7)
    assert found(make.facts(*make.daily(9), one_huge, make.backup(make.now, 9 * make.mib)), make.now) == {}


def test_usual_size_is_that_of_the_last_ten(make):
    long_ago = make.daily(30, make.now - make.day * 12, size=100 * make.mib)
    assert found(make.facts(*long_ago, *make.daily(10)), make.now) == {}
    shrunk = make.backup(make.now, 9 * make.mib)
    assert found(make.facts(*make.daily(30, size=100 * make.mib), shrunk), make.now).keys() == {"backup_shrunk"}


def test_small_backups_may_grow(make):
    grown = make.backup(make.now, make.mib // 2)
    assert found(make.facts(*make.daily(9, size=1000), grown), make.now) == {}


def test_increments_are_compared_with_increments(make):
    whole = make.daily(6)
    increments = [
        make.backup(make.now - timedelta(hours=hours), make.mib // 10, parent=whole[-1].id) for hours in (5, 4, 3, 2, 1)
    ]
    assert found(make.facts(*whole, *increments), make.now) == {}
    new_whole = make.backup(make.now, 11 * make.mib)
    assert found(make.facts(*whole, *increments, new_whole), make.now) == {}


def test_sizes_are_not_compared_when_switched_off(make):
    limits = CheckLimits(shrunk_to=0, grown_to=0)
    for size in (1, 999 * make.mib):
        assert found(make.facts(*make.daily(9), make.backup(make.now, size)), make.now, limits) == {}


SUM = "0" * 64
DATA = BackupFile("a.tar", SUM, 10240, FileKind.TAR, entries=3)


@pytest.mark.parametrize(
    ("files", "severity"),
    [
        ((DATA,), None),
        ((DATA, BackupFile("client.log", SUM, 0, FileKind.LOG)), None),
        ((DATA, BackupFile("b.sql", SUM, 0)), Severity.WARNING),
        ((BackupFile("b.sql", SUM, 0),), Severity.CRITICAL),
        ((BackupFile("b.sql.gz", SUM, 20, original_bytes=0),), Severity.CRITICAL),
        ((BackupFile("a.tar", SUM, 10240, FileKind.TAR, entries=0),), Severity.CRITICAL),
        ((BackupFile("client.log", SUM, 500, FileKind.LOG),), Severity.CRITICAL),
        ((), Severity.CRITICAL),
    ],
)
def test_empty_files_are_told(make, files, severity):
    empty = found(make.facts(make.backup(make.now, files=files)), make.now).get("backup_empty")
    assert (empty.severity if empty else None) == severity


def test_only_the_last_backup_is_asked_for_emptiness(make):
    empty = make.backup(make.now - make.day, files=(BackupFile("b.sql", SUM, 0),))
    assert found(make.facts(empty, make.backup(make.now)), make.now) == {}


ages = st.integers(0, 40 * 24 * 60).map(lambda minutes: timedelta(minutes=minutes))
sizes = st.integers(0, 10**9)


@st.composite
def series(draw, make):
    backups = [
        make.backup(
            make.now - age,
            draw(sizes),
            number=number,
            broken=draw(st.sampled_from(["", "", "", "damaged"])),
        )
        for number, age in enumerate(draw(st.lists(ages, max_size=25)))
    ]
    ended = [
        make.upload(make.now - age, draw(st.sampled_from(ENDS)), number=number)
        for number, age in enumerate(draw(st.lists(ages, max_size=6)))
    ]
    every = draw(st.none() | st.integers(1, 10).map(lambda days: timedelta(days=days)))
    expectation = None if every is None else make.expect(every, timedelta(hours=draw(st.integers(0, 48))))
    return make.facts(*backups, ended=tuple(ended), expectation=expectation)


@given(st.data())
def test_good_backup_in_time_never_makes_it_worse(make, data):
    """A backup that comes now, of the usual size and in good order."""
    facts = data.draw(series(make))
    good = [each for each in facts.backups if not each.broken]
    good.sort(key=lambda each: (each.document.created_at, each.id))
    usual = sorted(each.document.original_bytes for each in good[-10:]) or [make.mib]
    new = make.backup(make.now, max(1, usual[len(usual) // 2]), number=0xFFFFFF)
    with_new = replace(facts, backups=(*facts.backups, new))
    before, after = examine_series(facts, LIMITS, make.now), examine_series(with_new, LIMITS, make.now)
    assert worst(after).rank <= worst(before).rank
    assert {finding.code for finding in after} <= {finding.code for finding in before}
    assert "series_late" not in {finding.code for finding in after}


@given(st.data(), st.integers(0, 100))
def test_backup_in_time_puts_lateness_off_as_an_administrator_said(make, data, days):
    """Where the interval is set: at whatever time one looks, with one more backup it is no later than without."""
    facts = data.draw(series(make).filter(lambda facts: facts.expectation is not None))
    with_new = replace(facts, backups=(*facts.backups, make.backup(make.now, number=0xFFFFFF)))
    later = make.now + timedelta(days=days)

    def lateness(of):
        return [finding for finding in examine_series(of, LIMITS, later) if finding.code.startswith("series_")]

    assert worst(lateness(with_new)).rank <= worst(lateness(facts)).rank


@given(st.data())
def test_findings_do_not_depend_on_the_order_of_what_is_known(make, data):
    facts = data.draw(series(make))
    shuffled = replace(
        facts,
        backups=tuple(data.draw(st.permutations(facts.backups))),
        ended=tuple(data.draw(st.permutations(facts.ended))),
    )
    assert examine_series(shuffled, LIMITS, make.now) == examine_series(facts, LIMITS, make.now)
