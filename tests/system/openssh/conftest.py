"""Machines of their own and real servers on them, as fixtures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from real_server import SPOOL, Machine, RealServer, wait_until, why_no_machine


@pytest.fixture(name="wait_until")
def wait_until_fixture() -> Callable[..., Any]:
    return wait_until


@pytest.fixture(scope="session")
def possible() -> None:
    """Skips where no such machine can be made."""
    reason = why_no_machine()
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def make_machine(possible: None) -> Callable[..., Machine]:
    """Makes machines, which who asks for one has to end."""
    return Machine


@pytest.fixture
def machine(possible: None) -> Iterator[Machine]:
    """A machine on which nothing has been set up."""
    machine = Machine()
    try:
        yield machine
    finally:
        machine.end()


@pytest.fixture
def server_on(key_directory: Path, tmp_path: Path) -> Callable[[Machine], RealServer]:
    """Clients and an administrator for a machine, on which nothing runs yet."""
    return lambda machine: RealServer(machine, key_directory, tmp_path)


@pytest.fixture(scope="module", params=["yes", "no"], ids=["pam", "no_pam"])
def server(
    request: pytest.FixtureRequest, possible: None, key_directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealServer]:
    """A running server of two slots with the users alice and bob; sshd with `UsePAM yes` and `no`."""
    machine = Machine()
    try:
        server = RealServer(machine, key_directory, tmp_path_factory.mktemp("real"))
        server.start_sshd(request.param)
        server.thaniya("setup", "openssh", "--slots", str(server.slots))
        for name in ("alice", "bob"):
            server.thaniya("user", "add", name, "--key", (key_directory / f"{name}.pub").read_text())
        server.start_service()
        yield server
        server.stop_service()
    finally:
        machine.end()


@pytest.fixture
def upload(server: RealServer) -> Iterator[tuple[str, str]]:
    """An open upload of alice: its id and its slot, which is ready again when the next test begins."""
    upload, slot = server.allocate()
    yield upload, slot
    if server.is_open(upload):
        server.abort(upload)
    server.wait_until_ready(slot)


@pytest.fixture(scope="module")
def kept_upload(server: RealServer) -> Iterator[tuple[str, str]]:
    """An open upload of bob for all tests of a module that leave its slot empty: its id and its slot."""
    upload, slot = server.allocate("bob")
    yield upload, slot
    server.abort(upload, "bob")
    server.wait_until_ready(slot)


@pytest.fixture(params=[SPOOL, "/srv/thaniya/spool"], ids=["copied", "renamed"])
def spool(server: RealServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the root helper brings files: to another file system than that of the slots, and to the same one."""
    settings = server.machine.path("/etc/thaniya/root.json")
    before = settings.read_text()
    assert f'"{SPOOL}"' in before
    server.machine.run("install", "--directory", "--owner=thaniya", request.param)
    settings.write_text(before.replace(SPOOL, request.param))
    yield request.param
    settings.write_text(before)


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[..., Path]:
    """Make a file of random bytes."""

    def make(name: str, size: int = 10_000) -> Path:
        file = tmp_path / "files" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(os.urandom(size))
        return file

    return make
