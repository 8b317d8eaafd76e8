"""A compromised client holds a valid key of one user: what it may ask of sshd and of a slot."""

from __future__ import annotations

import threading

import paramiko
import pytest
from paramiko.channel import Channel
from paramiko.common import cMSG_CHANNEL_OPEN
from paramiko.message import Message
from real_server import DEADLINE_S

from thaniya_core.slots.refusals import SHOWN


def assert_login_is_traced(server, account, user="alice"):
    """The administrator finds who was logged in where, by the key's fingerprint, in sshd's log."""
    fingerprint = server.client("ssh-keygen", "-lf", str(server.keys / f"{user}.pub")).stdout.split()[1]
    lines = [line for line in server.log_of_sshd().splitlines() if f"Accepted publickey for {account} from" in line]
    assert [line for line in lines if line.endswith(fingerprint)]


def open_channel(transport, kind, *facts):
    """Ask for a channel, of a kind that paramiko does not know too; None when it is refused."""
    with transport.lock:
        number = transport._next_channel()
        channel = Channel(number)
        transport._channels.put(number, channel)
        answered = transport.channel_events[number] = threading.Event()
        transport.channels_seen[number] = True
        channel._set_transport(transport)
        channel._set_window(2**20, 2**15)
    message = Message()
    message.add_byte(cMSG_CHANNEL_OPEN)
    message.add(kind, number, 2**20, 2**15, *facts)
    transport._send_user_message(message)
    assert answered.wait(DEADLINE_S)
    return transport._channels.get(number)


FORWARDS = {
    "direct-tcpip": ("127.0.0.1", 22, "127.0.0.1", 1),
    "direct-streamlocal@openssh.com": ("/run/dbus/system_bus_socket", "", 0),
    "tun@openssh.com": (1, 0x7FFFFFFF),
}
GLOBAL = {
    "tcpip-forward": ("127.0.0.1", 0),
    "streamlocal-forward@openssh.com": ("/tmp/forwarded",),
}


@pytest.mark.parametrize("which", ["slot", "thaniya"])
def test_nothing_is_forwarded(server, upload, which):
    account = upload[1] if which == "slot" else which
    with server.transport("alice", account) as transport:
        for kind, facts in FORWARDS.items():
            assert open_channel(transport, kind, *facts) is None, kind
        for kind, facts in GLOBAL.items():
            assert transport.global_request(kind, facts, wait=True) is None, kind
        assert transport.is_active()
    log = server.log_of_sshd()
    assert "refused local port forward: originator 127.0.0.1 port 1, target 127.0.0.1 port 22" in log
    assert "refused streamlocal port forward" in log
    assert_login_is_traced(server, account)


@pytest.mark.parametrize("which", ["slot", "thaniya"])
def test_session_gets_no_terminal_no_screen_no_agent_and_no_variables(server, upload, which):
    account = upload[1] if which == "slot" else which
    with server.transport("alice", account) as transport:
        for ask in (
            lambda session: session.get_pty(),
            lambda session: session.request_x11(auth_cookie="0" * 32, handler=lambda *_: None),
        ):
            session = transport.open_session(timeout=DEADLINE_S)
            with pytest.raises(paramiko.SSHException):
                ask(session)
        session = transport.open_session(timeout=DEADLINE_S)
        sockets = set(server.machine.path("/tmp").glob("ssh-*/agent.*"))
        session.request_forward_agent(lambda *_: None)
        session.invoke_subsystem("sftp")  # answered after the agent was asked for
        assert set(server.machine.path("/tmp").glob("ssh-*/agent.*")) == sockets
        session.close()
        session = transport.open_session(timeout=DEADLINE_S)
        # Variables are asked for without an answer: what the broker really gets is looked at elsewhere.
        for name in ("LD_PRELOAD", "PYTHONPATH", "THANIYA_CONFIG", "LC_ALL", "PATH", "HOME"):
            session.set_environment_variable(name, "/tmp/evil")
        session.close()
    assert_login_is_traced(server, account)


def test_slot_runs_no_command_and_no_shell(server, upload):
    _, slot = upload
    with server.transport("alice", slot) as transport:
        for command in ("id", "sh", "bash -i", "/usr/lib/openssh/sftp-server", "scp -t /", "\n", "$(id)"):
            assert server.ask(transport, command) == (1, b"This service allows sftp connections only.\n"), command
        session = transport.open_session(timeout=DEADLINE_S)
        session.settimeout(DEADLINE_S)
        session.invoke_shell()
        assert b"sftp connections only" in session.recv(1000)
    assert_login_is_traced(server, slot)


# Where SFTP leads.


def test_sftp_shows_and_changes_nothing_outside_of_the_slot(server, upload, make_file, wait_until):
    backup = server.back_up(make_file("precious.bin"), "bob")
    archived = "/" + str(server.archived(backup).relative_to(server.machine.path("/")))
    upload, slot = upload
    outside = [
        "/etc/passwd",
        "../../etc/passwd",
        "/upload/../../../../etc/passwd",
        f"{archived}/backup.json",
        "/proc/self/root/etc/passwd",
    ]
    before = sorted(path.name for path in server.upload_directory(slot).parent.rglob("*"))
    with server.transport("alice", slot) as transport, paramiko.SFTPClient.from_transport(transport) as sftp:
        assert sorted(sftp.listdir("/")) == sorted(sftp.listdir("../..")) == ["dev", "upload"]
        attempts = {
            "read": [lambda path=path: sftp.open(path) for path in outside],
            "list": [lambda path=path: sftp.listdir(path) for path in ("/etc", "/proc", "/var/lib/thaniya")],
            "write": [
                lambda path=path: sftp.open(path, "w")
                for path in ("/x", "../x", "/etc/x", "/.ssh/authorized_keys", f"{archived}/x")
            ],
            "change": [
                lambda: sftp.chmod("/", 0o777),
                lambda: sftp.chmod("/upload", 0o777),
                lambda: sftp.chown("/upload", 0, 0),
                lambda: sftp.utime("/upload", (0, 0)),
                lambda: sftp.rename("/upload", "/other"),
                lambda: sftp.remove(f"{archived}/backup.json"),
            ],
            "make": [
                lambda: sftp.mkdir("/upload/sub"),
                lambda: sftp.mkdir("/sub"),
                lambda: sftp.rmdir("/upload"),
                lambda: sftp.symlink("/etc/shadow", "/upload/link"),
                lambda: sftp.symlink(f"{archived}/backup.json", "/upload/link"),
                lambda: sftp._request(
                    200, b"hardlink@openssh.com", f"{archived}/backup.json".encode(), b"/upload/link"
                ),
                lambda: sftp.readlink("/upload"),
            ],
        }
        for what, asked in attempts.items():
            for number, ask in enumerate(asked):
                with pytest.raises(OSError):
                    ask()
                    pytest.fail(f"{what} {number} went through")
        assert_login_is_traced(server, slot)
    events = wait_until(lambda: len(found := server.refusals(upload)) > SHOWN and found)
    traced = [event["detail"] for event in events]
    assert any(detail.startswith('open "/etc/passwd" for READ') for detail in traced), traced
    assert any(detail.startswith(f'open "{archived}/x" for WRITE') for detail in traced), traced
    assert sorted(path.name for path in server.upload_directory(slot).parent.rglob("*")) == before


def test_holes_of_a_terabyte_are_rejected(server, upload):
    upload, slot = upload
    with server.transport("alice", slot) as transport, paramiko.SFTPClient.from_transport(transport) as sftp:
        with sftp.open("upload/huge", "w") as file:
            file.seek(2**40)
            file.write("x")
        facts = server.wait_for_end(upload)
    assert (facts["state"], "holes" in facts["reason"]) == ("rejected", True)


def test_names_that_could_fool_a_person_or_a_program_are_rejected(server, upload):
    upload, slot = upload
    names = [b"-rf", b"two\nlines", b"\x1b[2J", b"\xff\xfe", b"backup.json", b"n" * 255]
    with server.transport("alice", slot) as transport, paramiko.SFTPClient.from_transport(transport) as sftp:
        for name in names:
            sftp.open(b"upload/" + name, "w").close()
        with pytest.raises(OSError):
            sftp.open(b"upload/" + b"n" * 256, "w")
    done = server.ssh("alice", "complete", upload)
    assert (done.returncode, done.stderr.count("\n")) == (8, 1)
    assert "has a name that is not legal" in server.wait_for_end(upload)["reason"]
    shown = server.thaniya("upload", "show", upload).stdout + done.stderr
    assert "\x1b" not in shown


def test_variables_of_the_client_do_not_reach_the_broker(server, wait_until):
    hostile = {
        "LD_PRELOAD": "/tmp/x.so",
        "PYTHONPATH": "/tmp",
        "THANIYA_CONFIG": "/etc/passwd",
        "LC_ALL": "xx_XX",
        "PATH": "/tmp",
    }
    sets = [f"-oSetEnv={' '.join(f'{name}={value}' for name, value in hostile.items())} LANG=../../../tmp/evil"]
    options = [*sets, *server.ssh_options("alice"), "-p", str(server.port)]
    done = server.client("ssh", *options, "thaniya@127.0.0.1", "help")
    assert (done.returncode, "Hello alice" in done.stdout) == (0, True), done.stderr
    with server.transport("alice") as transport:
        session = transport.open_session(timeout=DEADLINE_S)
        for name, value in hostile.items():
            session.set_environment_variable(name, value)
        session.exec_command("session")
        (pid,) = wait_until(
            lambda: server.machine.run(
                "pgrep", "-f", r"^[^ ]*python[^ ]* [^ ]*thaniya .*broker alice", check=False
            ).stdout.split()
        )
        environment = server.machine.path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        session.close()
    assert b"SSH_ORIGINAL_COMMAND=session" in environment
    for name, value in hostile.items():
        assert f"{name}={value}".encode() not in environment


def test_files_in_the_home_of_an_account_change_no_login(server, upload, tmp_path):
    """As a hole in the service, or an administrator, may have left them there."""
    _, slot = upload
    for home in ("/var/lib/thaniya", f"/srv/thaniya/slots/{slot}"):
        directory = server.machine.path(f"{home}/.ssh")
        directory.mkdir()
        (directory / "rc").write_text("touch /var/lib/thaniya/ran\n")
        (directory / "environment").write_text("THANIYA_CONFIG=/etc/passwd\n")
        (directory / "authorized_keys").write_text((server.keys / "mallory.pub").read_text())
        server.machine.run("chown", "-R", "thaniya:thaniya", f"{home}/.ssh")
    try:
        assert "Hello alice" in server.ssh("alice", "help").stdout
        assert server.sftp("alice", slot, "ls\n").returncode == 0
        assert server.ssh("mallory", "help").returncode == 255
        assert server.sftp("mallory", slot, "ls\n").returncode == 255
        assert not server.machine.path("/var/lib/thaniya/ran").exists()
        assert "Connection closed by authenticating user thaniya" in server.log_of_sshd()
    finally:
        for home in ("/var/lib/thaniya", f"/srv/thaniya/slots/{slot}"):
            server.machine.run("rm", "-r", f"{home}/.ssh")
