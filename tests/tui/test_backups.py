"""Backups: finding them, looking at them, and what can be done with them, on a real server."""

from __future__ import annotations

import os
import shutil

import pytest
from textual.widgets import Button

from thaniya_tui.areas.backups.browser import Browser
from thaniya_tui.areas.backups.restoring import RestoreQuestion
from thaniya_tui.dialogs import Ask, Confirm, Failure, Reading

SERIES = "alice/web1/nightly"
FILES = {
    "etc/passwd": b"root:x:0:0\n",
    "etc/ssh/sshd_config": b"PermitRootLogin no\n" * 40,
    "srv/www/index.html": os.urandom(3000),
    "srv/www/[red]bold[/red].html": b"not red",
    "latin\udce9": b"byte 233",
}


@pytest.fixture
def backup(archive, pack):
    return archive(SERIES, {**pack("home", FILES), "dump.sql": b"select 1;\n"})


def _events(server, action: str) -> list[tuple[str, str, bool]]:
    return [(event.actor, event.subject, event.ok) for event in server.events() if event.action == action]


async def _go(person) -> None:
    """To the backups, with the keys in the table of the first series."""
    await person.press("3")
    await person.wait(lambda: person.console.screen.panes.seen is not None, "the backups")
    person.console.screen.panes.table.focus()
    await person.wait(lambda: person.console.screen.panes.place is not None, "where it lies")


def _dialog(person, kind):
    return lambda: isinstance(person.console.screen, kind)


def _damage(server, backup) -> None:
    file = server.catalog.directory(backup) / "home.tar.gz"
    file.chmod(0o600)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


# Looking.


def test_series_are_a_tree_and_the_chosen_one_shows_its_backups(visit, archive, pack, backup, clock):
    clock.advance(86400)
    second = archive("bob/db1/dump", {"dump.sql": b"x" * 5000})

    async def look(person):
        await person.press("3")
        await person.see("Backups of alice/web1/nightly")
        await person.see(backup.id)
        for word in ("alice", "web1", "nightly", "bob", "db1", "dump", "archived", "sha256"):
            await person.see(word)
        await person.press("G")
        await person.see("Backups of bob/db1/dump")
        await person.see(second.id)

    visit(look)


def test_user_or_host_shows_what_is_below(visit, backup):
    async def look(person):
        await person.press("3")
        await person.see("Backups of")
        await person.press("g")
        await person.see("1 series, 1 backups")

    visit(look)


def test_branches_are_closed_and_opened(visit, backup):
    async def press(person):
        await person.press("3")
        await person.see("nightly")
        tree = person.console.screen.tree_of_series
        await person.press("left")
        assert tree.cursor_key == "alice/web1"
        await person.press("left")
        assert tree.opened == {"alice"}
        await person.press("enter")
        assert tree.opened == {"alice", "alice/web1"}
        await person.press("right", "right", "j", "k")
        assert tree.cursor_key == "alice/web1"

    visit(press)


def test_filter_finds_series_and_opens_the_way_to_them(visit, archive, backup):
    archive("bob/db1/dump", {"dump.sql": b"x"})

    async def find(person):
        await person.press("3")
        await person.see("Backups of alice")
        tree = person.console.screen.tree_of_series
        await person.press("slash")
        await person.type("DB1")
        await person.see("Backups of bob/db1/dump")
        assert "nightly" not in person.text
        await person.press("enter", "escape")
        await person.see("nightly")
        assert tree.cursor_key == "bob/db1/dump"

    visit(find)


def test_filter_in_the_table_finds_backups_by_tag(visit, archive, server, backup, clock):
    clock.advance(3600)
    other = archive(SERIES, {"dump.sql": b"x"})
    server.backups.tag(backup, ["before-upgrade"], [], "login:test")

    async def find(person):
        await _go(person)
        await person.press("slash")
        await person.type("upgr")
        await person.see("1 shown")
        assert person.console.screen.panes.at_cursor.id == backup.id
        assert person.console.screen.panes.table.shown_count == 1
        await person.press("escape")
        await person.wait(lambda: person.console.screen.panes.table.shown_count == 2)
        assert person.console.screen.panes.table.has_focus
        assert other.id in person.console.screen.panes.table._shown

    visit(find)


def test_upload_that_comes_in_is_marked_and_its_backup_appears(visit, give, finish, backup):
    upload = give()

    async def watch(person):
        await person.press("3")
        await person.see("▶ nightly")
        await person.see("▶ 1 coming in")
        new = finish(upload)
        await person.wait(lambda: person.console.screen.panes.table.shown_count == 2)
        await person.see("2 backups")
        assert "▶" not in person.text
        assert new.id in person.console.screen.panes.table._shown

    visit(watch)


def test_details_tell_sums_warnings_tags_and_place_and_can_be_copied(visit, archive, pack, server):
    backup = archive(
        SERIES,
        pack("home", FILES),
        warnings=("tar: ./[bold]x: Permission denied\x1b[31m",),
        client="thaniya-client 0.1",
    )
    server.backups.tag(backup, ["one", "two"], [], "login:test")
    directory = server.catalog.directory(backup)

    async def look(person):
        await _go(person)
        await person.press("i")
        await person.wait(_dialog(person, Reading))
        await person.press("y")
        copied = person.console.clipboard
        for text in (backup.id, "one two", "[bold]x: Permission denied\\x1b[31m", "client", "removing it frees"):
            assert text in copied
        assert all(file.sha256 in "".join(copied.split()) for file in backup.document.files)
        assert str(directory) in "".join(copied.split())

    visit(look)


def test_id_series_and_path_are_copied(visit, backup, server):
    async def copy(person):
        await person.press("3")
        await person.see("Backups of alice")
        await person.press("y")
        assert person.console.clipboard == SERIES
        await _go(person)
        await person.press("y")
        assert person.console.clipboard == backup.id
        await person.press("Y")
        assert person.console.clipboard == str(server.catalog.directory(backup))

    visit(copy)


def test_restore_text_is_shown_and_copied(visit, backup, server):
    expected = (server.catalog.directory(backup) / "RESTORE.txt").read_text()

    async def read(person):
        await _go(person)
        await person.press("e")
        await person.wait(_dialog(person, Reading))
        await person.press("y")
        assert person.console.clipboard == expected.rstrip("\n")
        await person.pilot.click("#leave")
        await person.wait(lambda: not isinstance(person.console.screen, Reading))

    visit(read)


def test_show_series_leads_from_another_area_to_its_backups(visit, archive, backup):
    last = archive("zoe/db1/dump", {"dump.sql": b"x"})

    async def jump(person):
        await person.console.show_series(last.series)
        await person.see("Backups of zoe/db1/dump")
        await person.wait(lambda: person.console.screen.panes.table.has_focus, str(person.console.focused))

    visit(jump)


def test_enter_on_a_series_of_the_overview_leads_to_its_backups(visit, archive, backup):
    archive("zoe/db1/dump", {"dump.sql": b"x"})

    async def jump(person):
        await person.see("zoe/db1/dump")
        await person.press("end", "enter")
        await person.see("Backups of zoe/db1/dump")
        await person.press("1", "k", "j", "G", "g", "enter")
        await person.see("Backups of alice/web1/nightly")

    visit(jump)


def test_server_without_backups_says_what_to_do(visit):
    async def look(person):
        await person.press("3")
        await person.see("thaniya user add")
        await person.press("v")
        await person.wait(lambda: any("no backup is chosen" in toast for toast in person.toasts))

    visit(look)


# What is inside.


async def _browse(person) -> Browser:
    await _go(person)
    await person.press("enter")
    browser = await person.wait(lambda: isinstance(person.console.screen, Browser) and person.console.screen, "browser")
    await person.wait(lambda: browser._found.is_done, "the list")
    return browser


def test_what_is_inside_is_listed_with_plain_files_and_odd_names(visit, backup):
    async def look(person):
        browser = await _browse(person)
        for text in ("dump.sql", "etc/passwd", "-rw-r--r--", "2026-09-21 14:13", "[red]bold[/red].html", "latin\\351"):
            await person.see(text)
        assert len(browser._found.hits) == len(FILES) + 1

    visit(look)


def test_marked_paths_are_restored_byte_for_byte_and_nothing_else(visit, backup, server, tmp_path):
    target = tmp_path / "restored"

    async def restore(person):
        browser = await _browse(person)
        for text in ("index", "latin", "dump.sql", "[red]"):
            await person.press("slash")
            browser.query_one("#inside-search").value = text
            await person.wait(lambda: browser._found.is_done and len(browser._found.hits) == 1, text)
            await person.press("enter", "space")
        await person.see("4 marked")
        await person.press("R")
        await person.see("Marked: dump.sql")
        await person.wait(_dialog(person, RestoreQuestion))
        await person.type(str(target))
        await person.see("can be restored into")
        await person.pilot.click("#marked")
        await person.wait(lambda: any("restored" in toast for toast in person.toasts), "restored")
        assert person.console.screen is browser

    visit(restore)
    found = {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    wanted = {"srv/www/index.html", "latin\udce9", "srv/www/[red]bold[/red].html"}
    assert found == {path: FILES[path] for path in wanted} | {"dump.sql": b"select 1;\n"}
    assert ("login:test", f"{SERIES}/{backup.id}", True) in _events(server, "backup.restore")


def test_marks_can_be_left_aside_and_all_of_it_restored(visit, backup, tmp_path):
    target = tmp_path / "all"

    async def restore(person):
        await _browse(person)
        await person.press("space")
        await person.pilot.click("#restore")
        await person.wait(_dialog(person, RestoreQuestion))
        await person.type(str(target))
        await person.see("can be restored into")
        await person.pilot.click("#all")
        await person.wait(lambda: any("restored" in toast for toast in person.toasts), "restored")

    visit(restore)
    found = {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    assert found == FILES | {"dump.sql": b"select 1;\n"}


def test_search_fits_words_whatever_their_case_and_says_when_nothing_does(visit, backup):
    async def search(person):
        browser = await _browse(person)
        await person.press("slash")
        await person.type("WWW index")
        await person.see("1 of 6")
        await person.type("zzz")
        await person.see("nothing fits")
        await person.press("escape")
        await person.wait(lambda: len(browser._found.hits) == 6)
        await person.press("y")
        assert person.console.clipboard == "dump.sql"
        await person.pilot.click("#leave")
        await person.wait(lambda: not isinstance(person.console.screen, Browser))

    visit(search)


def test_archive_without_a_list_is_told(visit, archive, pack):
    archive(SERIES, pack("home", FILES, listed=False))

    async def look(person):
        await _browse(person)
        await person.see("no list of what is in home.tar.gz")
        await person.see("nothing is listed")

    visit(look)


def test_damaged_list_is_told_in_the_browser(visit, backup, server):
    file = server.catalog.directory(backup) / "home.files.gz"
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:60])

    async def look(person):
        await _browse(person)
        await person.see("home.files.gz of")
        await person.see("is damaged")

    visit(look)


# Doing.


def test_good_backup_is_verified(visit, backup, server):
    async def verify(person):
        await _go(person)
        await person.press("v")
        await person.see("✓ verified")
        await person.wait(lambda: any("every byte" in toast for toast in person.toasts))

    visit(verify)
    assert _events(server, "backup.verify") == [("login:test", f"{SERIES}/{backup.id}", True)]


def test_test_restore_compares_and_leaves_nothing(visit, backup, server):
    async def verify(person):
        await _go(person)
        await person.press("T")
        await person.see("✓ verified")

    visit(verify)
    assert not list((server.backups.trial_place(backup)).glob("thaniya-trial-*"))


def test_broken_backup_is_told_in_a_dialog_and_stays_marked(visit, backup, server):
    _damage(server, backup)

    async def verify(person):
        await _go(person)
        await person.press("v")
        await person.wait(_dialog(person, Reading))
        await person.see("is broken")
        await person.see("another SHA-256")
        await person.pilot.click("#copy")
        assert "another SHA-256" in person.console.clipboard
        await person.press("escape")
        await person.see("✗ broken")
        await person.press("T")
        await person.wait(_dialog(person, Reading))

    visit(verify)
    assert [ok for _, _, ok in _events(server, "backup.verify")] == [False, False]


def test_several_marked_ones_are_verified_one_after_the_other_and_pinned(visit, archive, backup, server, clock):
    clock.advance(60)
    other = archive(SERIES, {"dump.sql": b"x"})
    _damage(server, backup)

    async def verify(person):
        await _go(person)
        await person.press("space", "space", "v")
        await person.wait(_dialog(person, Reading))
        await person.see(f"{backup.id} is broken")
        await person.see("1 good")
        await person.press("escape", "g", "space", "space", "P")
        await person.wait(
            lambda: server.catalog.get(backup.id).notes.pinned and server.catalog.get(other.id).notes.pinned
        )

    visit(verify)
    assert server.catalog.get(other.id).verified_at is not None


def test_restore_of_damaged_backup_is_refused_and_leaves_nothing(visit, backup, server, tmp_path):
    _damage(server, backup)
    target = tmp_path / "restored"

    async def restore(person):
        await _go(person)
        await person.press("R")
        await person.type(str(target))
        await person.pilot.click("#all")
        await person.wait(_dialog(person, Failure))
        await person.see("is damaged; nothing was")

    visit(restore)
    assert not target.exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "give the whole path"),
        ("relative", "give the whole path"),
        ("{tmp}/full", "is not empty"),
        ("{tmp}/full/a", "not a directory"),
    ],
)
def test_directory_that_cannot_be_restored_into_is_refused_while_one_types(visit, backup, tmp_path, text, told):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/a").write_text("mine")

    async def restore(person):
        await _go(person)
        await person.press("R")
        await person.wait(_dialog(person, RestoreQuestion))
        await person.type(text.format(tmp=tmp_path))
        if not text:
            await person.press("enter")
        await person.see(told)
        await person.pilot.click("#all")
        await person.see(told)
        assert isinstance(person.console.screen, RestoreQuestion)
        await person.pilot.click("#leave")
        await person.wait(lambda: not isinstance(person.console.screen, RestoreQuestion))

    visit(restore)
    assert (tmp_path / "full/a").read_text() == "mine"


def test_pinned_backup_cannot_be_removed_until_it_is_unpinned(visit, backup, server):
    async def pin(person):
        await _go(person)
        await person.press("P")
        await person.see("pinned")
        await person.wait(lambda: person.console.screen.panes.at_cursor.notes.pinned)
        await person.press("x")
        await person.wait(lambda: any("it is pinned: unpin it first" in toast for toast in person.toasts))
        assert not isinstance(person.console.screen, Confirm)
        await person.press("P")
        await person.wait(lambda: not person.console.screen.panes.at_cursor.notes.pinned)
        await person.press("x")
        await person.wait(_dialog(person, Confirm))

    visit(pin)
    assert [each[0] for each in _events(server, "backup.pin") + _events(server, "backup.unpin")] == ["login:test"] * 2


def test_removal_wants_the_end_of_the_id_and_frees_the_space(visit, backup, server):
    directory = server.catalog.directory(backup)

    async def remove(person):
        await _go(person)
        await person.press("x")
        await person.wait(_dialog(person, Confirm))
        await person.see("last good backup of its series")
        await person.type("wrong")
        await person.press("enter")
        assert directory.is_dir()
        await person.pilot.click("#leave")
        assert directory.is_dir()
        await person.press("x")
        await person.type(backup.id[-6:])
        await person.pilot.click("#agree")
        await person.wait(lambda: not directory.exists())
        await person.wait(lambda: any(f"removed {backup.id}, freed" in toast for toast in person.toasts))
        await person.wait(lambda: person.console.screen.panes.table.shown_count == 0)

    visit(remove)
    assert _events(server, "backup.remove") == [("login:test", f"{SERIES}/{backup.id}", True)]


def test_tags_are_added_and_taken_away_and_checked_while_one_types(visit, backup, server):
    server.backups.tag(backup, ["old"], [], "login:test")

    async def tag(person):
        await _go(person)
        await person.press("t")
        await person.wait(_dialog(person, Ask))
        field = person.console.screen.query_one("#field-tags")
        assert field.value == "old"
        field.value = "new [red]"
        await person.see("is not a legal tag")
        await person.pilot.click("#agree")
        assert isinstance(person.console.screen, Ask)
        field.value = "new, before-upgrade"
        await person.wait(lambda: "is not a legal tag" not in person.text)
        person.console.screen.query_one("#agree", Button).press()  # it has moved just now: a click may miss it
        await person.wait(lambda: server.catalog.get(backup.id).notes.tags == ("before-upgrade", "new"))
        await person.see("before-upgrade")
        await person.press("t")
        await person.pilot.click("#leave")
        assert not isinstance(person.console.screen, Ask)

    visit(tag)


def test_several_backups_get_and_lose_tags(visit, archive, backup, server, clock):
    clock.advance(60)
    other = archive(SERIES, {"dump.sql": b"x"})
    server.backups.tag(backup, ["old"], [], "login:test")

    async def tag(person):
        await _go(person)
        await person.press("space", "space", "t")
        await person.see("Tags of 2 backups")
        await person.type("both")
        person.console.screen.query_one("#field-remove").value = "old"
        await person.press("enter")
        await person.wait(lambda: server.catalog.get(backup.id).notes.tags == ("both",))
        await person.wait(lambda: server.catalog.get(other.id).notes.tags == ("both",))
        assert not person.console.screen.panes.table.marked

    visit(tag)


@pytest.mark.parametrize("key", ["v", "P", "e", "enter", "x"])
def test_volume_that_is_gone_is_told(visit, backup, server, root, key):
    shutil.move(root / "volume", root / "unplugged")

    async def try_it(person):
        await person.press("3")
        await person.wait(lambda: person.console.screen.panes.place is not None)
        await person.press("enter")
        await person.see("not there")
        await person.press(key)
        if key == "x":
            await person.type(backup.id[-6:])
            await person.press("enter")
        await person.wait(lambda: ("not there" in person.text and not person.console.screen.is_current) or True)
        await person.wait(_dialog(person, Browser if key == "enter" else Reading))
        await person.see("volume")

    visit(try_it)


def test_nothing_is_changed_where_one_may_only_look(visit, backup, server):
    async def try_it(person):
        await _go(person)
        for key in ("v", "T", "R", "P", "t", "x"):
            await person.press(key)
        await person.wait(lambda: sum("may only look" in toast for toast in person.toasts) >= 6)
        browser = await _browse(person)
        assert browser.query_one("#restore").disabled
        await person.press("R")
        assert person.console.screen is browser

    visit(try_it, is_read_only=True)
    assert not _events(server, "backup.verify")
