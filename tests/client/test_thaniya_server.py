"""The client against a real server of the embedded kind, over real SSH."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Never

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from thaniya_client import Command, Directory, Packer, Phase, Progress, Target, ThaniyaServer, driver
from thaniya_client.connectors.ssh import retry
from thaniya_client.connectors.ssh.keys import make_key, public_line
from thaniya_core.errors import (
    Busy,
    ConnectionLost,
    HostKeyChanged,
    HostKeyUnknown,
    IllegalKey,
    NoFreeSlot,
    NoSpace,
    NotAllowed,
    NotFound,
    WrongState,
    WrongUsage,
)
from thaniya_core.initialise import initialise
from thaniya_core.server import Server, open_server
from thaniya_core.service import Service

Snapshot = dict[bytes, tuple[object, ...]]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The client's private key."""
    make_key(tmp_path / "keys/id_ed25519")
    return tmp_path / "keys/id_ed25519"


@pytest.fixture
def server(tmp_path: Path, key: Path) -> Server:
    """A server that knows alice."""
    server = initialise(tmp_path / "server", "test", port=0)
    server.users.add("alice", [public_line(key)], "test")
    return server


@pytest.fixture
def service(server: Server) -> Iterator[Service]:
    """The server, running."""
    with Service(server) as service:
        yield service


@pytest.fixture
def connect(service: Service, key: Path, tmp_path: Path) -> Iterator[Callable[..., ThaniyaServer]]:
    """A function that makes a client of the running server."""
    opened: list[ThaniyaServer] = []

    def make(**settings: object) -> ThaniyaServer:
        settings = {
            "port": service.gate.port,
            "key": key,
            "known_hosts": tmp_path / "known_hosts",
            "accept_new": True,
        } | settings
        opened.append(ThaniyaServer("127.0.0.1", **settings))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first retry comes at once."""
    monkeypatch.setattr(retry, "_FIRST_DELAY_S", 0.01)


class Proxy:
    """Passes a connection on to the server, and cuts it when told so."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut(self) -> None:
        """End all connections; new ones may come."""
        for end in self._sockets:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended already

    def close(self) -> None:
        """End all connections and take no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self.cut()
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._sockets):
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._server_port))
            self._sockets += [client, server]
            for source, sink in ((client, server), (server, client)):
                thread = threading.Thread(target=self._pump, args=(source, sink))
                self._threads.append(thread)
                thread.start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass  # cut
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the other direction was first


@pytest.fixture
def proxy(service: Service) -> Iterator[Proxy]:
    """A connection that can be cut."""
    proxy = Proxy(service.gate.port)
    yield proxy
    proxy.close()


@pytest.fixture
def large_source(tmp_path: Path) -> Path:
    """60 MB that do not compress."""
    (tmp_path / "large").mkdir()
    for index in range(6):
        (tmp_path / f"large/{index}").write_bytes(os.urandom(10_000_000))
    return tmp_path / "large"


def test_a_recipe_travels_to_the_server_and_into_restore_txt(connect: Callable[..., ThaniyaServer]) -> None:
    client = connect()
    report = client.backup(Command(["date"], name="date.txt", restore=["gzip -dc ./date.txt.gz"]), name="nightly")
    text = io.BytesIO()
    client.fetch(report.id, "RESTORE.txt", text)
    assert b"\n#     gzip -dc ./date.txt.gz\n" in text.getvalue()
    assert client.show(report.id).recipes[0].lines == ("gzip -dc ./date.txt.gz",)


def test_tags_travel_to_the_server(connect: Callable[..., ThaniyaServer], server: Server) -> None:
    client = connect()
    report = client.backup(Command(["date"], name="date.txt"), name="nightly", tags=["v2"])
    assert [backup.tags for backup in client.backups()] == [("v2",)]
    assert server.catalog.get(report.id).notes.tags == ("v2",)


def test_a_simulated_backup_asks_the_server_and_leaves_no_trace(
    connect: Callable[..., ThaniyaServer], server: Server
) -> None:
    report = connect().backup(Command(["date"], name="date.txt"), name="nightly", host="web1", simulate=True)
    assert report.plan[0].startswith("a backup of alice/web1/nightly to ThaniyaServer(")
    assert server.uploads.list_all(10) == []


def test_a_recipe_that_would_leave_its_comment_is_refused_by_the_server(
    connect: Callable[..., ThaniyaServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hostile:
        def estimate_bytes(self) -> int | None:
            return None

        def pack(self, out: Packer) -> None:
            with out.open("file") as file:
                file.write(b"data")
            out.add_recipe("harmless", "true\nreboot")

    monkeypatch.setattr("thaniya_client.packer.check_recipes", tuple)
    client = connect()
    with pytest.raises(WrongUsage, match="control character"):
        client.backup(Hostile(), name="nightly")
    assert list(client.backups()) == []


def test_backup_travels_the_whole_way(
    connect: Callable[..., ThaniyaServer], odd_tree: Path, tmp_path: Path, snapshot: Callable[[Path], Snapshot]
) -> None:
    with connect() as server:
        report = server.backup(Directory(odd_tree, name="home"), name="nightly", host="web1")
        server.restore(report.id, into=tmp_path / "restored")
        listed = list(server.backups(name="nightly"))
        entries = list(server.files(report.id))
        log = io.BytesIO()
        server.fetch(report.id, "client.log", log)

    assert report.state == "archived"
    assert str(report.series) == "alice/web1/nightly"
    assert snapshot(tmp_path / "restored") == snapshot(odd_tree)
    assert [backup.id for backup in listed] == [report.id]
    assert len(entries) == report.entries
    assert report.id.encode() in log.getvalue()


def test_check_finds_everything_in_order(connect: Callable[..., ThaniyaServer]) -> None:
    found = connect().check()
    assert found.user == "alice"
    assert abs(found.clock_difference_s) < 5
    assert found.free_bytes is not None and found.free_bytes > 0


@pytest.fixture
def compressing(tmp_path: Path, server: Server) -> Server:
    """The server, with a rule that compresses what comes plain."""
    file = tmp_path / "server/thaniya.toml"
    file.write_text(file.read_text() + '\n[compression]\n"*" = "xz"\n')
    return open_server(file)


def test_plain_backup_that_the_server_compresses_comes_back_the_same(
    compressing: Server, key: Path, odd_tree: Path, tmp_path: Path, snapshot: Callable[[Path], Snapshot]
) -> None:
    settings = {"key": key, "known_hosts": tmp_path / "known_hosts", "accept_new": True}
    with (
        Service(compressing) as service,
        ThaniyaServer("127.0.0.1", port=service.gate.port, **settings) as server,
    ):
        report = server.backup(Directory(odd_tree, name="home", compression="none"), name="nightly", host="web1")
        server.restore(report.id, into=tmp_path / "restored")
        listed = sum(1 for _ in server.files(report.id))
        with (tmp_path / "home.tar").open("wb") as file:
            server.fetch(report.id, "home.tar", file)

    (backup,) = compressing.catalog.find()
    stored = {file.name: file for file in backup.document.files}
    assert stored["home.tar.xz"].uploaded_sha256 == hashlib.sha256((tmp_path / "home.tar").read_bytes()).hexdigest()
    assert stored["home.files.gz"].describes == "home.tar.xz"
    assert stored["home.files.gz"].entries == listed
    assert snapshot(tmp_path / "restored") == snapshot(odd_tree)
    assert compressing.backups.verify(backup, "test", trial=tmp_path / "scratch").broken == ""


@pytest.mark.usefixtures("quick_retries")
def test_cut_connection_is_made_anew_and_the_backup_is_whole(
    connect: Callable[..., ThaniyaServer],
    proxy: Proxy,
    large_source: Path,
    tmp_path: Path,
    snapshot: Callable[[Path], Snapshot],
) -> None:
    cuts: list[int] = []

    def cut_now_and_then(progress: Progress) -> None:
        if progress.read_bytes > 15_000_000 * (len(cuts) + 1):
            cuts.append(progress.sent_bytes)
            proxy.cut()

    with connect(port=proxy.port) as server:
        report = server.backup(Directory(large_source), name="nightly", on_progress=cut_now_and_then)
        server.restore(report.id, into=tmp_path / "restored")

    assert len(cuts) == 3 or len(cuts) == 4
    assert snapshot(tmp_path / "restored") == snapshot(large_source)


@pytest.mark.usefixtures("quick_retries")
def test_cut_connection_while_restoring_goes_on_where_it_broke(
    connect: Callable[..., ThaniyaServer],
    proxy: Proxy,
    large_source: Path,
    tmp_path: Path,
    snapshot: Callable[[Path], Snapshot],
) -> None:
    cuts: list[int] = []

    def cut_once(progress: Progress) -> None:
        if progress.read_bytes > 20_000_000 and not cuts:
            cuts.append(progress.read_bytes)
            proxy.cut()

    with connect(port=proxy.port) as server:
        report = server.backup(Directory(large_source), name="nightly")
        restored = server.restore(report.id, into=tmp_path / "restored", on_progress=cut_once)

    assert cuts
    assert restored.stored_bytes == report.files[0].size_bytes
    assert snapshot(tmp_path / "restored") == snapshot(large_source)


@pytest.mark.usefixtures("quick_retries")
def test_connection_that_stays_lost_is_told(
    connect: Callable[..., ThaniyaServer], service: Service, large_source: Path, server: Server
) -> None:
    proxy = Proxy(service.gate.port)

    def end(progress: Progress) -> None:
        if progress.read_bytes > 15_000_000 and not closed.is_set():
            closed.set()
            proxy.close()

    closed = threading.Event()
    client = connect(port=proxy.port, retry_s=0.05)
    with pytest.raises(ConnectionLost) as caught:
        client.backup(Directory(large_source), name="nightly", on_progress=end)

    (upload,) = server.uploads.list_on_their_way()
    assert upload.id in "".join([str(caught.value), *caught.value.__notes__])


def test_failed_source_aborts_the_upload(connect: Callable[..., ThaniyaServer], odd_tree: Path, server: Server) -> None:
    def fail(progress: Progress) -> None:
        if progress.read_bytes:
            raise KeyboardInterrupt

    with connect() as client, pytest.raises(KeyboardInterrupt):
        client.backup(Directory(odd_tree), name="nightly", on_progress=fail)

    assert server.uploads.list_on_their_way() == []
    assert {slot.state.value for slot in server.store.read().slots.all()} == {"ready"}


def test_upload_that_the_server_ended_says_why(
    connect: Callable[..., ThaniyaServer], large_source: Path, server: Server
) -> None:
    def abort(progress: Progress) -> None:
        if progress.read_bytes > 15_000_000 and (uploads := server.uploads.list_on_their_way()):
            server.abort_upload(uploads[0].id, "the administrator needs the slot", "test")

    with connect() as client, pytest.raises(WrongState, match="the administrator needs the slot"):
        client.backup(Directory(large_source), name="nightly", on_progress=abort)


def test_quota_is_told(
    connect: Callable[..., ThaniyaServer], large_source: Path, server: Server, tmp_path: Path
) -> None:
    make_key(tmp_path / "poor")
    server.users.add("poor", [public_line(tmp_path / "poor")], "test", quota_bytes=1_000_000)
    with pytest.raises(NoSpace, match="quota"):
        connect(key=tmp_path / "poor").backup(Directory(large_source), name="nightly")


def test_another_users_backup_is_not_found(
    connect: Callable[..., ThaniyaServer], odd_tree: Path, server: Server, tmp_path: Path
) -> None:
    report = connect().backup(Directory(odd_tree), name="nightly")
    make_key(tmp_path / "bob")
    server.users.add("bob", [public_line(tmp_path / "bob")], "test")
    bob = connect(key=tmp_path / "bob")
    with pytest.raises(NotFound):
        bob.restore(report.id, into=tmp_path / "x")
    assert list(bob.backups()) == []


def test_unknown_host_key_is_refused_unless_accepted(connect: Callable[..., ThaniyaServer], service: Service) -> None:
    with pytest.raises(HostKeyUnknown, match=service.gate.fingerprint.replace("+", r"\+")):
        connect(accept_new=False).check()
    with pytest.raises(HostKeyUnknown):
        connect(accept_new=False, ask_host_key=lambda name, fingerprint: False).check()
    connect(accept_new=False, ask_host_key=lambda name, fingerprint: fingerprint == service.gate.fingerprint).check()
    connect(accept_new=False).check()


def test_fingerprint_decides(connect: Callable[..., ThaniyaServer], service: Service) -> None:
    with pytest.raises(HostKeyChanged, match="as expected"):
        connect(fingerprint="SHA256:somethingelse").check()
    connect(accept_new=False, fingerprint=service.gate.fingerprint).check()


def test_changed_host_key_is_refused(connect: Callable[..., ThaniyaServer], service: Service, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    line = " ".join(public_line(tmp_path / "other").split()[:2])
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{service.gate.port} {line}\n")
    with pytest.raises(HostKeyChanged, match="has changed"):
        connect(accept_new=True).check()


def test_wrong_key_is_refused(connect: Callable[..., ThaniyaServer], tmp_path: Path) -> None:
    make_key(tmp_path / "stranger")
    with pytest.raises(NotAllowed, match="refuses the key"):
        connect(key=tmp_path / "stranger").check()


def test_unusable_keys_are_explained(connect: Callable[..., ThaniyaServer], key: Path, tmp_path: Path) -> None:
    with pytest.raises(IllegalKey, match="is not there"):
        connect(key=tmp_path / "nowhere").check()
    with pytest.raises(IllegalKey, match="not a private key"):
        connect(key=key.with_name("id_ed25519.pub")).check()


def test_key_with_a_passphrase_is_explained(connect: Callable[..., ThaniyaServer], tmp_path: Path) -> None:
    secret = serialization.BestAvailableEncryption(b"secret")
    (tmp_path / "locked").write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, secret
        )
    )
    with pytest.raises(IllegalKey, match="passphrase"):
        connect(key=tmp_path / "locked").check()


def test_server_that_is_not_there_is_told_at_once(key: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    server = ThaniyaServer("127.0.0.1", port=port, key=key, known_hosts=tmp_path / "known")
    with pytest.raises(ConnectionLost, match="refuses connections"):
        server.check()


def test_something_that_is_no_ssh_server_is_told(key: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n" * 200)

        thread = threading.Thread(target=answer)
        thread.start()
        server = ThaniyaServer("127.0.0.1", port=listener.getsockname()[1], key=key, known_hosts=tmp_path / "known")
        with pytest.raises(ConnectionLost, match="does not speak SSH"):
            server.check()
        thread.join()


def test_many_clients_take_turns_and_all_are_archived(connect, server, tmp_path, monkeypatch):
    """Ten clients at the same time, four slots."""
    monkeypatch.setattr(driver, "_BUSY_PAUSE_S", (0.01, 0.05))
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_bytes(os.urandom(100_000))
    server.users.change("alice", "test", max_uploads=100)
    clients = [connect() for _ in range(10)]
    reports = []

    def back_up(number: int) -> None:
        reports.append(clients[number].backup(Directory(source), name=f"n{number}"))

    threads = [threading.Thread(target=back_up, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(report.series.name for report in reports) == sorted(f"n{number}" for number in range(10))
    assert {report.state for report in reports} == {"archived"}


def test_a_client_without_patience_is_told_that_the_server_is_busy(connect, server, tmp_path):
    (tmp_path / "source").mkdir()
    for slot in server.slots.all():
        server.slots.disable(slot.name, "test")

    with pytest.raises(NoFreeSlot, match="no free slot"):
        connect().backup(Directory(tmp_path / "source"), name="n", patience_s=0)


def test_a_client_with_patience_tells_what_it_waits_for(connect, server, tmp_path):
    (tmp_path / "source").mkdir()
    for slot in server.slots.all():
        server.slots.disable(slot.name, "test")
    told: list[Progress] = []

    def tell(progress: Progress) -> None:
        told.append(progress)
        if progress.phase is Phase.WAITING:
            server.enable_slot("thaniya_01", "test")

    report = connect().backup(Directory(tmp_path / "source"), name="n", on_progress=tell)

    assert report.state == "archived"
    assert any(progress.phase is Phase.WAITING and "no free slot" in progress.detail for progress in told)


def test_a_client_with_patience_waits_for_its_own_other_upload(connect, server, tmp_path):
    (tmp_path / "source").mkdir()
    server.users.change("alice", "test", max_uploads=1)
    other = server.allocator.allocate("alice", "web1", "other", None, "test", "test")
    told: list[Progress] = []

    def tell(progress: Progress) -> None:
        told.append(progress)
        if progress.phase is Phase.WAITING:
            server.abort_upload(other.id, "not wanted", "test")

    report = connect().backup(Directory(tmp_path / "source"), name="n", on_progress=tell)

    assert report.state == "archived"
    assert any(progress.phase is Phase.WAITING for progress in told)


def test_what_else_makes_a_server_busy_is_told_at_once(tmp_path):
    class BusyConnector:
        def begin(self, host: str, name: str, expected_bytes: int | None) -> Never:
            raise Busy("another process is the service already")

    (tmp_path / "source").mkdir()
    with pytest.raises(Busy, match="another process"):
        Target(BusyConnector()).backup(Directory(tmp_path / "source"), name="n")


def test_connections_leave_no_log_handlers_behind(connect):
    connect().check()
    before = list(logging.getLogger("thaniya.ssh").handlers)
    connect().check()
    assert logging.getLogger("thaniya.ssh").handlers == before
