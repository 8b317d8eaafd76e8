"""bwrap, and what sshd calls SFTP, as they matter with `legacy_scp`."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from thaniya_core.doctor.confinement import check_bwrap, check_subsystem, judge_subsystem
from thaniya_core.doctor.finding import Level
from thaniya_core.setup.confinement import find_cure


@pytest.fixture
def confined(installed, machine):
    """The same server with the option on."""
    place = replace(installed.installation, legacy_scp=True)
    place.slot_program.touch()
    machine.answer("bwrap", "bubblewrap 0.8.0\n")
    machine.answer(str(place.slot_program))
    return replace(installed, installation=place)


def test_nothing_is_looked_at_while_the_option_is_off(installed, machine):
    assert [*check_bwrap(installed), *check_subsystem(installed)] == []
    assert machine.commands == []


def test_each_slot_is_tried(confined, machine):
    (finding,) = check_bwrap(confined)

    assert (finding.level, finding.what) == (Level.OK, "bubblewrap 0.8.0 confines what logins to 2 slots run")
    assert machine.commands[1:] == [[str(confined.installation.slot_program), "try"]] * 2


def test_missing_bwrap_is_to_be_installed_or_the_option_switched_off(confined, machine):
    del machine.answers["bwrap"]

    (finding,) = check_bwrap(confined)

    assert (finding.level, finding.cure.startswith("apt install bubblewrap, or: ")) == (Level.FAIL, True)


def test_slots_that_cannot_be_entered_are_told_together(confined, machine):
    machine.answer(str(confined.installation.slot_program), stderr="bwrap: No permissions\n", exit_code=1)

    (finding,) = check_bwrap(confined)

    assert finding.what == "thaniya_01, thaniya_02 cannot be entered: bwrap: No permissions"
    assert "legacy_scp = false" in finding.cure


def test_missing_program_is_made_by_setup(confined):
    confined.installation.slot_program.unlink()

    (finding,) = check_bwrap(confined)

    assert (finding.level, finding.cure) == (Level.FAIL, "thaniya setup openssh")


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("kernel/unprivileged_userns_clone", b"0\n", "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", b"0\n", "sysctl -w user.max_user_namespaces=10000"),
        ("kernel/apparmor_restrict_unprivileged_userns", b"1\n", "kernel.apparmor_restrict_unprivileged_userns=0"),
        ("user/max_user_namespaces", b"96364\n", "in a container"),
    ],
)
def test_setting_that_forbids_user_namespaces_is_named(setting, value, words):
    assert words in find_cure({Path("/proc/sys") / setting: value}.get)


@pytest.mark.parametrize(
    ("subsystems", "level"),
    [
        (["sftp /usr/lib/openssh/sftp-server -l INFO"], Level.OK),
        (["other x", "sftp internal-sftp"], Level.OK),
        (["sftp /opt/own-sftp"], Level.FAIL),
        ([], Level.FAIL),
    ],
)
def test_subsystem_must_be_known_as_sftp(subsystems, level):
    assert judge_subsystem(subsystems).level is level
