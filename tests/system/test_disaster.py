"""docs/disaster.md, as it stands there: its commands are run, on what a lost server left behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from thaniya_client import Directory, ThaniyaServer
from thaniya_client.connectors.ssh.keys import make_key, public_line
from thaniya_core.initialise import initialise
from thaniya_core.server import open_server
from thaniya_core.service import Service

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "disaster.md"


@pytest.fixture
def source(tmp_path):
    """What is backed up."""
    place = tmp_path / "home"
    (place / "docs").mkdir(parents=True)
    (place / "docs/notes.txt").write_text("some notes\n")
    (place / "docs/link").symlink_to("notes.txt")
    return place


@pytest.fixture
def key(tmp_path):
    make_key(tmp_path / "keys/id")
    (tmp_path / "alice.pub").write_text(public_line(tmp_path / "keys/id"))
    return tmp_path / "keys/id"


@pytest.fixture
def back_up(tmp_path, key, source):
    """Backs up to a running server as alice, and gives the id."""

    def back_up(service, name):
        with ThaniyaServer(
            "127.0.0.1",
            port=service.gate.port,
            key=key,
            known_hosts=tmp_path / f"known_hosts_{service.gate.port}",
            accept_new=True,
        ) as client:
            made = client.backup(Directory(source), name=name, host="web1").id
            return made, [backup.id for backup in client.backups()]

    return back_up


@pytest.fixture
def lost(tmp_path, key, back_up):
    """A server with backups on two volumes, one of them pinned; then all but the volumes is lost. Gives the ids."""
    (tmp_path / "mnt/backup").mkdir(parents=True)
    server = initialise(tmp_path / "old", "test", volume=tmp_path / "mnt/backup", port=0)
    server.users.add("alice", [public_line(key)], "test")
    with Service(server) as service:
        ids = [back_up(service, "nightly")[0]]
        server.volumes.add(tmp_path / "mnt/backup2", "second", "test")
        server.volumes.set_active(server.volumes.get("first"), False, "test")
        ids.append(back_up(service, "weekly")[0])
    assert {server.catalog.get(each).volume for each in ids} == {volume.id for volume in server.volumes.all()}
    server.backups.pin(server.catalog.get(ids[0]), True, "test")
    shutil.rmtree(tmp_path / "old")
    return ids


@pytest.fixture
def documented(tmp_path, lost):
    """Runs the commands of a section of the document, with this test's paths for those in it; gives what they said."""
    restored = tmp_path / "restored"

    def run(heading):
        section = DOCUMENT.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
        script = "\n".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL))
        meant = {
            "/mnt/": f"{tmp_path}/mnt/",
            "/srv/thaniya": str(tmp_path / "new"),
            "/tmp/restored": str(restored),
            "alice.pub": str(tmp_path / "alice.pub"),
            "ID": lost[0],
        }
        written = "|".join(rf"\b{word}\b" if word == "ID" else re.escape(word) for word in meant)
        script = re.sub(written, lambda found: meant[found[0]], script)
        environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
        if heading.startswith("Restore without"):
            environment["PATH"] = "/usr/bin:/bin"
        done = subprocess.run(
            ["sh", "-eux", "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def same(restored, source):
    (place,) = [path for path in restored.rglob("docs") if path.is_dir()]
    return (place / "notes.txt").read_text() == (source / "docs/notes.txt").read_text() and (
        place / "link"
    ).readlink() == Path("notes.txt")


def test_backup_is_restored_without_thaniya(documented, lost, source, tmp_path):
    said = documented("Restore without Thaniya")

    assert f"alice/web1/nightly/{lost[0]}\n" in said
    assert "home.tar.gz: OK" in said
    assert same(tmp_path / "restored", source)


def test_new_server_lists_verifies_and_restores_everything(documented, lost, source, tmp_path, back_up):
    said = documented("A new server of the embedded kind")

    assert re.search(r"backups found: +2\n", said)
    assert all(f"{backup_id} alice/web1/" in said for backup_id in lost)
    assert said.count(": good\n") == 2
    assert same(tmp_path / "restored", source)
    server = open_server(tmp_path / "new/thaniya.toml")
    assert {backup.id: backup.notes.pinned for backup in server.catalog.find()} == {lost[0]: True, lost[1]: False}
    assert server.volumes.get("second").path == tmp_path / "mnt/backup2"

    text = server.config.file.read_text()
    server.config.file.write_text(text.replace("port = 2222", "port = 0"))
    with Service(open_server(server.config.file)) as service:
        made, seen = back_up(service, "nightly")

    assert seen == [made, *lost[::-1]]
    first = server.catalog.get(lost[0]).volume
    assert server.catalog.get(made).volume == first  # the series goes on where it was


def test_all_volumes_are_taken_up_at_once(lost, tmp_path, capfd):
    from thaniya_core.cli.main import run

    initialise(tmp_path / "new", "test")
    told = ["--config", str(tmp_path / "new/thaniya.toml")]
    assert run([*told, "volume", "rescan", str(tmp_path / "mnt"), "--add"]) == 0
    assert run([*told, "catalog", "rebuild"]) == 0
    capfd.readouterr()
    assert run([*told, "backup", "list", "--json"]) == 0
    assert {backup["document"]["id"] for backup in json.loads(capfd.readouterr().out)} == set(lost)


@pytest.fixture
def damaged(tmp_path, key, back_up, capfd):
    """A server with a backup, of which a part is going to be lost: its id, and a way to run commands."""
    from thaniya_core.cli.main import run

    server = initialise(tmp_path / "server", "test", port=0)
    server.users.add("alice", [public_line(key)], "test")
    with Service(server) as service:
        backup = back_up(service, "nightly")[0]

    def command(*arguments, ends_with=0):
        capfd.readouterr()
        assert run(["--config", str(tmp_path / "server/thaniya.toml"), *arguments]) == ends_with
        return capfd.readouterr().out

    return backup, command


def test_lost_catalog_is_made_anew(damaged, tmp_path):
    backup, command = damaged
    shutil.rmtree(tmp_path / "server/state/catalog")
    assert backup not in command("backup", "list")
    command("catalog", "rebuild")
    assert backup in command("backup", "list")


def test_state_that_cannot_be_read_is_replaced_by_the_one_before(damaged, tmp_path):
    backup, command = damaged
    state = tmp_path / "server/state/state.json"
    state.write_text('{"users": {"al')
    command("volume", "list", ends_with=1)
    shutil.copy(state.with_name("state.json.previous"), state)
    assert "first" in command("volume", "list")
    command("backup", "verify", backup)


def test_state_directory_is_made_anew_beside_the_configuration(damaged, tmp_path):
    backup, command = damaged
    place = tmp_path / "server"
    shutil.rmtree(place / "state")
    command("init", str(place), "--volume", str(place / "volume"), ends_with=1)
    (place / "thaniya.toml").rename(tmp_path / "aside")
    command("init", str(place), "--volume", str(place / "volume"))
    (tmp_path / "aside").rename(place / "thaniya.toml")
    command("catalog", "rebuild")
    command("backup", "verify", backup)


def test_volume_without_its_identity_becomes_a_new_one(damaged, tmp_path):
    backup, command = damaged
    volume = tmp_path / "server/volume"
    (volume / "volume.json").unlink()
    assert "NOT THERE" in command("volume", "list", ends_with=3)
    command("volume", "remove", "first", "--forget-backups", "--yes")
    command("volume", "add", str(volume))
    command("catalog", "rebuild")
    command("backup", "verify", backup)
    command("volume", "list")
