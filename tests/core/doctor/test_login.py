"""A real login, as far as it can be judged without one: what ssh said, and the key that is let in meanwhile."""

from __future__ import annotations

import json
import os

import pytest

from thaniya_core import __version__
from thaniya_core.doctor.finding import Level
from thaniya_core.doctor.login import Cures, check_login, judge_login, judge_refusal, known_hosts
from thaniya_core.doctor.machine import Machine
from thaniya_core.doctor.probe import key_pair, let_in
from thaniya_core.doctor.sshd import parse_settings
from thaniya_core.gate.keys import PROBE
from thaniya_core.system.run import Completed
from thaniya_core.testing import FixedClock

CURES = Cures("start", "restart", "host keys", "log", "listener", "broker", shell="", nologin="")
NOW = FixedClock().now()


def ended(exit_code, stderr="", stdout=""):
    return Completed(("ssh",), exit_code, stdout.encode(), stderr.encode())


def judge(done, cures=CURES):
    return judge_login("thaniya at 127.0.0.1 port 22", done, 0.25, cures)


def test_broker_of_this_version_that_answers_is_all_right():
    finding = judge(ended(0, stdout=f"thaniya {__version__}\n"))
    assert (finding.level, "0.25 s" in finding.what) == (Level.OK, True)


@pytest.mark.parametrize(
    ("exit_code", "stderr", "words", "cure"),
    [
        (255, "ssh: connect to host 127.0.0.1 port 22: Connection refused", "nobody listens", "start"),
        (255, "ssh: connect to host 127.0.0.1 port 22: Connection timed out", "no answer in time", "listener"),
        (255, "Host key verification failed.", "another host key", "host keys"),
        (255, "thaniya@127.0.0.1: Permission denied (publickey).", "refused a key", "log # tells why"),
        (255, "Connection closed by 127.0.0.1 port 22", "broke the login off", "log # tells why"),
        (255, "", "it said nothing", "log"),
        (
            127,
            "sh: 1: /nowhere/thaniya: not found",
            "exit code 127: sh: 1: /nowhere/thaniya: not found",
            "thaniya setup",
        ),
        (1, "thaniya: cannot read the state", "cannot read the state", "thaniya setup openssh; broker shows"),
    ],
)
def test_each_failure_is_explained(exit_code, stderr, words, cure):
    finding = judge(ended(exit_code, stderr + "\n"))
    assert (finding.level, words in finding.what) == (Level.FAIL, True), finding
    assert finding.cure.startswith(cure)


@pytest.mark.parametrize("stdout", ["", "thaniya 0.0.1\n", "hello\n"])
def test_login_that_ran_something_else_is_no_success(stdout):
    assert judge(ended(0, stdout=stdout)).level is Level.FAIL


def test_what_is_plainly_the_cause_is_told_instead_of_the_log():
    cures = Cures(
        "start", "restart", "host keys", "log", "listener", "broker", shell="usermod", nologin="rm /etc/nologin"
    )
    assert judge(ended(255, "Connection closed"), cures).cure == "rm /etc/nologin"
    assert judge(ended(1), cures).cure == "usermod"


def test_slot_that_lets_a_key_in_has_no_lock():
    for told in ("thaniya_01@127.0.0.1: Permission denied (publickey).", "debug1: Server accepts key: /k\nclosed"):
        assert judge_refusal("thaniya_01", ended(255, told)).level is Level.OK
    for told in ("", "Connection timed out", "kex_exchange_identification: Connection closed by remote host"):
        assert judge_refusal("thaniya_01", ended(255, told)).level is Level.SKIPPED
    assert judge_refusal("thaniya_01", ended(1, "This service allows sftp connections only.")).level is Level.FAIL


def test_host_is_known_by_every_public_key_that_is_there(installed, tmp_path):
    (tmp_path / "one.pub").write_text("ssh-ed25519 AAAA root@host\n")
    settings = parse_settings(f"hostkey {tmp_path}/one\nhostkey {tmp_path}/two\n")
    assert known_hosts(installed, settings) == "thaniya ssh-ed25519 AAAA root@host\n"


def test_anybody_else_is_told_who_can_try(installed, machine):
    machine.who = "alice"
    (finding,) = check_login(installed)
    assert (finding.level, finding.what) == (Level.SKIPPED, "only root and thaniya can try it")


@pytest.fixture
def key():
    with key_pair(Machine()) as key:
        yield key


def test_key_is_let_in_while_the_block_lasts_and_nothing_is_left(tmp_path, key):
    with let_in(tmp_path, "thaniya", key, NOW, None):
        (file,) = tmp_path.iterdir()
        probe = json.loads(file.read_bytes())
        assert PROBE.fullmatch(file.name)
        assert file.stat().st_mode & 0o777 == 0o600
        assert f"{probe['algorithm']} {probe['blob']}" in key.with_suffix(".pub").read_text()
        assert (probe["account"], probe["expires"]) == ("thaniya", NOW.timestamp() + 30)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_when_the_examination_breaks_off(tmp_path, key):
    with pytest.raises(KeyboardInterrupt), let_in(tmp_path, "thaniya", key, NOW, None):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_private_key_is_gone_after_the_examination():
    with key_pair(Machine()) as key:
        assert key.parent.stat().st_mode & 0o777 == 0o700
    assert not key.parent.exists()


def test_what_a_killed_examination_left_is_removed_and_a_running_one_is_not_disturbed(tmp_path, key):
    other = tmp_path / "probe-fedcba9876543210.json"
    left = ["probe-0123456789abcdef.json", ".probe-0123456789abcdef.json.1.aa.tmp", "probe-1"]
    for file, age_s in [(other, 10), *((tmp_path / name, 61) for name in left)]:
        file.touch()
        os.utime(file, (NOW.timestamp() - age_s,) * 2)
    with let_in(tmp_path, "thaniya", key, NOW, None):
        assert other.exists()
        assert len(list(tmp_path.iterdir())) == 3
    assert {file.name for file in tmp_path.iterdir()} == {"probe-1", other.name}
