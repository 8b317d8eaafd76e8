"""A real server process, and the real programs of OpenSSH as its clients."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from thaniya_core.cli.main import run
from thaniya_core.initialise import initialise
from thaniya_core.model import Job, Slot, Upload, UploadState
from thaniya_core.server import open_server
from thaniya_core.store import TinyStore

DEADLINE_S = 60.0
TOKEN = "THANIYA_TEST_PROCESS"
EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration of a new server that nobody runs."""
    initialise(tmp_path / "server", "test", slots=2)
    return tmp_path / "server" / "thaniya.toml"


@pytest.fixture
def run_command(config: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in this process, which is quicker; gives exit code, stdout and stderr."""

    def call(*arguments: object, told: str = "") -> tuple[int, str, str]:
        capfd.readouterr()
        exit_code = run(["--config", str(config), *map(str, arguments)])
        out, err = capfd.readouterr()
        assert told in err, err
        return exit_code, out, err

    return call


@pytest.fixture
def command(run_command: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, str, str]]:
    return run_command


def wait_until(condition: Callable[[], Any], what: str = "", timeout_s: float = DEADLINE_S) -> Any:
    """What the condition gives, as soon as it is true."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {timeout_s:g} s in vain{': ' + what if what else ''}"
        time.sleep(0.01)
    return value


@dataclass(frozen=True)
class Done:
    """A program that has ended."""

    exit_code: int
    stdout: str
    stderr: str
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def json_lines(self) -> list[Any]:
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def facts(self) -> dict[str, str]:
        """The `name=value` lines of a one-shot verb."""
        return dict(line.split("=", 1) for line in self.stdout.splitlines())


@dataclass(frozen=True)
class Allocated:
    """What `allocate` told."""

    upload: str
    slot: str


class Box:
    """A server in a directory of its own: its process, its clients, and a look at what is really there."""

    examples = EXAMPLES

    def __init__(self, directory: Path, keys: Path) -> None:
        self.directory = directory / "server"
        self.work = directory / "work"
        self.work.mkdir()
        self.keys = keys
        self.volume = self.directory / "volume"
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = {**os.environ, TOKEN: secrets.token_hex(8)}
        self.log = directory / "server.log"
        self._running: list[subprocess.Popen[bytes]] = []

    @property
    def config(self) -> Path:
        return self.directory / "thaniya.toml"

    # The administrator's side.

    def initialise(self, *, slots: int = 2, volume: Path | None = None) -> None:
        """Make the server; in this process, because it is quicker than the command."""
        initialise(self.directory, "test", slots=slots, volume=volume, port=0)
        self.configure("slots", margin="1M", assumed="1M")
        self.configure("jobs", first_delay="1s", longest_delay="1s")

    def configure(self, section: str, **values: str | int) -> None:
        """Set keys in the configuration file; the server reads it when it starts."""
        text = self.config.read_text()
        for key, value in values.items():
            text = re.sub(rf"(?m)^(# )?{key} = .*\n", "", text)
            text = text.replace(f"[{section}]\n", f"[{section}]\n{key} = {json.dumps(value)}\n")
        self.config.write_text(text)

    def thaniya(self, *arguments: str, stdin: bytes = b"", env: dict[str, str] | None = None) -> Done:
        """Run a headless command as its own process."""
        given = [] if arguments[:1] == ("init",) else ["--config", str(self.config)]
        return self.run(sys.executable, "-m", "thaniya_core", *given, *arguments, stdin=stdin, env=env)

    def add_user(self, name: str, **limits: Any) -> None:
        open_server(self.config).users.add(name, [(self.keys / f"{name}.pub").read_text()], "test", **limits)

    def start(self) -> None:
        """Start the service and wait until it listens."""
        command = [sys.executable, "-m", "thaniya_core", "--config", str(self.config), "serve", "--json"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=self.environment)
        self._running.append(self.process)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the server did not start: {self.log.read_text()}"
        ready = json.loads(line)
        assert ready["message_type"] == "ready"
        assert ready["host_key"].startswith("SHA256:")
        self.port = ready["port"]
        host_key = (self.directory / "state" / "ssh_host_ed25519_key.pub").read_text()
        (self.work / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {host_key}")

    def stop(self) -> None:
        """Ask the service to end, and wait for it."""
        self._end(signal.SIGTERM, 0)

    def kill(self) -> None:
        """End the service as a dying machine does."""
        self._end(signal.SIGKILL, -signal.SIGKILL)

    def restart(self) -> None:
        self.kill()
        self.start()

    def _end(self, number: signal.Signals, exit_code: int) -> None:
        process = self.process
        assert process is not None
        process.send_signal(number)
        assert process.wait(DEADLINE_S) == exit_code
        assert process.stdout is not None
        process.stdout.close()
        self._running.remove(process)
        self.process = None

    # The clients' side.

    def ssh_options(self, user: str) -> list[str]:
        return [
            *("-F", "/dev/null"),
            *("-o", f"UserKnownHostsFile={self.work / 'known_hosts'}"),
            *("-o", "GlobalKnownHostsFile=/dev/null"),
            *("-o", "StrictHostKeyChecking=yes"),
            *("-o", f"IdentityFile={self.keys / user}"),
            *("-o", "IdentitiesOnly=yes"),
            *("-o", "BatchMode=yes"),
            *("-o", "LogLevel=ERROR"),
        ]

    def ssh_command(self, user: str, command: str, account: str = "thaniya") -> list[str]:
        return ["ssh", *self.ssh_options(user), "-p", str(self.port), f"{account}@127.0.0.1", command]

    def scp_command(self, user: str, *words: str) -> list[str]:
        return ["scp", *self.ssh_options(user), "-P", str(self.port), *words]

    def sftp_command(self, user: str, slot: str, *options: str) -> list[str]:
        return ["sftp", *self.ssh_options(user), *options, "-P", str(self.port), "-b", "-", f"{slot}@127.0.0.1"]

    def ssh(self, user: str, command: str, stdin: str | bytes = b"", account: str = "thaniya") -> Done:
        return self.run(*self.ssh_command(user, command, account), stdin=stdin)

    def scp(self, user: str, *words: str) -> Done:
        return self.run(*self.scp_command(user, *words))

    def sftp(self, user: str, slot: str, batch: str) -> Done:
        return self.run(*self.sftp_command(user, slot), stdin=batch)

    def script(self, user: str, name: str, *arguments: str) -> Done:
        """Run one of the example scripts."""
        return self.run("sh", str(EXAMPLES / name), *arguments, env=self.script_environment(user))

    def script_environment(self, user: str) -> dict[str, str]:
        own = {"THANIYA_HOST": "127.0.0.1", "THANIYA_PORT": str(self.port), "TMPDIR": str(self.work)}
        return {**own, "THANIYA_SSH": " ".join(self.ssh_options(user))}

    def session(self, user: str, *requests: dict[str, Any] | bytes) -> list[Any]:
        """The answers to the requests of one session, its greeting left out."""
        hello = {"type": "hello", "versions": [1]}
        lines = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in (hello, *requests)]
        done = self.ssh(user, "session", b"".join(line + b"\n" for line in lines))
        assert done.exit_code == 0, done.stderr
        return done.json_lines[1:]

    def allocate(self, user: str = "alice", name: str = "nightly", size: int | None = None) -> Allocated:
        bytes_option = "" if size is None else f" --bytes {size}"
        done = self.ssh(user, f"allocate --host web1 --name {name}{bytes_option}")
        assert done.exit_code == 0, done.stderr
        return Allocated(done.facts["upload"], done.facts["slot"])

    def put(self, allocated: Allocated, *files: Path, user: str = "alice") -> None:
        done = self.scp(user, *map(str, files), f"{allocated.slot}@127.0.0.1:upload/")
        assert done.exit_code == 0, done.stderr

    def complete(self, upload: str, *files: Path, user: str = "alice") -> Done:
        """Complete with the sums of the files; without files, without sums."""
        if not files:
            return self.ssh(user, f"complete {upload}")
        return self.ssh(user, f"complete {upload} --sums", sums_of(*files))

    def back_up(self, *files: Path, user: str = "alice", name: str = "nightly") -> str:
        allocated = self.allocate(user, name)
        self.put(allocated, *files, user=user)
        done = self.complete(allocated.upload, *files, user=user)
        assert (done.exit_code, done.stdout) == (0, "state=archived\n"), done.stderr
        return allocated.upload

    # What is really there.

    @property
    def store(self) -> TinyStore:
        return TinyStore(self.directory / "state")

    def upload(self, upload_id: str) -> Upload:
        """An upload, on its way or ended."""
        store = self.store
        found = store.read().uploads.get(upload_id)
        return found or next(one for one in store.read_upload_history() if one.id == upload_id)

    def slots(self) -> dict[str, Slot]:
        return {slot.name: slot for slot in self.store.read().slots.all()}

    def slot_directory(self, slot: str) -> Path:
        return self.directory / "slots" / slot / "upload"

    def jobs(self) -> list[Job]:
        return self.store.read().jobs.all()

    def archived(self) -> dict[str, Path]:
        """The directories of all backups on the volume, by id."""
        found = list((self.volume / "archive").glob("*/*/*/*"))
        assert len({path.name for path in found}) == len(found), "a backup is there twice"
        return {path.name: path for path in found}

    def catalog(self) -> set[str]:
        store = self.store
        return {backup.id for series in store.catalog_series() for backup in store.read_catalog(series)}

    def wait_for_end(self, upload_id: str) -> Upload:
        """The upload once it is over and nothing is left to do for it."""

        def is_over() -> bool:
            state = self.store.read()
            held = any(slot.upload_id == upload_id for slot in state.slots.all())
            queued = any(job.subject == upload_id for job in state.jobs.all())
            return state.uploads.get(upload_id) is None and not held and not queued

        wait_until(is_over, f"the end of {upload_id}")
        return self.upload(upload_id)

    def wait_until_idle(self) -> None:
        """Wait until nothing is on its way."""

        def is_idle() -> bool:
            state = self.store.read()
            return (
                not state.uploads.all() and not state.jobs.all() and all(s.state == "ready" for s in state.slots.all())
            )

        wait_until(is_idle, "an idle server")

    def assert_sound(self, told_archived: dict[str, dict[str, str]] | None = None) -> None:
        """Nothing is on its way or left over, and each backup is wholly there, once, as the catalog says.

        Args:
            told_archived: the sums of the files of each backup that a client was told of.
        """
        self.wait_until_idle()
        assert {slot.name: list(self.slot_directory(slot.name).iterdir()) for slot in self.slots().values()} == {
            name: [] for name in self.slots()
        }
        assert list((self.directory / "spool").iterdir()) == []
        for place in (".incoming", ".removing"):
            assert not (self.volume / place).is_dir() or list((self.volume / place).iterdir()) == []
        archived = self.archived()
        assert set(archived) == self.catalog()
        for directory in archived.values():
            document = json.loads((directory / "backup.json").read_bytes())
            sums = {file["name"]: file["sha256"] for file in document["files"]}
            assert {path.name for path in directory.iterdir()} == {*sums, "backup.json", "SHA256SUMS", "RESTORE.txt"}
            assert sums == {name: sha256_of(directory / name) for name in sums}
            assert self.run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=directory).exit_code == 0
        for upload, sums in (told_archived or {}).items():
            assert upload in archived, f"{upload} was told archived and is not there"
            assert {name: sha256_of(archived[upload] / name) for name in sums} == sums
        ended = {upload.id: upload.state for upload in self.store.read_upload_history()}
        assert {upload for upload, state in ended.items() if state is UploadState.ARCHIVED} == set(archived)

    # Processes.

    def run(
        self, *command: str, stdin: str | bytes = b"", env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> Done:
        done = subprocess.run(
            command,
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            timeout=DEADLINE_S * 2,
            env={**self.environment, **(env or {})},
            cwd=cwd,
            check=False,
        )
        stdout, stderr = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        assert "Traceback" not in stderr, stderr
        return Done(done.returncode, stdout, stderr, done.stdout)

    @contextmanager
    def background(
        self, command: list[str], env: dict[str, str] | None = None, **pipes: Any
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A program that runs meanwhile; it is ended at the latest at the end of the block."""
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL, **pipes}
        with subprocess.Popen(command, env={**self.environment, **(env or {})}, **pipes) as process:
            self._running.append(process)
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait(DEADLINE_S)
                self._running.remove(process)

    def end_all(self) -> None:
        """End what still runs, and complain of what nobody ended."""
        if self.process is not None and self.process.poll() is None:
            self.stop()
        left = [process.args for process in self._running if process.poll() is None]
        for process in self._running:
            process.kill()
            process.wait(DEADLINE_S)
            if process.stdout is not None:
                process.stdout.close()
        for number in self.processes_left():
            left.append((Path("/proc") / str(number) / "cmdline").read_bytes())
            os.kill(number, signal.SIGKILL)
        assert left == [], "a process was left behind"

    def processes_left(self) -> list[int]:
        """The processes that this test started, and those that they started, but for the service."""
        wanted = f"{TOKEN}={self.environment[TOKEN]}".encode()
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (place / "environ").read_bytes().split(b"\0"):
                    found.append(int(place.name))
            except OSError:
                continue  # it has ended, or is somebody else's
        return [number for number in found if self.process is None or number != self.process.pid]


def sha256_of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sums_of(*files: Path) -> str:
    """What sha256sum writes."""
    return "".join(f"{sha256_of(file)}  {file.name}\n" for file in files)


@pytest.fixture(scope="session")
def key_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keys")
    for name in ("alice", "bob", "mallory"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(directory / name)]
        subprocess.run(command, check=True, timeout=DEADLINE_S)
    return directory


@pytest.fixture
def new_box(tmp_path: Path, key_directory: Path) -> Iterator[Box]:
    """A server's place, where nothing has been made yet."""
    box = Box(tmp_path, key_directory)
    yield box
    box.end_all()
    log = box.log.read_text() if box.log.exists() else ""
    assert "Traceback" not in log, log


@pytest.fixture
def box(new_box: Box) -> Box:
    """A server of two slots with the users alice and bob; it does not run."""
    new_box.initialise()
    new_box.add_user("alice")
    new_box.add_user("bob")
    return new_box


@pytest.fixture
def running_server(box: Box) -> Box:
    """The same, running."""
    box.start()
    return box


@pytest.fixture(name="wait_until")
def wait_until_fixture() -> Callable[..., Any]:
    return wait_until


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[..., Path]:
    """Make a file of random bytes."""

    def make(name: str, size: int = 100_000) -> Path:
        file = tmp_path / "files" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(os.urandom(size))
        return file

    return make


@pytest.fixture
def make_archive(tmp_path: Path) -> Callable[..., Path]:
    """Make a small tar archive; its content is a file `hello` with a given text."""

    def make(name: str = "home.tar.gz", text: str = "world") -> Path:
        tree = tmp_path / "tree"
        tree.mkdir(exist_ok=True)
        (tree / "hello").write_text(text)
        archive = tmp_path / "files" / name
        archive.parent.mkdir(exist_ok=True)
        subprocess.run(["tar", "-czf", str(archive), "-C", str(tree), "."], check=True, timeout=DEADLINE_S)
        return archive

    return make
