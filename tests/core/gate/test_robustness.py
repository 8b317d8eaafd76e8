"""What strangers, lost clients and closing slots do to the embedded server: nothing."""

import logging
import socket
import threading

import paramiko
import pytest
from paramiko import common

from thaniya_core.config import Gate
from thaniya_core.errors import StateUnreadable, ThaniyaError
from thaniya_core.gate import embedded
from thaniya_core.gate.chunk_pipe import ChunkPipe
from thaniya_core.gate.embedded import EmbeddedServer
from thaniya_core.gate.host_key import load_host_key
from thaniya_core.model import PublicKey


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def read_to_end(connection):
    data = b""
    try:
        while part := connection.recv(65536):
            data += part
    except ConnectionError:
        pass
    return data


@pytest.fixture
def ssh_key(key_directory):
    return paramiko.Ed25519Key.from_private_key_file(str(key_directory / "alice"))


@pytest.fixture
def login(server, ssh_key):
    """Log in with paramiko; all is closed at the end."""
    transports = []

    def connect_to(account):
        transport = paramiko.Transport(("127.0.0.1", server.port))
        transports.append(transport)
        transport.connect(username=account, pkey=ssh_key)
        return transport

    yield connect_to
    for transport in transports:
        transport.close()
        transport.join(10)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"SSH-2.0-x\r\n" + b"\xff" * 5000,
        b"SSH-1.5-old\r\n",
        b"\0" * 100_000,
        b"SSH-2.0-x\r\n\x7f\xff\xff\xff" + b"\0" * 100,
        b"\n" * 500,
    ],
    ids=range(6),
)
def test_garbage_on_the_port_ends_that_connection_only(server, client, garbage, capfd, caplog):
    with connect(server) as stranger:
        try:
            stranger.sendall(garbage)
            stranger.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server was faster
        read_to_end(stranger)
    assert client.ssh("help").exit_code == 0
    assert capfd.readouterr().err == ""
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_hundred_connections_at_once_are_served(server, login):
    strangers = [connect(server) for _ in range(90)]
    done = []

    def help_me():
        channel = login("thaniya").open_session()
        channel.exec_command("help")
        done.append(channel.recv_exit_status())

    threads = [threading.Thread(target=help_me) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert done == [0] * 10
    for stranger in strangers:
        stranger.close()


def test_who_does_not_log_in_is_disconnected(server, monkeypatch):
    with connect(server) as stranger:
        stranger.sendall(b"SSH-2.0-slow\r\n")
        assert stranger.recv(4) == b"SSH-"
        monkeypatch.setattr(embedded, "LOGIN_GRACE_S", 0.0)
        read_to_end(stranger)  # it returns: a connection that stays open would run into the time-out


def test_who_is_silent_for_too_long_is_disconnected(server, login, monkeypatch, wait_until):
    transport = login("thaniya")
    monkeypatch.setattr(embedded, "IDLE_S", 0.1)
    wait_until(lambda: not transport.is_active())


def test_strangers_who_say_nothing_keep_nobody_out(server, client, monkeypatch):
    """When there are too many, the one that came first has to go."""
    monkeypatch.setattr(embedded, "UNAUTHENTICATED_LIMIT", 2)
    with connect(server) as first, connect(server) as second:
        assert (first.recv(4), second.recv(4)) == (b"SSH-", b"SSH-")
        assert client.ssh("help").exit_code == 0
        read_to_end(first)


def test_more_connections_than_allowed_are_turned_away(server, login, monkeypatch):
    monkeypatch.setattr(embedded, "CONNECTIONS_LIMIT", 1)
    login("thaniya").open_session()
    with connect(server) as second:
        assert read_to_end(second) == b""


def test_one_user_cannot_take_every_connection(login, monkeypatch):
    monkeypatch.setattr(embedded, "USER_CONNECTIONS_LIMIT", 2)
    for _ in range(2):
        login("thaniya").open_session()
    with pytest.raises(paramiko.ChannelException):
        login("thaniya").open_session()


def test_connections_wait_outside_while_descriptors_are_short(server, monkeypatch):
    monkeypatch.setattr(embedded, "DESCRIPTORS_RESERVE", 2**40)
    with connect(server) as connection:
        assert read_to_end(connection) == b""


def test_a_connection_ends_when_its_key_is_removed(login, services, wait_until):
    transport = login("thaniya")
    transport.open_session()
    services.keys.clear()
    wait_until(lambda: not transport.is_active())


@pytest.mark.parametrize(
    ("kind", "has_command"),
    [
        (common.MSG_CHANNEL_DATA, False),
        (common.MSG_CHANNEL_EXTENDED_DATA, False),
        (common.MSG_CHANNEL_EXTENDED_DATA, True),
    ],
)
def test_data_that_nobody_reads_ends_the_connection(login, wait_until, kind, has_command):
    """Else it would fill the memory of the server."""
    transport = login("thaniya")
    channel = transport.open_session()
    if has_command:
        channel.exec_command("session")
    message = paramiko.Message()
    message.add_byte(bytes([kind]))
    message.add_int(channel.remote_chanid)
    if kind == common.MSG_CHANNEL_EXTENDED_DATA:
        message.add_int(1)
    message.add_string(b"x" * 1000)
    transport._send_user_message(message)
    wait_until(lambda: not transport.is_active())


def test_a_client_that_vanishes_leaves_its_slot(server, login, open_upload, slot, wait_until):
    transport = login("thaniya_01")
    sftp = paramiko.SFTPClient.from_transport(transport)
    file = sftp.open("upload/a", "wb")
    file.write(b"x" * 100_000)
    transport.sock.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: [session.is_over for session in slot.sessions] == [True])


def test_who_waits_for_the_archive_is_not_idle_and_may_vanish(login, services, open_upload, monkeypatch, wait_until):
    services.archives = False
    questions = []

    def still_spooled(caller, upload_id, known_state="", wait_s=0.0):
        questions.append(known_state)
        threading.Event().wait(wait_s)
        return services.found[upload_id]

    transport = login("thaniya")
    channel = transport.open_session()
    monkeypatch.setattr(services, "upload", still_spooled)
    channel.exec_command(f"complete {open_upload.id}")
    wait_until(lambda: questions)
    monkeypatch.setattr(embedded, "IDLE_S", 0.0)
    wait_until(lambda: questions.count("spooled") == 3)
    assert transport.is_active()
    transport.close()
    wait_until(lambda: "gate 127.0.0.1" not in [thread.name for thread in threading.enumerate()])


def test_a_slot_that_closes_in_the_middle_of_a_write_disconnects_the_client(login, open_upload, slot, wait_until):
    transport = login("thaniya_01")
    sftp = paramiko.SFTPClient.from_transport(transport)
    file = sftp.open("upload/a", "wb")
    file.set_pipelined(True)
    failed = threading.Event()

    def keep_writing():
        try:
            while True:
                file.write(b"x" * 32_768)
        except (OSError, EOFError, paramiko.SSHException):
            failed.set()

    writer = threading.Thread(target=keep_writing)
    writer.start()
    wait_until(lambda: slot.writes > 20)
    slot.shut()
    writes = slot.writes
    assert failed.wait(10)
    writer.join()
    wait_until(lambda: [session.is_over for session in slot.sessions] == [True])
    assert slot.writes == writes
    assert not transport.is_active()


def test_sftp_of_openssh_ends_with_an_error_when_the_slot_closes(client, open_upload, slot, tmp_path, wait_until):
    with (tmp_path / "big").open("wb") as big:
        big.truncate(2**33)
    results = []
    thread = threading.Thread(target=lambda: results.append(client.sftp(f"put {tmp_path / 'big'} upload/a\n")))
    thread.start()
    wait_until(lambda: slot.writes > 20)
    slot.shut()
    thread.join(20)
    assert results[0].exit_code != 0
    assert (slot.path / "a").stat().st_size < 2**33


def test_a_slot_that_changed_hands_after_the_login_stays_shut(login, open_upload, slot):
    transport = login("thaniya_01")
    slot.upload_id = "20261123T211500Z-000002"
    with pytest.raises((paramiko.SSHException, EOFError)):
        transport.open_session()


def test_one_connection_cannot_open_channels_without_end(login):
    transport = login("thaniya")
    channels = [transport.open_session() for _ in range(10)]
    with pytest.raises(paramiko.ChannelException):
        transport.open_session()
    channels[0].exec_command("help")
    assert channels[0].recv_exit_status() == 0


def test_many_commands_one_after_the_other_on_one_connection(login):
    transport = login("thaniya")
    for _ in range(30):
        channel = transport.open_session()
        channel.exec_command("help")
        assert channel.recv_exit_status() == 0
        channel.close()


def test_a_session_that_waits_does_not_hold_up_others(client, login, open_upload):
    channel = login("thaniya").open_session()
    channel.exec_command("session")
    channel.sendall(b'{"type":"hello","versions":[1]}\n')
    assert b"welcome" in channel.recv(1000)
    assert client.ssh("uploads").exit_code == 0
    channel.sendall(b'{"type":"uploads"}\n')
    assert b"thaniya_01" in channel.recv(10_000)


def test_stopping_disconnects_everyone_and_leaves_no_thread(
    services, slot, tmp_path, key_directory, open_upload, ssh_key
):
    before = set(threading.enumerate())
    algorithm, blob, comment = (key_directory / "alice.pub").read_text().split()
    services.keys["alice"] = [PublicKey(algorithm, blob, comment, "SHA256:unused", open_upload.created_at)]
    server = EmbeddedServer(services, slot, Gate(port=0), tmp_path / "key")
    server.start()
    stranger = connect(server)
    assert stranger.recv(4) == b"SSH-"
    transport = paramiko.Transport(("127.0.0.1", server.port))
    transport.connect(username="thaniya_01", pkey=ssh_key)
    sftp = paramiko.SFTPClient.from_transport(transport)
    assert sftp.listdir("upload") == []
    server.stop()
    read_to_end(stranger)
    stranger.close()
    transport.close()
    transport.join(10)
    assert [session.is_over for session in slot.sessions] == [True]
    assert {thread.name for thread in set(threading.enumerate()) - before} == set()


def test_an_internal_error_while_looking_up_keys_is_a_refusal(client, services, monkeypatch, caplog, wait_until):
    monkeypatch.setattr(services, "authorized_keys", lambda account: 1 / 0)
    assert client.ssh("help").exit_code == 255
    assert "ZeroDivisionError" in caplog.text
    wait_until(lambda: services.logins)
    assert services.logins == [("thaniya", "", False, "internal error while looking up the keys")]


def test_a_state_that_cannot_be_read_is_not_blamed_on_the_client(client, services, monkeypatch, caplog, wait_until):
    def fails(account):
        raise StateUnreadable("state.json is damaged", hint="see the copy beside it")

    monkeypatch.setattr(services, "authorized_keys", fails)
    assert client.ssh("help").exit_code == 255
    assert "the keys of thaniya cannot be looked up: state.json is damaged (see the copy beside it)" in caplog.text
    wait_until(lambda: services.logins)
    assert services.logins == [("thaniya", "", False, "the keys cannot be looked up: state.json is damaged")]


class SecurityKey(paramiko.PKey):
    """Looks like a key in a hardware token, which this server cannot check."""

    name = "sk-ssh-ed25519@openssh.com"
    public_blob = None

    def get_name(self):
        return self.name

    def asbytes(self):
        message = paramiko.Message()
        for part in (self.name, b"x" * 32, "ssh:"):
            message.add_string(part)
        return message.asbytes()

    def sign_ssh_data(self, data, algorithm=None):
        return paramiko.Message(b"signature")


def test_a_kind_of_key_that_is_not_known_does_not_end_the_login(server, ssh_key):
    transport = paramiko.Transport(("127.0.0.1", server.port))
    try:
        transport.start_client(timeout=10)
        with pytest.raises(paramiko.AuthenticationException):
            transport.auth_publickey("thaniya", SecurityKey())
        transport.auth_publickey("thaniya", ssh_key)
        assert transport.is_authenticated()
    finally:
        transport.close()
        transport.join(10)


@pytest.mark.parametrize("method", ["none", "password"])
def test_nothing_but_a_key_lets_anyone_in(server, method):
    transport = paramiko.Transport(("127.0.0.1", server.port))
    try:
        transport.start_client(timeout=10)
        with pytest.raises(paramiko.BadAuthenticationType) as caught:
            if method == "none":
                transport.auth_none("thaniya")
            else:
                transport.auth_password("thaniya", "secret")
        assert caught.value.allowed_types == ["publickey"]
    finally:
        transport.close()
        transport.join(10)


def test_a_port_that_is_taken_is_a_clear_error(server, services, slot, tmp_path):
    other = EmbeddedServer(services, slot, Gate(port=server.port), tmp_path / "other_key")
    with pytest.raises(ThaniyaError, match=f"listen on 127.0.0.1 port {server.port}"):
        other.start()
    other.stop()


def test_the_host_key_stays_the_same(tmp_path):
    file = tmp_path / "key"
    assert load_host_key(file).fingerprint == load_host_key(file).fingerprint


def test_a_broken_host_key_is_not_replaced(tmp_path):
    file = tmp_path / "key"
    file.write_text("broken")
    with pytest.raises(StateUnreadable):
        load_host_key(file)
    assert file.read_text() == "broken"


def test_a_client_that_ignores_the_window_is_stopped():
    pipe = ChunkPipe(100)
    pipe.feed(b"x" * 100)
    with pytest.raises(paramiko.SSHException):
        pipe.feed(b"x")


def test_the_pipe_gives_back_what_went_in():
    pipe = ChunkPipe(100)
    pipe.feed(b"abc")
    pipe.feed(b"def")
    assert [pipe.read(2), pipe.read(2), pipe.read(9)] == [b"ab", b"c", b"def"]
    pipe.close()
    assert pipe.read(1) == b""
