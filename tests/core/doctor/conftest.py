"""A machine whose accounts and programs are told by hand; its files are real ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from thaniya_core.config import Config, Gate, GateKind, Paths
from thaniya_core.doctor import Machine
from thaniya_core.doctor.examination import Subject
from thaniya_core.doctor.machine import Account, PathStatus
from thaniya_core.errors import CommandFailed
from thaniya_core.model import Slot, Volume
from thaniya_core.setup.installation import SLOT_GROUP, installation_of
from thaniya_core.store import MemoryStore
from thaniya_core.system.run import Completed
from thaniya_core.system.space import DiskSpace
from thaniya_core.testing import FixedClock


class FakeMachine(Machine):
    """Root's view of a machine; owners are `root` unless told otherwise."""

    def __init__(self) -> None:
        self.who = "root"
        self.systemd = True
        self.owners: dict[Path, str] = {}
        self.forbidden: set[Path] = set()
        self.accounts: dict[str, Account] = {}
        self.answers: dict[str, Completed] = {}
        self.commands: list[list[str]] = []
        self.banner = "SSH-2.0-OpenSSH_9.2"
        self.shadow = ""
        self.disk = DiskSpace(20 * 1024**4, 10 * 1024**4, 0, 0)

    @property
    def user(self) -> str:
        return self.who

    @property
    def is_root(self) -> bool:
        return self.who == "root"

    @property
    def has_systemd(self) -> bool:
        return self.systemd

    def answer(self, program: str, stdout: str = "", stderr: str = "", exit_code: int = 0) -> None:
        self.answers[program] = Completed((program,), exit_code, stdout.encode(), stderr.encode())

    def run(self, argv: Sequence[str], *, as_account: Account | None = None) -> Completed:
        self.commands.append(list(argv))
        known = self.answers.get(" ".join(argv)) or self.answers.get(argv[0])
        if known is None:
            raise CommandFailed(f"the program {argv[0]!r} is not there", hint=f"install {argv[0]}")
        return known

    def status(self, path: Path) -> PathStatus | None:
        if path in self.forbidden:
            raise PermissionError(13, "Permission denied", str(path))
        status = super().status(path)
        owner = self.owners.get(path, "root")
        return status and replace(status, owner=owner, group=owner)

    def read(self, path: Path) -> bytes | None:
        return self.shadow.encode() if path == Path("/etc/shadow") else super().read(path)

    def account(self, name: str) -> Account | None:
        return self.accounts.get(name)

    def group_members(self, group: str) -> list[str]:
        return sorted(name for name, account in self.accounts.items() if group in account.groups)

    def space(self, path: Path) -> DiskSpace:
        return self.disk

    def first_line(self, host: str, port: int) -> str:
        if not self.banner:
            raise ConnectionRefusedError(111, "Connection refused")
        return self.banner


def slot_account(name: str, **changes: object) -> Account:
    return replace(Account(name, 990, 990, name, "/usr/sbin/nologin", frozenset({SLOT_GROUP})), **changes)


@pytest.fixture(name="slot_account")
def _slot_account() -> Callable[..., Account]:
    return slot_account


@pytest.fixture
def machine() -> FakeMachine:
    machine = FakeMachine()
    machine.accounts["thaniya"] = Account("thaniya", 991, 991, "thaniya", "/bin/sh", frozenset())
    for name in ("thaniya_01", "thaniya_02"):
        machine.accounts[name] = slot_account(name)
    return machine


@pytest.fixture
def subject(tmp_path: Path, machine: FakeMachine) -> Subject:
    """A server with sshd, two slots and one volume, below a temporary directory; nothing is made there yet."""
    paths = Paths(tmp_path / "state", tmp_path / "spool", tmp_path / "slots")
    gate = Gate(GateKind.OPENSSH, root_helper=tmp_path / "library" / "thaniya-root")
    config = Config(paths, gate, file=tmp_path / "etc" / "thaniya.toml")
    place = replace(
        installation_of(config),
        program=tmp_path / "bin" / "thaniya",
        root_config=tmp_path / "etc" / "root.json",
        sshd_config=tmp_path / "etc" / "sshd_config",
        sshd_drop_in=tmp_path / "etc" / "sshd_config.d" / "thaniya.conf",
        sudoers=tmp_path / "etc" / "sudoers",
        units=tmp_path / "etc",
        cron=tmp_path / "etc" / "cron",
    )
    store = MemoryStore()
    with store.transaction() as state:
        for name in ("thaniya_01", "thaniya_02"):
            state.slots.put(Slot(name))
        state.volumes.put(Volume("20261123T211500Z-7f3a2c", "first", tmp_path / "volume"))
    return Subject(config, place, machine, store, FixedClock(), store.read())


@pytest.fixture
def installed(subject: Subject, machine: FakeMachine) -> Subject:
    """The same, with every file and directory made and owned as setup does it."""
    place = subject.installation
    for directory in (place.state, place.spool):
        directory.mkdir(mode=0o750, parents=True)
        machine.owners[directory] = "thaniya"
    volume = subject.data_paths["volume first"]
    volume.mkdir(mode=0o750)
    machine.owners[volume] = "thaniya"
    for name in subject.slot_names:
        upload = place.slots / name / "upload"
        upload.mkdir(parents=True)
        upload.chmod(0o2770)
        log = place.slots / name / "dev"
        log.mkdir()
        log.chmod(0o2710)
        machine.owners[upload] = machine.owners[log] = "thaniya"
        machine.accounts[name] = replace(machine.accounts[name], group="thaniya")  # the fake knows one name for both
    place.sshd_drop_in.parent.mkdir(parents=True)
    place.library.mkdir()
    for file in (place.config, place.root_config, place.sshd_drop_in, place.sudoers, place.sshd_config):
        file.touch()
        file.chmod(0o644)
    for file in (place.root_helper, place.key_lookup):
        file.touch()
        file.chmod(0o755)
    return subject
