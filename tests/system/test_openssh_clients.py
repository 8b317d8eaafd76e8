"""Backups made and restored with nothing but OpenSSH and the usual programs."""

import hashlib
import json
import os
import subprocess

import pytest


def restored_by_server(box, backup, name="restored"):
    target = box.work / name
    done = box.thaniya("backup", "restore", backup, str(target))
    assert done.exit_code == 0, done.stderr
    return target


@pytest.mark.parametrize("options", [[], ["-O"], ["-C"], ["-p", "-q"]], ids=" ".join)
def test_scp_makes_a_backup(running_server, make_file, options):
    box = running_server
    files = [make_file("data.bin", 3_000_000), make_file("empty", 0), make_file("with.many-legal_signs+@=,%", 10)]
    allocated = box.allocate()
    done = box.scp("alice", *options, *map(str, files), f"{allocated.slot}@127.0.0.1:upload/")
    assert (done.exit_code, done.stderr) == (0, "")
    done = box.complete(allocated.upload, *files)
    assert (done.exit_code, done.stdout) == (0, "state=archived\n")
    target = restored_by_server(box, allocated.upload)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {f.name: f.read_bytes() for f in files}
    box.assert_sound()


def test_sftp_puts_lists_and_completes_without_sums(running_server, make_file):
    box = running_server
    file = make_file("data.bin", 700_000)
    allocated = box.allocate()
    done = box.sftp("alice", allocated.slot, f"cd upload\nput {file}\nls -l\n")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "700000" in done.stdout
    assert box.complete(allocated.upload).stdout == "state=archived\n"
    document = json.loads((box.archived()[allocated.upload] / "backup.json").read_bytes())
    assert document["sums_by"] == "server"
    assert (restored_by_server(box, allocated.upload) / "data.bin").read_bytes() == file.read_bytes()


def test_sftp_resumes_where_a_killed_one_stopped(running_server, make_file, wait_until):
    box = running_server
    file = make_file("big.bin", 4_000_000)
    allocated = box.allocate()
    there = box.slot_directory(allocated.slot) / file.name
    command = box.sftp_command("alice", allocated.slot, "-l", "4000")
    with box.background(command, stdin=subprocess.PIPE) as sftp:
        sftp.stdin.write(f"put {file} upload/\n".encode())
        sftp.stdin.flush()
        wait_until(lambda: there.exists() and there.stat().st_size > 100_000)
        sftp.kill()
    assert 0 < there.stat().st_size < 4_000_000
    inode = there.stat().st_ino
    done = box.sftp("alice", allocated.slot, f"reput {file} upload/big.bin\n")
    assert (done.exit_code, done.stderr) == (0, "")
    assert there.stat().st_ino == inode
    assert box.complete(allocated.upload, file).stdout == "state=archived\n"
    assert (box.archived()[allocated.upload] / file.name).read_bytes() == file.read_bytes()


ODD_NAMES = [
    "with space",
    "ünïcödé – ✓",
    "-starts-with-a-dash",
    "a'b\"c",
    "line\nbreak",
    "*?[x]",
    "$(id)",
    "back\\slash",
]


def test_the_shell_scripts_bring_a_tree_there_and_back(running_server, tmp_path):
    box = running_server
    tree = tmp_path / "tree"
    (tree / "sub" / "empty").mkdir(parents=True)
    for number, name in enumerate(ODD_NAMES):
        (tree / "sub" / name).write_bytes(os.urandom(1000 + number))
    (tree / os.fsdecode(b"no-utf8-\xff")).write_bytes(b"x")
    (tree / "link").symlink_to("sub/with space")
    (tree / "program").write_text("#!/bin/sh\n")
    (tree / "program").chmod(0o751)
    made = box.script("alice", "backup.sh", str(tree), "nightly")
    assert (made.exit_code, made.stderr) == (0, "")
    backup = made.stdout.strip()
    restored = box.script("alice", "restore.sh", backup, str(tmp_path / "restored"))
    assert restored.exit_code == 0, restored.stderr
    assert box.run("diff", "-r", "--no-dereference", str(tree), str(tmp_path / "restored")).exit_code == 0
    assert (tmp_path / "restored" / "program").stat().st_mode & 0o777 == 0o751
    assert (tmp_path / "restored" / "sub" / "empty").is_dir()
    by_server = restored_by_server(box, backup, "by-server")
    assert box.run("diff", "-r", "--no-dereference", str(tree), str(by_server)).exit_code == 0
    assert sorted(path.name for path in box.work.iterdir()) == ["by-server", "known_hosts"]
    box.assert_sound()


def test_plain_files_that_the_server_compresses_come_back_by_the_script(box, make_file, tmp_path):
    box.config.write_text(box.config.read_text() + '\n[compression]\n"*.sql" = "xz"\n"*.tar" = "bzip2"\n')
    box.start()
    dump = tmp_path / "dump.sql"
    dump.write_bytes(b"insert into t values (1);\n" * 10_000)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "hello").write_text("world" * 10_000)
    archive = tmp_path / "home.tar"
    assert box.run("tar", "-C", str(tmp_path / "tree"), "-cf", str(archive), ".").exit_code == 0
    backup = box.back_up(dump, archive, make_file("noise.bin"))
    names = {path.name for path in box.archived()[backup].iterdir()}
    assert {"dump.sql.xz", "home.tar.bz2", "noise.bin"} <= names
    restored = box.script("alice", "restore.sh", backup, str(tmp_path / "restored"))
    assert restored.exit_code == 0, restored.stderr
    assert (tmp_path / "restored" / "dump.sql").read_bytes() == dump.read_bytes()
    assert (tmp_path / "restored" / "hello").read_text() == "world" * 10_000
    assert sorted(path.name for path in (tmp_path / "restored").iterdir()) == ["dump.sql", "hello", "noise.bin"]
    missing = box.ssh("alice", f"fetch {backup} dump.sql")
    assert (missing.exit_code, "as dump.sql.xz" in missing.stderr) == (4, True)
    box.assert_sound()


def test_the_backup_script_gives_the_servers_exit_code(running_server, tmp_path):
    box = running_server
    (tmp_path / "tree").mkdir()
    for name in ("one", "two"):
        box.allocate("bob", name)
    done = box.script("alice", "backup.sh", str(tmp_path / "tree"), "nightly")
    assert done.exit_code == 6
    assert "no free slot: 2 of 2 taken" in done.stderr


def test_the_backup_script_tells_of_an_illegal_name(running_server, tmp_path):
    box = running_server
    (tmp_path / "tree").mkdir()
    done = box.script("alice", "backup.sh", str(tmp_path / "tree"), "nächtlich")
    assert done.exit_code == 2
    assert "legal series name" in done.stderr
    box.assert_sound()


def test_the_plain_files_are_enough(running_server, make_archive, tmp_path):
    box = running_server
    backup = box.back_up(make_archive(text="plain"))
    directory = box.archived()[backup]
    box.stop()
    done = box.run("sh", str(directory / "RESTORE.txt"), str(tmp_path / "by-hand"))
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "by-hand" / "hello").read_text() == "plain"
    assert {path.stat().st_mode & 0o222 for path in directory.iterdir()} == {0}


def test_one_shot_verbs_tell_of_uploads_and_backups(running_server, make_archive):
    box = running_server
    archive = make_archive()
    backup = box.back_up(archive)
    waiting = box.allocate(name="weekly", size=5000)
    assert box.ssh("alice", "help").exit_code == 0
    status = box.ssh("alice", f"status {waiting.upload}")
    assert (status.facts["state"], status.facts["slot"]) == ("open", waiting.slot)
    uploads = box.ssh("alice", "uploads --json").json_lines
    assert [(one["upload"], one["state"]) for one in uploads] == [(waiting.upload, "open"), (backup, "archived")]
    assert box.ssh("alice", "backups --json").json_lines[0]["id"] == backup
    assert box.ssh("alice", "backups --name weekly --json").stdout == ""
    assert backup in box.ssh("alice", "backups").stdout
    files = box.ssh("alice", f"contents {backup} --json").json_lines
    assert [file["name"] for file in files] == ["home.tar.gz"]
    assert box.ssh("alice", f"fetch {backup} home.tar.gz").raw == archive.read_bytes()
    assert box.ssh("alice", f"fetch {backup} home.tar.gz 20").raw == archive.read_bytes()[20:]
    aborted = box.ssh("alice", f"abort {waiting.upload} --reason 'no time'")
    assert (aborted.exit_code, aborted.stdout) == (0, "state=aborted\n")
    assert box.ssh("alice", f"status {waiting.upload} --json").json["reason"] == "no time"
    box.assert_sound()


def test_one_shot_verbs_have_the_promised_exit_codes(running_server, make_archive):
    box = running_server
    archive = make_archive()
    backup = box.back_up(archive)
    nowhere = "20200101T000000Z-000000"
    for command, exit_code, said in (
        ("allocate", 2, "--host is missing"),
        ("allocate --host web1 --name ../../etc", 2, "legal series name"),
        ("allocate --host web1 --name nightly --bytes much", 2, "much"),
        ("remove " + backup, 2, "unknown command"),
        ("complete nonsense", 2, "not an id"),
        (f"complete {nowhere}", 4, "no upload"),
        (f"status {nowhere}", 4, "no upload"),
        (f"contents {nowhere}", 4, "no backup"),
        (f"fetch {backup} none.tar", 4, "no file"),
        (f"fetch {backup} ../../../volume.json", 4, "no file"),
        (f"fetch {backup} home.tar.gz 99999999", 2, "nothing at"),
        (f"abort {backup}", 1, "archived"),
        ("allocate --host web1 --name big --bytes 100000T", 7, "are free"),
        ("session extra", 2, "takes no arguments"),
    ):
        done = box.ssh("alice", command)
        assert (done.exit_code, done.stdout) == (exit_code, ""), command
        assert said in done.stderr, command
        assert done.stderr.startswith("thaniya: ") and done.stderr.count("\n") == 1, command


def test_complete_without_waiting_is_told_by_status(running_server, make_archive, wait_until):
    box = running_server
    archive = make_archive()
    allocated = box.allocate()
    box.put(allocated, archive)
    done = box.ssh("alice", f"complete {allocated.upload} --no-wait")
    assert done.exit_code == 0
    assert done.facts["state"] in ("closing", "spooled", "archived")
    wait_until(lambda: box.ssh("alice", f"status {allocated.upload}").facts["state"] == "archived")
    box.assert_sound()


def test_a_whole_backup_in_one_session(running_server, make_file):
    box = running_server
    file = make_file("data.bin", 50_000)
    (allocated,) = box.session(
        "alice", {"type": "allocate", "host": "web1", "name": "nightly", "expected_bytes": 50_000}
    )
    assert (allocated["type"], "allowed_bytes" in allocated) == ("allocated", True)
    assert box.scp("alice", str(file), f"{allocated['slot']}@127.0.0.1:upload/").exit_code == 0
    described = {"name": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    manifest = {
        "files": [described | {"size_bytes": 50_000}],
        "warnings": ["one could not be read"],
        "warning_count": 1,
    }
    complete = {"type": "complete", "upload": allocated["upload"], "manifest": manifest}
    status = {"type": "status", "upload": allocated["upload"], "known_state": "spooled", "wait_s": 20}
    answers = box.session("alice", complete, status, complete, {"type": "contents", "backup": allocated["upload"]})
    assert [answer["type"] for answer in answers] == ["upload", "upload", "upload", "contents"]
    assert [answers[1]["state"], answers[2]["state"]] == ["archived", "archived"]
    assert answers[3]["document"]["warnings"] == ["one could not be read"]
    box.assert_sound({allocated["upload"]: {file.name: described["sha256"]}})
