"""What all areas share: going about, help, palette, pause, read-only, failures, leaving."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.text import Text
from textual.dom import DOMNode

from thaniya_core.errors import ConfigInvalid, StateUnreadable
from thaniya_core.model import Job, JobKind, JobState, Slot, SlotState
from thaniya_core.testing import FixedClock
from thaniya_core.views import Live
from thaniya_tui import render
from thaniya_tui.app import _has_news
from thaniya_tui.areas import AREAS
from thaniya_tui.dialogs import Failure, Help, Reading
from thaniya_tui.keys import check_keys, known_bindings
from thaniya_tui.reader import Reader
from thaniya_tui.surveying import Surveying

NOW = FixedClock().now()


def test_number_keys_lead_to_the_areas(visit):
    async def go(person):
        for number, area in enumerate(AREAS, 1):
            await person.press(str(number))
            assert isinstance(person.console.screen, area)
            await person.see(area.NAME)

    visit(go)


def test_what_is_read_while_an_area_is_being_laid_out_is_shown_when_it_is(visit, give):
    async def go(person):
        console = person.console
        give(name="meanwhile")
        await person.wait(lambda: console.live.uploads)
        switched = console.switch_mode("uploads")
        console._take_live(console.live)
        console._take_survey(console.survey)
        console.note_reading(console, "what moves", is_failing=True)
        await switched
        await person.see("meanwhile")

    visit(go)


@pytest.mark.parametrize("mode", [area.MODE for area in AREAS])
def test_a_window_of_one_cell_is_told_and_survived(visit, server, give, archived, mode):
    archived("alice/web1/site")
    server.abort_upload(give(user="bob").id, "no more", "login:test")
    give()

    async def make_small(person):
        await person.go(mode)
        for size in ((1, 1), (3, 2), (59, 19), (1, 40), (200, 1), (80, 24)):
            await person.pilot.resize_terminal(*size)
            await person.press("down", "r")
        await person.see("Quit")

    visit(make_small)


def test_help_explains_the_keys_of_the_area_at_hand_and_says_what_is_not_possible(visit):
    async def ask(person):
        await person.press("2", "question_mark")
        assert isinstance(person.console.screen, Help)
        await person.see("Abort")
        lines = person.text.splitlines()
        first = {
            word: next(n for n, line in enumerate(lines) if word in line) for word in ("Abort –", "Mark", "Filter")
        }
        assert first["Abort –"] < first["Mark"] < first["Filter"]
        assert "Focus Next" not in person.text
        await person.see("not now: no open or failed upload is chosen")
        await person.press("escape")
        assert not isinstance(person.console.screen, Help)

    visit(ask)


def test_greyed_key_says_why_it_does_nothing(visit):
    async def press(person):
        await person.press("2", "a")
        await person.wait(lambda: any("no open or failed upload" in toast for toast in person.toasts))

    visit(press)


def test_palette_finds_an_action_of_another_area_and_does_it(visit, server, give):
    give()

    async def look(person):
        await person.press("ctrl+p")
        await person.type("uploads: abort")
        await person.see("Uploads: Abort")
        await person.press("enter")
        await person.see("Abort this upload?")

    visit(look)


def test_paused_screen_stays_as_it_is_and_goes_on_afterwards(visit, give):
    async def pause(person):
        await person.press("2", "p")
        await person.see("paused")
        give(name="meanwhile")
        await person.wait(lambda: person.console.live.uploads)
        assert "meanwhile" not in person.text
        await person.press("p")
        await person.see("meanwhile")

    visit(pause)


def test_nothing_can_be_changed_where_one_may_only_look(visit, server, give):
    give()

    async def try_it(person):
        await person.press("2")
        await person.see("read-only")
        await person.press("a")
        await person.wait(lambda: any("may only look" in toast for toast in person.toasts))
        person.console.act("do something", lambda: server.slots.disable("thaniya_04", "x"), str)
        await person.see("Not allowed")

    visit(try_it, is_read_only=True)
    assert server.store.read().slots.get("thaniya_04").state is SlotState.READY


def test_state_that_cannot_be_read_is_told_and_nothing_looks_live(visit, server, monkeypatch):
    async def break_it(person):
        await person.press("2")

        def fail():
            raise StateUnreadable("cannot read state.json: it is broken")

        monkeypatch.setattr(person.console._live_reader, "_ask", fail)
        await person.see("STALE")
        monkeypatch.undo()
        await person.wait(lambda: "STALE" not in person.text)

    visit(break_it)


def test_what_cannot_be_read_is_told_with_its_cause_and_not_again_and_again(visit):
    failures = []

    def fail():
        failures.append("")
        raise StateUnreadable("cannot read state.json: it is broken")

    async def break_it(person):
        person.console._live_reader._ask = fail
        person.console._live_reader._every_s = 0.01
        await person.wait(lambda: len(failures) > 3, "some failures")
        assert person.toasts == ["cannot read state.json: it is broken"]

    visit(break_it)


def test_what_fails_again_and_again_is_told_once_and_is_stale_for_as_long(visit, server, root):
    log, away = root / "state" / "log", root / "away"
    failures = 0

    async def break_it(person):
        nonlocal failures
        await person.go("log")
        reader = person.console.screen._reader
        real = reader._ask

        def ask():
            nonlocal failures
            try:
                return real()
            except Exception:
                failures += 1
                raise

        reader._ask, reader._every_s = ask, 0.01
        log.rename(away)
        log.write_text("")
        reader.ask_soon()
        await person.wait(lambda: failures >= 3, "the log fails three times")
        assert "STALE: the log" in person.text
        assert len([toast for toast in person.toasts if "cannot read" in toast]) == 1
        await person.go("jobs")
        assert "STALE: the log" not in person.text
        await person.go("log")
        assert "STALE: the log" in person.text
        log.unlink()
        away.rename(log)
        await person.wait(lambda: "STALE" not in person.text)

    visit(break_it)


def test_reading_goes_on_after_what_was_read_could_not_be_shown(visit):
    shown, failed = [], []

    def show(answer):
        if not failed:
            raise ZeroDivisionError(answer)
        shown.append(answer)

    async def read(person):
        Reader(person.console, "something", lambda: "answer", show, failed.append, 0.01).start()
        await person.wait(lambda: shown)
        assert len(failed) == 1

    visit(read)


def test_what_nobody_sees_is_not_read(visit):
    read = []

    async def look(person):
        await person.go("uploads")
        area = person.console.screen
        Reader(area, "something", lambda: read.append(""), lambda _: None, area.console.fail_reading, 0.01).start()
        await person.wait(lambda: len(read) > 2)
        await person.go("jobs")
        await person.wait_until_still()
        before = len(read)
        await person.wait_until_still()
        assert len(read) == before

    visit(look)


def test_a_mistake_in_showing_is_told_in_full(visit):
    async def show(person):
        person.console.fail_reading(ZeroDivisionError("of the program"))
        await person.see("Unexpected failure")

    visit(show)


def test_a_survey_that_fails_is_not_tried_at_each_look(server, monkeypatch):
    tried = []

    def fail(timeout_s):
        tried.append(timeout_s)
        raise StateUnreadable("cannot read state.json: it is broken")

    monkeypatch.setattr(server.surveys, "make_elsewhere", fail)
    surveying = Surveying(server)
    for _ in range(3):
        with pytest.raises(StateUnreadable):
            surveying.ask()
    assert len(tried) == 1


def test_a_server_that_does_not_answer_is_stale_and_can_be_left(server, open_console, visit):
    answer = threading.Event()
    console = open_console()
    console._stale_after_s = 0.2

    async def hang(person):
        person.console._live_reader._ask = answer.wait
        await person.see("STALE")
        await person.go("jobs")
        await person.go("uploads")
        assert "STALE" in person.text
        await person.press("q")

    visit(hang, console=console)
    answer.set()
    assert console.return_code == 0


def test_what_was_read_long_ago_does_not_look_new_in_another_area(open_console, visit):
    answer = threading.Event()
    console = open_console()
    console._stale_after_s = 0.2

    async def hang(person):
        person.console._live_reader._ask = answer.wait
        await person.go("uploads")
        await person.see("STALE")
        since = person.console.screen.status_line()._read_at
        await person.press("1")
        line = person.console.screen.status_line()
        assert line.is_stale and line._read_at == since

    visit(hang, console=console)
    answer.set()


@pytest.mark.parametrize(
    "change",
    [
        {"slots": (Slot("thaniya_01", SlotState.DEGRADED),)},
        {"jobs": (Job("20261123T210001Z-7f3a2c", JobKind.ARCHIVE, "x", NOW, NOW, state=JobState.FAILED),)},
        {"service_runs": False},
    ],
)
def test_what_may_change_the_verdict_asks_for_a_new_one(change):
    before = Live(NOW, True, NOW, slots=(Slot("thaniya_01"),))
    assert _has_news(before, replace(before, **change))
    assert not _has_news(before, replace(before, slots=(Slot("thaniya_01", SlotState.TAKEN),)))


def test_copying_says_so_where_there_is_nothing_to_copy(visit):
    async def copy(person):
        await person.press("1", "y")
        assert "there is nothing under the cursor to copy" in person.toasts

    visit(copy)


def test_a_mistake_in_the_program_is_told_and_the_console_goes_on(visit):
    async def fail(person):
        def divide():
            return 1 // 0

        person.console.act("divide", divide, str)
        await person.see("Unexpected failure")
        assert isinstance(person.console.screen, Failure)
        await person.see("ZeroDivisionError")
        await person.press("y")
        assert "ZeroDivisionError" in person.console.clipboard
        await person.press("escape", "2")
        await person.see("Slots")

    visit(fail)


def test_a_window_that_is_too_small_says_so(visit):
    async def look(person):
        await person.see("make the window larger")

    visit(look, size=(40, 12))


def test_each_binding_has_an_id_of_its_own_and_takes_no_key_of_a_multiplexer():
    found = [(binding.id, key) for _, binding in known_bindings() for key in binding.key.split(",")]
    assert len({binding_id for binding_id, _ in found}) == len(list(known_bindings()))
    assert not {key for _, key in found} & {"ctrl+j", "ctrl+s", "ctrl+b", "ctrl+a"}


def test_every_binding_of_the_console_can_be_given_another_key():
    known = {id(binding) for _, binding in known_bindings()}
    for owner in _all_below(DOMNode):
        if owner.__module__.startswith("thaniya_tui"):
            missing = [each for each in owner.__dict__.get("BINDINGS", ()) if id(each) not in known]
            assert not missing, f"{owner.__name__}: give these an id, and thaniya_tui.keys their owner: {missing}"


def _all_below(owner):
    for each in owner.__subclasses__():
        yield each
        yield from _all_below(each)


@pytest.mark.parametrize("area", AREAS)
def test_no_key_means_two_things_in_an_area(area):
    here = (area.NAME, "everywhere", "all areas", "tables")
    keys = [key for where, binding in known_bindings() if where in here for key in binding.key.split(",")]
    assert sorted(keys) == sorted(set(keys))


def test_the_documentation_lists_every_key_with_its_id():
    text = (Path(__file__).parents[2] / "docs" / "console.md").read_text()
    listed = [line for line in text.partition("\n## Keys\n")[2].splitlines() if line.startswith("| `")]
    assert listed == [
        f"| `{each.id}` | {' '.join(f'`{key}`' for key in each.key.split(','))} | {where} | {each.description} |"
        for where, each in known_bindings()
    ]


def test_other_keys_come_from_the_configuration_also_in_dialogs(visit):
    async def press(person):
        await person.press("2", "question_mark")
        await person.see("what the keys do")
        await person.press("z")
        assert not isinstance(person.console.screen, Help)

    visit(press, keys=check_keys({"dialog.leave": "z"}, "thaniya.toml"))


def test_q_leaves_a_question_and_not_the_console(visit, server):
    async def ask(person):
        await person.press("2", "d")
        await person.see("Take out of use?")
        await person.press("q")
        await person.see("Slots")
        assert person.console.is_running and isinstance(person.console.screen, AREAS[1])

    visit(ask)


@pytest.mark.parametrize("title", ["[red]", "[/x]", "\x1b[2J", "\u202egnp.exe"])
def test_the_title_of_a_dialog_stands_there_letter_by_letter(visit, title):
    async def look(person):
        person.console.push_screen(Reading(title, Text("")))
        await person.see(render.foreign(title).plain)

    visit(look)


def test_other_keys_come_from_the_configuration(visit, give):
    give()

    async def press(person):
        await person.press("2", "x")
        await person.see("Abort this upload?")

    visit(press, keys=check_keys({"uploads.abort": "x"}, "thaniya.toml"))


@pytest.mark.parametrize("keys", [{"uploads.abrot": "x"}, {"uploads.abort": " "}])
def test_a_key_for_a_binding_that_is_not_there_is_refused(keys):
    with pytest.raises(ConfigInvalid, match=r"thaniya\.toml: \[console\] keys"):
        check_keys(keys, "thaniya.toml")


@pytest.mark.parametrize("theme", ["thaniya-dark", "thaniya-light", "ansi-dark"])
def test_areas_can_be_drawn_in_each_theme(visit, give, theme):
    give(user="red", host="web1", name="nightly")

    async def look(person):
        for number in range(1, len(AREAS) + 1):
            await person.press(str(number))
        await person.press("2")
        await person.see("red/web1/nightly")

    visit(look, theme=theme)


def test_another_theme_colours_everything_that_is_on_the_screens(visit, give):
    give()

    def colours(person):
        strips = person.console.screen._compositor.render_strips()
        return {segment.style.color for strip in strips for segment in strip if segment.style and segment.text.strip()}

    async def change(person):
        await person.go("overview")
        await person.go("uploads")
        await person.see("alice/web1/nightly")
        dark = colours(person)
        person.console.theme = "thaniya-light"
        await person.wait_until_still()
        light = colours(person)
        assert not dark & light
        await person.go("overview")
        await person.wait_until_still()
        assert not dark & colours(person)

    visit(change)
