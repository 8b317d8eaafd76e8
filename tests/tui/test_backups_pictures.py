"""What the area of backups and its dialogs look like, at three sizes, dark and light."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from thaniya_core.testing import FixedClock
from thaniya_tui.areas.backups import panes, wishes
from thaniya_tui.areas.backups.details import Place

PAGES = ("index.html", "style.css", "logo.svg", "[red]odd[/red].txt")
TREE = {
    **{f"srv/www/{name}": name.encode() * 900 for name in PAGES},
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n",
    "etc/hosts": b"127.0.0.1 localhost\n",
    "ta\tb\u202egpj.exe": b"?",
}


@pytest.fixture
def clock() -> FixedClock:
    clock = FixedClock()
    clock.set_wall_clock(timedelta(days=-6, hours=3))
    return clock


@pytest.fixture
def past(same_ids, server, archive, pack, clock, monkeypatch):
    """Six days of a few series: one backup broken, some verified, pinned or with tags, one series late."""
    nightly = []
    for day in range(6):
        files = {**pack("home", TREE | {"srv/www/grows.log": b"a line\n" * 300 * day}), "dump.sql": b"insert;\n" * 400}
        warnings = ("tar: ./srv/www/[bold]locked[/bold]: Cannot open: Permission denied",) if day == 4 else ()
        nightly.append(archive("alice/web1/nightly", files, warnings=warnings, client="thaniya-client 0.1.0"))
        if day < 3:
            archive("bob/lab-nas/measurements", {f"run-{day}.csv": b"1;2;3\n" * 9000})
        clock.advance(86400)
    archive("alice/db1/shop", {"shop.sql": b"create table;\n" * 900})
    archive("carol/laptop/home", pack("home", TREE, listed=False))
    for backup in nightly[1:4]:
        server.backups.verify(backup, "service")
    server.backups.pin(nightly[0], True, "login:test")
    server.backups.tag(nightly[0], ["before-upgrade", "keep"], [], "login:test")
    server.backups.tag(nightly[5], ["release-2.1"], [], "login:test")
    file = server.catalog.directory(nightly[3]) / "home.tar.gz"
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-7])
    server.backups.verify(server.catalog.get(nightly[3].id), "service")
    clock.advance(11520)
    _at_one_place(server, monkeypatch)
    return nightly


def _at_one_place(server, monkeypatch) -> None:
    """Directories are the same in every run."""
    look_at, observe = panes.look_at, server.observe

    def look(which, backup) -> Place:
        place = look_at(which, backup)
        return replace(place, directory=f"/srv/backups/archive/{backup.series}/{backup.id}")

    def see():
        live = observe()
        return replace(live, volumes=tuple(replace(volume, path=Path("/srv/backups")) for volume in live.volumes))

    monkeypatch.setattr(panes, "look_at", look)
    monkeypatch.setattr(server, "observe", see)
    monkeypatch.setattr("thaniya_tui.areas.backups.restoring.owner_note", lambda: wishes.owner_words("thaniya"))


async def _see_area(person) -> None:
    await person.press("3")
    await person.wait(lambda: person.console.screen.panes.seen is not None, "the backups")
    await person.console.show_series(person.console.screen.panes.seen.series)
    person.console.screen.show_series("alice/web1/nightly")
    await person.see("Backups of alice/w")
    await person.wait(lambda: person.console.screen.panes.place is not None, "where it lies")
    await person.see("Browse")  # in the footer, which is made anew
    await person.wait_until_still()


async def _go_to(person, backup) -> None:
    person.console.screen.panes.table.move_to(backup.id)
    await person.wait(lambda: (place := person.console.screen.panes.place) and place.backup_id == backup.id)
    await person.pilot.pause()


async def _area(person, past) -> None:
    await person.press("space", "up")


async def _broken(person, past) -> None:
    await _go_to(person, past[3])


async def _found(person, past) -> None:
    person.console.screen.tree_of_series.focus()
    await person.press("slash")
    await person.type("home")
    await person.see("Backups of carol/l")
    await person.wait(lambda: person.console.screen.panes.place is not None)


async def _user(person, past) -> None:
    person.console.screen.tree_of_series.focus()
    await person.press("g")


async def _browser(person, past) -> None:
    await person.press("enter")
    await person.see("index.html")
    await person.wait(lambda: person.console.screen._found.is_done)
    await person.press("space", "down", "space")


async def _search(person, past) -> None:
    await _browser(person, past)
    await person.press("slash")
    await person.type("www .")
    await person.see(" of 9")


async def _restore(person, past) -> None:
    await person.press("R")
    await person.type("/nowhere/restored")
    await person.see("can be restored into")


async def _restore_marked(person, past) -> None:
    await _browser(person, past)
    await person.press("R")
    await person.see("Marked:")
    await person.type("relative")
    await person.see("whole path")


async def _tags(person, past) -> None:
    await _go_to(person, past[0])
    await person.press("t")
    await person.see("Tags, with")
    await person.type(" ../x")
    await person.see("not a legal tag")


async def _remove(person, past) -> None:
    await person.press("x")
    await person.see("Remove this backup?")


async def _damage(person, past) -> None:
    await _go_to(person, past[3])
    area = person.console.screen
    await person.press("v")
    await person.see("is broken")
    await person.wait(lambda: not area._works, "the end of the work")


async def _details(person, past) -> None:
    await _go_to(person, past[4])
    await person.press("i")
    await person.see("Copy")


async def _by_hand(person, past) -> None:
    await person.press("e")
    await person.see("Copy")


SCENES = {
    scene.__name__.strip("_"): scene
    for scene in (
        _area,
        _broken,
        _found,
        _user,
        _browser,
        _search,
        _restore,
        _restore_marked,
        _tags,
        _remove,
        _damage,
        _details,
        _by_hand,
    )
}


@pytest.mark.parametrize("scene", SCENES)
def test_looks_as_it_did(picture, past, scene):
    async def go(person) -> None:
        await _see_area(person)
        await SCENES[scene](person, past)

    picture(go)
