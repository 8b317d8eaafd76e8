"""Users on the screen: made, let in and kept out, with keys and limits; and a real client that feels it."""

from __future__ import annotations

import subprocess
import threading

import pytest
from textual.widgets import Button, Input

from thaniya_client import Directory, ThaniyaServer
from thaniya_core.errors import NotAllowed, ThaniyaError
from thaniya_core.initialise import initialise
from thaniya_core.model import Role, UploadState
from thaniya_core.server import open_server
from thaniya_core.service import Service
from thaniya_tui.areas.users.handout import Handout
from thaniya_tui.dialogs import Ask, Confirm, Pick
from thaniya_tui.widgets import OneOf, SyncedTable

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDR42mUIODuZu+H7KOANoMyjObyc0Dtt6Lyocz1m8yYl alice@laptop"
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPylyyFJTZG99mwaN1mDWWxlxqtjdxJDMj4Jj2hGSVMQ bob"
FINGERPRINT = "SHA256:t65ygcyb9r4t4raBvMIfWKVaxVxACns/5u0MgYLMg/M"


async def leave_open(person, dialog):
    """Wait for a dialog."""
    await person.wait(lambda: isinstance(person.console.screen, dialog), dialog.__name__)


async def is_closed(person):
    await person.wait(lambda: person.console.screen is person.console.area_in_front(), "the area")


def user_of(server, name="alice"):
    return server.store.read().users.get(name)


@pytest.fixture
def alice(server):
    return server.users.add("alice", [KEY], "login:test", quota_bytes=123_456_789)


def last_event(server):
    return next(server.newest_events())


def test_a_user_is_made_with_everything_and_the_cursor_is_on_it(visit, server):
    server.users.add("bob", [], "login:test")

    async def make(person):
        await person.go("users")
        await person.press("n")
        await leave_open(person, Ask)
        await person.type("Alice")
        await person.see("is not a legal user name")
        await person.press("ctrl+u")
        await person.type("bob")
        await person.see("exists already")
        await person.press("ctrl+u")
        await person.type("zoe")
        await person.press("tab")
        await person.paste(KEY)
        await person.see(FINGERPRINT)
        await person.press("tab")
        await person.type("lots")
        await person.see("is no quota")
        await person.pilot.click("#agree")
        assert isinstance(person.console.screen, Ask)
        await person.press("ctrl+u")
        await person.type("10G")
        await person.press("tab", "ctrl+u", "3", "tab", "right", "enter")
        await person.see("zoe is made")
        table = person.console.screen.query_one("#users", SyncedTable)
        await person.wait(lambda: table.cursor_key == "zoe", "the cursor on zoe")

    visit(make)
    zoe = user_of(server, "zoe")
    assert (zoe.role, zoe.quota_bytes, zoe.max_uploads) == (Role.OPERATOR, 10 * 2**30, 3)
    assert [(key.fingerprint, key.comment) for key in zoe.keys] == [(FINGERPRINT, "alice@laptop")]
    assert (last_event(server).actor, last_event(server).action) == ("login:test", "user.add")


@pytest.mark.parametrize("button", ["#leave", "#agree"])
def test_backups_of_an_earlier_user_are_given_only_when_that_is_said(visit, server, give, button):
    upload = give("dave")
    server.uploads.complete(upload.id, None, "dave")
    server.close_slots()
    while server.worker.run_due():
        assert server.worker.drain(30)
    server.users.remove("dave", "login:test")

    async def make(person):
        await person.go("users")
        await person.see("no user")
        await person.press("n")
        await leave_open(person, Ask)
        assert person.console.screen.query_one("#field-name", Input).value == "dave"
        await person.pilot.click("#agree")
        await person.see("1 backups of an earlier user dave")
        await person.pilot.click(button)
        await is_closed(person)
        if button == "#agree":
            await person.see("dave is made")

    visit(make)
    assert (user_of(server, "dave") is not None) == (button == "#agree")


@pytest.mark.parametrize("what", ["path", "pasted"])
def test_a_key_is_shown_before_it_is_let_in(visit, server, alice, tmp_path, what):
    file = tmp_path / "laptop.pub"
    file.write_text(OTHER_KEY + "\n")

    async def add(person):
        await person.go("users")
        await person.press("a")
        await leave_open(person, Ask)
        await person.paste(KEY)
        await person.see("alice already (each user needs")
        await person.press("enter")
        assert isinstance(person.console.screen, Ask)
        await person.press("ctrl+u")
        await person.paste(str(tmp_path / "none.pub"))
        await person.see("none.pub")
        await person.press("ctrl+u")
        await person.paste(str(file) if what == "path" else OTHER_KEY)
        await person.see("✓ SHA256:")
        assert len(user_of(server).keys) == 1
        await person.press("enter")
        await person.wait(lambda: len(user_of(server).keys) == 2, "the key")
        await person.see("bob")

    visit(add)
    assert last_event(server).action == "user.key_add"


def test_a_hostile_comment_is_text_wherever_it_stands(visit, server):
    server.users.add("alice", [KEY.replace("alice@laptop", "[red]x[/y] [@click=app.quit]q[/]")], "login:test")
    server.users.add_key("alice", OTHER_KEY.replace("bob", "\u202egnp"), "login:test")

    async def look(person):
        await person.go("users")
        await person.see("[red]x[/y]")
        for key, dialog in (("x", Pick), ("i", Handout)):
            await person.press(key)
            await leave_open(person, dialog)
            await person.wait(
                lambda: (
                    "[@click=app.quit]" in str(person.console.screen.query("Static").last().render())
                    or "[red]x[/y]" in person.text
                ),
                "the comment",
            )
            assert "\u202e" not in person.text
            await person.press("escape")
        await person.press("x", "enter")
        await leave_open(person, Confirm)
        await person.see("[red]x[/y] [@click=app.quit]q[/]")

    visit(look)


@pytest.mark.parametrize("button", ["#leave", "#agree"])
def test_a_key_is_removed_by_its_fingerprint(visit, server, alice, button):
    async def remove(person):
        await person.go("users")
        await person.press("x")
        await leave_open(person, Confirm)
        await person.see(FINGERPRINT)
        await person.see("It is the only one")
        await person.pilot.click(button)
        await is_closed(person)
        if button == "#agree":
            await person.see("no key")
            await person.press("x")
            await person.wait(lambda: any("alice has no key" in toast for toast in person.toasts))

    visit(remove)
    assert len(user_of(server).keys) == (1 if button == "#leave" else 0)


@pytest.mark.parametrize("button", ["#leave", "#agree"])
def test_one_of_several_keys_is_chosen_first(visit, server, alice, button):
    server.users.add_key("alice", OTHER_KEY, "login:test")

    async def remove(person):
        await person.go("users")
        await person.press("x")
        await leave_open(person, Pick)
        await person.press("down")
        await person.pilot.click(button)
        if button == "#agree":
            await leave_open(person, Confirm)
            await person.see("One other key stays")
            await person.pilot.click("#agree")
            await person.wait(lambda: len(user_of(server).keys) == 1, "one key")
        await is_closed(person)

    visit(remove)
    assert user_of(server).keys[0].fingerprint == FINGERPRINT


def test_limits_are_changed_and_what_is_left_alone_stays_to_the_byte(visit, server, alice):
    async def change(person):
        await person.go("users")
        await person.press("l")
        await leave_open(person, Ask)
        await person.press("tab", "ctrl+u")
        await person.type("0")
        await person.see("at least one upload")
        await person.press("ctrl+u", "5")
        await person.pilot.click("#agree")
        await person.see("alice is changed")
        await person.wait(lambda: person.console.live.users[0].max_uploads == 5)
        await person.press("l")
        await leave_open(person, Ask)
        await person.press("enter")
        await person.see("nothing was changed")
        await person.press("l")
        await leave_open(person, Ask)
        await person.press("ctrl+u")
        await person.type("unlimited")
        await person.pilot.click("OneOf", offset=(26, 0))
        assert person.console.screen.query_one(OneOf).value == "admin"
        await person.pilot.click("#leave")
        await is_closed(person)

    visit(change)
    assert (user_of(server).quota_bytes, user_of(server).max_uploads) == (123_456_789, 5)
    assert user_of(server).role is Role.BACKUP


def test_a_disabled_user_loses_its_upload_and_is_enabled_again(visit, server, give):
    one = give()

    async def toggle(person):
        await person.go("users")
        await person.see("1/2")
        await person.press("d")
        await person.see("1 upload will end at once")
        assert person.console.screen.focused.id == "leave"
        await person.pilot.click("#leave")
        await is_closed(person)
        assert user_of(server).enabled
        await person.press("d")
        await leave_open(person, Confirm)
        await person.pilot.click("#agree")
        await person.see("- disabled")
        await person.press("d")
        await person.wait(lambda: any("no enabled user" in toast for toast in person.toasts))
        await person.press("e")
        await person.see("alice is enabled")

    visit(toggle)
    assert server.uploads.get(one.id).state is UploadState.ABORTED
    assert user_of(server).enabled


def test_marked_users_are_disabled_together(visit, server):
    for name in ("alice", "bob", "carol"):
        server.users.add(name, [], "login:test")

    async def disable(person):
        await person.go("users")
        await person.press("space", "space", "d")
        await person.see("Disable these users?")
        await person.see("alice, bob")
        await person.pilot.click("#agree")
        await person.wait(lambda: [user.enabled for user in person.console.live.users] == [False, False, True])

    visit(disable)


@pytest.mark.parametrize("button", ["#leave", "#agree"])
def test_a_user_is_removed_only_when_its_name_was_typed(visit, server, alice, button):
    async def remove(person):
        await person.go("users")
        await person.press("X")
        await leave_open(person, Confirm)
        assert person.console.screen.query_one("#agree", Button).disabled
        await person.type("alic")
        await person.press("enter")
        assert isinstance(person.console.screen, Confirm)
        await person.type("e")
        await person.pilot.click(button)
        await is_closed(person)
        if button == "#agree":
            await person.see("no users yet")

    visit(remove)
    assert (user_of(server) is None) == (button == "#agree")


def test_a_user_with_an_upload_on_its_way_cannot_be_removed_and_it_is_said(visit, give):
    give()

    async def remove(person):
        await person.go("users")
        await person.see("1/2")
        await person.press("X")
        await person.wait(lambda: any("alice has 1 uploads on their way" in toast for toast in person.toasts))

    visit(remove)


@pytest.mark.parametrize("button", ["#copy", "#leave"])
def test_what_to_send_is_what_the_command_prints_without_what_is_for_the_administrator(visit, server, alice, button):
    made = server.instruct_user("alice")
    assert made.doubts

    async def copy(person):
        await person.go("users")
        await person.press("i")
        await leave_open(person, Handout)
        await person.see("for you, not for the user")
        await person.pilot.click(button)
        if button == "#copy":
            assert person.console.clipboard == made.text.rstrip("\n")
        else:
            await is_closed(person)

    visit(copy)


def test_what_to_send_can_be_read_where_one_may_only_look(visit, server, alice):
    async def look(person):
        await person.go("users")
        await person.press("a")
        await person.wait(lambda: any("may only look" in toast for toast in person.toasts))
        await person.press("i")
        await leave_open(person, Handout)

    visit(look, is_read_only=True)


def test_a_failure_is_told_and_nothing_is_changed(visit, server, alice, monkeypatch):
    def fail(*_):
        raise ThaniyaError("the state cannot be written: [no] space")

    async def go(person):
        await person.go("users")
        monkeypatch.setattr(server, "instruct_user", fail)
        await person.press("i")
        await person.see("the state cannot be written: [no] space")
        await person.press("escape")
        monkeypatch.setattr(server, "disable_user", fail)
        await person.press("d")
        await leave_open(person, Confirm)
        await person.pilot.click("#agree")
        await person.see("could not disable alice")

    visit(go)
    assert user_of(server).enabled


def test_enter_leads_into_the_details_and_escape_back_and_y_copies(visit, server, alice):
    async def go(person):
        await person.go("users")
        await person.see(FINGERPRINT)
        await person.press("y")
        assert person.console.clipboard == "alice"
        await person.press("enter", "y")
        assert person.console.clipboard == f"{FINGERPRINT} ssh-ed25519"
        await person.press("escape")
        assert person.console.screen.focused.id == "users"

    visit(go)


def test_a_server_without_users_says_how_to_begin(visit):
    async def look(person):
        await person.go("users")
        await person.see("no users yet: `n` makes one")
        line = person.console.screen.query_one("#user-about").render_line(0)
        assert any(segment.style is not None and segment.style.dim for segment in line)
        await person.press("l")
        await person.wait(lambda: any("no user is chosen" in toast for toast in person.toasts))

    visit(look)


@pytest.fixture
def running(tmp_path):
    """A server that clients can call: its directory and its service."""
    directory = tmp_path / "running"
    service = Service(initialise(directory, "login:test", port=0))
    ready = threading.Event()
    thread = threading.Thread(target=service.run, args=(ready.set,))
    thread.start()
    assert ready.wait(30)
    yield directory, service
    service.stop_soon()
    thread.join(30)


def test_a_real_client_feels_what_is_done_on_the_screen(running, tmp_path, open_console, visit):
    directory, service = running
    key, source = tmp_path / "id_ed25519", tmp_path / "source"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    source.mkdir()
    (source / "notes.txt").write_text("important")
    server = open_server(directory / "thaniya.toml")

    def backup():
        gate = service.gate
        with ThaniyaServer(
            gate.address, port=gate.port, key=key, known_hosts=tmp_path / "known", fingerprint=gate.fingerprint
        ) as client:
            return client.backup(Directory(source), name="nightly")

    async def in_thread(person, call):
        done = []
        thread = threading.Thread(target=lambda: done.append(_outcome(call)))
        thread.start()
        await person.wait(lambda: done, "the client")
        thread.join()
        return done[0]

    async def go(person):
        await person.go("users")
        await person.press("n")
        await leave_open(person, Ask)
        await person.type("alice")
        await person.press("tab")
        await person.paste(f"{key}.pub")
        await person.see("✓ SHA256:")
        await person.press("enter")
        await person.see("alice is made")
        await is_closed(person)
        first = await in_thread(person, backup)
        assert not isinstance(first, Exception), first
        await person.press("r")
        await person.see("last used now")

        await person.press("d")
        await leave_open(person, Confirm)
        await person.pilot.click("#agree")
        await person.see("- disabled")
        assert isinstance(await in_thread(person, backup), NotAllowed)

        await person.press("e")
        await person.see("✓ enabled")
        assert not isinstance(await in_thread(person, backup), Exception)

    visit(go, console=open_console(server))
    assert len(server.catalog.find("alice")) == 2
    assert [(event.actor, event.action) for event in server.events() if event.action.startswith("user.")] == [
        ("login:test", "user.add"),
        ("login:test", "user.disable"),
        ("login:test", "user.enable"),
    ]


def _outcome(call):
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - it is the outcome
        return error
