"""Owners, modes and the directories above."""

from __future__ import annotations

from pathlib import Path

import pytest

from thaniya_core.doctor.finding import Level
from thaniya_core.doctor.machine import PathStatus
from thaniya_core.doctor.owners import (
    WantedPath,
    check_chains,
    check_owners,
    judge_chain,
    judge_path,
)

DIRECTORY = Path("/srv/thaniya")


def status(owner="root", mode=0o755, group="root", is_directory=True):
    return PathStatus(owner, group, mode, is_directory, 1)


def failures(findings):
    return [finding for finding in findings if finding.level is Level.FAIL]


def test_what_setup_makes_is_accepted(installed):
    assert [finding.level for finding in check_owners(installed)] == [Level.OK, Level.OK]


@pytest.mark.parametrize(
    ("found", "cure"),
    [
        (status("alice"), f"chown root:root {DIRECTORY} && chmod 0755 {DIRECTORY}"),
        (status(mode=0o775), f"chmod 0755 {DIRECTORY}"),
        (status(mode=0o757), f"chmod 0755 {DIRECTORY}"),
        (status(mode=0o100), f"chmod 0500 {DIRECTORY}"),
    ],
)
def test_wrong_owner_or_mode_is_told_with_the_command_that_mends_it(found, cure):
    finding = judge_path(WantedPath(DIRECTORY, "root", 0o022, 0o500), found)

    assert finding.level is Level.FAIL
    assert finding.cure == cure


def test_right_owner_and_mode_are_nothing_to_tell():
    assert judge_path(WantedPath(DIRECTORY, "root", 0o022, 0o500), status()) is None


def test_missing_path_is_made_by_what_makes_it():
    assert judge_path(WantedPath(DIRECTORY, "root", 0o022, made_by="make it"), None).cure == "make it"


def test_file_where_a_directory_should_be_is_told():
    assert "is no directory" in judge_path(WantedPath(DIRECTORY, "root", 0), status(is_directory=False)).what


def test_writable_upload_directory_is_found(installed):
    upload = installed.installation.slots / "thaniya_02" / "upload"
    upload.chmod(0o2777)

    (finding,) = failures(check_owners(installed))

    assert finding.cure == f"chmod 2770 {upload}"


def test_state_file_of_root_is_found(installed, machine):
    state = installed.installation.state
    (state / "log").mkdir()
    (state / "log" / "2026-11.jsonl").touch()
    (state / "state.json").touch()
    machine.owners |= {state / "log": "thaniya", state / "state.json": "thaniya"}

    (finding,) = failures(check_owners(installed))

    assert str(state / "log" / "2026-11.jsonl") in finding.what
    assert finding.cure == f"chown --recursive thaniya: {state / 'log'}"


def test_volume_in_the_state_directory_is_not_looked_through(installed):
    (installed.installation.state / "volume").mkdir()
    (installed.installation.state / "volume" / "file").touch()

    assert not failures(check_owners(installed))


@pytest.mark.parametrize("bad", [status("alice"), status(mode=0o775), status(mode=0o757)])
def test_directory_above_the_chroot_is_named_with_its_cure(bad):
    chain = [(Path("/"), status()), (Path("/srv"), bad)]

    (finding,) = judge_chain("way", "sshd lets nobody in", chain)

    assert finding.what.startswith("/srv ")
    assert finding.cure == "chown root:root /srv && chmod g-w,o-w /srv"


def test_directory_for_everybody_is_not_to_be_closed():
    (finding,) = judge_chain("way", "why", [(Path("/tmp"), status(mode=0o1777))])

    assert "chmod" not in finding.cure


def test_links_on_the_way_are_resolved(installed, machine, tmp_path):
    library = installed.installation.library
    library.rename(tmp_path / "elsewhere")
    library.symlink_to(tmp_path / "elsewhere")
    machine.owners[tmp_path / "elsewhere"] = "alice"

    told = " ".join(finding.what for finding in failures(check_chains(installed)))

    assert f"{tmp_path / 'elsewhere'} does not belong to root" in told
