"""A gate with nothing behind it but memory and a temporary directory."""

from __future__ import annotations

import hashlib
import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import paramiko
import pytest
from msgspec.structs import replace

from thaniya_core.config import Gate
from thaniya_core.errors import NoFreeSlot, NotAllowed, NotFound, WrongState
from thaniya_core.formats.manifest import BackupDocument, BackupFile, FileKind, Manifest, SumsBy
from thaniya_core.formats.protocol import Reply, decode_reply
from thaniya_core.gate.broker import run_command
from thaniya_core.gate.embedded import EmbeddedServer
from thaniya_core.gate.services import AuthorizedKey, Caller
from thaniya_core.model import Backup, PublicKey, Upload, UploadState
from thaniya_core.system.run import run

NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)
UPLOAD_ID = "20261123T211500Z-000001"
BACKUP_ID = "20261122T211500Z-00000a"
CONTENTS = b"-rw-r--r--\t0/0\t4\t2026-11-22T21:15:00Z\t./a\n"


def wait_until(is_true: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait for a condition; fail when it does not come true in time."""
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        threading.Event().wait(0.005)


class MemorySession:
    """A login to a slot."""

    def __init__(self, slot: MemorySlot, close: Callable[[], None]) -> None:
        self.slot = slot
        self.close = close
        self.is_over = False

    @contextmanager
    def writing(self) -> Iterator[None]:
        with self.slot.lock:
            if self.slot.upload_id is None:
                raise NotAllowed("the slot has closed")
            self.slot.writes += 1
            yield

    def end(self) -> None:
        self.is_over = True


class MemorySlot:
    """The logins to the one slot there is."""

    name = "thaniya_01"

    def __init__(self, directory: Path) -> None:
        self.path = directory
        self.lock = threading.Lock()
        self.upload_id: str | None = None
        self.sessions: list[MemorySession] = []
        self.writes = 0

    def begin(self, slot: str, upload_id: str, close: Callable[[], None]) -> MemorySession:
        if slot != self.name or upload_id != self.upload_id:
            raise NotAllowed("the upload does not hold the slot")
        session = MemorySession(self, close)
        self.sessions.append(session)
        return session

    def directory(self, slot: str) -> Path:
        return self.path

    def upload_of(self, slot: str) -> str | None:
        return self.upload_id if slot == self.name else None

    def shut(self) -> None:
        """Let nobody write any more and disconnect who is there."""
        with self.lock:
            self.upload_id = None
        for session in self.sessions:
            session.close()


class MemoryServices:
    """A server with one slot, which archives at once whatever is completed."""

    def __init__(self, slot: MemorySlot) -> None:
        self.slot = slot
        self.keys: dict[str, list[PublicKey]] = {}
        self.logins: list[tuple[str, str, bool, str]] = []
        self.refusals: list[tuple[str, str, str]] = []
        self.found: dict[str, Upload] = {}
        self.manifests: dict[str, Manifest | None] = {}
        self.archives = True
        self.end_state = UploadState.ARCHIVED
        self.reason = ""
        self.files = {"home.tar.gz": b"not really a tar", "home.files": CONTENTS}
        self.fails: Exception | None = None

    def authorized_keys(self, account: str) -> list[AuthorizedKey]:
        if account == "thaniya":
            return [AuthorizedKey(user, key) for user, keys in self.keys.items() for key in keys]
        if account == self.slot.name and self.slot.upload_id is not None:
            user = self.found[self.slot.upload_id].user
            return [AuthorizedKey(user, key) for key in self.keys.get(user, [])]
        return []

    def note_login(self, account: str, user: str, peer: str, ok: bool, detail: str = "") -> None:
        self.logins.append((account, user, ok, detail))

    def note_refusal(self, caller: Caller, command: str, detail: str) -> None:
        self.refusals.append((caller.user, command, detail))

    def allocate(
        self, caller: Caller, host: str, name: str, expected_bytes: int | None, parents: Sequence[str] = ()
    ) -> Upload:
        if self.fails is not None:
            raise self.fails
        if self.slot.upload_id is not None:
            raise NoFreeSlot("no free slot: 1 of 1 taken", hint="try again later")
        upload = Upload(UPLOAD_ID, caller.user, host, name, self.slot.name, NOW, NOW, expected_bytes=expected_bytes)
        self.found[upload.id] = upload
        self.slot.upload_id = upload.id
        return upload

    def complete(self, caller: Caller, upload_id: str, manifest: Manifest | None) -> Upload:
        self.upload(caller, upload_id)
        self.manifests[upload_id] = manifest
        self.slot.shut()
        return self._change(upload_id, self.end_state if self.archives else UploadState.SPOOLED)

    def abort(self, caller: Caller, upload_id: str, reason: str) -> Upload:
        if self.upload(caller, upload_id).state.is_ended:
            raise WrongState("the upload has ended")
        self.slot.shut()
        self.reason = reason
        return self._change(upload_id, UploadState.ABORTED)

    def upload(self, caller: Caller, upload_id: str, known_state: str = "", wait_s: float = 0.0) -> Upload:
        upload = self.found.get(upload_id)
        if upload is None or upload.user != caller.user:
            raise NotFound(f"no upload {upload_id}")
        return upload

    def uploads(self, caller: Caller) -> list[Upload]:
        return [upload for upload in self.found.values() if upload.user == caller.user]

    def backups(self, caller: Caller, host: str, name: str, limit: int, before: str) -> list[Backup]:
        document = self.contents(caller, BACKUP_ID)
        return [Backup(document, "volume")] if host in ("", document.host) and name in ("", document.name) else []

    def contents(self, caller: Caller, backup_id: str) -> BackupDocument:
        if backup_id != BACKUP_ID:
            raise NotFound(f"no backup {backup_id}")
        files = (
            _describe("home.tar.gz", self.files["home.tar.gz"], FileKind.TAR),
            replace(_describe("home.files", self.files["home.files"], FileKind.CONTENTS), describes="home.tar.gz"),
        )
        size = sum(len(data) for data in self.files.values())
        return BackupDocument(
            id=BACKUP_ID,
            user=caller.user,
            host="web1",
            name="nightly",
            created_at=NOW,
            completed_at=NOW,
            archived_at=NOW,
            files=files,
            stored_bytes=size,
            original_bytes=size,
            sums_by=SumsBy.CLIENT,
        )

    def open_file(self, caller: Caller, backup_id: str, name: str) -> BinaryIO:
        self.contents(caller, backup_id)
        if name not in self.files:
            raise NotFound(f"no file {name}")
        return io.BytesIO(self.files[name])

    def free_bytes(self, upload: Upload) -> int:
        return 1_000_000

    def _change(self, upload_id: str, state: UploadState) -> Upload:
        self.found[upload_id] = replace(self.found[upload_id], state=state, reason=self.reason)
        return self.found[upload_id]


def _describe(name: str, data: bytes, kind: FileKind) -> BackupFile:
    return BackupFile(name, hashlib.sha256(data).hexdigest(), len(data), kind)


class MemoryStream:
    """What a client sent, and what it got."""

    def __init__(self, data: bytes) -> None:
        self._sent = io.BytesIO(data)
        self.got = b""

    def read_into(self, target: memoryview) -> bool:
        return self._sent.readinto(target) == len(target)

    def send(self, data: bytes) -> None:
        self.got += data


class OpenSsh:
    """The programs of OpenSSH with a key and a configuration of their own."""

    def __init__(self, directory: Path, server: EmbeddedServer, key: Path) -> None:
        self.directory = directory
        self.port = server.port
        self.options = [
            *("-F", "/dev/null"),
            *("-o", f"UserKnownHostsFile={directory / 'known_hosts'}"),
            *("-o", "GlobalKnownHostsFile=/dev/null"),
            *("-o", "StrictHostKeyChecking=accept-new"),
            *("-o", f"IdentityFile={key}"),
            *("-o", "IdentitiesOnly=yes"),
            *("-o", "BatchMode=yes"),
            *("-o", "LogLevel=ERROR"),
        ]

    def ssh(self, *command: str, account: str = "thaniya", stdin: bytes = b""):
        argv = ["ssh", *self.options, "-p", str(self.port), f"{account}@127.0.0.1", *command]
        return run(argv, timeout_s=30, stdin=stdin, check=False)

    def scp(self, *words: str):
        return run(["scp", *self.options, "-P", str(self.port), *words], timeout_s=30, check=False)

    def sftp(self, batch: str, account: str = "thaniya_01"):
        argv = ["sftp", *self.options, "-P", str(self.port), "-b", "-", f"{account}@127.0.0.1"]
        return run(argv, timeout_s=30, stdin=batch.encode(), check=False)


@pytest.fixture
def slot(tmp_path: Path) -> MemorySlot:
    directory = tmp_path / "slot"
    directory.mkdir()
    return MemorySlot(directory)


@pytest.fixture
def services(slot: MemorySlot) -> MemoryServices:
    return MemoryServices(slot)


@pytest.fixture
def caller() -> Caller:
    return Caller("alice", "203.0.113.7")


@pytest.fixture(scope="session")
def key_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keys")
    for name, options in (
        ("alice", ["-t", "ed25519"]),
        ("mallory", ["-t", "ed25519"]),
        ("ecdsa", ["-t", "ecdsa"]),
        ("rsa", ["-t", "rsa", "-b", "3072"]),
        ("short_rsa", ["-t", "rsa", "-b", "2048"]),
    ):
        run(["ssh-keygen", "-q", "-N", "", "-C", name, *options, "-f", str(directory / name)], timeout_s=60)
    return directory


def read_public_key(file: Path) -> PublicKey:
    algorithm, blob, comment = file.read_text().split()
    return PublicKey(algorithm, blob, comment, "SHA256:unused", NOW)


@pytest.fixture
def server(services: MemoryServices, slot: MemorySlot, key_directory: Path, tmp_path: Path) -> Iterator[EmbeddedServer]:
    services.keys["alice"] = [read_public_key(key_directory / "alice.pub")]
    running = EmbeddedServer(services, slot, Gate(port=0), tmp_path / "host_key")
    running.start()
    yield running
    running.stop()
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("gate")]
    assert left == []


@pytest.fixture
def client(tmp_path: Path, server: EmbeddedServer, key_directory: Path) -> OpenSsh:
    return OpenSsh(tmp_path, server, key_directory / "alice")


@pytest.fixture
def open_upload(services: MemoryServices, caller: Caller) -> Upload:
    return services.allocate(caller, "web1", "nightly", None)


@pytest.fixture
def broker(services: MemoryServices, caller: Caller):
    """Run a command and give its exit code, stdout and stderr."""

    def call(command: str, stdin: bytes = b"") -> tuple[int, str, str]:
        stdout, stderr = io.BytesIO(), io.BytesIO()
        exit_code = run_command(services, caller, command, io.BytesIO(stdin), stdout, stderr)
        return exit_code, stdout.getvalue().decode(), stderr.getvalue().decode()

    return call


@pytest.fixture
def session(broker):
    """Send lines to a session and give the decoded answers."""

    def talk(*lines: bytes) -> list[Reply]:
        exit_code, stdout, stderr = broker("session", b"".join(lines))
        assert (exit_code, stderr) == (0, "")
        return [decode_reply(line.encode()) for line in stdout.splitlines()]

    return talk


@pytest.fixture(name="wait_until")
def wait_until_fixture() -> Callable[[Callable[[], bool]], None]:
    return wait_until


@pytest.fixture
def paramiko_sftp(server: EmbeddedServer, key_directory: Path, open_upload: Upload):
    """A raw SFTP client on the slot, which sends whatever it is told."""
    transport = paramiko.Transport(("127.0.0.1", server.port))
    try:
        transport.connect(
            username="thaniya_01", pkey=paramiko.Ed25519Key.from_private_key_file(str(key_directory / "alice"))
        )
        yield paramiko.SFTPClient.from_transport(transport)
    finally:
        transport.close()


@pytest.fixture
def memory_stream() -> type[MemoryStream]:
    return MemoryStream
