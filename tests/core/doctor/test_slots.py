"""Accounts of the slots and of the service."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from thaniya_core.doctor.finding import Level
from thaniya_core.doctor.slots import (
    Shadow,
    check_locks,
    check_membership,
    check_service_account,
    judge_account,
    judge_lock,
    judge_service_password,
    parse_shadow,
)
from thaniya_core.model import Slot, SlotState
from thaniya_core.setup.installation import NO_SHELL

TODAY = 20_000
HELPER = "/usr/local/lib/thaniya/thaniya-root"
LOCKED, OPEN = Shadow("*", 0), Shadow("*", None)


def test_shadow_is_read_as_shadow_5_says():
    entries = parse_shadow("a:*:19000:0:99999:7::0:\nb:!:19000:0:99999:7:::\nbroken\n")

    assert entries == {"a": Shadow("*", 0), "b": Shadow("!", None)}


@pytest.mark.parametrize(
    ("shadow", "state", "cure"),
    [
        (LOCKED, SlotState.READY, ""),
        (OPEN, SlotState.TAKEN, ""),
        (Shadow("*", TODAY + 1), SlotState.TAKEN, ""),
        (LOCKED, SlotState.CLOSING, ""),
        (OPEN, SlotState.CLOSING, ""),
        (LOCKED, SlotState.DEGRADED, ""),
        (OPEN, SlotState.READY, f"{HELPER} lock thaniya_01"),
        (OPEN, SlotState.DISABLED, f"{HELPER} lock thaniya_01"),
        (LOCKED, SlotState.TAKEN, f"{HELPER} unlock thaniya_01"),
        (Shadow("*", TODAY), SlotState.TAKEN, f"{HELPER} unlock thaniya_01"),
        (Shadow("!", 0), SlotState.READY, "usermod --password '*' thaniya_01"),
        (Shadow("$y$abc", 0), SlotState.READY, "usermod --password '*' thaniya_01"),
        (Shadow("", 0), SlotState.READY, "usermod --password '*' thaniya_01"),
    ],
)
def test_account_is_locked_exactly_while_no_upload_holds_it(shadow, state, cure):
    found = list(judge_lock("thaniya_01", shadow, Slot("thaniya_01", state), TODAY, HELPER))

    assert [finding.cure for finding in found] == ([cure] if cure else [])


def test_locks_of_all_slots_are_looked_at(subject, machine):
    machine.shadow = "thaniya:*:1::::::\nthaniya_01:*:1:::::0:\nthaniya_02:*:1::::::\n"

    found = list(check_locks(subject))

    assert [(finding.name, finding.level) for finding in found] == [
        ("lock of thaniya_02", Level.FAIL),
        ("lock of thaniya", Level.OK),
    ]


@pytest.mark.parametrize(
    ("shadow", "cure"), [(Shadow("!", None), "usermod --password '*' s"), (Shadow("*", 1), "chage --expiredate -1 s")]
)
def test_control_account_must_be_open_for_keys(shadow, cure):
    assert judge_service_password("s", shadow, TODAY).cure == cure


@pytest.mark.parametrize(
    ("changes", "cure"),
    [
        ({"shell": "/bin/bash"}, "usermod --shell /usr/sbin/nologin thaniya_01"),
        ({"groups": frozenset()}, "usermod --append --groups thaniya-slots thaniya_01"),
        ({"groups": frozenset({"thaniya-slots", "docker"})}, "gpasswd --delete thaniya_01 docker"),
        ({"uid": 0}, "userdel thaniya_01 && thaniya setup openssh"),
    ],
)
def test_slot_account_with_more_or_less_rights_is_found(slot_account, changes, cure):
    assert [finding.cure for finding in judge_account(slot_account("thaniya_01", **changes), NO_SHELL)] == [cure]


def test_shell_is_the_one_that_the_option_asks_for(slot_account):
    program = Path("/usr/local/lib/thaniya/thaniya-slot")
    confined = slot_account("thaniya_01", shell=str(program))

    assert list(judge_account(confined, program)) == []
    assert [found.cure for found in judge_account(confined, NO_SHELL)] == [
        "usermod --shell /usr/sbin/nologin thaniya_01"
    ]
    assert [found.cure for found in judge_account(slot_account("thaniya_01"), program)] == [
        f"usermod --shell {program} thaniya_01"
    ]
    assert list(judge_account(slot_account("thaniya_01", shell="/bin/false"), NO_SHELL)) == []


def test_missing_accounts_are_told_together(subject, machine):
    del machine.accounts["thaniya_01"], machine.accounts["thaniya_02"]

    (finding,) = check_membership(subject)

    assert finding.what == "there are no accounts thaniya_01, thaniya_02"


def test_stranger_in_the_slots_group_is_found(subject, machine, slot_account):
    machine.accounts["alice"] = slot_account("alice")

    told = [finding.what for finding in check_membership(subject) if finding.level is Level.FAIL]

    assert told == ["alice is in the group thaniya-slots, but is no slot of the state"]


@pytest.mark.parametrize(
    ("changes", "words"), [({"shell": "/usr/sbin/nologin"}, "cannot run the broker"), ({"uid": 0}, "must not be root")]
)
def test_service_account_that_cannot_serve_is_found(subject, machine, changes, words):
    machine.accounts["thaniya"] = replace(machine.accounts["thaniya"], **changes)

    (finding,) = check_service_account(subject)

    assert finding.level is Level.FAIL
    assert words in finding.what
