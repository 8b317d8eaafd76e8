"""What overview, uploads, volumes, jobs, the log and their dialogs look like, at three sizes, dark and light."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from thaniya_core.cli.demo.past import make_past
from thaniya_core.server import open_server
from thaniya_core.system.space import DiskSpace
from thaniya_core.testing import FixedClock
from thaniya_tui.widgets import Lines, SyncedTable

SPACE = DiskSpace(12 * 2**30, 3 * 2**30, 1_000_000, 900_000)


@pytest.fixture(scope="session")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server with a year behind it, to be copied."""
    directory = tmp_path_factory.mktemp("year") / "server"
    make_past(directory, FixedClock().now())
    return directory


@pytest.fixture
def server(year: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """That server, with volumes that are as large, and lie at the same place, in every run."""
    directory = tmp_path / "server"
    shutil.copytree(year, directory, ignore=shutil.ignore_patterns("disk-*", "spool"))
    (directory / "spool").mkdir()
    for module in ("archive.condition", "monitoring"):
        monkeypatch.setattr(f"thaniya_core.{module}.disk_space", lambda path: SPACE)
    server = open_server(directory / "thaniya.toml", FixedClock())
    real = {volume.id: directory / volume.label for volume in server.volumes.all()}
    with server.store.transaction() as state:
        for volume in state.volumes.all():
            real[volume.id].mkdir()
            shutil.copy(volume.path / "volume.json", real[volume.id])
            state.volumes.put(replace(volume, path=real[volume.id]))
    observe, look_at = server.observe, server.volume_watch.look_at

    def see():
        live = observe()
        return replace(live, volumes=tuple(replace(each, path=Path("/srv") / each.label) for each in live.volumes))

    def look(volume):
        status = look_at(replace(volume, path=real[volume.id]))
        return replace(status, volume=volume, detail=status.detail.replace(str(real[volume.id]), str(volume.path)))

    monkeypatch.setattr(server, "observe", see)
    monkeypatch.setattr(server.volume_watch, "look_at", look)
    return server


async def _overview(person) -> None:
    await person.go("overview")
    await person.wait(lambda: len(person.console.screen.query_one("#events", Lines)._lines(50)) > 5, "the events")


async def _findings(person) -> None:
    await person.press("f")
    await person.see("Copy")


async def _help(person) -> None:
    await person.press("question_mark")
    await person.see("Copy")


async def _uploads(person) -> None:
    await person.go("uploads")
    await person.wait(lambda: person.console.screen.query_one("#ended", SyncedTable).row_count > 5, "ended uploads")


async def _upload_abort(person) -> None:
    await _uploads(person)
    await person.press("G", "a")
    await person.see("Cancel")


async def _slot_disable(person) -> None:
    await _uploads(person)
    await person.press("d")
    await person.see("Cancel")


async def _volumes(person) -> None:
    await person.go("volumes")
    await person.see("all right")
    await person.press("j")
    await person.see("0 B └")


async def _volume_gone(person) -> None:
    volume = person.console.server.volumes.all()[1]
    (volume.path / "volume.json").unlink()
    await person.go("volumes")
    await person.see("not there")
    await person.press("j")
    await person.see("mount its disk")


async def _volume_details(person) -> None:
    await _volumes(person)
    await person.press("enter")
    await person.see("Copy")


async def _volume_add(person) -> None:
    await _volumes(person)
    await person.press("a")
    await person.see("Add a volume")
    await person.type("backup2")
    await person.see("whole path")


async def _volume_search(person) -> None:
    await _volumes(person)
    await person.press("s")
    await person.see("Look for volumes")


async def _volume_deactivate(person) -> None:
    await _volumes(person)
    await person.press("d")
    await person.see("Take no new backups?")


async def _volume_forget(person) -> None:
    await _volumes(person)
    await person.press("x")
    await person.see("Forget this volume?")
    await person.press("shift+tab", "space")


async def _jobs(person) -> None:
    await person.go("jobs")
    await person.see("✓ done")


async def _job(person) -> None:
    await _jobs(person)
    await person.press("enter")
    await person.see("Job failed")


async def _part(person) -> None:
    await _jobs(person)
    table = person.console.screen.query_one("#schedule", SyncedTable)
    table.focus()
    table.move_to("health")
    await person.pilot.pause()


async def _schedule(person) -> None:
    await _part(person)
    await person.press("enter")
    await person.see("Schedule: health")


async def _schedule_run(person) -> None:
    await _part(person)
    await person.press("x")
    await person.see("Run health now?")


async def _log(person) -> None:
    await person.go("log")
    await person.see("1,000 since")


async def _log_failures(person) -> None:
    await _log(person)
    await person.press("x")
    await person.see("the beginning of the log")
    await person.press("k")
    await person.see("not following")


async def _log_nothing(person) -> None:
    await _log(person)
    await person.press("slash")
    await person.type("[nothing]")
    await person.see("no event fits")


async def _log_who(person) -> None:
    await _log(person)
    await person.press("u")
    await person.see("Events of whom?")


async def _log_event(person) -> None:
    await _log_failures(person)
    await person.press("enter")
    await person.see("An event of the audit log")


SCENES = {
    scene.__name__.strip("_"): scene
    for scene in (
        _overview,
        _findings,
        _help,
        _uploads,
        _upload_abort,
        _slot_disable,
        _volumes,
        _volume_gone,
        _volume_details,
        _volume_add,
        _volume_search,
        _volume_deactivate,
        _volume_forget,
        _jobs,
        _job,
        _schedule,
        _schedule_run,
        _log,
        _log_failures,
        _log_nothing,
        _log_who,
        _log_event,
    )
}


@pytest.mark.parametrize("scene", SCENES)
def test_looks_as_it_did(picture, scene):
    picture(SCENES[scene])
