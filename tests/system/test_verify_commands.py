"""`thaniya backup verify`, and what `list` and `show` tell of compression and sharing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic

import pytest

from thaniya_core.cli.main import run
from thaniya_core.initialise import initialise
from thaniya_core.server import open_server
from thaniya_core.testing import FixedClock

SQL = b"insert into t values (1);\n" * 4000


@pytest.fixture
def config(tmp_path):
    initialise(tmp_path / "server", "test", slots=2)
    file = tmp_path / "server" / "thaniya.toml"
    file.write_text(file.read_text() + '\n[compression]\n"*.sql" = "xz"\n')
    return file


@pytest.fixture
def command(config, capfd):
    """Runs a command; gives exit code, stdout and stderr."""

    def call(*arguments, told=""):
        capfd.readouterr()
        exit_code = run(["--config", str(config), *arguments])
        out, err = capfd.readouterr()
        assert told in out + err, out + err
        return exit_code, out, err

    return call


@pytest.fixture
def back_up(config):
    """Archives files of alice in a series of web1; gives the backup's id."""
    clock = FixedClock()
    server = open_server(config, clock)
    server.users.add("alice", [], "test")

    def make(name="nightly", **files):
        clock.advance(60)
        upload = server.allocator.allocate("alice", "web1", name, 10_000_000, "peer", "alice@peer")
        for file, data in (files or {"notes__txt": b"some notes"}).items():
            (server.accounts.directory(upload.slot) / file.replace("__", ".")).write_bytes(data)
        server.uploads.complete(upload.id, None, "alice")
        server.close_slots()
        while server.worker.run_due():
            server.worker.drain()
        return upload.id

    return make


def lines(out):
    return [json.loads(line) for line in out.splitlines()]


def verified(out):
    return {line["id"] for line in lines(out) if line["message_type"] == "verified"}


def listed_bytes(command, backup):
    listed = json.loads(command("backup", "list", "--json")[1])
    return next(line["document"]["stored_bytes"] for line in listed if line["document"]["id"] == backup)


def damage(config, backup, name="notes.txt"):
    (place,) = config.parent.glob(f"volume/archive/*/*/*/{backup}")
    (place / name).chmod(0o640)
    (place / name).write_bytes(b"damaged!!!")


def test_selection_is_by_id_series_age_and_sample(command, back_up, config):
    nightly = [back_up() for _ in range(3)]
    weekly = back_up("weekly")

    assert verified(command("backup", "verify", nightly[0], weekly, "--json")[1]) == {nightly[0], weekly}
    assert verified(command("backup", "verify", "--series", "alice/web1/nightly", "--json")[1]) == {*nightly}
    assert verified(command("backup", "verify", "--all", "--json")[1]) == {*nightly, weekly}
    sampled = verified(command("backup", "verify", "--sample", "50%", "--json")[1])
    assert (len(sampled), sampled <= {*nightly, weekly}) == (2, True)
    assert verified(command("backup", "verify", "--older-than", "1000d", "--json")[1]) == set()
    assert command("backup", "verify", "--older-than", "999999999999w")[0] == 0
    assert command("backup", "verify", "--older-than", "1000d", told="no backup fits")[0] == 0
    both = command(
        "backup", "verify", "--series", "alice/web1/weekly", "--older-than", "0s", "--sample", "1%", "--json"
    )
    assert verified(both[1]) == {weekly}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "give ids; or --all, --series"),
        (("20260101T000000Z-000000", "--all"), "give ids; or --all"),
        (("--sample", "0%"), "is not a part in a hundred"),
        (("--sample", "101%"), "is not a part in a hundred"),
        (("--older-than", "often"), "is not a duration"),
        (("--all", "--limit-rate", "fast"), "is not a size"),
        (("--series", "alice"), "is not a series"),
        (("--all", "--scratch", "/tmp"), "add --test-restore"),
    ],
)
def test_wrong_options_are_told(command, arguments, told):
    assert command("backup", "verify", *arguments, told=told)[0] == 2


def test_broken_backup_is_told_marked_and_ends_with_8_and_the_others_are_read(command, back_up, config):
    bad, good = back_up(), back_up("weekly")
    damage(config, bad)

    exit_code, out, err = command("backup", "verify", "--all", "--json")

    assert exit_code == 8
    assert {line["id"]: line["good"] for line in lines(out)} == {bad: False, good: True}
    assert json.loads(err.splitlines()[-1])["message"] == "1 of 2 backups are broken"
    assert command("backup", "list", told="BROKEN: notes.txt")[0] == 0
    events = [line for line in lines(command("log", "--json")[1]) if line["action"] == "backup.verify"]
    assert sorted(event["ok"] for event in events) == [False, True]


def test_backup_that_is_not_there_is_told_with_its_own_code(command, back_up, config):
    gone, good = back_up(), back_up("weekly")
    (place,) = config.parent.glob(f"volume/archive/*/*/*/{gone}")
    place.rename(place.with_name("elsewhere"))

    exit_code, out, _ = command("backup", "verify", "--all", "--json")

    assert exit_code == 4
    assert {line["id"]: line["good"] for line in lines(out)} == {gone: False, good: True}


def test_the_one_read_longest_ago_is_read_first(command, back_up):
    first, second, third = (back_up() for _ in range(3))
    command("backup", "verify", first)

    read = [line["id"] for line in lines(command("backup", "verify", "--all", "--json")[1])]

    assert read == [second, third, first]


def test_series_without_backups_is_not_found(command, back_up):
    back_up()
    assert command("backup", "verify", "--series", "alice/web1/nigthly", told="no backup of the series")[0] == 4


def test_backup_that_lost_a_file_is_shown_and_can_be_removed(command, back_up, config):
    lost, good = back_up(), back_up("weekly")
    (place,) = config.parent.glob(f"volume/archive/*/*/*/{lost}")
    (place / "notes.txt").unlink()
    assert command("backup", "verify", lost, told="notes.txt cannot be read")[0] == 8

    shown = json.loads(command("backup", "show", lost, "--json")[1])

    assert (shown["directory"], shown["own_bytes"]) == (str(place), 0)
    assert command("backup", "remove", lost, "--yes", told="freed:   0 B")[0] == 0
    assert [each["document"]["id"] for each in json.loads(command("backup", "list", "--json")[1])] == [good]


def test_trial_restores_every_backup_and_leaves_nothing(command, back_up, config, tmp_path):
    back_up(dump__sql=SQL, notes__txt=b"notes")

    assert command("backup", "verify", "--all", "--test-restore", told="good")[0] == 0
    assert command("backup", "verify", "--all", "--test-restore", "--scratch", str(tmp_path / "s"), told="good")[0] == 0
    for place in (tmp_path / "s", config.parent / "volume" / ".testing"):
        assert [path.name for path in place.iterdir()] == [".thaniya-trial.lock"]


def test_rate_is_kept(command, back_up):
    backup = back_up(noise__bin=os.urandom(600_000))
    begun = monotonic()

    assert command("backup", "verify", backup, "--limit-rate", "500K")[0] == 0

    assert monotonic() - begun > 1


def test_list_show_and_files_tell_of_both_forms_and_of_what_is_shared(command, back_up):
    first = back_up(dump__sql=SQL, photos__bin=b"photos" * 1000)
    second = back_up(dump__sql=SQL, photos__bin=b"photos" * 1000)

    shown = json.loads(command("backup", "show", second, "--json")[1])["document"]
    files = {file["name"]: file for file in shown["files"]}
    assert files["dump.sql.xz"]["uploaded_name"] == "dump.sql"
    assert files["dump.sql.xz"]["uploaded_bytes"] == len(SQL)
    assert {file["shared_with"] for file in files.values()} == {first}
    assert shown["shared_bytes"] == shown["stored_bytes"]
    command("backup", "show", second, told="uploaded as dump.sql, 101.6 KiB")
    command("backup", "show", second, told=f"shared with {first}")
    command("backup", "show", second, told="of which earlier backups had")
    listed = {line["document"]["id"]: line["document"] for line in json.loads(command("backup", "list", "--json")[1])}
    assert (listed[first]["shared_bytes"], listed[second]["shared_bytes"]) == (0, listed[second]["stored_bytes"])
    names = [line["path"] for line in lines(command("backup", "files", second, "--json")[1])]
    assert names == ["dump.sql", "photos.bin"]
    assert json.loads(command("backup", "show", second, "--json")[1])["own_bytes"] == 0
    command("backup", "remove", second, "--yes", told="freed:   0 B")
    assert json.loads(command("backup", "show", first, "--json")[1])["own_bytes"] == listed_bytes(command, first)


def test_rule_that_is_wrong_is_told_with_file_and_key(command, config):
    config.write_text(config.read_text().replace('"*.sql" = "xz"', '"*.sql" = "zip"'))

    assert command("backup", "list", told="""thaniya.toml: compression."*.sql": 'zip' is no format""")[0] == 2


def test_setting_of_the_period_is_read_and_a_wrong_one_is_told(command, config):
    text = config.read_text()
    config.write_text(text + '\n[verify]\nevery = "90d"\nlimit_rate = "10M"\nmost_per_run = "1T"\n')
    assert open_server(config).config.verify.every == 90 * 86400
    assert command("backup", "list")[0] == 0
    config.write_text(text + '\n[verify]\nevry = "90d"\n')
    assert command("backup", "list", told="evry")[0] == 2


@pytest.mark.parametrize("trial", [(), ("--test-restore",)])
def test_interrupted_verification_leaves_nothing(back_up, config, wait_until, trial):
    backup = back_up(noise__bin=os.urandom(3_000_000))
    before = open_server(config).catalog.get(backup)
    command = [sys.executable, "-m", "thaniya_core", "--config", str(config), "backup", "verify", "--all"]
    process = subprocess.Popen([*command, "--limit-rate", "10K", *trial], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: "noise.bin" in open_files(process.pid), "the reading")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.wait()

    assert open_server(config).catalog.get(backup) == before
    assert list(config.parent.glob("volume/.testing/thaniya*")) == []


def open_files(pid):
    """The names of the files that a process has open."""
    names = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            names.add(descriptor.readlink().name)
        except OSError:
            pass  # it was closed in this moment
    return names
