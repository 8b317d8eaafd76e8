"""Volumes on the screen of a real server: added, looked for, taken out of use, forgotten, gone and silent."""

from __future__ import annotations

import threading

import pytest

from thaniya_core.formats.names import Series
from thaniya_core.model import VolumeCondition
from thaniya_core.server import Server
from thaniya_core.system.space import DiskSpace
from thaniya_tui.areas.volumes import looking
from thaniya_tui.dialogs import Failure, Reading
from thaniya_tui.widgets import SyncedTable


def volume_of(server: Server, label: str = "first"):
    return next((each for each in server.volumes.all() if each.label == label), None)


async def go(person) -> None:
    await person.go("volumes")
    await person.see("all right")


def seen_of(person, label: str):
    """What the screen knows of a volume."""
    shown = person.console.get_screen_stack("volumes")[0]._shown
    return next((each for each in shown.values() if each.volume.label == label), None)


def test_volumes_are_shown_with_what_lies_there(visit, archived):
    archived("alice/web1/nightly")

    async def look(person):
        await go(person)
        await person.see("1 backup")
        await person.see("inodes")
        await person.see("Growth: the last 90 days")

    visit(look)


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40)])
def test_plot_and_facts_are_there_at_each_size(visit, archived, size):
    archived("alice/web1/nightly")

    async def look(person):
        await go(person)
        await person.see("0 B └")
        await person.see("1 backup")

    visit(look, size=size)


def test_a_volume_is_taken_out_of_use_and_into_use_again(visit, server):
    async def toggle(person):
        await go(person)
        await person.press("d")
        await person.see("Take no new backups?")
        await person.pilot.click("#leave")
        assert volume_of(server).active
        await person.press("d")
        await person.pilot.click("#agree")
        await person.wait(lambda: not volume_of(server).active)
        await person.wait(lambda: any("takes no new backups" in toast for toast in person.toasts))
        await person.wait(lambda: "e Activate" in person.text and not person.console.screen.why_not("activate"))
        await person.press("e")
        await person.see("Take new backups again?")
        await person.pilot.click("#leave")
        assert not volume_of(server).active
        await person.press("e")
        await person.pilot.click("#agree")
        await person.wait(lambda: volume_of(server).active)

    visit(toggle)
    actions = [(event.action, event.actor) for event in server.newest_events()][:2]
    assert actions == [("volume.activate", "login:test"), ("volume.deactivate", "login:test")]


def test_what_is_so_already_is_greyed_and_says_why(visit):
    async def press(person):
        await go(person)
        await person.press("e")
        await person.wait(lambda: any("takes new backups already" in toast for toast in person.toasts))

    visit(press)


def test_a_volume_is_added(visit, server, tmp_path):
    (tmp_path / "disk").mkdir()

    async def add(person):
        await go(person)
        await person.press("a")
        await person.see("Add a volume")
        await person.type("disk")
        await person.see("give the whole path")
        await person.press("enter")
        await person.see("give the whole path")
        person.field("path").value = str(tmp_path / "disk")
        person.field("label").value = "second"
        await person.pilot.click("#agree")
        await person.wait(lambda: volume_of(server, "second"))
        await person.wait(lambda: person.console.screen.query_one(SyncedTable).row_count == 2)

    visit(add)
    assert volume_of(server, "second").path == tmp_path / "disk"


def test_what_the_command_refuses_is_refused_in_its_words_and_what_was_typed_stays(visit, server, tmp_path):
    async def add(person):
        await go(person)
        await person.press("a")
        await person.see("Add a volume")
        person.field("path").value = str(tmp_path / "nowhere")
        await person.press("enter")
        await person.see("there is no directory")
        await person.see("mount its disk, or make it: mkdir")
        await person.press("escape", "a")
        await person.see("Add a volume")
        assert person.field("path").value == str(tmp_path / "nowhere")
        await person.press("tab", "tab", "space")
        await person.see("x")
        await person.pilot.click("#agree")
        await person.wait(lambda: volume_of(server, "nowhere"))
        await person.press("a")
        await person.see("Add a volume")
        assert person.field("path").value == ""
        await person.pilot.click("#leave")
        assert len(server.volumes.all()) == 2

    visit(add)


def test_a_volume_within_another_is_refused(visit, server):
    async def add(person):
        await go(person)
        await person.press("a")
        await person.see("Add a volume")
        person.field("path").value = str(volume_of(server).path / "inner")
        await person.press("enter")
        await person.see("lies within the volume first")

    visit(add)


def test_a_volume_that_was_moved_is_missing_and_found_elsewhere(visit, server, tmp_path, archived):
    archived("alice/web1/nightly")
    place = volume_of(server).path

    async def look(person):
        await go(person)
        place.rename(tmp_path / "elsewhere")
        await person.press("l")
        await person.see("✗ not there")
        await person.see("press s to look for it")
        await person.press("s")
        await person.see("Look for volumes")
        await person.type(f"{tmp_path}")
        await person.press("enter")
        await person.see("What was found")
        await person.see("moved")
        await person.pilot.click("#copy")
        assert str(tmp_path / "elsewhere") in person.console.clipboard
        await person.pilot.click("#leave")
        await person.see("✓ all right")

    visit(look)
    assert volume_of(server).path == tmp_path / "elsewhere"
    event = next(event for event in server.newest_events() if event.action == "volume.move")
    assert event.actor == "login:test"


def test_a_search_that_finds_nothing_new_says_so(visit):
    async def look(person):
        await go(person)
        await person.press("s")
        await person.see("Look for volumes")
        await person.pilot.click("#leave")
        await person.press("s")
        await person.see("Look for volumes")
        await person.pilot.click("#agree")
        await person.wait(lambda: any("all are where they were" in toast for toast in person.toasts))

    visit(look)


def test_a_volume_of_another_server_is_taken_up_when_that_is_wanted(visit, server, tmp_path):
    (tmp_path / "media").mkdir()
    other = server.volumes.add(tmp_path / "media/other", "other", "x")
    server.remove_volume(other, "x", with_backups=False)

    async def look(person):
        await go(person)
        await person.press("s")
        await person.see("Look for volumes")
        await person.type(f"{tmp_path / 'media'}")
        await person.press("enter")
        await person.see("not known here")
        assert volume_of(server, "other") is None
        await person.press("escape", "s")
        await person.see("Look for volumes")
        await person.type(f"{tmp_path / 'media'}")
        await person.press("tab", "space", "tab", "tab", "enter")
        await person.see("catalog rebuild")
        assert volume_of(server, "other") is not None

    visit(look)


def test_a_volume_with_backups_is_forgotten_only_when_they_may_be_too(visit, server, archived):
    archived("alice/web1/nightly")

    async def forget(person):
        await go(person)
        await person.see("1 backup")
        await person.press("x")
        await person.see("Forget this volume?")
        await person.pilot.click("#leave")
        await person.press("x")
        await person.see("Forget this volume?")
        await person.press("enter")
        await person.type("firs")
        assert person.console.screen.query_one("#agree").disabled
        await person.type("t")
        await person.press("enter")
        await person.see("1 backups in the catalog are on the volume first; nothing was changed")
        assert isinstance(person.console.screen, Failure)
        await person.press("escape", "x")
        await person.see("Forget this volume?")
        await person.press("shift+tab", "space", "tab")
        await person.type("first")
        await person.pilot.click("#agree")
        await person.see("no volume yet: press a")
        await person.press("d")
        await person.wait(lambda: any("there is no volume yet" in toast for toast in person.toasts))

    place = volume_of(server).path
    visit(forget)
    assert server.volumes.all() == []
    assert server.store.read_catalog(Series("alice", "web1", "nightly")) == []
    assert (place / "archive/alice/web1/nightly").is_dir()


def test_everything_about_a_volume_can_be_read_and_copied(visit, server):
    async def read(person):
        await go(person)
        await person.press("enter")
        await person.wait(lambda: isinstance(person.console.screen, Reading))
        await person.press("y")
        assert str(volume_of(server).path) in person.console.clipboard
        assert volume_of(server).id in person.console.clipboard

    visit(read)


@pytest.mark.parametrize(
    ("content", "told"), [("{", "damaged"), ('{"id":"other","label":"x","format":1}', "not there")]
)
def test_a_volume_that_is_damaged_or_another_is_told(visit, server, content, told):
    async def look(person):
        await go(person)
        (volume_of(server).path / "volume.json").write_text(content)
        await person.press("l")
        await person.see(f"✗ {told}")

    visit(look)


def test_a_volume_that_is_nearly_full_is_told(visit, server, monkeypatch):
    monkeypatch.setattr(
        "thaniya_core.archive.condition.disk_space", lambda path: DiskSpace(100 * 2**30, 2**30, 1000, 900)
    )

    async def look(person):
        await person.go("volumes")
        await person.see("! nearly full")
        await person.see("enlarge it")

    visit(look)


def test_a_disk_that_hangs_keeps_nothing_else_from_being_shown_nor_the_console_from_ending(
    visit, server, monkeypatch, tmp_path, open_console
):
    server.volumes.add(tmp_path / "second", "second", "x")
    answer = threading.Event()
    asked: list[str] = []
    look_at = server.volume_watch.look_at

    def hang(volume):
        if volume.label == "first":
            asked.append(volume.label)
            answer.wait()
        return look_at(volume)

    monkeypatch.setattr(server.volume_watch, "look_at", hang)
    monkeypatch.setattr(looking, "DEADLINE_S", 0.1)
    console = open_console()

    async def look(person):
        await person.go("volumes")
        await person.see("✗ no answer")
        await person.see("✓ all right")
        await person.press("l", "r", "l")
        assert asked == ["first"]
        await person.press("q")

    visit(look, console=console)
    assert console.return_code == 0
    answer.set()


def test_the_filter_shows_the_volumes_that_fit(visit, server, tmp_path):
    server.volumes.add(tmp_path / "second", "second", "x")

    async def look(person):
        await go(person)
        await person.press("slash")
        await person.type("secon")
        await person.wait(lambda: person.console.screen.query_one(SyncedTable).row_count == 1)
        await person.press("escape")
        await person.wait(lambda: person.console.screen.query_one(SyncedTable).row_count == 2)

    visit(look)


def test_hostile_labels_are_shown_and_can_be_forgotten_by_their_id(visit, server, tmp_path):
    volume = server.volumes.add(tmp_path / "odd", "[red]\t[/x]", "x")

    async def look(person):
        await go(person)
        await person.see("[red]")
        assert person.console.screen.query_one(SyncedTable).move_to(volume.id)
        await person.wait(lambda: seen_of(person, volume.label).condition is VolumeCondition.OK)
        await person.press("x")
        await person.see(f"Type {volume.id}")
        await person.type(volume.id)
        await person.press("enter")
        await person.wait(lambda: volume_of(server, volume.label) is None)

    visit(look)


def test_nothing_can_be_changed_where_one_may_only_look(visit):
    async def press(person):
        await go(person)
        for key in "asedx":
            await person.press(key)
        await person.wait(lambda: sum("may only look" in toast for toast in person.toasts) == 5)
        await person.press("l")
        await person.see("✓ all right")

    visit(press, is_read_only=True)
