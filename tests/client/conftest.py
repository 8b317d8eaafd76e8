"""Builders that the client's tests share."""

# pathlib knows no names that are bytes.
# ruff: noqa: PTH101, PTH102, PTH103, PTH115, PTH118, PTH123, PTH211

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from thaniya_client import LocalDirectory, ThaniyaServer
from thaniya_client.connectors.ssh.keys import make_key, public_line
from thaniya_core.initialise import initialise
from thaniya_core.server import Server
from thaniya_core.service import Service

Snapshot = dict[bytes, tuple[object, ...]]


@pytest.fixture
def target(tmp_path: Path) -> LocalDirectory:
    """A directory that keeps backups."""
    place = tmp_path / "disk"
    place.mkdir()
    return LocalDirectory(place, user="alice")


@pytest.fixture
def login_key(tmp_path: Path) -> Path:
    """The private key by which alice logs in to `server`."""
    key = tmp_path / "login/id_ed25519"
    make_key(key)
    return key


@pytest.fixture
def server(login_key: Path, tmp_path: Path) -> Server:
    """A server of the embedded kind that knows alice; nothing runs yet."""
    server = initialise(tmp_path / "server", "test", port=0)
    server.users.add("alice", [public_line(login_key)], "test")
    return server


@pytest.fixture
def client(server: Server, login_key: Path, tmp_path: Path) -> Iterator[ThaniyaServer]:
    """A client of alice, of the server while it runs."""
    known = tmp_path / "known_hosts"
    with (
        Service(server) as service,
        ThaniyaServer("127.0.0.1", port=service.gate.port, key=login_key, known_hosts=known, accept_new=True) as client,
    ):
        yield client


@pytest.fixture
def odd_tree(tmp_path: Path) -> Path:
    """A directory with all that a file system can hold and a backup must bring back."""
    root = tmp_path / "source"
    root.mkdir()
    top = os.fsencode(root) + b"/"
    names = [
        b"plain.txt",
        b"new\nline",
        b"tab\tand\\backslash",
        b"not-utf-8-\xff\xfe",
        b"-leading-dash",
        b"--help",
        b"l" * 250,
        b"quote\"and'quote",
        b"arrow -> arrow",
        b"link to elsewhere",
        "ümläut €".encode(),
        b" spaces ",
        b"$(reboot);`id`",
        b"*",
        b".hidden",
    ]
    for number, name in enumerate(names):
        _write(top + name, name * number)
    for name in names:
        os.mkdir(top + b"dir-" + name[:200])
        _write(top + b"dir-" + name[:200] + b"/" + name, b"inside")
    os.link(top + b"plain.txt", top + b"hard\nlink")
    os.link(top + b"plain.txt", top + b"dir-plain.txt/hard")
    os.symlink(b"plain.txt", top + b"symlink")
    os.symlink(b"./no//such -> \n\xff", top + b"dangling")
    os.mkfifo(top + b"fifo")
    deep = top + b"/".join([b"d" * 100] * 8)
    os.makedirs(deep)
    _write(deep + b"/deep", b"deep")
    os.mkdir(top + b"empty")
    with open(top + b"sparse", "wb") as file:
        file.write(b"begin")
        file.seek(8 * 1024 * 1024)
        file.write(b"middle")
        file.truncate(16 * 1024 * 1024)
    _write(top + b"large", os.urandom(1024 * 1024) * 3)
    os.chmod(top + b"plain.txt", 0o600)
    os.chmod(top + b"--help", 0o4755)
    os.chmod(top + b"empty", 0o1777)
    os.utime(top + b"-leading-dash", ns=(10**18, 1_234_567_890_123_456_789))
    os.utime(top + b"large", ns=(0, 0))
    os.utime(top + b"empty", ns=(0, 1_000_000_000_000_000_000))
    return root


def _write(path: bytes, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


@pytest.fixture
def snapshot() -> Callable[[Path], Snapshot]:
    """A function that describes a tree: kinds, modes, owners, times, contents, links."""
    return _snapshot


def _snapshot(root: Path) -> Snapshot:
    top = os.fsencode(root)
    first_name: dict[tuple[int, int], bytes] = {}
    found: Snapshot = {}
    for directory, directories, files in os.walk(top):
        directories.sort()
        for name in sorted([b"", *directories, *files] if directory == top else [*directories, *files]):
            path = os.path.join(directory, name)
            relative = os.path.relpath(path, top)
            status = os.lstat(path)
            content: object = None
            if stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    content = hashlib.file_digest(file, "sha256").hexdigest()
            elif stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            is_linked = status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode)
            twin = first_name.setdefault((status.st_dev, status.st_ino), relative) if is_linked else b""
            mtime_us = status.st_mtime_ns // 1000
            found[relative] = (status.st_mode, status.st_uid, status.st_gid, mtime_us, content, twin)
    return found


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """A function that puts a shell script of a name before all programs of that name."""
    directory = tmp_path / "programs"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")

    def put(name: str, script: str) -> None:
        file = directory / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    return put


@pytest.fixture
def no_gnu_tar(programs: Callable[[str, str], None]) -> None:
    """`tar` is one that is not GNU, and can do nothing but say so."""
    for name in ("tar", "gtar"):
        programs(name, 'if [ "$1" = --version ]; then echo "bsdtar 3.7.2"; else exit 70; fi')


@pytest.fixture
def powerless_tar(programs: Callable[[str, str], None]) -> None:
    """tar obeys file permissions, also when root runs the tests."""
    if os.geteuid() != 0:
        return
    tar, setpriv = shutil.which("tar"), shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv (util-linux) is needed to take root's powers from tar")
    programs("tar", f'exec {setpriv} --bounding-set -dac_override,-dac_read_search {tar} "$@"')


@pytest.fixture
def archive_of(target: LocalDirectory) -> Callable[[str], Path]:
    """A function that gives the directory of a backup on the target."""

    def find(backup_id: str) -> Path:
        (found,) = target.path.glob(f"archive/*/*/*/{backup_id}")
        return found

    return find


@pytest.fixture
def incoming(target: LocalDirectory) -> Callable[[], list[Path]]:
    """A function that gives what is half written on the target."""
    return lambda: [path for path in target.path.glob(".incoming/*") if path.is_dir()]


@pytest.fixture
def all_archived(target: LocalDirectory) -> Iterator[Callable[[], list[str]]]:
    """A function that gives the ids of all backups on the target."""
    yield lambda: [backup.id for backup in target.backups()]
