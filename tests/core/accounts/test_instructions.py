"""What a user is told: right for each server, and its commands do what they say."""

from __future__ import annotations

import subprocess
import threading
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from thaniya_core.accounts import Entrance, HostKey, instruct
from thaniya_core.cli.main import run as run_cli
from thaniya_core.config import load_config
from thaniya_core.entrance import find_entrance, read_host_keys
from thaniya_core.initialise import initialise
from thaniya_core.model import PublicKey, User
from thaniya_core.server import open_server
from thaniya_core.service import Service

NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)
KEY = PublicKey("ssh-ed25519", "AAAA", "alice@laptop", "SHA256:" + "a" * 43, NOW)
ALICE = User("alice", NOW, keys=(KEY,), quota_bytes=500 * 2**30)
HOST_KEY = HostKey("ssh-ed25519", "BBBB", "SHA256:" + "b" * 43)
SERVER = Entrance("backup.example.org", 22, "thaniya", (HOST_KEY,))


def test_everything_that_a_user_needs_is_said():
    made = instruct(ALICE, SERVER)
    for words in (
        "server     backup.example.org",
        "port       22",
        "your name  alice",
        f"host key   {HOST_KEY.fingerprint} (ED25519)",
        f"your key   {KEY.fingerprint}\n             alice@laptop",
        "limits     500.0 GiB in all, 2 uploads at the same time",
        "thaniya-client init backup.example.org \\\n",
        "ssh thaniya@backup.example.org allocate",
        "  backup.example.org ssh-ed25519 BBBB",
    ):
        assert words in made.text
    assert made.known_hosts == ("backup.example.org ssh-ed25519 BBBB",)
    assert made.doubts == ()
    assert "--port" not in made.text and " -p " not in made.text


def test_another_port_and_account_are_in_every_command():
    made = instruct(ALICE, replace(SERVER, host="2001:db8::1", port=2222, account="vault"))
    assert made.known_hosts == ("[2001:db8::1]:2222 ssh-ed25519 BBBB",)
    assert "thaniya-client init 2001:db8::1 --port 2222 --account vault" in made.text
    assert "ssh -p 2222 vault@2001:db8::1 help" in made.text
    assert 'scp -P 2222 -- * "$slot@[2001:db8::1]:upload/"' in made.text


def test_prose_fits_a_mail():
    prose = [line for line in instruct(ALICE, SERVER).text.splitlines() if not line.startswith("  ")]
    assert max(map(len, prose)) <= 68


def test_administrator_hears_what_would_keep_the_user_out():
    made = instruct(replace(ALICE, enabled=False, keys=()), replace(SERVER, doubts=("no host key",)))
    assert [doubt.split(":")[0] for doubt in made.doubts] == [
        "alice is disabled and is not let in",
        "alice has no key yet",
        "no host key",
    ]
    assert "send that line\nback" in made.text


@pytest.mark.parametrize("comment", ["\x1b[2J", "\u202egnp", "a\nb"])
def test_comment_of_a_key_cannot_upset_who_reads(comment):
    text = instruct(replace(ALICE, keys=(replace(KEY, comment=comment),)), SERVER).text
    assert comment not in text


def test_host_keys_are_read_from_what_is_there(tmp_path):
    (tmp_path / "no.pub").write_text("no key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "k")], check=True)
    told = subprocess.run(["ssh-keygen", "-lf", tmp_path / "k.pub"], check=True, capture_output=True, text=True).stdout

    (key,) = read_host_keys((tmp_path / "none.pub", tmp_path / "no.pub", tmp_path / "k.pub"))

    assert key.fingerprint == told.split()[1]


@pytest.mark.parametrize(
    ("gate", "host", "port", "doubt"),
    [
        ('listen = "127.0.0.1"', "127.0.0.1", 2222, "this machine alone can call it"),
        ('listen = "0.0.0.0"', None, 2222, "where another name is right"),
        ('listen = "203.0.113.5"', "203.0.113.5", 2222, None),
        ('address = "backup.example.org"', "backup.example.org", 2222, None),
        ('address = "backup.example.org:22"', "backup.example.org", 22, None),
        ('address = "a.example"\nport = 0', "a.example", 0, "another port at each start"),
        ('kind = "openssh"', None, 22, "where another name or port is right"),
        ('kind = "openssh"\naddress = "backup.example.org:2200"', "backup.example.org", 2200, None),
    ],
)
def test_address_is_that_of_the_configuration_and_what_is_assumed_is_said(root, gate, host, port, doubt):
    (root / "thaniya.toml").write_text(f"[gate]\n{gate}\n")
    (root / "state" / "ssh_host_ed25519_key.pub").write_text("ssh-ed25519 QUJD\n")
    entrance = find_entrance(load_config(root / "thaniya.toml"))

    assert entrance.port == port
    assert host is None or entrance.host == host
    doubts = [each for each in entrance.doubts if "host key of sshd" not in each]
    assert (doubt in doubts[0]) if doubt else not doubts


def test_without_a_host_key_there_is_no_line_for_it(server, alice):
    made = server.instruct_user("alice")
    assert (made.fingerprint, made.known_hosts) == ("", ())
    assert "known_hosts" not in made.text and "--fingerprint" not in made.text
    assert any("`thaniya serve` makes it" in doubt for doubt in made.doubts)


def test_command_prints_the_text_and_tells_doubts_apart(root, server, alice, capsys):
    assert run_cli(["--config", str(root / "thaniya.toml"), "user", "instructions", "alice"]) == 0
    told = capsys.readouterr()
    assert told.out == server.instruct_user("alice").text
    assert "note: alice has no key yet" in told.err
    assert run_cli(["--config", str(root / "thaniya.toml"), "user", "instructions", "nobody"]) == 4


@pytest.fixture
def told_user(tmp_path, monkeypatch):
    """A running server, and what it tells a user whose home directory is that of the test."""
    server = initialise(tmp_path / "server", "login:test", port=0)
    service = Service(server)
    ready = threading.Event()
    thread = threading.Thread(target=service.run, args=(ready.set,))
    thread.start()
    assert ready.wait(30)
    text = (tmp_path / "server" / "thaniya.toml").read_text()
    (tmp_path / "server" / "thaniya.toml").write_text(text.replace("port = 0", f"port = {service.gate.port}"))
    home = tmp_path / "home"
    key = home / ".config" / "thaniya" / "id_ed25519"
    key.parent.mkdir(parents=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    server.users.add("alice", [key.with_name("id_ed25519.pub").read_text()], "login:test")
    yield open_server(tmp_path / "server" / "thaniya.toml"), home, key
    service.stop_soon()
    thread.join(30)


def test_commands_for_plain_ssh_make_a_backup(told_user, tmp_path):
    server, home, key = told_user
    made = server.instruct_user("alice")
    (home / "known_hosts").write_text("\n".join(made.known_hosts) + "\n")
    # OpenSSH takes the home directory of the account and not $HOME, so that its two files are named here.
    (home / "config").write_text(
        f"UserKnownHostsFile {home}/known_hosts\nIdentityFile {key}\nStrictHostKeyChecking yes\n"
    )
    programs = tmp_path / "bin"
    programs.mkdir()
    for program, more in (("ssh", ""), ("scp", f"-S {programs}/ssh")):
        (programs / program).write_text(f'#!/bin/sh\nexec /usr/bin/{program} -F {home}/config {more} "$@"\n')
        (programs / program).chmod(0o755)
    files = tmp_path / "files"
    files.mkdir()
    (files / "notes.txt").write_text("important")
    lines = made.text[made.text.index("  allocated=") : made.text.index("The last command")]

    done = subprocess.run(
        ["sh", "-eu", "-c", lines],
        cwd=files,
        env={"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "state=archived" in done.stdout
    (backup,) = server.catalog.find("alice")
    assert backup.series.name == "files"
    assert server.users.key_uses().keys() == {server.users.get("alice").keys[0].fingerprint}
