"""What `sshd -T` prints, judged."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from thaniya_core.doctor.finding import Level
from thaniya_core.doctor.sshd import (
    check_configuration,
    judge_admission,
    judge_settings,
    parse_settings,
    wanted_settings,
)
from thaniya_core.doctor.sshd_answer import check_answer, judge_offer, listening_places
from thaniya_core.setup.installation import SFTP_OPTIONS, Installation
from thaniya_core.setup.texts import sshd_drop_in

PLACE = Installation()
CONTROL = """\
port 22
pubkeyauthentication yes
permittty no
permituserrc no
permittunnel no
disableforwarding yes
forcecommand none
chrootdirectory none
authorizedkeyscommand /usr/local/lib/thaniya/thaniya-keys %u
authorizedkeyscommanduser thaniya
authorizedkeysfile none
authenticationmethods publickey
pidfile /run/sshd.pid
"""
INTERNAL = f"forcecommand internal-sftp {' '.join(SFTP_OPTIONS)}"
SLOT = CONTROL.replace("forcecommand none", INTERNAL).replace(
    "chrootdirectory none", "chrootdirectory /srv/thaniya/slots/%u"
)


def problems(account, text):
    return judge_settings(parse_settings(text), wanted_settings(PLACE, account))


def test_what_is_wanted_is_accepted():
    assert problems("thaniya", CONTROL) == {}
    assert problems("thaniya_01", SLOT) == {}


@pytest.mark.parametrize(
    ("right", "wrong", "keyword"),
    [
        ("permittty no", "permittty yes", "permittty"),
        ("disableforwarding yes", "disableforwarding no", "disableforwarding"),
        ("authorizedkeysfile none", "authorizedkeysfile .ssh/authorized_keys", "authorizedkeysfile"),
        (INTERNAL, "forcecommand none", "forcecommand"),
        ("chrootdirectory /srv/thaniya/slots/%u", "chrootdirectory none", "chrootdirectory"),
        ("authenticationmethods publickey", "authenticationmethods any", "authenticationmethods"),
        ("authorizedkeyscommanduser thaniya", "authorizedkeyscommanduser root", "authorizedkeyscommanduser"),
        ("permittunnel no\n", "", "permittunnel"),
    ],
)
def test_each_other_value_is_found(right, wrong, keyword):
    assert right in SLOT
    assert list(problems("thaniya_01", SLOT.replace(right, wrong))) == [keyword]


def test_slots_for_old_scp_run_one_program_without_a_chroot():
    confined = CONTROL.replace("forcecommand none", "forcecommand /usr/local/lib/thaniya/thaniya-slot")
    wanted = wanted_settings(replace(PLACE, legacy_scp=True), "thaniya_01")

    assert judge_settings(parse_settings(confined), wanted) == {}
    assert sorted(judge_settings(parse_settings(SLOT), wanted)) == ["chrootdirectory", "forcecommand"]
    assert sorted(problems("thaniya_01", confined)) == ["chrootdirectory", "forcecommand"]


def test_keyword_that_comes_several_times_is_kept_whole():
    assert parse_settings("port 22\nport 2222\n")["port"] == ("22", "2222")


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("", []),
        ("allowusers alice", ["allowusers"]),
        ("allowusers alice\nallowusers thaniya*", []),
        ("allowusers thaniya_01@10.0.0.0/8", []),
        ("allowgroups wheel", ["allowgroups"]),
        ("allowgroups wheel thaniya-slots", []),
        ("denyusers thaniya_0?", ["denyusers"]),
        ("denygroups thaniya-slots", ["denygroups"]),
    ],
)
def test_lists_of_the_administrator_are_heeded(lines, found):
    groups = frozenset({"thaniya-slots", "thaniya_01"})

    assert list(judge_admission("thaniya_01", groups, parse_settings(lines))) == found


def answer_for(machine, subject, account, text):
    text = text.replace("/usr/local/lib/thaniya", str(subject.installation.library))
    text = text.replace("/srv/thaniya/slots", str(subject.installation.slots))
    where = f"user={account},host=localhost,addr=127.0.0.1"
    machine.answer(f"sshd -T -f {subject.installation.sshd_config} -C {where}", text)


@pytest.fixture
def sshd(installed, machine):
    """Answers for every account, all right."""
    installed.installation.sshd_drop_in.write_text(sshd_drop_in(installed.installation))
    machine.answer(f"sshd -t -f {installed.installation.sshd_config}")
    answer_for(machine, installed, "thaniya", CONTROL)
    answer_for(machine, installed, "thaniya_01", SLOT)
    answer_for(machine, installed, "thaniya_02", SLOT)
    answer_for(machine, installed, "root", "authorizedkeyscommand none\nchrootdirectory none\n")
    machine.answer("ssh", stderr="thaniya@127.0.0.1: Permission denied (publickey).\n", exit_code=255)
    return installed


def test_right_configuration_is_accepted(sshd):
    assert {finding.level for finding in [*check_configuration(sshd), *check_answer(sshd)]} == {Level.OK}


def test_slots_with_one_fault_are_told_together(sshd, machine):
    for name in ("thaniya_01", "thaniya_02"):
        answer_for(machine, sshd, name, SLOT.replace("permittty no", "permittty yes"))

    (finding,) = [each for each in check_configuration(sshd) if each.level is Level.FAIL]

    assert finding.what == "for thaniya_01, thaniya_02: permittty is yes instead of no"
    assert "grep -rniE 'permittty'" in finding.cure


def test_missing_drop_in_is_written_by_setup(sshd, machine):
    sshd.installation.sshd_drop_in.unlink()
    answer_for(machine, sshd, "thaniya", CONTROL.replace("permittty no", "permittty yes"))

    (finding,) = [each for each in check_configuration(sshd) if each.level is Level.FAIL]

    assert finding.cure == "thaniya setup openssh"


def test_match_that_does_not_end_is_found(sshd, machine):
    answer_for(machine, sshd, "root", "chrootdirectory /srv/thaniya/slots/%u\n")

    told = [each.what for each in check_configuration(sshd) if each.level is Level.FAIL]

    assert told == ["chrootdirectory of Thaniya also holds for root"]


def test_broken_configuration_is_told_as_sshd_tells_it(sshd, machine):
    message = "/etc/ssh/sshd_config line 3: Bad configuration option: Permit\n"
    machine.answer(f"sshd -t -f {sshd.installation.sshd_config}", stderr=message, exit_code=255)

    (finding,) = check_configuration(sshd)

    assert "line 3: Bad configuration option" in finding.what


@pytest.mark.parametrize(("systemd", "cure"), [(True, "systemctl start ssh"), (False, "service ssh start")])
def test_sshd_that_does_not_answer_is_to_be_started(sshd, machine, systemd, cure):
    machine.banner, machine.systemd = "", systemd

    (finding,) = check_answer(sshd)

    assert (finding.level, finding.cure) == (Level.FAIL, cure)


@pytest.mark.parametrize(
    ("lines", "places"),
    [
        ("", [("127.0.0.1", 22)]),
        ("listenaddress [::]:22\nlistenaddress 0.0.0.0:22", [("127.0.0.1", 22)]),
        ("listenaddress 10.0.0.1:22\nlistenaddress 10.0.0.1:2222", [("10.0.0.1", 22), ("10.0.0.1", 2222)]),
        ("listenaddress [::]:22", [("::1", 22)]),
    ],
)
def test_sshd_is_asked_where_it_listens(lines, places):
    assert listening_places(parse_settings(lines)) == places


def test_other_ssh_server_on_the_port_is_not_taken_for_sshd(sshd, machine):
    machine.banner = "SSH-2.0-dropbear"

    (finding,) = check_answer(sshd)

    assert finding.what == "another SSH server has 127.0.0.1 port 22: SSH-2.0-dropbear"


def test_other_server_on_the_port_is_told(sshd, machine):
    machine.banner = "220 smtp"

    assert "does not speak SSH" in next(iter(check_answer(sshd))).what


@pytest.mark.parametrize(
    ("answer", "level"),
    [
        ("a@b: Permission denied (publickey).", Level.OK),
        ("a@b: Permission denied (publickey,password).", Level.FAIL),
        ("Connection reset by peer", Level.SKIPPED),
        ("", Level.SKIPPED),
    ],
)
def test_what_a_running_sshd_offers_tells_whether_it_read_its_configuration(answer, level):
    assert judge_offer("thaniya", answer, "reload it").level is level
