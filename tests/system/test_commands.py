"""The headless commands, as processes of their own: what they print, their exit codes, and what they refuse."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from thaniya_core.cli.main import app, run

NOWHERE = "20200101T000000Z-000000"


def all_commands(command, words=()):
    """Every command with its words, the groups left out."""
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from all_commands(child, (*words, name))
    else:
        yield words, command


COMMANDS = dict(all_commands(typer.main.get_command(app)))
PROMISED = """
    init serve tick demo log
    user.add user.list user.show user.enable user.disable user.remove user.key.add user.key.remove
    volume.list volume.show volume.add volume.activate volume.deactivate volume.rescan volume.remove
    slot.list slot.reset slot.enable slot.disable
    upload.list upload.show upload.abort
    backup.list backup.show backup.files backup.restore backup.verify backup.remove backup.pin backup.unpin backup.tag
    overview check metrics schedule notify.test notify.send series.list series.show series.set series.unset
    catalog.rebuild job.list job.show job.retry
"""


def test_every_promised_command_is_there():
    assert {tuple(name.split(".")) for name in PROMISED.split()} <= set(COMMANDS)


DOCUMENTS = [*Path(__file__).resolve().parents[2].glob("docs/*.md"), Path(__file__).resolve().parents[2] / "README.md"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_commands_that_the_documents_name_are_there(document):
    written = re.findall(
        r"(?:^ +|`|\$ |=\$\()thaniya ((?:--config \S+ )?[a-z][^`\n|#;]*)", document.read_text(), re.MULTILINE
    )
    for text in written:
        words = re.sub(r"--config \S+ ", "", text).split()
        command = typer.main.get_command(app)
        while words and words[0].strip("()") in getattr(command, "commands", {}):
            command = command.commands[words.pop(0).strip("()")]
        assert not hasattr(command, "commands"), text
        options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= {*options, "--help"}, text


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_has_an_example_and_json(words):
    command = COMMANDS[words]
    with command.make_context(" ".join(words), [], resilient_parsing=True) as context:
        text = command.get_help(context)
    assert "Example: " in text
    assert f"thaniya {' '.join(words)}" in text or "serve" in words or "broker" in words
    if not command.hidden and words != ("tui",):  # a console shows; its JSON is that of `overview`
        assert "--json" in text


def test_help_comes_from_the_command_itself(new_box):
    done = new_box.run(sys.executable, "-m", "thaniya_core", "--help")
    assert done.exit_code == 0
    assert "Exit codes: 0 done" in " ".join(done.stdout.split())
    assert new_box.run(sys.executable, "-m", "thaniya_core", "--version").stdout.startswith("thaniya ")
    for words in ((), ("user",), ("user", "key"), ("backup",)):
        done = new_box.run(sys.executable, "-m", "thaniya_core", *words)
        assert done.exit_code == 2
        assert "Usage: " in done.stdout + done.stderr


def test_init_makes_a_server_once(new_box, tmp_path):
    box = new_box
    (tmp_path / "disk").mkdir()
    done = box.thaniya("init", str(box.directory), "--port", "0", "--slots", "3", "--volume", str(tmp_path / "disk"))
    assert (done.exit_code, done.stderr) == (0, "")
    assert "3 slots" in done.stdout and str(tmp_path / "disk") in done.stdout
    assert sorted(box.slots()) == ["thaniya_01", "thaniya_02", "thaniya_03"]
    before = box.config.read_bytes()
    done = box.thaniya("init", str(box.directory))
    assert (done.exit_code, "nothing was changed" in done.stderr) == (1, True)
    assert box.config.read_bytes() == before
    done = box.thaniya("init", str(tmp_path / "other"), "--port", "0", "--json")
    assert done.json["slots"] == 4


def test_init_makes_nothing_where_a_disk_is_not_mounted(new_box, tmp_path):
    box = new_box
    done = box.thaniya("init", str(box.directory), "--port", "0", "--volume", str(tmp_path / "usb"))
    assert (done.exit_code, f"there is no directory {tmp_path}/usb" in done.stderr) == (4, True)
    done = box.thaniya("init", str(tmp_path / "usb" / "server"), "--port", "0")
    assert (done.exit_code, f"mkdir -p {tmp_path}/usb" in done.stderr) == (4, True)
    assert not (tmp_path / "usb").exists()
    assert not box.directory.exists()


def test_init_that_failed_can_be_repeated(new_box, tmp_path):
    box = new_box
    (tmp_path / "disk" / "archive").mkdir(parents=True)
    (tmp_path / "disk" / "volume.json").write_text("no volume")
    done = box.thaniya("init", str(box.directory), "--port", "0", "--volume", str(tmp_path / "disk"))
    assert done.exit_code != 0
    assert str(tmp_path / "disk") in done.stderr
    done = box.thaniya("init", str(box.directory), "--port", "0")
    assert done.exit_code == 0, done.stderr


def test_users_and_keys(box, tmp_path, refuses):
    public = {name: (box.keys / f"{name}.pub").read_text() for name in ("alice", "bob", "mallory")}
    added = box.thaniya("user", "add", "carol", "--key", public["mallory"], "--quota", "2G", "--json")
    assert (added.exit_code, added.json["name"], added.json["quota_bytes"]) == (0, "carol", 2 * 1024**3)
    assert [user["name"] for user in box.thaniya("user", "list", "--json").json] == ["alice", "bob", "carol"]
    assert "carol" in box.thaniya("user", "list").stdout
    assert box.thaniya("user", "disable", "carol", "--json").json["enabled"] is False
    assert "NO" in box.thaniya("user", "show", "carol").stdout
    assert box.thaniya("user", "enable", "carol", "--json").json["enabled"] is True
    fingerprint = added.json["keys"][0]["fingerprint"]
    assert box.thaniya("user", "key", "remove", "carol", fingerprint[:14], "--json").json["keys"] == []
    again = box.thaniya("user", "key", "add", "carol", "--key-file", "-", "--json", stdin=public["mallory"].encode())
    assert again.json["keys"][0]["fingerprint"] == fingerprint
    for arguments, exit_code, said in (
        (("user", "add", "carol"), 1, "exists already"),
        (("user", "add", "Bad Name"), 2, "legal user name"),
        (("user", "add", "dave", "--key", "nonsense"), 2, "algorithm"),
        (("user", "add", "dave", "--key-file", str(box.keys / "alice")), 2, "private key"),
        (("user", "add", "dave", "--key", public["alice"]), 1, "belongs to alice already"),
        (("user", "add", "dave", "--key-file", str(tmp_path / "none.pub")), 4, "none.pub"),
        (("user", "add", "dave", "--quota", "lots"), 2, "lots"),
        (("user", "add", "dave", "--max-uploads", "0"), 2, "--max-uploads"),
        (("user", "add", "dave", "--role", "king"), 2, "king"),
        (("user", "show", "nobody"), 4, "nobody"),
        (("user", "enable", "nobody"), 4, "nobody"),
        (("user", "disable", "nobody"), 4, "nobody"),
        (("user", "remove", "nobody", "--yes"), 4, "nobody"),
        (("user", "remove", "carol"), 2, "--yes"),
        (("user", "key", "add", "carol"), 2, "--key"),
        (("user", "key", "remove", "carol", "SHA256:none"), 4, "no key"),
    ):
        refuses(box, arguments, exit_code, said)
    assert box.thaniya("user", "remove", "carol", "--yes", "--json").json == {"removed": "carol", "backups": 0}


@pytest.fixture
def refuses(capfdbinary):
    """Check that a command fails so, with a clear word on stderr and nothing on stdout.

    It runs in this process, because there are many; `serve` does not, it would take the signals.
    """

    def check(box, arguments, exit_code, said):
        capfdbinary.readouterr()
        if arguments == ("serve",):
            done = box.thaniya(*arguments)
            found, stdout, stderr = done.exit_code, done.stdout, done.stderr
        else:
            found = run(["--config", str(box.config), *arguments])
            stdout, stderr = (stream.decode() for stream in capfdbinary.readouterr())
        assert (found, stdout) == (exit_code, ""), (arguments, stdout, stderr)
        assert said in stderr, (arguments, stderr)
        assert "Error: " in stderr or stderr.startswith("thaniya: "), (arguments, stderr)
        assert len(stderr.splitlines()) <= 8, (arguments, stderr)

    return check


def test_errors_are_json_where_json_is_asked_for(box):
    done = box.thaniya("user", "show", "nobody", "--json")
    assert (done.exit_code, done.stdout) == (4, "")
    error = json.loads(done.stderr)
    assert (error["message_type"], error["code"], error["exit_code"]) == ("error", "not_found", 4)


@pytest.mark.parametrize(
    ("arguments", "told", "hint"),
    [
        (("nonsense",), "nonsense", "`thaniya --help`"),
        (("volume", "list", "--nonsense"), "--nonsense", "`thaniya volume list --help`"),
        (("volume", "show"), "VOLUME", "`thaniya volume show --help`"),
        (("log", "--limit", "0"), "--limit", "`thaniya log --help`"),
    ],
)
def test_wrong_usage_is_json_where_json_is_asked_for(capfd, arguments, told, hint):
    assert run([*arguments, "--json"]) == 2
    out, err = capfd.readouterr()
    error = json.loads(err)
    assert (out, error["code"], error["exit_code"]) == ("", "wrong_usage", 2)
    assert told in error["message"]
    assert hint in error["hint"]


def test_slots(running_server, refuses):
    box = running_server
    allocated = box.allocate()
    rows = box.thaniya("slot", "list", "--json").json
    assert {row["name"]: row["state"] for row in rows} == {"thaniya_01": "taken", "thaniya_02": "ready"}
    assert allocated.upload in box.thaniya("slot", "list").stdout
    refuses(box, ("slot", "disable", allocated.slot), 1, "an upload holds it")
    refuses(box, ("slot", "reset", allocated.slot), 1, f"thaniya upload abort {allocated.upload}")
    refuses(box, ("slot", "reset", "thaniya_02"), 1, "not degraded")
    refuses(box, ("slot", "enable", "thaniya_02"), 1, "not disabled")
    refuses(box, ("slot", "disable", "thaniya_99"), 4, "no slot")
    refuses(box, ("slot", "disable", "../../etc"), 2, "is not a slot")
    assert box.thaniya("slot", "disable", "thaniya_02", "--json").json["state"] == "disabled"
    done = box.ssh("bob", "allocate --host web1 --name x")
    assert (done.exit_code, "1 of 2 taken, 1 out of use" in done.stderr) == (6, True)
    assert box.thaniya("slot", "enable", "thaniya_02", "--json").json["state"] == "ready"
    assert box.ssh("bob", "allocate --host web1 --name x").exit_code == 0


def test_a_slot_whose_directory_is_gone_comes_back_and_disturbs_no_other(running_server, make_file, wait_until):
    box = running_server
    lost, other = box.allocate("alice"), box.allocate("bob")
    directory = box.slot_directory(lost.slot)
    directory.rename(directory.with_name("moved"))
    wait_until(lambda: box.log.exists() and lost.slot in box.log.read_text())
    file = make_file("data.bin", 1000)
    box.put(other, file, user="bob")
    wait_until(lambda: box.upload(other.upload).received_bytes == 1000, "the other upload is still watched")
    assert box.complete(other.upload, file, user="bob").exit_code == 0
    box.thaniya("upload", "abort", lost.upload)
    if box.slots()[lost.slot].state == "degraded":
        assert box.thaniya("slot", "reset", lost.slot).exit_code == 0
    assert box.slots()[lost.slot].state == "ready"
    box.back_up(file)


def test_uploads(running_server, make_file, wait_until, refuses):
    box = running_server
    backup = box.back_up(make_file("data.bin", 1000))
    allocated = box.allocate(name="weekly", size=5000)
    box.put(allocated, make_file("more.bin", 2000))
    wait_until(lambda: box.upload(allocated.upload).received_bytes == 2000)
    (row,) = box.thaniya("upload", "list", "--json").json
    assert (row["id"], row["state"], row["received_bytes"], row["received_files"]) == (
        allocated.upload,
        "open",
        2000,
        1,
    )
    assert [one["id"] for one in box.thaniya("upload", "list", "--all", "--json").json] == [backup, allocated.upload]
    assert "weekly" in box.thaniya("upload", "list").stdout
    assert box.thaniya("upload", "show", backup, "--json").json["state"] == "archived"
    refuses(box, ("user", "remove", "alice", "--yes"), 1, allocated.upload)
    done = box.thaniya("upload", "abort", allocated.upload, "--reason", "disk is needed", "--json")
    assert (done.json["state"], done.json["reason"]) == ("aborted", "disk is needed")
    assert "disk is needed" in box.ssh("alice", f"status {allocated.upload}").stdout
    refuses(box, ("upload", "show", NOWHERE), 4, NOWHERE)
    refuses(box, ("upload", "show", "x"), 2, "is not an id")
    refuses(box, ("upload", "abort", NOWHERE), 4, NOWHERE)
    refuses(box, ("upload", "abort", backup), 1, "is archived")
    box.assert_sound()


def test_backups(running_server, make_archive, tmp_path, refuses):
    box = running_server
    backup = box.back_up(make_archive())
    (row,) = box.thaniya("backup", "list", "--json").json
    assert row["document"]["id"] == backup
    assert box.thaniya("backup", "list", "--user", "bob", "--json").json == []
    assert box.thaniya("backup", "list", "--user", "bob").stdout == "no backup fits\n"
    assert backup in box.thaniya("backup", "list", "--host", "web1", "--name", "nightly").stdout
    assert str(box.archived()[backup]) in box.thaniya("backup", "show", backup[:16]).stdout
    assert box.thaniya("backup", "show", backup, "--json").json["directory"] == str(box.archived()[backup])
    assert box.thaniya("backup", "files", backup).stderr == "home.tar.gz: no list of what is inside\n"
    (archive,) = box.thaniya("backup", "files", backup, "--json").json_lines
    assert (archive["message_type"], archive["name"]) == ("archive", "home.tar.gz")
    target = tmp_path / "restored"
    done = box.thaniya("backup", "restore", backup, str(target), "hello", "--json")
    assert (done.exit_code, done.json["id"]) == (0, backup)
    assert (target / "hello").read_text() == "world"
    refuses(box, ("backup", "restore", backup, str(target)), 1, "is not empty")
    refuses(box, ("backup", "restore", backup, str(tmp_path / "new"), "none"), 4, "none")
    refuses(box, ("backup", "restore", backup, str(tmp_path / "new2"), "../x"), 2, "is not a path inside")
    assert box.thaniya("backup", "restore", backup, str(target), "--overwrite").exit_code == 0
    for verb in ("show", "files"):
        refuses(box, ("backup", verb, NOWHERE), 4, NOWHERE)
    refuses(box, ("backup", "verify"), 2, "--all")
    refuses(box, ("backup", "remove", backup), 2, "--yes")
    verified = box.thaniya("backup", "verify", backup, "--json")
    assert (verified.exit_code, verified.json["good"]) == (0, True)
    assert box.thaniya("backup", "remove", backup, "--yes", "--json").json == {"removed": backup, "increments": []}
    assert (box.archived(), box.catalog()) == ({}, set())


def test_a_damaged_backup_is_found_and_not_restored(running_server, make_archive, tmp_path, refuses):
    box = running_server
    backup = box.back_up(make_archive())
    stored = box.archived()[backup] / "home.tar.gz"
    data = bytearray(stored.read_bytes())
    data[len(data) // 2] ^= 1
    stored.chmod(0o600)
    stored.write_bytes(data)
    refuses(box, ("backup", "restore", backup, str(tmp_path / "restored")), 8, "is damaged")
    assert not (tmp_path / "restored").exists() or list((tmp_path / "restored").iterdir()) == []
    done = box.thaniya("backup", "verify", "--all")
    assert (done.exit_code, "another SHA-256" in done.stdout, "1 of 1" in done.stderr) == (8, True, True)
    assert "BROKEN" in box.thaniya("backup", "list").stdout
    assert "broken" in box.ssh("alice", "backups").stdout


def test_the_catalog_is_made_anew_from_the_volume(running_server, make_archive, refuses):
    box = running_server
    backup = box.back_up(make_archive())
    box.stop()
    for file in (box.directory / "state" / "catalog").rglob("*.json"):
        file.write_bytes(b"{ broken")
    done = box.thaniya("backup", "list")
    assert (done.exit_code, "thaniya catalog rebuild" in done.stderr) == (1, True)
    rebuilt = box.thaniya("catalog", "rebuild", "--json")
    assert (rebuilt.exit_code, rebuilt.json["found"]) == (0, 1)
    assert box.catalog() == {backup}
    (event,) = [each for each in box.thaniya("log", "--json").json_lines if each["action"] == "catalog.rebuild"]
    assert (event["actor"].split(":")[0], event["detail"]) == ("login", "1 found, 1 added, 0 removed")
    (box.volume / "archive" / "alice" / "web1" / "nightly" / NOWHERE).mkdir()
    done = box.thaniya("catalog", "rebuild")
    assert (done.exit_code, NOWHERE in done.stdout) == (3, True)
    box.volume.rename(box.volume.with_name("unmounted"))
    done = box.thaniya("catalog", "rebuild", "--json")
    assert (done.exit_code, done.json["missing_volumes"]) == (0, ["first"])
    assert box.catalog() == {backup}
    refuses(box, ("backup", "restore", backup, str(box.work / "x")), 4, "mounted")


def test_an_upload_waits_for_a_volume_that_is_not_there(running_server, make_file, wait_until):
    box = running_server
    file = make_file("data.bin", 1000)
    allocated = box.allocate()
    box.put(allocated, file)
    box.volume.rename(box.volume.with_name("unmounted"))
    done = box.ssh("alice", f"complete {allocated.upload} --wait 1s")
    assert (done.exit_code, done.facts["state"]) == (6, "spooled")
    wait_until(lambda: "no active volume" in box.upload(allocated.upload).reason)
    done = box.ssh("alice", "allocate --host web1 --name other")
    assert (done.exit_code, "no active volume" in done.stderr) == (7, True)
    assert not box.volume.exists(), "something was written where the disk belongs"
    box.volume.with_name("unmounted").rename(box.volume)
    assert box.wait_for_end(allocated.upload).state == "archived"
    box.assert_sound()


def test_jobs_are_shown_and_retried(box, make_file, wait_until, refuses):
    box.configure("jobs", attempts=1)
    box.start()
    file = make_file("data.bin", 1000)
    allocated = box.allocate()
    box.put(allocated, file)
    box.volume.rename(box.volume.with_name("unmounted"))
    assert box.complete(allocated.upload, file).exit_code == 1
    (job,) = wait_until(lambda: [one for one in box.thaniya("job", "list", "--json").json if one["state"] == "failed"])
    assert (job["subject"], "no active volume" in job["reason"]) == (allocated.upload, True)
    assert "no active volume" in box.thaniya("upload", "list").stdout
    assert "failed" in box.thaniya("job", "show", job["id"]).stdout
    refuses(box, ("job", "show", NOWHERE), 4, NOWHERE)
    refuses(box, ("job", "retry", NOWHERE), 4, NOWHERE)
    refuses(box, ("job", "retry", "x"), 2, "is not an id")
    box.volume.with_name("unmounted").rename(box.volume)
    assert box.thaniya("job", "retry", job["id"], "--json").json["state"] == "queued"
    assert box.wait_for_end(allocated.upload).state == "archived"
    refuses(box, ("job", "retry", job["id"]), 1, "done")
    assert [one["state"] for one in box.thaniya("job", "list", "--all", "--json").json] == ["done"]
    assert box.thaniya("job", "list").stdout == "no job waits\n"
    box.assert_sound()


def test_a_failed_upload_may_be_given_up(box, make_file, wait_until):
    box.configure("jobs", attempts=1)
    box.start()
    file = make_file("data.bin", 1000)
    allocated = box.allocate()
    box.put(allocated, file)
    box.volume.rename(box.volume.with_name("unmounted"))
    assert box.complete(allocated.upload, file).exit_code == 1
    assert box.thaniya("upload", "abort", allocated.upload, "--json").json["state"] == "aborted"
    box.volume.with_name("unmounted").rename(box.volume)
    box.assert_sound()


def test_the_log_tells_who_did_what(running_server, make_file, refuses):
    box = running_server
    box.back_up(make_file("data.bin", 1000))
    box.thaniya("user", "disable", "bob", env={"SUDO_USER": "carol"})
    events = box.thaniya("log", "--json").json_lines
    actions = [event["action"] for event in events]
    assert [a for a in actions if a.startswith("upload")] == ["upload.open", "upload.complete", "upload.archived"]
    assert events[-1]["actor"] == "login:carol"
    assert events[actions.index("upload.open")]["actor"] == "alice@127.0.0.1"
    assert "user.disable" in box.thaniya("log", "-n", "1").stdout
    assert box.thaniya("log", "--failed").stdout == "no events\n"
    refuses(box, ("log", "--since", "yesterday"), 2, "yesterday")
    assert len(box.thaniya("log", "--since", "99999999999d", "--json").json_lines) == len(events)
    refuses(box, ("log", "-n", "0"), 2, "greater than or equal to 1")


def test_cron_does_the_services_work_while_it_does_not_run(running_server, make_file, wait_until):
    box = running_server
    file = make_file("data.bin", 1000)
    done_one, open_one = box.allocate("alice"), box.allocate("bob")
    box.put(done_one, file)
    assert box.thaniya("tick", "--json").json == {"ran_jobs": None, "ran_tasks": 0, "other_service": True}
    assert box.thaniya("tick").stdout == "the running service does this itself\n"
    box.volume.rename(box.volume.with_name("unmounted"))
    box.ssh("alice", f"complete {done_one.upload} --wait 1s")
    box.stop()
    box.volume.with_name("unmounted").rename(box.volume)
    box.configure("slots", silence="1s")

    def tick_until_archived():
        ticked = box.thaniya("tick", "--json")
        assert (ticked.exit_code, ticked.json["other_service"]) == (0, False)
        return not box.store.read().uploads.all()

    wait_until(tick_until_archived)
    assert box.upload(done_one.upload).state == "archived"
    assert box.upload(open_one.upload).state == "expired"
    assert box.thaniya("tick").stdout.startswith("0 jobs ran, ")
    box.assert_sound()


def test_an_administrator_may_work_while_nothing_runs(running_server, make_archive, tmp_path):
    box = running_server
    backup = box.back_up(make_archive())
    allocated = box.allocate()
    box.stop()
    assert box.thaniya("upload", "abort", allocated.upload, "--json").json["state"] == "aborted"
    assert box.thaniya("backup", "restore", backup, str(tmp_path / "restored")).exit_code == 0
    assert box.thaniya("user", "disable", "bob").exit_code == 0
    assert box.thaniya("backup", "verify", "--all").exit_code == 0
    box.assert_sound()


def test_a_second_service_does_not_start(running_server, refuses):
    box = running_server
    refuses(box, ("serve",), 6, "another process is the service")
    assert box.ssh("alice", "help").exit_code == 0


def test_a_port_in_use_is_told(running_server, tmp_path):
    box = running_server
    other = tmp_path / "other"
    assert box.thaniya("init", str(other), "--port", str(box.port)).exit_code == 0
    done = box.run(sys.executable, "-m", "thaniya_core", "--config", str(other / "thaniya.toml"), "serve")
    assert (done.exit_code, f"port {box.port}" in done.stderr, "in use" in done.stderr) == (1, True, True)


def test_an_interrupted_restore_ends_with_its_code(running_server, tmp_path, wait_until):
    box = running_server
    tree = tmp_path / "tree"
    tree.mkdir()
    with (tree / "large").open("wb") as stream:
        stream.truncate(300_000_000)
    box.run("tar", "-cf", str(tmp_path / "home.tar"), "-C", str(tree), ".")
    backup = box.back_up(tmp_path / "home.tar")
    target = tmp_path / "restored"
    command = [sys.executable, "-m", "thaniya_core", "--config", str(box.config), "backup", "restore", backup]
    with box.background([*command, str(target)], stderr=subprocess.PIPE) as restore:
        wait_until(target.exists)
        restore.send_signal(signal.SIGINT)
        stderr = restore.communicate(timeout=30)[1]
    assert (restore.returncode, b"Traceback" in stderr) == (130, False)
    assert not box.processes_left(), "tar goes on alone"
    assert box.thaniya("backup", "restore", backup, str(target)).exit_code == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_ends_in_good_order(running_server, number):
    box = running_server
    with box.background(box.ssh_command("alice", "session"), stdin=subprocess.PIPE) as session:
        box.process.send_signal(number)
        assert box.process.wait(20) == 0
        assert session.wait(20) != 0


def test_a_wrong_configuration_is_told_with_file_and_key(box, refuses):
    good = box.config.read_text()
    for text, said in (
        (good.replace("port = 0", 'port = "many"'), "port"),
        (good + "\n[jokes]\nfunny = true\n", "jokes"),
        (good.replace("[slots]\n", '[slots]\nsilence = "soon"\n').replace('margin = "1M"\n', ""), "silence"),
        ("this is no toml", "thaniya.toml"),
    ):
        box.config.write_text(text)
        refuses(box, ("slot", "list"), 2, said)
        refuses(box, ("serve",), 2, "thaniya.toml")
    box.config.unlink()
    refuses(box, ("slot", "list"), 2, "thaniya init")


def test_an_unreadable_state_is_told_and_never_overwritten(box, refuses):
    state = box.directory / "state" / "state.json"
    state.write_bytes(b'{"users": {"alice": ')
    for arguments in (("slot", "list"), ("serve",), ("tick",), ("user", "add", "dave"), ("user", "disable", "bob")):
        refuses(box, arguments, 1, str(state))
    assert state.read_bytes() == b'{"users": {"alice": '


def test_a_reader_that_goes_away_is_no_failure(running_server, make_file):
    box = running_server
    box.back_up(make_file("data.bin", 1000))
    done = box.run(
        "sh", "-c", f'"{sys.executable}" -m thaniya_core --config "{box.config}" log --json | true; echo done'
    )
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_a_person_without_a_name_is_served(box):
    """In a container the user id often has no name."""
    done = box.run(
        sys.executable,
        "-c",
        "import os, sys; os.getuid = lambda: 54321; from thaniya_core.cli.main import run; sys.exit(run(sys.argv[1:]))",
        *("--config", str(box.config), "user", "disable", "bob"),
        env={"LOGNAME": "", "USER": "", "LNAME": "", "USERNAME": ""},
    )
    assert done.exit_code == 0, done.stderr
