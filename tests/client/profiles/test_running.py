"""`thaniya-client backup PROFILE`, `profiles` and `check`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest

from thaniya_client.cli.main import run
from thaniya_core.errors import ConfigInvalid, ExitCode, IdentityNeeded, NotFound, SourceFailed, WrongUsage
from thaniya_core.initialise import initialise
from thaniya_core.service import Service

Write = Callable[[str], Path]
Capture = pytest.CaptureFixture[str]

GOOD = '[profile.good]\ntasks = [{type = "directory", path = "SOURCE"}]\n'
GONE = '[profile.gone]\ntasks = [{type = "directory", path = "SOURCE/gone"}]\n'
WRONG = "[profile.wrong]\ntasks = 5\n"


def json_lines(capture: Capture) -> list[dict[str, object]]:
    return [json.loads(line) for line in capture.readouterr().out.splitlines()]


def backups(capture: Capture) -> list[dict[str, object]]:
    capture.readouterr()
    assert run(["list", "--json"]) == 0
    return json_lines(capture)


def test_from_nothing_to_a_backup_on_a_server(tmp_path: Path, capsys: Capture) -> None:
    (Path.home() / "notes.txt").write_text("notes")
    server = initialise(tmp_path / "server", "test", port=0)
    with Service(server) as service:
        assert run(["init", "127.0.0.1", "--port", str(service.gate.port), "--user", "alice"]) == 0
        assert "thaniya-client backup nightly --simulate" in capsys.readouterr().out
        public = Path.home() / ".config/thaniya/id_ed25519.pub"
        server.users.add("alice", [public.read_text().strip()], "test")
        assert run(["check", "--accept-new"]) == 0
        assert "profile  nightly: good" in capsys.readouterr().out
        assert run(["backup", "nightly"]) == 0
        (backup,) = backups(capsys)
        assert (backup["name"], backup["host"]) == ("nightly", os.uname().nodename)
        assert run(["restore", str(backup["id"]), str(tmp_path / "restored"), "notes.txt"]) == 0
        assert (tmp_path / "restored/notes.txt").read_text() == "notes"


def test_a_profile_is_run_with_all_that_is_around_it(write: Write, place: Path, capsys: Capture) -> None:
    write(
        GOOD
        + f"""
        series = "homes"
        host = "web1"
        tags = ["night"]
        before = [["touch", "{place}/source/before"]]
        after = [["touch", "{place}/after"]]
        """
    )
    assert run(["backup", "good", "--tag", "more", "--json"]) == 0
    report = json_lines(capsys)[-1]
    assert (report["message_type"], report["profile"], report["state"]) == ("report", "good", "archived")
    (backup,) = backups(capsys)
    assert (backup["host"], backup["name"], backup["tags"]) == ("web1", "homes", ["more", "night"])
    assert (place / "after").exists()
    assert run(["files", str(backup["id"])]) == 0
    assert "./before" in capsys.readouterr().out


def test_a_profile_is_encrypted_to_its_keys(write: Write, place: Path, capsys: Capture) -> None:
    identity = pyrage.x25519.Identity.generate()
    (place / "key").write_text(str(identity))
    (place / "recipients").write_text(f"# the team\n{identity.to_public()}\n")
    write(GOOD + f'encrypt_to = ["{place}/recipients"]')
    assert run(["check"]) == 0
    assert run(["backup", "good", "--simulate"]) == 0
    assert "encrypt all of it to 1 public key\n" in capsys.readouterr().out
    assert run(["backup", "good", "--json"]) == 0
    report = json_lines(capsys)[-1]
    assert [file["encryption"] for file in report["files"]] == ["age"] * 3
    assert run(["restore", str(report["id"]), str(place / "closed")]) == IdentityNeeded.exit_code
    assert "is encrypted" in capsys.readouterr().err
    assert run(["restore", "--identity", str(place / "key"), str(report["id"]), str(place / "restored")]) == 0
    assert (place / "restored/file").read_text() == "hello"


def test_keys_of_a_profile_that_are_none_are_told(write: Write, place: Path, capsys: Capture) -> None:
    write(GOOD + 'encrypt_to = "age1"')
    assert run(["backup", "good"]) == ConfigInvalid.exit_code
    assert '`profile.good.encrypt_to` is "age1", expected a list of texts' in capsys.readouterr().err
    write(GOOD + f'encrypt_to = ["age1nonsense", "{place}/nowhere"]')
    assert run(["backup", "good"]) == WrongUsage.exit_code
    assert run(["check"]) == ExitCode.FAILED
    assert "'age1nonsense' is no public key" in capsys.readouterr().out
    assert backups(capsys) == []


def test_a_simulation_does_nothing(write: Write, place: Path, capsys: Capture) -> None:
    write(GOOD + f'nice = 19\nbefore = [["touch", "{place}/before"]]')
    assert run(["backup", "good", "--simulate"]) == 0
    told = capsys.readouterr().out
    assert f"before: `touch {place}/before`" in told and "run with niceness 19" in told
    assert not (place / "before").exists()
    assert backups(capsys) == []


def test_one_that_fails_keeps_no_other_from_being_run(write: Write, capsys: Capture) -> None:
    write(GOOD + GONE + GOOD.replace("profile.good", "profile.last"))
    assert run(["backup", "gone", "good", "last", "--json"]) == SourceFailed.exit_code
    captured = capsys.readouterr()
    error = json.loads(captured.err)
    assert (error["code"], error["facts"]["profile"]) == ("source_failed", "gone")
    assert {str(each["name"]) for each in backups(capsys)} == {"last", "good"}


def test_warnings_of_one_are_the_exit_code_of_all(write: Write, capsys: Capture) -> None:
    write(GOOD + GOOD.replace("profile.good", "profile.warns") + 'after = [["false"]]')
    assert run(["backup", "warns", "good", "--quiet"]) == ExitCode.WARNINGS
    captured = capsys.readouterr()
    assert "warning: " in captured.out
    assert captured.out.count("archived:") == 1, "the one without warnings was to be quiet"
    assert captured.err == ""


def test_nothing_is_run_when_one_is_wrong(write: Write, capsys: Capture) -> None:
    write(GOOD + WRONG)
    assert run(["backup", "good", "wrong"]) == ConfigInvalid.exit_code
    assert run(["backup", "good", "nowhere"]) == NotFound.exit_code
    assert "there are good, wrong" in capsys.readouterr().err
    assert backups(capsys) == []


def test_directories_and_profiles_are_told_apart_by_the_name(write: Write, place: Path, capsys: Capture) -> None:
    write(GOOD)
    assert run(["backup", str(place / "source"), "--name", "direct"]) == 0
    assert run(["backup", str(place / "source")]) == WrongUsage.exit_code
    assert "directories need --name SERIES" in capsys.readouterr().err
    more = (["--incremental"], ["--level", "0"], ["--compression", "xz"], ["--encrypt-to", "age1"])
    for option in (["--exclude", "a"], ["--acls"], *more):
        assert run(["backup", "good", *option]) == WrongUsage.exit_code
        assert f"{option[0]}: for directories" in capsys.readouterr().err
    assert [each["name"] for each in backups(capsys)] == ["direct"]


def test_a_profile_goes_to_its_target(
    write: Write, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    write(GOOD + f'target = "other"\n[target.other]\ndirectory = "{place}/other"')
    assert run(["backup", "good"]) == 0
    assert backups(capsys) == []
    monkeypatch.setenv("THANIYA_CLIENT_TARGET", "other")
    assert [each["name"] for each in backups(capsys)] == ["good"]
    monkeypatch.setenv("THANIYA_CLIENT_TARGET", "othr")
    assert run(["list"]) == NotFound.exit_code
    assert "did you mean `other`?" in capsys.readouterr().err


def test_a_file_may_have_named_targets_only(write: Write, place: Path, capsys: Capture) -> None:
    file = write("")
    file.write_text(f'[target.other]\ndirectory = "{place}/other"\n{GOOD.replace("SOURCE", f"{place}/source")}')
    assert run(["backup", "good"]) == ConfigInvalid.exit_code
    assert "`profile.good.target` is missing, expected one of other" in capsys.readouterr().err
    assert run(["list"]) == WrongUsage.exit_code
    assert "THANIYA_CLIENT_TARGET" in capsys.readouterr().err
    file.write_text(file.read_text() + 'target = "other"')
    assert run(["backup", "good"]) == 0


def test_profiles_are_listed_with_what_is_wrong(write: Write, place: Path, capsys: Capture) -> None:
    write(GOOD + 'host = "web1"\nschedule = "hourly"\npolicy = "keep-daily=7"\n' + WRONG)
    assert run(["profiles"]) == 0
    _, good, wrong = capsys.readouterr().out.splitlines()
    assert good.split() == ["good", "web1/good", f"{place}/disk", "hourly"]
    assert "`profile.wrong.tasks` is 5, expected a list" in wrong
    assert run(["profiles", "good", "--json"]) == 0
    (told,) = json_lines(capsys)
    assert told["tasks"] == [f"the directory {place}/source, as source.tar.gz"]
    assert (told["schedule"], told["policy"]) == ("hourly", "keep-daily=7")


def test_the_hint_for_the_administrator_is_a_command(write: Write, capsys: Capture) -> None:
    file = write("")
    file.write_text('server = "backup.example.org"\n' + GOOD + 'host = "web1"\npolicy = "keep-daily=7 keep-weekly=4"')
    assert run(["profiles", "good"]) == 0
    assert "/web1/good 'keep-daily=7 keep-weekly=4'\n" in capsys.readouterr().out


def test_types_are_told_with_their_keys(capsys: Capture) -> None:
    assert run(["profiles", "--types", "--json"]) == 0
    types = {str(line["type"]): line for line in json_lines(capsys)}
    assert types["directory"]["keys"]["path"] == "a path, must be there"
    assert types["mysql"]["keys"]["databases"] == "a list of texts"
    assert types["stopped_service"]["kind"] == "step"
    assert run(["profiles", "--types"]) == 0
    assert 'task type = "directory": Everything in and below a directory' in capsys.readouterr().out


def test_check_tells_what_is_in_the_way(write: Write, place: Path, capsys: Capture) -> None:
    write(
        GOOD
        + GONE
        + f"""
        [profile.programs]
        before = [["no-such-program"], {{type = "stopped_service", units = ["shop"]}}]
        tasks = [
            {{type = "command", argv = ["no-such-dump"], name = "dump"}},
            {{type = "sqlite", path = "{place}/gone.db"}},
            {{type = "files", paths = ["{place}/source/*.none"]}},
        ]
        """
        + WRONG
    )
    assert run(["check", "--json"]) == SourceFailed.exit_code
    place_line, *lines = json_lines(capsys)
    assert (place_line["directory"], place_line["newest"]) == (f"{place}/disk", None)
    problems = {str(line["profile"]): line["problems"] for line in lines}
    assert problems["good"] == []
    assert problems["gone"] == [f"{place}/source/gone cannot be backed up: No such file or directory"]
    program, dump, database, none = [text for text in problems["programs"] if "systemctl" not in text]
    assert program.startswith("the program no-such-program is not there")
    assert dump.startswith("the program no-such-dump is not there")
    assert "gone.db cannot be backed up" in database and database.endswith("it may be otherwise")
    assert "*.none: there is no such file" in none
    assert "`profile.wrong.tasks` is 5" in problems["wrong"][0]
    assert run(["check"]) == SourceFailed.exit_code
    assert "profile  gone: 1 in the way\n" in capsys.readouterr().out


def test_check_tries_each_target(write: Write, place: Path, capsys: Capture) -> None:
    write(
        GOOD + f'target = "other"\n[target.other]\ndirectory = "{place}/nowhere"\n[target.idle]\ndirectory = "/nowhere"'
    )
    assert run(["check"]) == NotFound.exit_code
    captured = capsys.readouterr()
    assert f"{place}/nowhere" in captured.err and "/idle" not in captured.err
    assert f"directory {place}/disk" in captured.out and "profile  good: good" in captured.out
