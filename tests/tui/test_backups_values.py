"""What the area of backups shows, as pure functions of values."""

from __future__ import annotations

import itertools
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from thaniya_core.errors import IllegalName, WrongUsage
from thaniya_core.formats.contents import ContentsEntry, escape_path
from thaniya_core.formats.manifest import BackupDocument, BackupFile, SumsBy
from thaniya_core.formats.names import Series
from thaniya_core.formats.notes import Notes
from thaniya_core.model import Backup, Severity, UploadState
from thaniya_core.views import Inside, Stopped, SurveyedSeries, make_harmless
from thaniya_tui.areas.backups import branches as grown
from thaniya_tui.areas.backups.deeds import Verified, damage_text, tell_verified, verify_each
from thaniya_tui.areas.backups.details import Facts, Place, details_text, draw_details
from thaniya_tui.areas.backups.inside_rows import changed_at, inside_rows, path_of, told
from thaniya_tui.areas.backups.restoring import name_paths, read_target
from thaniya_tui.areas.backups.rows import Seen, backup_rows, verified
from thaniya_tui.areas.backups.searching import Found, Hit, Search
from thaniya_tui.areas.backups.wishes import changed_tags, confirm_removal, read_tags
from thaniya_tui.areas.backups.work import Work
from thaniya_tui.widgets import MOST_ROWS

from .test_uploads import upload

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
HOSTILE = st.text(max_size=400) | st.sampled_from(
    ["[red]", "[/x]", "\x1b[31m", "\u202e", "a" * 400, "\n\r\t", "\udcff"]
)


def _surveyed(key: str, severity: Severity = Severity.OK, broken: int = 0) -> SurveyedSeries:
    return SurveyedSeries(Series(*key.split("/")), 3, broken, 1000, NOW, 300, None, None, False, False, 0, severity, ())


def _backup(backup_id: str = "20261123T211500Z-7f3a2c", **fields) -> Backup:
    document = BackupDocument(
        id=backup_id,
        user="alice",
        host="web1",
        name="nightly",
        created_at=NOW - timedelta(days=1),
        completed_at=NOW,
        archived_at=NOW,
        files=(BackupFile("dump.sql", "0" * 64, 10),),
        stored_bytes=10,
        original_bytes=40,
        sums_by=SumsBy.SERVER,
        **fields,
    )
    return Backup(document, "volume")


def _is_harmless(text: str) -> bool:
    return make_harmless(text, len(text)) == text


def _seen(*backups: Backup) -> Seen:
    return Seen(Series("alice", "web1", "nightly"), backups, len(backups))


# The tree.


def test_a_failed_upload_is_not_on_its_way():
    assert grown.coming_in([upload(1), upload(2, state=UploadState.FAILED)]) == {upload(1).series: 1}


def test_branches_hold_the_worst_and_the_sums_of_what_is_below():
    tree = grown.grow(
        [_surveyed("alice/db1/x"), _surveyed("alice/web1/y", Severity.CRITICAL, 2), _surveyed("bob/nas/z")],
        {Series("carol", "laptop", "home"): 1},
    )

    assert [branch.key for branch in grown.walk(tree) if branch.is_series] == [
        "alice/db1/x",
        "alice/web1/y",
        "bob/nas/z",
        "carol/laptop/home",
    ]
    alice = grown.find(tree, "alice")
    assert alice is not None
    assert (alice.severity, alice.backups, alice.broken, alice.stored_bytes) == (Severity.CRITICAL, 6, 2, 2000)
    assert grown.find(tree, "carol").coming == 1
    assert grown.find(tree, "nobody/at/all") is None
    assert grown.find(tree, "alice/web") is None


def test_pruned_tree_has_only_what_fits_and_the_way_to_it():
    tree = grown.grow([_surveyed("alice/db1/x"), _surveyed("alice/web1/y"), _surveyed("bob/nas/z")], {})

    fitting = grown.prune(tree, lambda key: "web" in key)

    assert [branch.key for branch in grown.walk(fitting)] == ["alice", "alice/web1", "alice/web1/y"]
    assert grown.find(fitting, "alice").backups == 3
    assert grown.open_first(fitting, 10) == {"alice", "alice/web1"}
    assert grown.shape_of(fitting, {"alice"}) == ("alice", "alice/web1")


names = st.from_regex(r"[a-z]{1,3}", fullmatch=True)


@given(st.lists(st.builds(Series, names, names, names), max_size=30, unique=True))
def test_every_series_is_found_in_the_tree_once(series):
    tree = grown.grow([_surveyed(str(each)) for each in series], {})

    assert grown.series_of(tree) == sorted(map(str, series), key=lambda key: key.split("/"))
    for each in series:
        branch = grown.find(tree, str(each))
        assert branch is not None and branch.is_series
    everything = grown.shape_of(tree, {branch.key for branch in grown.walk(tree)})
    assert everything == tuple(branch.key for branch in grown.walk(tree))
    assert len(set(everything)) == len(everything)


# The backups of a series.


@given(HOSTILE, HOSTILE, st.integers(1, 200))
def test_hostile_words_are_shown_letter_by_letter_at_any_width(word, other, width):
    backup = replace(_backup(warnings=(word,), warning_count=3, client=other, parent=word), broken=other)
    backup = replace(backup, notes=Notes(tags=(word or "x",)))
    facts = Facts(backup, _seen(backup), Place(backup.id, word, 5), None, NOW)

    lines = draw_details(facts, width)
    [row] = backup_rows([backup], NOW)

    for line in [*lines, *row.cells, details_text(facts, 60), damage_text(Verified((), (backup,), ((word, other),)))]:
        assert _is_harmless(line.plain.replace("\n", ""))
    assert all(line.cell_len <= max(width, 46) for line in lines)


def test_details_tell_a_chain_that_is_cut_and_what_is_needed():
    parent = _backup("20261122T211500Z-7f3a2c")
    child = _backup(parent="20261122T211500Z-7f3a2c")

    whole = _seen(child, parent)
    assert "builds on it\n" in details_text(Facts(child, whole, None, None, NOW), 80).plain
    assert f"needed by {child.id}" in details_text(Facts(parent, whole, None, None, NOW), 80).plain
    assert "builds on it, and it is not there" in details_text(Facts(child, _seen(child), None, None, NOW), 80).plain
    text = confirm_removal(parent, whole, None)._text.plain
    assert "1 later backups cannot be restored without it" in text


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        (timedelta(minutes=5), "5 min"),
        (timedelta(hours=47), "47 h"),
        (timedelta(days=400), "400 d"),
        (-timedelta(days=1), "0 min"),
    ],
)
def test_time_since_a_verification_fits_its_column(ago, expected):
    assert verified(replace(_backup(), verified_at=NOW - ago), NOW).plain == expected


def test_last_good_backup_is_known():
    broken = replace(_backup("20261122T211500Z-7f3a2c"), broken="yes")
    good = _backup()

    assert _seen(good, broken).is_last_good(good)
    assert not _seen(good, broken).is_last_good(broken)
    assert not _seen(good, _backup("20261121T211500Z-7f3a2c")).is_last_good(good)


# Tags and targets.


def test_tags_are_compared_with_what_was_there():
    assert read_tags(" new, before-upgrade  new ") == ("new", "before-upgrade")
    assert read_tags("  ") == ()
    assert changed_tags(["old", "stays"], ["stays", "new"]) == (["new"], ["old"])
    with pytest.raises(IllegalName):
        read_tags("good [bad]")


@pytest.mark.parametrize("text", ["", "relative", "~/x", "/a\x00b", "/a\x1b[31m", "/a\u202eb"])
def test_target_that_is_no_whole_path_is_refused(text):
    with pytest.raises(WrongUsage):
        read_target(text)


def test_marked_paths_are_named_shortly():
    named = name_paths(tuple(f"./{number}[red]\x1b" for number in range(1000))).plain
    assert named.startswith("Marked: 0[red]\\x1b, 1[red]")
    assert named.endswith("and 996 more")


# Verifying.


def test_each_backup_is_verified_and_the_outcome_told():
    backups = [_backup(f"20261122T211500Z-00000{number}") for number in range(4)]

    def verify(backup: Backup) -> Backup:
        if backup is backups[0]:
            raise WrongUsage("not there")
        return replace(backup, broken="damaged" if backup is backups[1] else "", verified_at=NOW)

    outcome = verify_each(backups, verify)

    assert [backup.id for backup in outcome.broken] == [backups[1].id]
    assert [backup.id for backup in outcome.good] == [backups[2].id, backups[3].id]
    assert outcome.unread == ((backups[0].id, "not there"),)
    assert tell_verified(outcome) == ""
    assert "is broken" in damage_text(outcome).plain


def test_verifying_that_was_stopped_keeps_what_was_done():
    first, second = _backup(), _backup("20261122T211500Z-7f3a2c")

    def stop_at_second(backup: Backup) -> Backup:
        if backup is second:
            raise Stopped
        return backup

    outcome = verify_each([first, second], stop_at_second)

    assert len(outcome.good) == 1
    assert tell_verified(outcome) == "stopped; 1 were verified before"


def test_work_tells_how_far_it_is_and_can_be_stopped():
    work = Work("verify [red]\x1b", "unpacking")
    work.expect(100)
    work.count(40)
    assert "40 B of 100 B" in work.draw(120).plain
    assert "[red]\\x1b" in work.draw(120).plain
    assert work.can_stop
    work.stop()
    with pytest.raises(Stopped):
        work.count(1)
    assert not work.can_stop
    work.end()
    assert not work.is_going_on


def test_work_without_a_measure_says_what_it_does():
    work = Work("restore", "unpacking")
    work.expect(10)
    work.count(10)
    assert "unpacking …" in work.draw(80).plain
    assert not work.can_stop
    assert work.draw(12).cell_len <= 12


# What is inside.


def _entry(path: bytes, mtime: str = "2026-09-21T14:13:20Z", target: bytes | None = None) -> Inside:
    return Inside(path, 5, ContentsEntry("-rw-r--r--", "0/0", 5, mtime, path, target))


def _search(entries, text: str, most: int = MOST_ROWS) -> Found:
    search = Search(lambda: iter(entries), text, most)
    while not (found := search.go_on()).is_done:
        pass
    return found


def test_search_keeps_the_first_that_fit_and_says_that_there_are_more():
    entries = (_entry(b"./%07d.txt" % number) for number in itertools.count())

    found = _search(entries, "TXT", most=1000)

    assert len(found.hits) == 1000
    assert found.has_more
    assert "there are more" in told(found, "TXT", 3).plain
    assert "3 marked" in told(found, "TXT", 3).plain


@given(
    st.lists(st.binary(min_size=1, max_size=12).filter(lambda path: b"\0" not in path), max_size=300),
    st.text(max_size=3),
)
def test_search_finds_exactly_what_contains_the_words(paths, text):
    found = _search([_entry(path) for path in paths], text)

    expected = [
        (number, path)
        for number, path in enumerate(paths)
        if all(word in escape_path(path).lower() for word in text.lower().split())
    ]
    assert [(hit.number, hit.inside.path) for hit in found.hits] == expected
    for row in inside_rows(found.hits):
        assert all(_is_harmless(cell.plain) for cell in row.cells)


def test_search_that_is_stopped_closes_what_it_reads():
    closed = threading.Event()

    def entries():
        try:
            yield from (_entry(b"./x") for _ in itertools.count())
        finally:
            closed.set()

    search = Search(entries, "nothing like this")
    assert not search.go_on().is_done
    assert not closed.is_set()
    search.stop()
    assert closed.is_set()


def test_search_that_fails_closes_what_it_reads_and_raises():
    def entries():
        yield _entry(b"./x")
        raise WrongUsage("damaged")

    with pytest.raises(WrongUsage):
        Search(entries, "").go_on()


def test_link_and_odd_time_are_shown():
    hit = Hit(0, _entry(b"./a\x1b", "99999-99-99", b"/etc/[red]\n"), escape_path(b"./a\x1b"))
    assert path_of(hit).plain == "a\\033 → /etc/[red]\\n"
    assert changed_at(hit.inside.entry) == "99999-99-99"
    assert changed_at(None) == "-"
