"""Volumes: wherever they are mounted, nearly full, not there, copied, forgotten."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from thaniya_core.archive import ingest
from thaniya_core.archive.condition import VolumeWatch, judge
from thaniya_core.config import Level
from thaniya_core.errors import AlreadyExists, NotFound, WrongState
from thaniya_core.formats.volume import VolumeDocument, encode_volume
from thaniya_core.model import UploadState, Volume, VolumeCondition
from thaniya_core.system.run import run
from thaniya_core.system.space import DiskSpace


@pytest.fixture
def first(server) -> Callable[[], Volume]:
    """The server's first volume as it is known now."""
    return lambda: server.volumes.all()[0]


@pytest.fixture
def away(volume: Path) -> Path:
    """Takes the volume from its place, as unmounting does: the bare directory stays. Gives where it is now."""
    moved = volume.with_name("elsewhere")
    volume.rename(moved)
    volume.mkdir()
    return moved


def events(server, prefix: str) -> list[tuple[str, bool]]:
    return [(event.action, event.ok) for event in server.events() if event.action.startswith(prefix)]


def below(directory: Path) -> list[Path]:
    return list(directory.iterdir())


def test_nothing_is_written_into_the_bare_mount_point_of_a_known_volume(server, volume, away):
    with pytest.raises(NotFound, match="is the place of the volume first, and another one or none is there") as caught:
        server.volumes.add(volume, "new", "login:root")
    assert "mount its disk" in caught.value.hint
    with pytest.raises(WrongState, match="lies within the volume first"):
        server.volumes.add(volume / "below", "new", "login:root")

    assert below(volume) == []


def test_another_disk_at_the_place_of_a_known_volume_is_refused(server, volume, away, tmp_path):
    (volume / "volume.json").write_bytes(encode_volume(VolumeDocument("20200101T000000Z-000000", "other")))

    with pytest.raises(NotFound, match="the place of the volume first"):
        server.volumes.add(volume, "other", "login:root")


@pytest.mark.parametrize("place", ["spool", "spool/below", "slots", "slots/thaniya_01/upload", "state", "link"])
def test_volume_is_not_made_where_the_server_works(server, root, place):
    (root / "link").symlink_to(root / "spool")
    with pytest.raises(WrongState, match="directory of the server"):
        server.volumes.add(root / place, "new", "login:root")
    assert not list(root.glob(f"{place}/volume.json"))
    assert server.volumes.add(root / "state" / "volume", "new", "login:root").active


def test_damaged_volume_is_told_once_with_the_cure(server, tmp_path, caplog):
    (tmp_path / "media" / "usb").mkdir(parents=True)
    (tmp_path / "media" / "usb" / "volume.json").write_text("{")
    server.volumes.rescan([tmp_path, tmp_path / "media"], "login:root")
    assert [record.getMessage() for record in caplog.records if "usb" in record.getMessage()] == [
        f"{tmp_path}/media/usb/volume.json cannot be read: Input data was truncated "
        "(put it back as it was, with the id that `thaniya volume list` shows; see docs/disaster.md)"
    ]


def test_archiving_does_not_write_where_the_volume_is_not(server, spooled, run_jobs, volume, first):
    upload = spooled()
    server.uploads.set_volume(upload.id, first().id)
    volume.rename(volume.with_name("elsewhere"))
    volume.mkdir()

    run_jobs()

    assert below(volume) == []
    waiting = server.uploads.get(upload.id)
    assert waiting.state is UploadState.SPOOLED
    assert f"the volume first is not at {volume}" in waiting.reason


def test_volume_unmounted_by_force_while_it_is_written_is_written_on_and_its_mount_point_not(
    server, root, spooled, run_jobs, small_disk, monkeypatch
):
    disk = small_disk(root / "disk", "16m")
    (root / "volume" / "volume.json").unlink()
    server.volumes.add(disk, "disk", "login:root")
    upload = spooled()
    found: list[Path] = []
    real = ingest.publish_directory

    def unmount_then_publish(incoming: Path, final: Path) -> None:
        run(["umount", "--lazy", str(disk)], timeout_s=30)
        real(incoming, final)
        found.extend(final.iterdir())

    monkeypatch.setattr(ingest, "publish_directory", unmount_then_publish)
    run_jobs()

    assert {file.name for file in found} >= {"notes.txt", "backup.json"}
    assert below(disk) == []
    assert server.uploads.get(upload.id).state is UploadState.ARCHIVED


def test_volume_that_is_written_is_busy(server, root, small_disk, first):
    disk = small_disk(root / "disk", "1m")
    volume = server.volumes.add(disk, "disk", "login:root")

    with server.volumes.hold(volume.id):
        refused = run(["umount", str(disk)], timeout_s=30, check=False)

    assert refused.exit_code != 0
    assert server.volumes.is_present(volume)


def test_errors_name_the_place_of_the_volume(server, spooled, run_jobs, volume, monkeypatch):
    (volume / ".incoming").write_text("in the way")
    upload = spooled()

    run_jobs()

    assert str(volume / ".incoming") in server.uploads.get(upload.id).reason


def test_volume_that_moved_stays_as_it_was_set(server, volume, away, first):
    server.volumes.set_active(first(), False, "login:root")

    server.volumes.add(away, "other", "login:root")

    assert (first().label, first().path, first().active) == ("first", away, False)


def test_copy_of_a_volume_is_refused(server, volume, tmp_path, first):
    shutil.copytree(volume, tmp_path / "copy")

    with pytest.raises(WrongState, match="as a copy, at"):
        server.volumes.add(tmp_path / "copy", "copy", "login:root")
    assert first().path == volume

    shutil.rmtree(volume)
    server.volumes.add(tmp_path / "copy", "copy", "login:root")
    assert first().path == tmp_path / "copy"


def test_another_path_to_the_same_directory_is_no_copy(server, volume, tmp_path, first):
    (tmp_path / "link").symlink_to(volume)
    server.volumes.add(tmp_path / "link", "x", "login:root")
    assert first().path == tmp_path / "link"


def test_directory_is_not_made_where_a_disk_was_meant(server, tmp_path):
    with pytest.raises(NotFound, match="there is no directory"):
        server.volumes.add(tmp_path / "usb" / "backup", "usb", "login:root", must_exist=True)
    with pytest.raises(NotFound, match=f"there is no directory {tmp_path}/usb "):
        server.volumes.add(tmp_path / "usb" / "backup", "usb", "login:root")
    assert not (tmp_path / "usb").exists()


def test_volume_is_got_by_label_id_or_path(server, volume, first, tmp_path):
    assert server.volumes.get("first") == server.volumes.get(first().id) == server.volumes.get(str(volume)) == first()
    server.volumes.add(tmp_path / "second", "first", "login:root")
    with pytest.raises(NotFound, match="2 volumes are called first"):
        server.volumes.get("first")
    with pytest.raises(NotFound, match="there is no volume none"):
        server.volumes.get("none")


@pytest.mark.parametrize("where", ["beside", "told", "two levels below"])
def test_rescan_finds_a_volume_at_its_new_place(server, archived, volume, tmp_path, first, where):
    backup = archived()
    target = {"beside": volume.with_name("usb"), "told": tmp_path / "media", "two levels below": tmp_path / "media/a/b"}
    target[where].parent.mkdir(parents=True, exist_ok=True)
    volume.rename(target[where])

    found = server.volumes.rescan([] if where == "beside" else [tmp_path / "media"], "login:root")

    assert [(moved.label, moved.path) for moved in found.moved] == [("first", target[where])]
    assert (found.added, found.unknown, found.missing, found.copies) == ((), (), (), ())
    assert server.catalog.directory(backup).is_relative_to(target[where])
    assert server.volumes.rescan([tmp_path], "login:root").moved == ()


def test_pipe_that_is_called_like_a_volumes_file_holds_no_search_up(server, tmp_path, first):
    (tmp_path / "disk").mkdir()
    os.mkfifo(tmp_path / "disk" / "volume.json")

    assert server.volumes.rescan([tmp_path / "disk"], "login:root").missing == ()


def test_rescan_tells_what_it_does_not_find_and_what_it_does_not_know(server, tmp_path, volume, first):
    (tmp_path / "media").mkdir()
    other = server.volumes.add(tmp_path / "media/other", "other", "login:root")
    server.remove_volume(other, "login:root", with_backups=False)
    shutil.rmtree(volume)

    found = server.volumes.rescan([tmp_path / "media", tmp_path / "none"], "login:root")
    assert [each.label for each in found.missing] == ["first"]
    assert [(each.label, each.path) for each in found.unknown] == [("other", tmp_path / "media/other")]
    assert found.facts == [
        ("not known here", f"other, at {tmp_path}/media/other: thaniya volume add {tmp_path}/media/other"),
        ("NOT FOUND", f"first, which was at {volume}"),
    ]
    assert len(server.volumes.all()) == 1

    found = server.volumes.rescan([tmp_path / "media"], "login:root", add=True)
    assert [each.id for each in found.added] == [other.id]
    assert len(server.volumes.all()) == 2


def test_rescan_does_not_choose_between_copies(server, volume, tmp_path, first):
    shutil.copytree(volume, tmp_path / "media/one")
    assert server.volumes.rescan([tmp_path / "media"], "login:root").copies == ()
    assert first().path == volume
    shutil.copytree(volume, tmp_path / "media/two")
    shutil.rmtree(volume)

    (told,) = server.volumes.rescan([tmp_path / "media"], "login:root").copies

    assert told == f"first: {tmp_path}/media/one, {tmp_path}/media/two"
    assert first().path == volume


def test_series_stays_on_its_volume(server, archived, tmp_path, first, small_disk, clock):
    small = small_disk(tmp_path / "small", "32m")
    other = server.volumes.add(small, "small", "login:root")
    server.volumes.set_active(server.volumes.get("first"), False, "login:root")
    assert archived().volume == other.id
    server.volumes.set_active(server.volumes.get("first"), True, "login:root")
    clock.advance(60)

    assert archived().volume == other.id  # where less is free than on the first
    assert archived(big=b"x" * 30_000_000).volume == server.volumes.get("first").id


def test_backup_goes_elsewhere_when_the_volume_it_was_meant_for_fills_up(
    server, spooled, run_jobs, tmp_path, small_disk, clock
):
    small = small_disk(tmp_path / "small", "6m")
    other = server.volumes.add(small, "small", "login:root")
    upload = spooled(a=b"a" * 3_000_000)
    server.uploads.set_volume(upload.id, other.id)  # it had room when it was chosen
    run_jobs()
    assert "do not fit" in server.uploads.get(upload.id).reason

    clock.advance(5)
    run_jobs()

    assert server.catalog.get(upload.id).volume == server.volumes.get("first").id
    assert list(small.glob(".incoming/*")) == []


def test_low_space_and_a_missing_volume_are_told_once_each(server, volume, clock, caplog):
    watch = VolumeWatch(server.store, clock, server.volumes, Level("999999P"))
    watch.tell_changes()
    watch.tell_changes()
    assert events(server, "volume.low") == [("volume.low", False)]
    assert "the volume first is nearly full: " in caplog.text
    volume.rename(volume.with_name("elsewhere"))
    watch.tell_changes()
    watch.tell_changes()
    volume.with_name("elsewhere").rename(volume)
    watch = VolumeWatch(server.store, clock, server.volumes, Level("0"))
    watch.tell_changes()
    watch.tell_changes()

    told = events(server, "volume.")
    assert told[-3:] == [("volume.low", False), ("volume.missing", False), ("volume.ok", True)]


@pytest.mark.parametrize(
    ("before", "free", "condition"),
    [
        (VolumeCondition.OK, 100, VolumeCondition.OK),
        (VolumeCondition.OK, 99, VolumeCondition.LOW),
        (VolumeCondition.LOW, 109, VolumeCondition.LOW),
        (VolumeCondition.LOW, 110, VolumeCondition.OK),
        (VolumeCondition.MISSING, 105, VolumeCondition.OK),
    ],
)
def test_nearly_full_is_not_told_to_and_fro(before, free, condition):
    told = Volume("v", "v", Path("/v"), condition=before)
    assert judge(told, DiskSpace(1000, free, 0, 0), Level("10%")) is condition
    assert judge(told, DiskSpace(1000, 1000, 1000, free), Level("10%")) is condition
    assert judge(told, DiskSpace(1000, 1000, 1000, free), Level("100")) is VolumeCondition.OK  # a size says nothing


def test_damaged_volume_is_told(server, volume, first):
    (volume / "volume.json").write_text("{")
    (status,) = server.volume_watch.look()
    assert (status.condition, status.needs_somebody) == (VolumeCondition.DAMAGED, True)
    assert "volume.json cannot be read" in status.detail


def test_volume_that_takes_nothing_may_be_away(server, volume, away, first):
    server.volumes.set_active(first(), False, "login:root")
    (status,) = server.volume_watch.look()
    assert (status.condition, status.needs_somebody) == (VolumeCondition.MISSING, False)


def test_volume_with_backups_is_forgotten_only_with_them_and_nothing_is_lost(server, archived, volume, first):
    backup = archived()
    files = sorted(volume.rglob("*"))
    with pytest.raises(WrongState, match="1 backups in the catalog are on the volume first"):
        server.remove_volume(first(), "login:root", with_backups=False)
    assert first().active

    assert server.remove_volume(first(), "login:root", with_backups=True) == 1

    assert server.volumes.all() == server.catalog.find() == []
    assert sorted(volume.rglob("*")) == files
    server.volumes.add(volume, "ignored", "login:root")
    assert server.catalog.rebuild().added == 1
    assert server.catalog.get(backup.id).document == backup.document
    with pytest.raises(AlreadyExists):
        server.volumes.add(volume, "ignored", "login:root")


def test_volume_that_an_upload_is_on_its_way_to_is_not_forgotten(server, spooled, run_jobs, first):
    upload = spooled()
    server.uploads.set_volume(upload.id, first().id)
    with pytest.raises(WrongState, match=f"the upload {upload.id} is being archived"):
        server.remove_volume(first(), "login:root", with_backups=True)
    assert first().active
    run_jobs()
    assert server.remove_volume(first(), "login:root", with_backups=True) == 1


def test_rebuild_takes_nothing_from_the_catalog_when_a_volume_vanishes_meanwhile(server, archived, volume, monkeypatch):
    backup = archived()
    real = server.volumes.present
    away = volume.with_name("elsewhere")

    def present_then_vanish() -> list[Volume]:
        found = real()
        volume.rename(away)
        volume.mkdir()
        return found

    monkeypatch.setattr(server.volumes, "present", present_then_vanish)
    report = server.catalog.rebuild()

    assert (report.found, report.removed) == (0, 0)
    assert server.catalog.get(backup.id).id == backup.id


def test_list_in_parts_is_the_whole_list(server, archived, clock, monkeypatch):
    made = []
    for _ in range(5):
        made.append(archived().id)
        clock.advance(60)
    monkeypatch.setattr("thaniya_core.archive.catalog._HELD_BACKUPS", 2)
    assert [backup.id for backup in server.catalog.each()] == made[::-1]


def test_backup_that_lies_on_two_volumes_counts_once(server, archived, volume, tmp_path, first, clock):
    backups = [archived(), archived()]
    shutil.copytree(volume / "archive", tmp_path / "second/archive")
    second = server.volumes.add(tmp_path / "second", "second", "login:root")

    for _ in range(2):
        report = server.catalog.rebuild()
        assert (report.found, report.added, report.removed) == (2, 0, 0)
        assert sorted(report.unreadable) == sorted(
            f"alice/web1/nightly/{backup.id} lies on the volume {second.id} too, where it does not count"
            for backup in backups
        )
    assert {backup.volume for backup in server.catalog.find()} == {backups[0].volume}


def test_volume_that_is_removed_while_it_is_chosen_is_not_taken(
    server, spooled, run_jobs, tmp_path, clock, monkeypatch
):
    other = server.volumes.add(tmp_path / "other", "other", "login:root")
    real = server.volumes.choose

    def choose_then_remove(*arguments: object) -> Volume:
        monkeypatch.setattr(server.volumes, "choose", real)
        server.remove_volume(other, "login:root", with_backups=True)
        return other

    monkeypatch.setattr(server.volumes, "choose", choose_then_remove)
    upload = spooled()
    run_jobs()
    assert server.uploads.get(upload.id).volume == ""
    clock.advance(5)
    run_jobs()
    assert server.catalog.get(upload.id).volume == server.volumes.get("first").id
