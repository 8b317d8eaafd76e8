"""The root helper, sudo, the key look-up, and whether what is installed is of this version."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from thaniya_core import __version__
from thaniya_core.doctor import programs
from thaniya_core.doctor.agreement import check_program, check_root_json, find_installation, judge_root_json
from thaniya_core.doctor.finding import Level
from thaniya_core.doctor.programs import (
    check_copies,
    check_helper,
    check_lookup,
    check_sudo,
    explain_failure,
    judge_copy,
    judge_lookups,
    judge_refusal,
    shipped_source,
)
from thaniya_core.setup import texts
from thaniya_core.system.run import Completed


@pytest.fixture
def copies(installed):
    """As setup writes them."""
    place = installed.installation
    place.root_helper.write_bytes(shipped_source("accounts", "root_helper").read_bytes())
    place.key_lookup.write_bytes(shipped_source("gate", "keys").read_bytes())
    place.sshd_drop_in.write_text(texts.sshd_drop_in(place))
    place.sudoers.write_text(texts.sudoers(place))
    return installed


def levels(findings):
    return [finding.level for finding in findings]


def failures(findings):
    return [finding for finding in findings if finding.level is Level.FAIL]


def test_copies_of_this_version_are_accepted(copies):
    assert set(levels(check_copies(copies))) == {Level.OK}


@pytest.mark.parametrize("which", ["root_helper", "key_lookup", "sshd_drop_in", "sudoers", "cron"])
def test_copy_of_another_version_is_renewed_by_setup(copies, which):
    file = getattr(copies.installation, which)
    file.write_text("of an older version\n")

    (finding,) = failures(check_copies(copies))

    assert str(file) in finding.what
    assert finding.cure == "thaniya setup openssh"


def test_missing_copy_is_told(tmp_path):
    assert judge_copy("name", tmp_path / "helper", None, b"source").what.endswith("is missing")


@pytest.mark.parametrize(
    ("exit_code", "stderr", "level"),
    [
        (2, "thaniya-root: wrong arguments\n", Level.OK),
        (0, "", Level.FAIL),
        (2, "sudo: unknown option\n", Level.FAIL),
        (1, "sudo: a password is required\n", Level.FAIL),
        (127, "env: python3: not found\n", Level.FAIL),
    ],
)
def test_helper_must_refuse_wrong_arguments(exit_code, stderr, level):
    assert judge_refusal("root helper", run_of(exit_code, stderr), "mend it").level is level


@pytest.mark.parametrize("owner", ["alice", "thaniya"])
def test_helper_that_others_could_have_changed_is_not_run(installed, machine, owner):
    machine.owners[installed.installation.root_helper] = owner

    assert levels([*check_helper(installed)]) == [Level.SKIPPED]
    assert machine.commands == []


def test_sudo_with_a_broken_configuration_is_told(installed, machine):
    machine.answer("visudo", stderr="/etc/sudoers.d/thaniya:1: syntax error\n", exit_code=1)

    (finding,) = check_sudo(installed)

    assert "syntax error" in finding.what


def test_sudo_cannot_be_tried_by_somebody_else(installed, machine):
    machine.who = "alice"

    assert levels(check_sudo(installed)) == [Level.SKIPPED]


def run_of(exit_code=0, stderr=""):
    return Completed(("thaniya-keys", "thaniya"), exit_code, b"", stderr.encode())


@pytest.mark.parametrize(
    ("runs", "level"),
    [
        ([(run_of(), 0.3), (run_of(), 0.03)], Level.OK),
        ([(run_of(), 0.3), (run_of(), 0.2)], Level.WARN),
        ([(run_of(), 0.01), (run_of(1), 0.01)], Level.FAIL),
    ],
)
def test_key_lookup_must_work_and_be_quick(runs, level):
    assert levels(judge_lookups("key look-up", runs, "why")) == [level]


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "JSONDecodeError"), ('{"format": 2}', "has format 2"), ('{"format": 1, "users": {}}', "the system's log")],
)
def test_reason_that_only_the_log_has_is_found_out(tmp_path, content, words):
    (tmp_path / "state.json").write_text(content)

    assert words in explain_failure(tmp_path / "state.json", "thaniya")


def test_key_lookup_is_run_for_the_control_account(installed, machine, monkeypatch):
    monkeypatch.setattr(programs, "find_unsafe", lambda *_: None)  # it lies in a temporary directory here
    lookup = str(installed.installation.key_lookup)
    machine.answer(lookup)

    list(check_lookup(installed))

    assert machine.commands[0] == [lookup, "thaniya"]


def test_key_lookup_that_others_could_have_exchanged_is_not_run(installed, machine):
    machine.answer(str(installed.installation.key_lookup))
    machine.owners[installed.installation.key_lookup] = "mallory"

    (finding,) = check_lookup(installed)

    assert (finding.level, "others than root" in finding.what) == (Level.SKIPPED, True)
    assert machine.commands == []


def test_nothing_is_tried_as_the_service_when_that_is_root(installed, machine):
    machine.accounts["thaniya"] = replace(machine.accounts["thaniya"], uid=0)

    list(check_lookup(installed))

    assert machine.commands == []


def test_root_json_as_setup_writes_it_is_accepted(subject):
    place = subject.installation

    assert list(judge_root_json(texts.root_json(place).encode(), place)) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("slots", "/elsewhere"),
        ("spool", "/elsewhere"),
        ("state", "/elsewhere"),
        ("user", "root"),
        ("shell", "/bin/sh"),
        ("broker", ["x"]),
    ],
)
def test_root_json_that_says_other_than_the_configuration_is_found(subject, key, value):
    place = subject.installation
    content = json.dumps(json.loads(texts.root_json(place)) | {key: value}).encode()

    (finding,) = judge_root_json(content, place)

    assert finding.what.startswith(f"{key} is ")
    assert finding.cure == "thaniya setup openssh"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"slots": 5}'])
def test_root_json_that_is_broken_is_found(subject, content):
    (finding,) = judge_root_json(content, subject.installation)

    assert "not understood" in finding.what


def test_missing_root_json_is_found(subject):
    assert levels(check_root_json(subject)) == [Level.FAIL]


def test_program_is_the_one_of_root_json(subject, machine, monkeypatch):
    content = texts.root_json(subject.installation).encode()
    monkeypatch.setattr(machine, "read", lambda path: content)

    assert find_installation(subject.config, machine).program == subject.installation.program


@pytest.mark.parametrize(
    ("answer", "level"),
    [
        ({"stdout": f"thaniya {__version__}\n"}, Level.OK),
        ({"stdout": "thaniya 0.0.1\n"}, Level.FAIL),
        ({"stderr": "Permission denied\n", "exit_code": 126}, Level.FAIL),
    ],
)
def test_service_user_must_be_able_to_run_the_program(subject, machine, answer, level):
    machine.answer(str(subject.installation.program), **answer)
    machine.answer("test")

    assert levels(check_program(subject)) == [level]


def test_configuration_that_the_service_cannot_read_is_found(subject, machine):
    machine.answer(str(subject.installation.program), f"thaniya {__version__}\n")
    machine.answer("test", exit_code=1)

    (finding,) = failures(check_program(subject))

    assert str(subject.config.file) in finding.what


def test_without_its_account_nothing_of_the_service_is_tried(subject, machine):
    del machine.accounts["thaniya"]

    for check in (check_sudo, check_lookup, check_program):
        (finding,) = check(replace(subject))
        assert finding.what == "there is no account thaniya"
