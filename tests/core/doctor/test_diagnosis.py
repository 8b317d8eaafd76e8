"""The examination as a whole, and its command."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from thaniya_core.cli.main import run
from thaniya_core.doctor import Finding, Level, diagnose, make_subject
from thaniya_core.doctor.examination import Check, examine
from thaniya_core.errors import CommandFailed


def raising(error):
    def look(_):
        yield Finding("first", Level.OK, "seen")
        raise error

    return look


@pytest.mark.parametrize(
    ("error", "level", "what"),
    [
        (PermissionError(13, "Permission denied", "/secret"), Level.SKIPPED, "root may not look at /secret"),
        (OSError(5, "Input/output error", "/disk"), Level.FAIL, "cannot be looked at: Input/output error: /disk"),
        (CommandFailed("it is not there", hint="install it"), Level.FAIL, "it is not there"),
    ],
)
def test_check_that_breaks_off_is_told_and_keeps_none_from_being_made(subject, error, level, what):
    found = examine(subject, [Check("one", raising(error)), Check("two", lambda _: [Finding("two", Level.OK, "")])])

    assert [finding.name for finding in found] == ["first", "one", "two"]
    assert (found[1].level, found[1].what) == (level, what)


def test_what_needs_root_is_skipped_with_the_reason_for_anybody_else(subject, machine):
    machine.who = "alice"

    (finding,) = examine(subject, [Check("one", raising(OSError()), needs_root=True)])

    assert finding == Finding("one", Level.SKIPPED, "only root can look at this")


def test_server_that_was_never_set_up_is_told_in_one_line(subject, machine):
    machine.accounts.clear()

    failed = [finding for finding in diagnose(subject) if finding.level is Level.FAIL and finding.name == "setup"]

    assert [finding.cure for finding in failed] == ["thaniya setup openssh"]


def test_state_that_may_not_be_seen_is_not_taken_for_an_empty_one(subject, machine, monkeypatch):
    monkeypatch.setattr(machine, "may_list", lambda directory: False)

    hidden = make_subject(subject.config, machine, subject.store, subject.clock)

    assert hidden.state is None
    assert hidden.slot_names == ["thaniya_01", "thaniya_02"]


def test_every_check_can_be_made_by_anybody(installed, machine):
    machine.who = "alice"
    machine.forbidden = {installed.config.paths.state, installed.installation.sudoers}

    found = diagnose(replace(installed, state=None))

    assert {finding.level for finding in found} >= {Level.SKIPPED}


def listing(directory: Path) -> dict[str, tuple[int, int]]:
    paths = [directory, *directory.rglob("*")]
    return {str(path): (os.lstat(path).st_mtime_ns, os.lstat(path).st_ino) for path in paths}


@pytest.fixture
def quiet_port(root):
    """Nobody listens on port 1."""
    file = root / "thaniya.toml"
    file.write_text(file.read_text().replace("port = 2222", "port = 1"))
    return file


def test_embedded_server_is_well_and_nothing_is_changed(root, quiet_port, capsys):
    before = listing(root)

    exit_code = run(["--config", str(quiet_port), "doctor", "--json"])

    found = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert (exit_code, listing(root)) == (0, before)
    assert found["server answers"]["level"] == "warn"
    assert found["volume first"]["level"] == "ok"
    assert not any(name.startswith("sshd") for name in found)


def test_what_failed_is_shown_with_its_cure(root, quiet_port, capsys):
    (root / "state").chmod(0o777)

    exit_code = run(["--config", str(quiet_port), "doctor"])

    shown = capsys.readouterr().out
    assert exit_code == 1
    assert f"✗ failed   mode of {root / 'state'}" in shown
    assert f"    chmod go-w {root / 'state'}" in shown


def test_missing_directories_are_told_and_not_made(root, quiet_port, capsys):
    (root / "spool").rmdir()

    exit_code = run(["--config", str(quiet_port), "doctor"])

    assert exit_code == 1
    assert not (root / "spool").exists()


def test_configuration_that_is_wrong_is_a_finding(tmp_path, capsys):
    exit_code = run(["--config", str(tmp_path / "none.toml"), "doctor", "--json"])

    (finding,) = json.loads(capsys.readouterr().out)
    assert (exit_code, finding["name"], finding["level"]) == (1, "configuration", "fail")
