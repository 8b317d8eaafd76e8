"""Commands that root runs: what they write belongs to the service user, and the audit log names the person."""

from __future__ import annotations

import sys

import pytest
from real_server import HELPER, REPOSITORY, become

from thaniya_core.setup.units import CAPABILITIES


def strangers(server):
    """What of the state does not belong to the service user; slots and their uploads lie elsewhere."""
    done = server.machine.run("find", "/var/lib/thaniya", "!", "-user", "thaniya")
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "command",
    [
        ["user", "set", "bob", "--quota", "5G"],
        ["user", "list"],
        ["slot", "list"],
        ["backup", "list"],
        ["backup", "verify", "--all"],
        ["catalog", "rebuild"],
        ["job", "list"],
        ["upload", "list"],
        ["tick"],
    ],
    ids=lambda command: "-".join(command[:2]),
)
def test_no_file_of_the_state_belongs_to_root_afterwards(server, command):
    server.thaniya(*command)
    assert strangers(server) == []


def test_root_reads_key_files_that_only_root_can_read(server):
    key = (server.keys / "mallory.pub").read_text()
    server.machine.path("/run/mallory.pub").write_text(key)
    server.machine.path("/run/mallory.pub").chmod(0o600)
    server.thaniya("user", "add", "carol", "--key-file", "/run/mallory.pub")
    server.thaniya("user", "remove", "carol", "--yes")
    assert strangers(server) == []


def test_audit_log_names_the_person_behind_sudo(server):
    server.thaniya("user", "disable", "bob", SUDO_USER="jane")
    server.thaniya("user", "enable", "bob")
    server.machine.run("env", "-u", "LOGNAME", "-u", "USER", "thaniya", "user", "set", "bob", "--max-uploads", "3")
    assert [event["actor"] for event in server.events()[-3:]] == ["login:jane", "login:root", "login:root"]


def test_ordinary_account_is_told_what_to_do(server):
    done = server.machine.run("su", "nobody", "-s", "/bin/sh", "-c", "thaniya user list", check=False)
    assert (done.returncode, "run this as root" in done.stderr) == (2, True)


def test_service_runs_as_the_service_user(server):
    done = server.machine.run("ps", "-C", "thaniya", "-o", "user=,args=")
    assert done.stdout.split()[0] == "thaniya"


def test_slots_are_added_and_removed_later(server):
    server.thaniya("slot", "add", "7")
    assert server.slot_states()["thaniya_07"] == "ready"
    assert server.thaniya("slot", "add", "7", check=False).returncode == 1
    assert server.machine.run("id", "-nG", "thaniya_07").stdout.split() == ["thaniya_07", "thaniya-slots"]
    server.thaniya("slot", "remove", "thaniya_07")
    assert "thaniya_07" not in server.slot_states()
    assert server.machine.run("id", "thaniya_07", check=False).returncode == 1
    assert not server.machine.path("/srv/thaniya/slots/thaniya_07").exists()


def test_taken_slot_is_not_removed(server):
    upload, slot = server.allocate()
    done = server.thaniya("slot", "remove", slot, check=False)
    assert (done.returncode, "an upload holds it" in done.stderr) == (1, True)
    assert server.sftp("alice", slot, "ls\n").returncode == 0
    server.abort(upload)


def test_helper_works_with_the_capabilities_that_the_unit_leaves(server):
    names = CAPABILITIES.lower().replace("cap_", "+").split()
    limits = ["setpriv", f"--bounding-set=-all,{','.join(names)}", "--", *become("thaniya")]
    helper = [*limits, "sudo", "--non-interactive", HELPER]
    for verb in ("create", "unlock", "lock", "clean", "remove"):
        server.machine.run(*helper, verb, "thaniya_08")


RUN = """
import sys
from thaniya_core.errors import CommandFailed
from thaniya_core.system.run import run
try:
    run(["sudo", "--non-interactive", "sleep", "100"], timeout_s=0.5)
except CommandFailed as error:
    sys.exit(error.message)
"""


@pytest.fixture
def sleep_by_sudo(server):
    """The service user may have root sleep."""
    rule = server.machine.path("/etc/sudoers.d/test")
    rule.write_text("thaniya ALL=(root) NOPASSWD: /usr/bin/sleep\n")
    yield
    rule.unlink()


@pytest.mark.usefixtures("sleep_by_sudo")
def test_program_behind_sudo_that_does_not_end_in_time_is_ended(server):
    done = server.run_as("thaniya", sys.executable, "-c", RUN, check=False, PYTHONPATH=str(REPOSITORY))

    assert (done.returncode, "did not end within 0.5 s and was ended" in done.stderr) == (1, True)
    assert server.machine.run("pgrep", "-x", "sleep", check=False).returncode == 1
