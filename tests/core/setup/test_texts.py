"""What setup writes, as text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from thaniya_core.config import GateKind, load_config
from thaniya_core.setup import texts
from thaniya_core.setup.changes import Gone, NoUnit
from thaniya_core.setup.installation import Installation
from thaniya_core.setup.plan import RunBy, plan_base, plan_entry, plan_removal, plan_slot_entry
from thaniya_core.setup.units import service_unit

INSTALLATION = Installation(
    service_user="backup-srv", program=Path("/opt/thaniya/bin/thaniya"), slots=Path("/data/slots")
)


def blocks(text: str) -> dict[str, list[str]]:
    """The lines of each Match block; those before the first under the empty name."""
    found: dict[str, list[str]] = {"": []}
    name = ""
    for line in text.splitlines():
        if line.startswith("Match "):
            name = line
            found[name] = []
        elif line.strip() and not line.strip().startswith("#"):
            found[name].append(line.strip())
    return found


def test_drop_in_confines_service_and_slots_and_ends_its_last_block():
    found = blocks(texts.sshd_drop_in(INSTALLATION))
    assert list(found) == ["", "Match User backup-srv", "Match Group thaniya-slots", "Match all"]
    for name in ("Match User backup-srv", "Match Group thaniya-slots"):
        assert "AuthorizedKeysFile none" in found[name]
        assert "AuthorizedKeysCommand /usr/local/lib/thaniya/thaniya-keys %u" in found[name]
        assert "AuthorizedKeysCommandUser backup-srv" in found[name]
        assert "AuthenticationMethods publickey" in found[name]
        assert "DisableForwarding yes" in found[name]
    assert "ChrootDirectory /data/slots/%u" in found["Match Group thaniya-slots"]
    command = "ForceCommand internal-sftp -u 0027 -l VERBOSE -P mkdir,rmdir,symlink,readlink,hardlink,copy-data"
    assert command in found["Match Group thaniya-slots"]
    assert [line.split()[0] for line in found[""]] == ["MaxStartups"]
    assert found["Match all"] == []


def test_sudoers_allows_one_program_in_one_rule():
    *defaults, rule = texts.sudoers(INSTALLATION).splitlines()
    assert rule == "backup-srv ALL=(root) NOPASSWD: /usr/local/lib/thaniya/thaniya-root"
    assert defaults == ["Defaults:backup-srv !requiretty"]


def test_root_json_names_the_broker_with_its_configuration():
    facts = json.loads(texts.root_json(INSTALLATION))
    assert facts["user"] == "backup-srv"
    assert facts["slots"] == "/data/slots"
    assert facts["broker"] == ["/opt/thaniya/bin/thaniya", "--config", "/etc/thaniya/thaniya.toml", "broker"]


def test_configuration_is_read_as_it_was_meant(tmp_path):
    file = tmp_path / "thaniya.toml"
    file.write_text(texts.thaniya_toml(INSTALLATION))
    config = load_config(file)
    assert config.gate.kind is GateKind.OPENSSH
    assert config.gate.control_account == "backup-srv"
    assert config.gate.root_helper == INSTALLATION.root_helper
    assert (config.paths.state, config.paths.slots) == (INSTALLATION.state, Path("/data/slots"))


@pytest.mark.parametrize(
    ("installation", "code", "homes", "temporary"),
    [
        (INSTALLATION, "/usr/lib/python3", "yes", "yes"),
        (INSTALLATION, "/root/.local/share/uv/python", "no", "yes"),
        (INSTALLATION, "/tmp/venv", "yes", "no"),
        (Installation(volume=Path("/home/backups")), "/usr", "no", "yes"),
        (Installation(spool=Path("/var/tmp/spool")), "/usr", "yes", "no"),
    ],
)
def test_unit_hides_only_what_the_service_does_not_need(installation, code, homes, temporary):
    unit = service_unit(installation, [Path(code)])
    assert f"\nProtectHome={homes}\n" in unit
    assert f"\nPrivateTmp={temporary}\n" in unit


def test_unit_sets_nothing_that_keeps_sudo_from_becoming_root():
    forbidden = {
        "NoNewPrivileges", "PrivateDevices", "RestrictNamespaces", "SystemCallFilter", "MemoryDenyWriteExecute",
        "LockPersonality", "RestrictSUIDSGID", "ProtectKernelTunables", "ProtectClock", "DynamicUser",
    }  # fmt: skip
    names = {line.partition("=")[0] for line in service_unit(INSTALLATION).splitlines() if not line.startswith("#")}
    assert not names & forbidden
    assert {"User", "CapabilityBoundingSet", "ProtectSystem"} <= names


@pytest.mark.parametrize(
    ("run_by", "written"),
    [
        (RunBy.SYSTEMD, ["/etc/systemd/system/thaniya.service"]),
        (RunBy.CRON, ["/etc/cron.d/thaniya"]),
        (RunBy.NOTHING, []),
    ],
)
def test_service_is_kept_going_by_what_was_chosen(run_by, written):
    _, *others = plan_entry(INSTALLATION, run_by)
    gone = (Gone, NoUnit)
    assert [str(change.path) for change in others if not isinstance(change, gone)] == written
    left = {"/etc/systemd/system/thaniya.service", "/etc/cron.d/thaniya"} - set(written)
    assert {str(change.path) for change in others if isinstance(change, gone)} == left


def test_cron_line_runs_a_pass_as_the_service_user():
    assert "\n* * * * * backup-srv /opt/thaniya/bin/thaniya --config " in texts.cron(INSTALLATION)


def test_programs_that_run_as_root_are_whole_copies():
    contents = {
        change.path.name: change.content
        for change in plan_base(INSTALLATION, has_volume=True)
        if hasattr(change, "content")
    }
    assert contents["thaniya-root"].startswith("#!/usr/bin/python3 -IS\n")
    assert contents["thaniya-keys"].startswith("#!/usr/bin/python3 -IS\n")
    assert "import thaniya" not in contents["thaniya-root"] + contents["thaniya-keys"]


def test_drop_in_for_old_scp_runs_one_program_without_a_chroot():
    found = blocks(texts.sshd_drop_in(replace(INSTALLATION, legacy_scp=True)))
    usual = blocks(texts.sshd_drop_in(INSTALLATION))
    slots = "Match Group thaniya-slots"
    assert found[slots][-2:] == ["ChrootDirectory none", "ForceCommand /usr/local/lib/thaniya/thaniya-slot"]
    assert found | {slots: found[slots][:-2]} == usual | {slots: usual[slots][:-2]}


@pytest.mark.parametrize(
    ("is_on", "shell"), [(True, "/usr/local/lib/thaniya/thaniya-slot"), (False, "/usr/sbin/nologin")]
)
def test_new_slots_get_the_shell_that_is_told_to_the_root_helper(is_on, shell):
    assert json.loads(texts.root_json(replace(INSTALLATION, legacy_scp=is_on)))["shell"] == shell


def test_program_of_the_slots_is_a_whole_copy_and_only_there_when_it_is_used():
    def contents(installation):
        plan = plan_base(installation, has_volume=True)
        return {change.path: change.content for change in plan if hasattr(change, "content")}

    on = replace(INSTALLATION, legacy_scp=True)
    program = contents(on)[on.slot_program]
    assert program.startswith("#!/usr/bin/python3 -IS\n")
    assert "import thaniya" not in program
    assert on.slot_program not in contents(INSTALLATION)
    assert Gone(on.slot_program) in plan_slot_entry(INSTALLATION, [])
    assert Gone(on.slot_program) in plan_removal(INSTALLATION)
