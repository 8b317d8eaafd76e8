"""The door to files."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
from pathlib import Path

import pytest

from thaniya_core.errors import NoSpace, NotAllowed, NotFound, ThaniyaError
from thaniya_core.system import files
from thaniya_core.system.files import (
    copy_file,
    from_os_error,
    hash_file,
    link_file,
    make_directories,
    move_file,
    on_same_file_system,
    publish_directory,
    remove_tree,
    write_atomic,
)
from thaniya_core.system.marked_directory import make_writable

DATA = os.urandom(3 * 1024 * 1024 + 17)
SUM = hashlib.sha256(DATA).hexdigest()
LONG_S = 60.0


def test_tree_deeper_than_a_path_may_be_long_is_removed(tmp_path, monkeypatch):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    tree = tmp_path / "tree"
    tree.mkdir()
    with monkeypatch.context() as patch:
        patch.chdir(tree)
        for _ in range(2500):
            Path("deep").mkdir()
            os.chdir("deep")
        Path("file").touch()
        Path("link").symlink_to(outside)
        Path().chmod(0o500)

    make_writable(tree)
    remove_tree(tree)

    assert not tree.exists()
    assert (outside / "kept").exists()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    return path


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, NoSpace),
        (errno.EDQUOT, NoSpace),
        (errno.EACCES, NotAllowed),
        (errno.EROFS, NotAllowed),
        (errno.ENOENT, NotFound),
        (errno.EIO, ThaniyaError),
    ],
)
def test_error_of_the_system_is_translated(number, kind):
    error = from_os_error("write the file", OSError(number, os.strerror(number), "/a/file"))

    assert type(error) is kind
    assert error.message == f"cannot write the file: {os.strerror(number)}: /a/file"


def test_file_is_written_with_its_mode_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        write_atomic(tmp_path / "file", b"data", mode=0o644)
    finally:
        os.umask(before)

    assert (tmp_path / "file").read_bytes() == b"data"
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_interrupted_write_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch):
    write_atomic(tmp_path / "file", b"old")

    def fails(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files.os, "fsync", fails)
    with pytest.raises(OSError, match="Input/output"):
        write_atomic(tmp_path / "file", b"new")

    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_hash_is_that_of_the_whole_file(file):
    seen: list[int] = []

    assert hash_file(file, seen.append) == (SUM, len(DATA))
    assert sum(seen) == len(DATA)


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_what_is_no_plain_file_is_not_read(tmp_path, file, kind):
    odd = tmp_path / "odd"
    if kind == "link":
        odd.symlink_to(file)
    elif kind == "pipe":
        os.mkfifo(odd)
    else:
        odd.mkdir()

    with pytest.raises(OSError):
        hash_file(odd)
    with pytest.raises(OSError):
        copy_file(odd, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_copy_gives_the_sum_of_what_it_read(tmp_path, file):
    assert copy_file(file, tmp_path / "copy") == (SUM, len(DATA))
    assert (tmp_path / "copy").read_bytes() == DATA


def test_copy_overwrites_nothing(tmp_path, file):
    (tmp_path / "copy").write_bytes(b"precious")

    with pytest.raises(FileExistsError):
        copy_file(file, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"precious"


def test_copy_onto_a_full_disk_leaves_no_part(tmp_path, file, small_disk):
    disk = small_disk(tmp_path / "disk", "1m")

    with pytest.raises(OSError, match="No space left"):
        copy_file(file, disk / "copy")
    assert list(disk.iterdir()) == []


def test_file_moves_to_another_file_system(tmp_path, small_disk):
    source = tmp_path / "file"
    source.write_bytes(b"data")
    disk = small_disk(tmp_path / "disk", "1m")
    (disk / "file").write_bytes(b"a part of an earlier attempt")

    move_file(source, disk / "file")

    assert (disk / "file").read_bytes() == b"data"
    assert not source.exists()
    assert not on_same_file_system(tmp_path, disk)


def test_file_gets_a_second_name(tmp_path, file):
    assert link_file(file, tmp_path / "second")
    assert (tmp_path / "second").stat().st_ino == file.stat().st_ino


def test_second_name_on_another_file_system_is_not_possible(tmp_path, file, small_disk):
    assert not link_file(file, small_disk(tmp_path / "disk", "1m") / "second")


def test_directories_are_made_as_far_as_they_are_missing(tmp_path):
    make_directories(tmp_path / "a" / "b" / "c")
    make_directories(tmp_path / "a" / "b" / "c")

    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_directory_is_published_whole(tmp_path):
    incoming = tmp_path / ".incoming" / "id"
    incoming.mkdir(parents=True)
    (incoming / "a").write_bytes(b"a")

    publish_directory(incoming, tmp_path / "archive" / "alice" / "id")

    assert [path.name for path in (tmp_path / "archive" / "alice" / "id").iterdir()] == ["a"]
    assert not incoming.exists()


def test_directory_is_published_over_no_other(tmp_path):
    for place in ("incoming", "final"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "file").write_text(place)

    with pytest.raises(OSError):
        publish_directory(tmp_path / "incoming", tmp_path / "final")
    assert (tmp_path / "final" / "file").read_text() == "final"


def test_tree_is_removed_and_no_link_followed(tmp_path, file):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "link").symlink_to(outside)
    (tree / "dangling").symlink_to("nowhere")
    os.mkfifo(tree / "pipe")

    remove_tree(tree)

    assert not tree.exists()
    assert (outside / "precious").exists()


@pytest.mark.parametrize("kind", ["file", "link", "dangling", "pipe", "missing"])
def test_single_thing_is_removed(tmp_path, file, kind):
    thing = tmp_path / "thing"
    make = {
        "file": thing.touch,
        "link": lambda: thing.symlink_to(file),
        "dangling": lambda: thing.symlink_to("nowhere"),
        "pipe": lambda: os.mkfifo(thing),
        "missing": lambda: None,
    }
    make[kind]()

    remove_tree(thing)

    assert not os.path.lexists(thing)
    assert file.exists()


def test_tree_may_be_removed_by_several_at_the_same_moment(tmp_path):
    for _ in range(10):
        tree = tmp_path / "tree"
        for number in range(200):
            (tree / str(number % 3)).mkdir(parents=True, exist_ok=True)
            (tree / str(number % 3) / str(number)).touch()
        gate = threading.Barrier(3)
        failures: list[OSError] = []

        def remove(gate=gate, tree=tree, failures=failures) -> None:
            gate.wait(30)
            try:
                remove_tree(tree)
            except OSError as error:
                failures.append(error)

        threads = [threading.Thread(target=remove) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert failures == []
        assert not tree.exists()
