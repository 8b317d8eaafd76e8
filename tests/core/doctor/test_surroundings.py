"""Clock and programs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from thaniya_core.doctor.finding import Level
from thaniya_core.doctor.surroundings import (
    check_clock,
    check_restoring,
    judge_clock,
    judge_ntp,
    judge_openssh,
    judge_tar,
)
from thaniya_core.model import Event
from thaniya_core.system.run import Completed

NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)


def done(stdout="", stderr="", exit_code=0):
    return Completed(("program",), exit_code, stdout.encode(), stderr.encode())


@pytest.mark.parametrize(
    ("installed", "newest", "level"),
    [
        (NOW - HOUR, None, Level.OK),
        (NOW - HOUR, NOW, Level.OK),
        (NOW - HOUR, NOW + HOUR, Level.FAIL),
        (NOW + HOUR, None, Level.FAIL),
    ],
)
def test_clock_that_went_back_is_found(installed, newest, level):
    assert judge_clock(NOW, installed, newest).level is level


def test_event_of_the_future_is_found_in_the_log(subject, machine):
    machine.answer("timedatectl", "yes\n")
    subject.store.add_event(Event(subject.clock.now() + HOUR, "service", "upload.open"))

    finding = next(iter(check_clock(subject)))

    assert "the log has an event of" in finding.what


@pytest.mark.parametrize(
    ("stdout", "exit_code", "level"), [("yes\n", 0, Level.OK), ("no\n", 0, Level.WARN), ("", 1, Level.SKIPPED)]
)
def test_ntp_is_told_where_systemd_knows(subject, machine, stdout, exit_code, level):
    machine.answer("timedatectl", stdout, exit_code=exit_code)

    assert judge_ntp(subject).level is level


def test_machine_without_timedatectl_is_no_fault(subject):
    assert judge_ntp(subject).level is Level.SKIPPED


@pytest.mark.parametrize(
    ("stdout", "level"),
    [("tar (GNU tar) 1.34\nCopyright\n", Level.OK), ("bsdtar 3.6.2\n", Level.FAIL), ("", Level.FAIL)],
)
def test_tar_must_be_the_one_of_gnu(stdout, level):
    assert judge_tar(done(stdout)).level is level


PROGRAMS = ("gzip", "bzip2", "xz", "sha256sum")


def test_programs_that_restore_are_all_there(subject, machine):
    for program in PROGRAMS:
        machine.answer(program)

    (finding,) = check_restoring(subject)

    assert finding.level is Level.OK


@pytest.mark.parametrize(("rules", "level"), [({}, Level.WARN), ({"*.sql": "xz"}, Level.FAIL)])
def test_program_that_is_missing_is_told_with_how_to_install_it(subject, machine, rules, level):
    for program in set(PROGRAMS) - {"xz"}:
        machine.answer(program)

    (finding,) = check_restoring(replace(subject, config=replace(subject.config, compression=rules)))

    assert (finding.name, finding.level) == ("xz", level)
    assert finding.cure == "apt install xz-utils or dnf install xz"


@pytest.mark.parametrize(
    ("stderr", "level"),
    [
        ("OpenSSH_9.2p1 Debian-2, OpenSSL 3.0\n", Level.OK),
        ("OpenSSH_10.0p2\n", Level.OK),
        ("OpenSSH_7.4p1\n", Level.WARN),
        ("Dropbear\n", Level.WARN),
    ],
)
def test_old_openssh_is_told(stderr, level):
    assert judge_openssh(done(stderr=stderr)).level is level
