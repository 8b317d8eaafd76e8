"""A compromised client holds a valid key of one user: what it may say to the broker, and what it does not get by it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import paramiko
import pytest

pytestmark = pytest.mark.parametrize("server", ["yes"], indirect=True, ids=["pam"], scope="module")

# What the broker is told.

HOSTILE_COMMANDS = [
    "sh",
    "/usr/lib/openssh/sftp-server",
    "scp -t /var/lib/thaniya/volume",
    "$(touch /var/lib/thaniya/ran)",
    "backups\ntouch /var/lib/thaniya/ran",
    "backups' ; touch /var/lib/thaniya/ran ; '",
    'backups" && touch /var/lib/thaniya/ran "',
    "--user bob backups",
    "backups --user bob",
    "--config /etc/passwd help",
    b"\xff\xfe\x80",
    b"abort 20200101T000000Z-000000 --reason \xff",
    "\x1b]0;evil\x07",
    "backups\u202e",
    "remove 20200101T000000Z-000000",
    "backups " + "x" * 100_000,
]


def test_command_is_words_for_the_broker_and_nothing_else(server):
    before = len(server.events("command.refused"))
    with server.transport("alice") as transport:
        got = [(command, *server.ask(transport, command)) for command in HOSTILE_COMMANDS]
    for command, code, output in got:
        assert code in (2, 4), (command, code, output)
        assert output.startswith(b"thaniya: "), (command, output)
        assert output.count(b"\n") == 1
        assert not {0x1B, 0x07} & set(output)
    assert not server.machine.path("/var/lib/thaniya/ran").exists()
    events = server.events("command.refused")[before:]
    assert len(events) == len(HOSTILE_COMMANDS)
    assert {(event["actor"], event["ok"]) for event in events} == {("alice@127.0.0.1", False)}
    assert not {"\x1b", "\x07", "\u202e"} & set(server.thaniya("log").stdout)


@pytest.mark.parametrize(
    "command", ["backups\0 --user bob", "x" * 150_000, "x" * 1_000_000], ids=["NUL", "150 kB", "1 MB"]
)
def test_command_that_is_none_ends_the_connection_or_the_command(server, command):
    with server.transport("alice") as transport:
        try:
            code, output = server.ask(transport, command)
        except (paramiko.SSHException, OSError, EOFError):
            code, output = 255, b""
    assert code != 0
    assert b"ID" not in output
    assert server.ssh("alice", "backups").returncode == 0
    assert "Accepted publickey for thaniya from 127.0.0.1" in server.log_of_sshd()


# What is archived.


def sums_of(directory: Path):
    return {
        str(path.relative_to(directory)): (
            path.stat().st_mode,
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_no_archived_byte_is_read_by_others_or_changed_by_anybody(server, make_file):
    """Everything a key holder may say about its own and others' backups; sums of the whole volume before and after."""
    own, other = server.back_up(make_file("own.bin")), server.back_up(make_file("other.bin"), "bob")
    busy, busy_slot = server.allocate("bob", "busy")
    volume = server.machine.path("/var/lib/thaniya/volume")
    before = sums_of(volume)
    seen = len(server.events("command.refused"))
    guessed = other[:-1] + ("0" if other[-1] != "0" else "1")
    refused = [
        f"contents {other}",
        f"fetch {other} backup.json",
        f"fetch {other} ../{other}/other.bin",
        f"fetch {own} ../{other}/backup.json",
        f"fetch {own} /etc/passwd",
        f"remove {own}",
    ]
    requests = [
        {"type": "contents", "backup": guessed},
        {"type": "contents", "backup": f"../../bob/web1/nightly/{other}"},
        {"type": "remove", "backup": own},
        {"type": "status", "upload": busy},
        {"type": "abort", "upload": busy},
        {"type": "complete", "upload": busy},
        {"type": "abort", "upload": other},
        {"type": "complete", "upload": other, "manifest": {"files": []}},
        {"type": "allocate", "host": "../bob", "name": "nightly"},
        {"type": "allocate", "host": "web1", "name": "../../bob/web1/nightly"},
    ]
    lines = [{"type": "hello", "versions": [1]}, *requests]
    done = server.ssh("alice", "session", stdin="".join(json.dumps(line) + "\n" for line in lines))
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["type"] for answer in answers] == ["welcome", *["error"] * len(requests)]
    with server.transport("alice") as transport:
        for command in refused:
            code, output = server.ask(transport, command)
            assert (code in (2, 4), output.startswith(b"thaniya: ")) == (True, True), (command, code, output)
        # Of its own: nothing that is archived is open to a second word.
        for command in (f"abort {own}", f"complete {own}"):
            code, output = server.ask(transport, command)
            assert (code, b"archived" in output) == (1, True), (command, output)
    assert len(server.events("command.refused")) - seen == len(refused) + len(requests)
    assert sums_of(volume) == before
    assert server.json("upload", "show", busy)["state"] == "open"
    server.abort(busy, "bob")
    server.wait_until_ready(busy_slot)
    for backup in (own, other):
        assert server.machine.run(
            "sh", "-c", f"cd /var/lib/thaniya/volume/archive/*/web1/nightly/{backup} && sha256sum -c SHA256SUMS"
        ).stdout
    server.back_up(make_file("after.bin"), "bob")
    after = sums_of(volume)
    assert {name: after[name] for name in before} == before
