"""Restoring at the server."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from thaniya_core.archive import restore
from thaniya_core.errors import AlreadyExists, CommandFailed, IntegrityFailed, NotFound, WrongUsage
from thaniya_core.formats.restoring import select_parts
from thaniya_core.system.marked_directory import marker_of

LONG_LIST = 200


def _tar(prefix: str = "./", **files: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(mode="w:gz", fileobj=target) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return target.getvalue()


ODD = ["back\\nslash", "two\nlines", "*", "café", "-dash", 'quo"te', "latin\udce9"]
FILES = {"etc/passwd": b"root", "etc/ssh/config": b"ssh", "home/notes": b"notes"} | dict.fromkeys(ODD, b"odd")


@pytest.fixture
def backup(archived):
    return archived(home__tar__gz=_tar(**FILES), dump__sql=b"select", client__log=b"done")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


def _found(target: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(target)): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def _restore(server, backup, target, *paths: str, overwrite: bool = False) -> None:
    server.backups.restore(backup, target, paths, overwrite, "login:root")


def test_whole_backup_is_restored(server, backup, target):
    _restore(server, backup, target)

    assert _found(target) == FILES | {"dump.sql": b"select"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("etc", ["etc/passwd", "etc/ssh/config"]),
        ("./etc/", ["etc/passwd", "etc/ssh/config"]),
        ("/etc/passwd", ["etc/passwd"]),
        ("dump.sql", ["dump.sql"]),
        *[(name, [name]) for name in ODD],
    ],
)
def test_some_paths_are_restored(server, backup, target, path, expected):
    _restore(server, backup, target, path)

    assert sorted(_found(target)) == expected
    assert not marker_of(target, backup.id).exists()


def test_several_paths_are_restored(server, backup, target):
    _restore(server, backup, target, "dump.sql", "home/notes", "etc/ssh")

    assert sorted(_found(target)) == ["dump.sql", "etc/ssh/config", "home/notes"]


def test_archive_made_without_leading_dots_is_restored_by_path(server, archived, target):
    backup = archived(home__tar__gz=_tar("", **FILES))

    _restore(server, backup, target, "etc/passwd")

    assert _found(target) == {"etc/passwd": b"root"}


@pytest.mark.parametrize("path", ["nothing", "etc/pass", "client.log", "home.tar.gz", "café/x", "no\\such\n"])
def test_path_that_is_not_in_the_backup_is_told(server, backup, target, path):
    with pytest.raises(NotFound, match="not in backup"):
        _restore(server, backup, target, path)
    assert set(_found(target)) <= {marker_of(target, backup.id).name}


@pytest.mark.parametrize("path", [".", "./", "/"])
def test_path_of_the_whole_backup_restores_all(server, backup, target, path):
    _restore(server, backup, target, path)

    assert _found(target) == FILES | {"dump.sql": b"select"}


def test_path_below_another_is_found(server, backup, target):
    _restore(server, backup, target, "etc", "etc/ssh/config")

    assert sorted(_found(target)) == ["etc/passwd", "etc/ssh/config"]


def test_mode_and_time_of_the_top_directory_come_back(server, archived, target):
    packed = io.BytesIO()
    with tarfile.open(mode="w:gz", fileobj=packed) as tar:
        top = tarfile.TarInfo("./")
        top.type, top.mode, top.mtime = tarfile.DIRTYPE, 0o555, 86400
        tar.addfile(top)
    backup = archived(home__tar__gz=packed.getvalue(), zz__sql=b"a plain file that comes after it")

    _restore(server, backup, target)

    assert (target.stat().st_mtime, target.stat().st_mode & 0o7777) == (86400, 0o555)
    target.chmod(0o755)  # so that pytest can remove it


def test_many_missing_paths_are_all_told(server, backup, target):
    paths = [f"missing{number:03}" for number in range(LONG_LIST)]

    with pytest.raises(NotFound) as caught:
        _restore(server, backup, target, "etc/passwd", *paths)

    assert all(repr(path) in caught.value.message for path in paths)
    assert (target / "etc" / "passwd").read_bytes() == b"root"


@pytest.mark.parametrize("path", ["", "..", "etc/../../x", "/etc/.."])
def test_path_that_leads_out_of_the_backup_is_refused(server, backup, target, path):
    with pytest.raises(WrongUsage):
        _restore(server, backup, target, path)
    assert not target.exists()


def test_directory_that_is_not_empty_is_left_alone(server, backup, target):
    target.mkdir()
    (target / "precious").write_bytes(b"precious")

    with pytest.raises(AlreadyExists, match="is not empty; nothing was restored"):
        _restore(server, backup, target)
    assert _found(target) == {"precious": b"precious"}


def test_overwriting_keeps_other_files(server, backup, target):
    (target / "etc").mkdir(parents=True)
    (target / "etc" / "passwd").write_bytes(b"old")
    (target / "precious").write_bytes(b"precious")
    (target / "dump.sql").write_bytes(b"old")
    (target / "dump.sql").chmod(0o440)

    _restore(server, backup, target, overwrite=True)

    assert _found(target) == FILES | {"dump.sql": b"select", "precious": b"precious"}


@pytest.mark.parametrize("name", ["home.tar.gz", "dump.sql"])
def test_damaged_backup_is_refused_before_anything_is_written(server, backup, target, name):
    file = server.catalog.directory(backup) / name
    file.chmod(0o640)
    file.write_bytes(file.read_bytes()[:-1] + b"?")

    with pytest.raises(IntegrityFailed, match="nothing was restored") as caught:
        _restore(server, backup, target)
    assert "the backup before or after it" in caught.value.hint
    assert not target.exists()


def test_damage_outside_of_the_wanted_paths_hinders_nothing(server, archived, target):
    backup = archived(one__tar__gz=_tar(a=b"a"), two__tar__gz=_tar(b=b"b"))
    file = server.catalog.directory(backup) / "two.tar.gz"
    file.chmod(0o640)
    file.write_bytes(b"damaged")

    _restore(server, backup, target, "one/a")

    assert _found(target) == {"one/a": b"a"}


def test_marker_lies_in_the_target_until_the_restore_is_finished(server, backup, target, monkeypatch):
    seen: list[bool] = []
    real = restore.run

    def looks(*arguments: object, **options: object) -> object:
        seen.append(marker_of(target, backup.id).exists())
        return real(*arguments, **options)

    monkeypatch.setattr(restore, "run", looks)
    _restore(server, backup, target)

    assert seen == [True]
    assert not marker_of(target, backup.id).exists()


def test_interrupted_restore_is_carried_on_without_force(server, backup, target):
    target.mkdir()
    marker_of(target, backup.id).touch()
    (target / "etc").mkdir()

    _restore(server, backup, target)

    assert _found(target) == FILES | {"dump.sql": b"select"}


def test_marker_of_another_backup_allows_nothing(server, backup, target):
    target.mkdir()
    marker_of(target, "20200101T000000Z-000000").touch()

    with pytest.raises(AlreadyExists):
        _restore(server, backup, target)


def test_what_tar_cannot_restore_is_told_with_its_reason(server, backup, target):
    (target / "etc" / "passwd" / "in the way").mkdir(parents=True)

    with pytest.raises(CommandFailed, match=r"home\.tar\.gz: .*passwd"):
        _restore(server, backup, target, overwrite=True)
    assert marker_of(target, backup.id).exists()


def test_failure_is_told_even_where_a_path_is_missing(server, archived, target):
    backup = archived(one__tar__gz=_tar(a=b"a"), one__tar=_plain(b=b"b"))
    (target / "one.tar.gz" / "a" / "in the way").mkdir(parents=True)

    with pytest.raises(CommandFailed, match="could not restore"):
        _restore(server, backup, target, "one.tar.gz/a", "one.tar.gz/b", overwrite=True)


def _plain(**files: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(mode="w", fileobj=target) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo("./" + name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return target.getvalue()


def test_several_archives_are_restored_side_by_side_as_the_script_does(server, archived, target, tmp_path):
    backup = archived(one__tar__gz=_tar(a=b"1"), two__tar=_plain(a=b"2"))

    _restore(server, backup, target)

    assert _found(target) == {"one/a": b"1", "two/a": b"2"}


def test_archives_of_the_same_stem_do_not_mix(server, archived, target):
    backup = archived(one__tar__gz=_tar(a=b"1"), one__tar=_plain(a=b"2"), two__tar=_plain(a=b"3"), two=b"a file")

    _restore(server, backup, target)

    assert _found(target) == {"one.tar.gz/a": b"1", "one.tar/a": b"2", "two.tar/a": b"3", "two": b"a file"}


def test_path_begins_with_the_archive_where_there_are_several(server, archived, target):
    backup = archived(one__tar__gz=_tar(a=b"1"), two__tar=_plain(a=b"2", b=b"3"))

    _restore(server, backup, target, "two/b", "one")

    assert _found(target) == {"one/a": b"1", "two/b": b"3"}
    with pytest.raises(NotFound):
        select_parts(backup.document, ["a"])


def test_restore_is_written_to_the_audit_log(server, backup, target):
    _restore(server, backup, target)

    event = list(server.store.read_events())[-1]
    assert (event.actor, event.action, event.detail) == ("login:root", "backup.restore", str(target))


def test_options_of_tar_from_outside_change_nothing(server, backup, target, monkeypatch):
    monkeypatch.setenv("TAR_OPTIONS", "--exclude=etc")

    _restore(server, backup, target)

    assert "etc/passwd" in _found(target)


def test_removed_backup_is_gone_from_catalog_and_volume(server, archived, volume):
    backup, other = archived(), archived()

    server.backups.remove(backup, "login:root")

    assert server.catalog.find() == [other]
    assert [path.name for path in volume.glob("archive/*/*/*/*")] == [other.id]
    assert list(volume.glob(".removing/*")) == []
    with pytest.raises(NotFound):
        server.backups.remove(backup, "login:root")


def test_link_in_the_target_is_not_followed(server, backup, target, tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    (target / "etc").mkdir(parents=True)
    (target / "etc" / "passwd").symlink_to(outside)

    _restore(server, backup, target, overwrite=True)

    assert outside.read_bytes() == b"precious"


def test_a_second_try_does_not_follow_the_links_of_the_first(archived, server, target, tmp_path):
    """A hostile archive whose first extraction fails and leaves a link in the place of a directory."""
    outside = tmp_path / "outside"
    outside.mkdir()
    packed = io.BytesIO()
    with tarfile.open(mode="w", fileobj=packed) as tar:
        first, link, last = tarfile.TarInfo("x/evil"), tarfile.TarInfo("x"), tarfile.TarInfo("y")
        first.type, first.linkname = tarfile.LNKTYPE, "y"
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        last.size = 5
        tar.addfile(first)
        tar.addfile(link)
        tar.addfile(last, io.BytesIO(b"PWNED"))
    backup = archived(home__tar=packed.getvalue())

    for _ in range(2):
        with pytest.raises(CommandFailed):
            _restore(server, backup, target)

    assert list(outside.iterdir()) == []


def test_restore_tells_how_far_it_is_and_how_many_files_came(server, backup, target, tmp_path):
    stored = sum(file.size_bytes for file in backup.document.files if file.name != "client.log")
    read: list[int] = []

    came = server.backups.restore(backup, target, [], False, "login:root", read.append)

    assert came == len(_found(target)) == len(FILES) + 1
    assert sum(read) == stored
    assert server.backups.restore(backup, tmp_path / "some", ["etc"], False, "login:root") == 2
    assert server.backups.restore(backup, target, [], True, "login:root") is None


def test_restore_that_cannot_begin_is_refused_before_anything_is_made(server, backup, target):
    server.backups.check_restore(backup, target, ["etc/passwd"])
    assert not target.exists()

    with pytest.raises(WrongUsage):
        server.backups.check_restore(backup, target, ["../x"])
    target.mkdir()
    server.backups.check_restore(backup, target, [])
    (target / "mine").write_bytes(b"")
    with pytest.raises(AlreadyExists):
        server.backups.check_restore(backup, target, [])
