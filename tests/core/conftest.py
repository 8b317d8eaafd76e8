"""A whole server in a temporary directory, and small builders around it."""

from __future__ import annotations

import errno
import hashlib
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from thaniya_core.errors import CommandFailed
from thaniya_core.formats.manifest import BackupFile, Manifest
from thaniya_core.initialise import initialise
from thaniya_core.model import Backup, Upload, User
from thaniya_core.server import Server, open_server
from thaniya_core.system.run import run
from thaniya_core.testing import FixedClock

DEADLINE_S = 30.0

PutFile = Callable[[Upload, str, bytes], Path]
OpenUpload = Callable[..., Upload]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The directory of a new server with two slots and one volume."""
    directory = tmp_path / "server"
    initialise(directory, "login:test", slots=2)
    return directory


@pytest.fixture
def server(root: Path, clock: FixedClock) -> Server:
    return open_server(root / "thaniya.toml", clock)


@pytest.fixture
def reopen(root: Path, clock: FixedClock) -> Callable[[], Server]:
    """Makes the server anew from what is on the disk, as after a crash."""
    return lambda: open_server(root / "thaniya.toml", clock)


@pytest.fixture
def make_user(server: Server) -> Callable[..., User]:
    def make(name: str = "alice", **limits: int) -> User:
        return server.users.add(name, [], "login:test", **limits)

    return make


@pytest.fixture
def alice(make_user: Callable[..., User]) -> User:
    return make_user("alice", max_uploads=9)


@pytest.fixture
def open_upload(server: Server, alice: User) -> OpenUpload:
    def make(expected_bytes: int | None = None, user: str = "alice", name: str = "nightly") -> Upload:
        return server.allocator.allocate(user, "web1", name, expected_bytes, "203.0.113.7", f"{user}@203.0.113.7")

    return make


@pytest.fixture
def put_file(server: Server) -> PutFile:
    def put(upload: Upload, name: str, data: bytes) -> Path:
        file = server.accounts.directory(upload.slot) / name
        file.write_bytes(data)
        return file

    return put


def manifest_of(**files: bytes) -> Manifest:
    """What a client says of files; `__` in a keyword stands for the dot of a name."""
    return Manifest(
        tuple(
            BackupFile(name.replace("__", "."), hashlib.sha256(data).hexdigest(), len(data))
            for name, data in files.items()
        )
    )


@pytest.fixture
def spooled(server: Server, open_upload: OpenUpload, put_file: PutFile) -> Callable[..., Upload]:
    """Brings files into the spool, completed with a manifest of them or another one."""

    def make(manifest: Manifest | None = None, **files: bytes) -> Upload:
        contents = files or {"notes__txt": b"some notes"}
        upload = open_upload(sum(map(len, contents.values())))
        for name, data in contents.items():
            put_file(upload, name.replace("__", "."), data)
        server.uploads.complete(upload.id, manifest or manifest_of(**contents), "alice")
        server.close_slots()
        return server.uploads.get(upload.id)

    return make


@pytest.fixture
def run_jobs(server: Server) -> Callable[..., None]:
    def run_due(which: Server = server) -> None:
        while which.worker.run_due():
            assert which.worker.drain(DEADLINE_S)

    return run_due


@pytest.fixture
def archived(server: Server, spooled: Callable[..., Upload], run_jobs: Callable[..., None]) -> Callable[..., Backup]:
    """Archives files and gives the backup."""

    def make(manifest: Manifest | None = None, **files: bytes) -> Backup:
        upload = spooled(manifest, **files)
        run_jobs()
        return server.catalog.get(upload.id)

    return make


def make_tar(mode: str = "w:gz", prefix: str = "./", **files: bytes) -> bytes:
    """A tar archive of files; `__` in a keyword stands for the dot of a name."""
    target = io.BytesIO()
    with tarfile.open(mode=mode, fileobj=target) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(prefix + name.replace("__", "."))
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return target.getvalue()


@pytest.fixture(name="make_tar")
def _make_tar() -> Callable[..., bytes]:
    return make_tar


@pytest.fixture
def volume(root: Path) -> Path:
    return root / "volume"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[Path, str], Path]]:
    """Mounts a file system of a few megabytes in memory over a directory; skips where that is not allowed."""
    mounted: list[Path] = []

    def mount(directory: Path, size: str) -> Path:
        directory.mkdir(parents=True, exist_ok=True)
        try:
            run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)], timeout_s=30)
        except CommandFailed as error:
            pytest.skip(f"no file system can be mounted here: {error.message}")
        mounted.append(directory)
        return directory

    yield mount
    for directory in reversed(mounted):
        run(["umount", "--lazy", str(directory)], timeout_s=30, check=False)  # the test may have done it


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AbstractContextManager[None]]:
    """Makes one call of a function fail once with an error of the disk, before it does its work or right after it."""

    @contextmanager
    def fail(owner: object, name: str, *, after: bool = False, call: int = 1) -> Iterator[None]:
        real = getattr(owner, name)
        calls = 0

        def fails(*args: object, **options: object) -> object:
            nonlocal calls
            calls += 1
            if calls == call and not after:
                raise OSError(errno.EIO, "Input/output error")
            result = real(*args, **options)
            if calls == call:
                raise OSError(errno.EIO, "Input/output error")
            return result

        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fails)
            yield
        assert calls >= call, f"{name} was not called"

    return fail


def in_threads(*actions: Callable[[], object]) -> list[object]:
    """Run actions at the same moment; gives what each returned or raised."""
    barrier = threading.Barrier(len(actions))
    results: list[object] = [None] * len(actions)

    def work(number: int, action: Callable[[], object]) -> None:
        barrier.wait(DEADLINE_S)
        try:
            results[number] = action()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            results[number] = error

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
    return results


@pytest.fixture(name="in_threads")
def _in_threads() -> Callable[..., list[object]]:
    return in_threads


@pytest.fixture(name="manifest_of")
def _manifest_of() -> Callable[..., Manifest]:
    return manifest_of
