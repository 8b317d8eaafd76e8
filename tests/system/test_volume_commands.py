"""`thaniya volume …`: as an administrator uses it."""

from __future__ import annotations

import json

import pytest

from thaniya_core.server import open_server
from thaniya_core.tick import run_pass


@pytest.fixture
def command(run_command):
    """Runs a command; gives exit code and stdout."""
    return lambda *arguments, told="": run_command(*arguments, told=told)[:2]


@pytest.fixture
def backup(config):
    """A backup on the first volume; its id."""
    server = open_server(config)
    server.users.add("alice", [], "test")
    upload = server.allocator.allocate("alice", "web1", "nightly", 10, "peer", "alice@peer")
    (server.accounts.directory(upload.slot) / "notes.txt").write_bytes(b"some notes")
    server.uploads.complete(upload.id, None, "alice")
    run_pass(server)
    return upload.id


def listed(command):
    exit_code, out = command("volume", "list", "--json")
    return exit_code, {volume["label"]: volume for volume in json.loads(out)}


def test_volumes_are_added_listed_shown_and_set(command, backup, tmp_path):
    (tmp_path / "disk").mkdir()
    assert command("volume", "add", tmp_path / "disk")[0] == 0
    assert command("volume", "add", tmp_path / "disk", told="is the volume disk already")[0] == 1
    exit_code, volumes = listed(command)
    assert exit_code == 0
    assert [(each["active"], each["condition"], each["free_bytes"] > 0) for each in volumes.values()] == [
        (True, "ok", True)
    ] * 2
    assert json.loads(command("volume", "deactivate", "disk", "--json")[1])["active"] is False
    assert "all right, takes no new backups" in command("volume", "list")[1]
    assert command("volume", "activate", volumes["disk"]["id"])[0] == 0
    shown = json.loads(command("volume", "show", tmp_path / "disk", "--json")[1])
    assert (shown["active"], shown["backups"], shown["stored_bytes"]) == (True, 0, 0)
    assert json.loads(command("volume", "show", "first", "--json")[1])["backups"] == 1
    assert "stored:            10 B" in command("volume", "show", "first")[1]


def test_directory_is_made_only_when_told_to(command, tmp_path):
    assert command("volume", "add", tmp_path / "none/disk", told="there is no directory")[0] == 4
    assert command("volume", "add", tmp_path / "none/disk", "--make", told=f"mkdir -p {tmp_path}/none")[0] == 4
    assert not (tmp_path / "none").exists()
    (tmp_path / "none").mkdir()
    assert command("volume", "add", tmp_path / "none/disk", "--make", "--label", "usb")[0] == 0
    assert "usb" in listed(command)[1]


def test_missing_and_full_volumes_are_warned_of(command, backup, config, tmp_path):
    config.write_text(config.read_text() + '\n[volumes]\nlow = "1000P"\n')
    assert listed(command)[1]["first"]["condition"] == "low"
    assert command("volume", "list")[0] == 3
    assert "NEARLY FULL" in command("volume", "list")[1]
    for _ in range(2):
        assert command("schedule", "--run", "volumes")[0] == 0
    assert command("log")[1].count("volume.low") == 1
    (tmp_path / "server/volume").rename(tmp_path / "server/away")
    exit_code, out = command("volume", "list")
    assert (exit_code, "NOT THERE" in out) == (3, True)
    assert command("schedule", "--run", "volumes")[0] == 0
    assert command("log")[1].count("volume.missing") == 1
    command("volume", "deactivate", "first")
    exit_code, out = command("volume", "list")
    assert (exit_code, "not there, takes no new backups" in out) == (0, True)


def test_moved_volume_is_found(command, backup, config, tmp_path):
    (tmp_path / "server/volume").rename(tmp_path / "server/away")
    (tmp_path / "media").mkdir()
    (tmp_path / "server/away").rename(tmp_path / "media/usb")
    assert command("volume", "rescan")[0] == 3
    assert "NOT FOUND" in command("volume", "rescan")[1]
    assert command("backup", "verify", "--all")[0] == 4
    config.write_text(config.read_text() + f'\n[volumes]\nsearch = ["{tmp_path}/media"]\n')

    exit_code, out = command("volume", "rescan")

    assert (exit_code, out) == (0, f"moved: first, now at {tmp_path}/media/usb\n")
    assert command("volume", "rescan")[1] == "volumes: all are where they were\n"
    assert command("volume", "rescan", tmp_path / "mistyped", told="there is no directory")[0] == 4
    assert command("backup", "verify", "--all")[0] == 0
    assert command("log")[1].count("volume.move") == 1


def test_volume_is_forgotten_and_taken_up_again(command, backup, tmp_path):
    assert command("volume", "remove", "first", told="1 backups in the catalog are on the volume first")[0] == 1
    assert command("volume", "remove", "first", "--forget-backups", told="give --yes")[0] == 2
    told = json.loads(command("volume", "remove", "first", "--forget-backups", "--yes", "--json")[1])
    assert told["forgotten_backups"] == 1
    assert command("backup", "list")[1] == "no backup fits\n"
    assert command("volume", "list")[1].startswith("no volumes")
    exit_code, out = command("volume", "rescan", tmp_path / "server")
    assert (exit_code, "not known here: first" in out) == (0, True)
    assert "thaniya catalog rebuild" in command("volume", "rescan", tmp_path / "server", "--add")[1]
    assert command("catalog", "rebuild")[0] == 0
    assert backup in command("backup", "list")[1]
    assert command("volume", "remove", "none", told="there is no volume none")[0] == 4
