"""The retention area on a real server: policies are written, tried, taken back and applied."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import Button, Input, Static

from thaniya_core.formats.names import Series
from thaniya_core.model import User
from thaniya_core.retention import parse_policy
from thaniya_core.server import Server, open_server
from thaniya_tui.areas.retention.editing import PolicyDialog
from thaniya_tui.areas.retention.screen import RetentionArea
from thaniya_tui.dialogs import Ask, Confirm, Failure, Reading
from thaniya_tui.widgets import SyncedTable

from .conftest import ACTOR, DEADLINE_S

NIGHTLY, WEEKLY, PHOTOS = (
    Series("alice", "web1", "nightly"),
    Series("alice", "web1", "weekly"),
    Series("bob", "nas", "photos"),
)
DAY = 86400


@pytest.fixture
def archive(server, give, clock) -> Callable[..., list[str]]:
    """Archives so many backups of a series, one a day, the last today; gives their ids."""

    def make(series: Series, number: int) -> list[str]:
        ids = []
        for left in reversed(range(number)):
            upload = give(series.user, series.host, series.name, size=1000 + left)
            server.uploads.complete(upload.id, None, ACTOR)
            server.close_slots()
            while server.worker.run_due():
                assert server.worker.drain(DEADLINE_S)
            ids.append(upload.id)
            clock.advance(DAY if left else 60)
        return ids

    return make


@pytest.fixture
def two(server, archive) -> Server:
    """Five backups in one series, three in another, each of its own user; the default keeps two."""
    archive(NIGHTLY, 5)
    archive(PHOTOS, 3)
    server.retention_settings.set("default", parse_policy("keep-last=2"), ACTOR)
    return server


def on_disk(root: Path, series: Series) -> set[str]:
    return {directory.name for directory in (root / "volume/archive" / str(series)).iterdir()}


def removed_by_plan(server: Server, series: Series) -> set[str]:
    (planned,) = server.retention.plan([series])
    return {decision.candidate.id for decision in planned.plan.removed}


def set_policies(server: Server) -> dict[str, str]:
    return {each.scope: str(each.policy) for each in server.retention_settings.all()}


async def go_to(person, scope: str) -> RetentionArea:
    """Open the area with the cursor on a scope, and wait until its plan is there."""
    if not isinstance(person.console.screen, RetentionArea):
        await person.go("retention")
    area = person.console.screen
    await person.wait(lambda: scope in area.statuses, f"the scope {scope}")
    area.go_to(scope)
    await person.wait(lambda: area.plans.target is not None and area.plans.target.scope == scope and area.plans.preview)
    await person.pilot.pause()
    return area


async def write(person, text: str) -> PolicyDialog:
    """Write into the dialog of a policy instead of what is there."""
    await person.wait(lambda: isinstance(person.console.screen, PolicyDialog), "the dialog")
    person.console.screen.query_one(Input).value = text
    await person.pilot.pause()
    return person.console.screen


# What is shown.


def test_scopes_say_what_holds_and_the_plan_says_why(visit, two):
    async def look(person):
        await go_to(person, "default")
        await person.see("✗ keeps 4 of 8, frees")
        await person.see("2 series, 2 with something to remove")
        await person.press("j", "j")
        await person.see("alice/web1/nightly  ✗ keeps 2 of 5, frees 2.9 KiB")
        assert "keep-last=2, set for all" in person.text
        for told in ("✓ keep", "✗ remove", "last 1", "no rule keeps it", "← default", "■ kept 2  ✗ removed 3"):
            await person.see(told)

    visit(look)


def test_without_policies_every_series_keeps_everything_and_says_so(visit, archive):
    archive(NIGHTLY, 2)

    async def look(person):
        area = await go_to(person, str(NIGHTLY))
        assert "keeps everything: no policy is set" in person.text
        assert "✓ keeps all 2, removes nothing" in person.text
        await person.press("A")
        await person.wait(lambda: any("the plan removes nothing" in toast for toast in person.toasts))
        await person.press("u")
        await person.wait(lambda: any("nothing is set for it" in toast for toast in person.toasts))
        assert area.check_action("apply", ()) is None

    visit(look)


def test_pins_tags_and_broken_ones_are_told(visit, archive, server):
    ids = archive(NIGHTLY, 4)
    server.retention_settings.set("alice", parse_policy("keep-last=1"), ACTOR)
    pinned = server.backups.pin(server.catalog.get(ids[0]), True, ACTOR)
    server.backups.tag(pinned, ["before-upgrade"], [], ACTOR)
    server.backups.note_damage(server.catalog.get(ids[1]), "home.tar: [red]the sum\x1b differs[/]")

    async def look(person):
        await go_to(person, str(NIGHTLY))
        await person.see("1 pinned · 1 broken")
        await person.see("broken: it is not removed unasked")
        await person.press("tab", "j", "j", "enter")
        await person.see("[red]the sum\\x1b differs[/]")
        assert isinstance(person.console.screen, Reading)
        await person.press("escape", "j", "enter")
        await person.see("before-upgrade")
        await person.see("pinned  yes")

    visit(look)


def test_the_list_can_show_removals_only_and_the_calendar_can_have_the_room(visit, two):
    async def look(person):
        area = await go_to(person, str(NIGHTLY))
        assert area.query_one("#decisions", SyncedTable).row_count == 5
        await person.press("o")
        assert area.query_one("#decisions", SyncedTable).row_count == 3
        await person.press("o", "c")
        await person.wait(lambda: not area.query_one("#decisions").display)
        assert "■ kept 2  ✗ removed 3" in person.text
        await person.press("c")
        await person.wait(lambda: area.query_one("#decisions").display)
        assert "■" not in person.text

    visit(look, size=(80, 24))


def test_the_filter_is_that_of_the_table_that_has_the_keys(visit, two):
    async def look(person):
        area = await go_to(person, str(NIGHTLY))
        scopes, decisions = area.query_one("#scopes", SyncedTable), area.query_one("#decisions", SyncedTable)
        await person.press("slash")
        await person.type("bob")
        await person.wait(lambda: scopes.row_count == 2)
        await person.press("escape")
        await person.wait(lambda: scopes.row_count == 5)
        await go_to(person, str(NIGHTLY))
        await person.press("tab", "slash")
        await person.type("remove")
        await person.wait(lambda: decisions.row_count == 3)
        await person.press("enter")
        assert decisions.has_focus
        assert scopes.row_count == 5
        await person.press("escape")
        await person.wait(lambda: decisions.row_count == 5)

    visit(look)


def test_from_the_sums_one_goes_to_a_series(visit, two):
    async def go(person):
        await go_to(person, "default")
        await person.press("tab", "j", "enter")
        await person.see("bob/nas/photos  ✗ keeps 2 of 3")

    visit(go)


def test_a_policy_that_somebody_else_sets_is_shown(visit, two):
    async def look(person):
        await go_to(person, str(PHOTOS))
        two.retention_settings.set("bob", parse_policy("keep-last=1"), "login:other")
        await person.press("r")
        await person.see("bob/nas/photos  ✗ keeps 1 of 3")
        assert "keep-last=1, set for bob" in person.text

    visit(look)


# Editing.


def test_a_policy_edited_on_the_screen_changes_the_plan(visit, two):
    async def edit(person):
        await go_to(person, str(NIGHTLY))
        await person.press("e")
        await write(person, "keep-last=4")
        await person.see("keeps 4 of 5")
        await person.see("now keeps 2 of 5")
        await person.press("enter")
        await person.see("alice/web1/nightly  ✗ keeps 4 of 5")
        assert "keep-last=4, set for alice/web1/nightly itself" in person.text

    visit(edit)
    assert set_policies(two) == {"default": "keep-last=2", str(NIGHTLY): "keep-last=4"}
    assert len(removed_by_plan(two, NIGHTLY)) == 1
    event = next(two.newest_events())
    assert (event.actor, event.action, event.subject) == (ACTOR, "retention.set", str(NIGHTLY))


def test_enter_opens_what_is_typed_for_many_series_with_sums_and_a_sample(visit, two, archive):
    archive(WEEKLY, 2)

    async def edit(person):
        await go_to(person, "default")
        await person.press("enter")
        await write(person, "keep-last=1")
        await person.see("all: ✗ keeps 3 of 10, frees")
        assert "3 series, 3 with something to remove" in person.text
        await person.see("1 of 3 ↑↓ alice/web1/nightly  ✗ keeps 1 of 5")
        await person.press("down")
        await person.see("2 of 3 ↑↓ alice/web1/weekly  ✗ keeps 1 of 2")
        await person.press("up", "up")
        await person.see("3 of 3 ↑↓ bob/nas/photos  ✗ keeps 1 of 3")

    visit(edit)
    assert set_policies(two) == {"default": "keep-last=2"}


WRONG = {
    "keep-dayly=7": "a policy knows no keep-dayly",
    "keep-daily": "'keep-daily' is no part of a policy",
    "keep-daily=x": "keep-daily=x is not understood",
    "keep-daily=7 keep-daily=8": "keep-daily is given twice",
    "keep-daily=0": "this policy keeps nothing",
    "keep-within=soon": "'soon' is not a span of time",
    "[red]keep[/]": "'[red]keep[/]' is no part of a policy",
    "\x1b[31m \u202e": "\\x1b[31m",
    "x" * 300: "is no part of a policy",
}


@pytest.mark.parametrize("size", [(60, 20), (120, 40)])
def test_what_is_wrong_with_a_policy_is_told_and_it_cannot_be_saved(visit, two, size):
    async def edit(person):
        await go_to(person, "default")
        await person.press("e")
        for text, told in WRONG.items():
            dialog = await write(person, text)
            shown = dialog.query_one("#policy-told", Static).content
            assert told in shown.plain
            assert "keep-last" in shown.plain, "the known words"
            await person.see(told[:2])
            assert dialog.query_one("#save", Button).disabled
            assert dialog.query_one("#try", Button).disabled
            await person.press("enter", "f2")
            assert person.console.screen is dialog
        await person.press("escape")

    visit(edit, size=size)
    assert set_policies(two) == {"default": "keep-last=2"}


def test_the_right_arrow_completes_a_word(visit, two):
    async def edit(person):
        await go_to(person, "default")
        await person.press("e")
        dialog = await write(person, "")
        await person.type("keep-w")
        await person.wait(lambda: dialog.query_one(Input)._suggestion)
        await person.press("right")
        assert dialog.query_one(Input).value == "keep-weekly="

    visit(edit)


def test_cancel_save_and_try_are_buttons(visit, two):
    async def press(person):
        area = await go_to(person, "alice")
        await person.press("e")
        await write(person, "keep-last=1")
        await person.pilot.click("#leave")
        assert person.console.screen is area
        assert set_policies(two) == {"default": "keep-last=2"}

        await person.press("e")
        await write(person, "keep-last=1")
        await person.pilot.click("#try")
        await person.see("tried, not saved: keep-last=1")
        await person.see("keeps 1 of 5")
        assert set_policies(two) == {"default": "keep-last=2"}

        await person.press("e")
        await person.wait(lambda: isinstance(person.console.screen, PolicyDialog))
        assert person.console.screen.query_one(Input).value == "keep-last=1"
        await person.pilot.click("#save")
        await person.see("keep-last=1, set for alice itself")
        assert "tried, not saved" not in person.text

    visit(press)
    assert set_policies(two) == {"default": "keep-last=2", "alice": "keep-last=1"}


def test_a_tried_policy_is_followed_to_the_series_it_would_hold_for_and_dropped_again(visit, two, root):
    async def try_it(person):
        await go_to(person, "default")
        await person.press("e")
        await write(person, "")
        await person.press("f2")
        await person.see("tried, not saved: keeps everything")
        await person.see("✓ keeps all 8, removes nothing")
        await go_to(person, str(PHOTOS))
        await person.see("✓ keeps all 3, removes nothing · now keeps 2 of 3")
        await person.press("A")
        await person.wait(lambda: any("only tried" in toast for toast in person.toasts))
        await person.press("escape")
        await person.see("bob/nas/photos  ✗ keeps 2 of 3")
        assert "tried, not saved" not in person.text

    visit(try_it)
    assert set_policies(two) == {"default": "keep-last=2"}
    assert len(on_disk(root, PHOTOS)) == 3


def test_one_who_may_only_look_can_try_a_policy_but_not_save_it(visit, two):
    async def look(person):
        await go_to(person, "default")
        for key in ("a", "u", "A"):
            await person.press(key)
        await person.wait(lambda: sum("may only look" in toast for toast in person.toasts) == 3)
        await person.press("e")
        dialog = await write(person, "keep-last=1")
        assert dialog.query_one("#save", Button).disabled
        await person.press("enter")
        await person.see("tried, not saved: keep-last=1")

    visit(look, is_read_only=True)
    assert set_policies(two) == {"default": "keep-last=2"}


# Adding, taking back.


@pytest.mark.parametrize("scope", ["carol", "carol/web9/nightly"])
def test_a_policy_is_set_for_a_scope_that_has_nothing_yet(visit, two, scope):
    async def add(person):
        await go_to(person, "default")
        await person.press("a")
        await person.wait(lambda: isinstance(person.console.screen, Ask))
        await person.type(scope)
        await person.pilot.click("#agree")
        dialog = await write(person, "keep-daily=3")
        await person.see("no series with backups yet")
        assert dialog is person.console.screen
        await person.press("enter")
        await person.wait(
            lambda: isinstance(person.console.screen, RetentionArea) and scope in person.console.screen.statuses
        )
        await person.wait(lambda: person.console.screen.plans.target.scope == scope)
        await person.see("no backups")

    visit(add)
    assert set_policies(two)[scope] == "keep-daily=3"


def test_what_is_no_scope_is_told(visit, two):
    async def add(person):
        await go_to(person, "default")
        await person.press("a")
        await person.wait(lambda: isinstance(person.console.screen, Ask))
        for scope in ("", "Carol", "carol/web9", "a/b/c/d", "[red]", "x" * 300, "carol/web9/\x1b[2J"):
            person.console.screen.query_one(Input).value = scope
            await person.press("enter")
            assert isinstance(person.console.screen, Ask)
            await person.wait(lambda: "not a" in person.text)
        await person.pilot.click("#leave")
        assert isinstance(person.console.screen, RetentionArea)

    visit(add)
    assert set_policies(two) == {"default": "keep-last=2"}


def test_a_policy_is_taken_back_and_what_holds_then_is_said_before(visit, two):
    two.retention_settings.set("bob", parse_policy("keep-last=1"), ACTOR)

    async def unset(person):
        await go_to(person, "bob")
        await person.press("u")
        await person.see("Take back the policy of bob?")
        assert isinstance(person.console.screen, Confirm)
        assert person.console.screen.query_one("#leave").has_focus
        await person.see("keep-last=2, set for all")
        await person.pilot.click("#leave")
        assert "bob" in set_policies(two)
        await person.press("u")
        await person.pilot.click("#agree")
        await person.see("bob  ✗ keeps 2 of 3")

    visit(unset)
    assert set_policies(two) == {"default": "keep-last=2"}
    assert next(two.newest_events()).action == "retention.unset"


def test_what_stands_in_the_file_cannot_be_taken_back_here_but_can_be_gone_before(
    root, open_console, visit, clock, archive
):
    archive(NIGHTLY, 3)
    file = root / "thaniya.toml"
    file.write_text(file.read_text() + '\n[retention]\nalice = "keep-last=1"\n')
    server = open_server(file, clock)

    async def look(person):
        await go_to(person, "alice")
        await person.see("thaniya.toml")
        await person.press("u")
        await person.wait(lambda: any("stands in thaniya.toml" in toast for toast in person.toasts))
        await person.press("e")
        await write(person, "keep-last=2")
        await person.press("enter")
        await person.see("keep-last=2, set for alice itself")
        await person.press("u")
        await person.see("keep-last=1, set for alice itself in thaniya.toml")

    visit(look, console=open_console(server))
    assert set_policies(server) == {"alice": "keep-last=2"}


# Applying.


async def confirm(person) -> None:
    await person.press("A")
    await person.wait(lambda: isinstance(person.console.screen, Confirm), "the question")
    assert person.console.screen.query_one("#agree", Button).disabled
    await person.type("apply")
    await person.press("enter")


def test_apply_removes_exactly_what_the_preview_said(visit, two, root):
    expected = on_disk(root, NIGHTLY) - removed_by_plan(two, NIGHTLY)
    others = on_disk(root, PHOTOS)

    async def apply(person):
        area = await go_to(person, str(NIGHTLY))
        shown = {each.candidate.id for each in area.plans.preview.plan.plan.removed}
        assert expected == on_disk(root, NIGHTLY) - shown
        await person.press("A")
        await person.see("Removes 3 backups of 5 and frees at most 2.9 KiB.")
        await person.pilot.click("#leave")
        assert on_disk(root, NIGHTLY) == expected | shown
        await confirm(person)
        await person.wait(lambda: any("3 backups removed, " in toast and "freed" in toast for toast in person.toasts))
        await person.see("✓ keeps all 2, removes nothing")

    visit(apply)
    assert on_disk(root, NIGHTLY) == expected
    assert on_disk(root, PHOTOS) == others
    assert removed_by_plan(two, NIGHTLY) == set()


def test_apply_can_be_pressed_when_the_word_is_typed(visit, two, root):
    async def apply(person):
        await go_to(person, str(PHOTOS))
        await person.press("A")
        await person.wait(lambda: isinstance(person.console.screen, Confirm))
        await person.type("appl")
        await person.press("enter")
        await person.pilot.click("#agree")
        assert isinstance(person.console.screen, Confirm)
        await person.type("y")
        await person.pilot.click("#agree")
        await person.see("✓ keeps all 2, removes nothing")

    visit(apply)
    assert len(on_disk(root, PHOTOS)) == 2


def test_all_series_of_a_scope_are_applied_but_no_others(visit, two, root, archive):
    archive(WEEKLY, 3)
    two.retention_settings.set("bob", parse_policy("keep-last=1"), ACTOR)

    async def apply(person):
        await go_to(person, "default")
        await confirm(person)
        await person.see("default  ✓ keeps all 4, removes nothing")

    visit(apply)
    assert [len(on_disk(root, series)) for series in (NIGHTLY, WEEKLY, PHOTOS)] == [2, 2, 3]


def test_a_series_that_fails_is_told_and_the_others_go_on(visit, two, root):
    (root / "volume/archive" / str(NIGHTLY) / "20200101T000000Z-000000").mkdir()

    async def apply(person):
        await go_to(person, "default")
        await confirm(person)
        await person.see("Not everything went as it was shown")
        await person.see("catalog and volume disagree")
        assert "1 backup removed" in person.text
        await person.press("y")
        assert str(NIGHTLY) in person.console.clipboard
        await person.pilot.click("#leave")
        await person.see("default  ✗ keeps 4 of 7")

    visit(apply)
    assert len(on_disk(root, PHOTOS)) == 2
    assert len(on_disk(root, NIGHTLY)) == 6


def test_what_differs_from_what_was_shown_is_told(visit, two, root):
    async def apply(person):
        area = await go_to(person, str(NIGHTLY))
        oldest = area.plans.preview.plan.plan.removed[-1].candidate.id
        await person.press("A")
        two.backups.pin(two.catalog.get(oldest), True, "login:other")
        await person.type("apply")
        await person.press("enter")
        await person.see("shown were 3 to remove, 2.9 KiB; removed are 2, 2.0 KiB")
        assert isinstance(person.console.screen, Reading)

    visit(apply)
    assert len(on_disk(root, NIGHTLY)) == 3


def test_backups_on_a_volume_that_is_gone_are_told(visit, two, root):
    async def apply(person):
        await go_to(person, str(PHOTOS))
        (root / "volume").rename(root / "elsewhere")
        await confirm(person)
        await person.see("1 backup to be removed too, but their volume is not there")

    visit(apply)
    (root / "elsewhere").rename(root / "volume")
    assert len(on_disk(root, PHOTOS)) == 3


def test_progress_is_told_and_escape_stops_after_the_series_at_hand(visit, two, root, monkeypatch):
    begun, may_go_on = threading.Event(), threading.Event()
    real = two.backups.remove_chosen

    def slowly(*arguments):
        begun.set()
        assert may_go_on.wait(DEADLINE_S)
        return real(*arguments)

    monkeypatch.setattr(two.backups, "remove_chosen", slowly)

    async def apply(person):
        await go_to(person, "default")
        await confirm(person)
        await person.wait(begun.is_set)
        await person.see("applying: 0 of 2 series …   esc stops")
        await person.press("A")
        await person.wait(lambda: any("policies are being applied" in toast for toast in person.toasts))
        await person.press("escape")
        await person.see("stops after this series")
        may_go_on.set()
        await person.see("Stopped: 1 series not reached")
        await person.press("escape")
        await person.wait(lambda: "applying" not in person.text)

    visit(apply)
    assert [len(on_disk(root, series)) for series in (NIGHTLY, PHOTOS)] == [2, 3]


# Failures and many series.


def test_a_plan_that_cannot_be_made_is_told_and_comes_back(visit, two, monkeypatch):
    async def look(person):
        await go_to(person, str(NIGHTLY))

        def fail(*_):
            raise OSError(5, "Input/output error: [red]")

        with monkeypatch.context() as patch:
            patch.setattr(two.store, "read_catalog", fail)
            await person.press("r")
            await person.see("✗ Failed: [Errno 5] Input/output error: [red]")
            await person.press("A")
            await person.wait(lambda: any("not made yet" in toast for toast in person.toasts))
        await person.press("r")
        await person.see("alice/web1/nightly  ✗ keeps 2 of 5")

    visit(look)


def test_a_policy_that_cannot_be_saved_is_told(visit, two, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    async def edit(person):
        await go_to(person, "default")
        await person.press("e")
        await write(person, "keep-last=1")
        monkeypatch.setattr(two.retention_settings, "set", fail)
        await person.press("enter")
        await person.wait(lambda: isinstance(person.console.screen, Failure))
        assert "could not set the policy of default" in person.text
        await person.press("escape")
        await person.see("default  ✗ keeps 4 of 8")

    visit(edit)


def test_the_plan_of_many_series_stops_when_the_cursor_goes_on(visit, two, monkeypatch):
    asked: list[Series] = []
    begun, may_go_on = threading.Event(), threading.Event()
    real = two.store.read_catalog
    monkeypatch.setattr(
        two.store, "catalog_series", lambda: [NIGHTLY, *[Series("bob", "nas", f"s{n}") for n in range(2000)]]
    )

    def slowly(series):
        if not threading.current_thread().name.startswith("plan "):
            return real(series)
        asked.append(series)
        if len(asked) == 3:
            begun.set()
            assert may_go_on.wait(DEADLINE_S)
        return real(series)

    monkeypatch.setattr(two.store, "read_catalog", slowly)

    async def look(person):
        await person.go("retention")
        await person.wait(begun.is_set)
        await person.see("planning: 2 of 2,001 series …")
        await person.press("j", "j")
        may_go_on.set()
        await person.see("alice/web1/nightly  ✗ keeps 2 of 5")
        await person.wait(lambda: not any(thread.name == "plan default" for thread in threading.enumerate()))
        assert len([series for series in asked if series.user == "bob"]) < 5

    visit(look)


def test_of_very_many_scopes_the_first_are_listed_and_one_can_go_to_any(visit, two):
    with two.store.transaction() as state:
        for number in range(500):
            state.users.put(User(f"user{number:03}", created_at=two.clock.now()))
    two.retention_settings.set("zoe", parse_policy("keep-last=1"), ACTOR)

    async def look(person):
        area = await go_to(person, "default")
        await person.see("Policies: 400 of 506")
        assert area.query_one("#scopes", SyncedTable).row_count == 400
        await go_to(person, "zoe")
        await person.see("keep-last=1, set for zoe itself")

    visit(look)
