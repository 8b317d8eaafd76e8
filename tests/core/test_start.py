"""What starting a command loads, by which its speed is held: each client's command starts a Python of its own."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import syslog
from pathlib import Path

import pytest

from thaniya_core import __version__
from thaniya_core.cli.forced_command import ForcedCommand, parse_forced_command
from thaniya_core.cli.process import log_to_system

SLOW = {"asyncio", "cryptography", "multiprocessing", "paramiko", "pydantic", "rich", "typer", "unittest", "xopen"}
KEY = "SHA256:" + "A" * 43
KEY_LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDR42mUIODuZu+H7KOANoMyjObyc0Dtt6Lyocz1m8yYl alice@laptop"
LOADED = re.compile(r"^import time: .*\| +(\w+)", re.MULTILINE)


@pytest.fixture
def run_module(root):
    """Runs a module as the interpreter does, with the server's configuration; gives the result and what was loaded."""

    def run(*arguments, command="", module="thaniya_core"):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", module, *arguments],
            env={"SSH_ORIGINAL_COMMAND": command, "SSH_CONNECTION": "203.0.113.7 50000 203.0.113.1 22"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=root,
            check=False,
        )
        return done, set(LOADED.findall(done.stderr))

    return run


@pytest.mark.parametrize("command", ["backups", "allocate --host web1 --name nightly", "uploads --json"])
def test_command_of_a_client_loads_nothing_that_is_slow(alice, run_module, root, command):
    done, loaded = run_module("--config", str(root / "thaniya.toml"), "broker", "alice", command=command)

    assert done.returncode == 0, done.stderr
    assert "msgspec" in loaded
    assert not loaded & SLOW


def test_values_of_the_rooms_are_imported_without_what_is_slow():
    """A screen that shows them waits for none of it."""
    rooms = ", ".join(f"thaniya_core.{room}" for room in ("archive", "config", "jobs", "model", "monitor", "retention"))
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", f"import {rooms}"], capture_output=True, text=True, check=True
    )

    loaded = set(LOADED.findall(done.stderr))
    assert "msgspec" in loaded
    assert not loaded & SLOW


def test_forced_command_acts_as_its_user_and_notes_where_it_came_from(alice, server, run_module):
    done, _ = run_module("broker", "alice", command="allocate --host web1 --name nightly")

    assert done.returncode == 0, done.stderr
    (upload,) = server.store.read().uploads.all()
    assert f"upload={upload.id}\n" in done.stdout
    assert (upload.user, upload.peer) == ("alice", "203.0.113.7")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["broker", "alice"], ForcedCommand("alice")),
        (["--config", "/etc/thaniya.toml", "broker", "alice"], ForcedCommand("alice", Path("/etc/thaniya.toml"))),
        (["broker", "alice", "--key", KEY], ForcedCommand("alice", None, KEY)),
        (["--config", "x", "broker", "alice", "--key", KEY], ForcedCommand("alice", Path("x"), KEY)),
        (["broker", "alice", "--key", KEY[:-1]], None),
        (["broker", "alice", "--key"], None),
        (["broker", "--probe", "--key", KEY], None),
        (["broker"], None),
        (["broker", "--probe"], ForcedCommand(None)),
        (["broker", "--help"], None),
        (["broker", "-h"], None),
        (["broker", "alice", "bob"], None),
        (["broker", "--", "alice"], None),
        (["--config", "broker", "alice"], None),
        (["--config", "", "broker", "alice"], None),
        (["--config=x", "broker", "alice"], None),
        (["-v", "broker", "alice"], None),
        (["--config", "x", "--config", "broker", "alice"], None),
        (["user", "list"], None),
        ([], None),
    ],
)
def test_only_the_prescribed_call_goes_past_the_command_line(arguments, expected):
    assert parse_forced_command(arguments) == expected


@pytest.mark.parametrize("form", ["--config", "-c"])
@pytest.mark.parametrize("user", ["alice", "nobody", "Alice", "../x", ""])
def test_broker_answers_alike_with_and_without_the_command_line(alice, run_module, root, form, user):
    """`-c` is not how sshd calls it, and goes the long way."""
    lean, _ = run_module("--config", str(root / "thaniya.toml"), "broker", user, command="backups")
    other, loaded = run_module(form, str(root / "thaniya.toml"), "broker", user, command="backups")

    assert ("typer" in loaded) == (form == "-c")
    assert (lean.returncode, lean.stdout, _said(lean)) == (other.returncode, other.stdout, _said(other))


@pytest.mark.parametrize("form", ["--config", "-c"])
def test_broker_notes_that_the_key_was_used(alice, server, clock, run_module, root, form):
    server.users.add_key("alice", KEY_LINE, "login:test")
    (key,) = server.users.get("alice").keys

    done, loaded = run_module(form, str(root / "thaniya.toml"), "broker", "alice", "--key", key.fingerprint)

    assert done.returncode == 0, done.stderr
    assert list(server.store.key_uses()) == [key.fingerprint]
    assert form == "-c" or not loaded & SLOW


def test_key_use_that_cannot_be_noted_keeps_nobody_out(alice, run_module, root):
    (root / "state" / "keys").write_text("in the way")

    done, _ = run_module("--config", str(root / "thaniya.toml"), "broker", "alice", "--key", KEY, command="help")

    assert done.returncode == 0
    assert done.stdout.startswith("Hello alice")


@pytest.mark.parametrize("form", ["--config", "-c"])
def test_missing_configuration_is_told_and_ends_with_its_exit_code(run_module, tmp_path, form):
    done, _ = run_module(form, str(tmp_path / "none.toml"), "broker", "alice", command="backups")

    assert done.returncode == 2
    assert "thaniya: no configuration file" in _said(done)
    assert "Traceback" not in done.stderr


def test_probe_tells_that_the_broker_runs_and_heeds_no_command(server, run_module):
    done, loaded = run_module("broker", "--probe", command="allocate --host web1 --name nightly")

    assert (done.returncode, done.stdout) == (0, f"thaniya {__version__}\n")
    assert not loaded & SLOW
    assert server.store.read().uploads.all() == []


def test_log_of_the_broker_goes_to_the_system_and_not_to_the_client(monkeypatch, capfd):
    told = []
    monkeypatch.setattr(syslog, "syslog", lambda priority, line: told.append((priority, line)))
    monkeypatch.setattr(logging.getLogger(), "handlers", [])

    log_to_system()
    try:
        raise ValueError("two\nlines \x1b[2J")
    except ValueError:
        logging.getLogger("thaniya_core.gate").exception("internal error")

    assert told[0] == (syslog.LOG_ERR, "ERROR thaniya_core.gate: internal error")
    assert [line for _, line in told[-2:]] == ["ValueError: two", "lines \\x1b[2J"]
    assert capfd.readouterr() == ("", "")


def test_help_of_the_broker_comes_from_the_command_line(run_module):
    done, _ = run_module("broker", "--help")

    assert done.returncode == 0
    assert "SSH_ORIGINAL_COMMAND" in done.stdout


def _said(done):
    """What the command itself wrote to stderr."""
    return "".join(line for line in done.stderr.splitlines(keepends=True) if not line.startswith("import time:"))
