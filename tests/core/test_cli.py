"""The headless commands, run in this process on a real server."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from msgspec.structs import replace

from thaniya_core import __version__
from thaniya_core.accounts import EmbeddedAccounts
from thaniya_core.cli.main import run
from thaniya_core.formats.contents import ContentsEntry, encode_entry
from thaniya_core.formats.manifest import BackupFile, FileKind, Manifest, describe_file
from thaniya_core.model import SlotState, UploadState


@pytest.fixture
def thaniya(root: Path, capsys: pytest.CaptureFixture[str]):
    """Runs a command and gives its exit code, stdout and stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        exit_code = run(["--config", str(root / "thaniya.toml"), *arguments])
        return exit_code, *capsys.readouterr()

    return call


def test_upload_that_ends_in_this_moment_is_listed_once_as_it_ended(server, thaniya, open_upload, clock):
    ending, ended = open_upload(), open_upload()
    server.abort_upload(ended.id, "not wanted", "alice")
    server.store.add_history(replace(ending, state=UploadState.ABORTED, ended_at=clock.now()))

    exit_code, stdout, _ = thaniya("upload", "list", "--all", "--json")

    assert exit_code == 0
    assert sorted((upload["id"], upload["state"]) for upload in json.loads(stdout)) == sorted(
        [(ending.id, "aborted"), (ended.id, "aborted")]
    )


def _packed(name: str) -> bytes:
    target = io.BytesIO()
    with tarfile.open(mode="w", fileobj=target) as tar:
        member = tarfile.TarInfo("./" + name)
        member.size = len(name)
        tar.addfile(member, io.BytesIO(name.encode()))
    return target.getvalue()


@pytest.fixture
def archive_tars(archived):
    """Archives a tar of one file under each name, each with its contents list."""

    def make(*names: str):
        contents: dict[str, bytes] = {}
        described: list[BackupFile] = []
        for name in names:
            tar, listing = _packed("etc/passwd"), f"{name}.files"
            lines = encode_entry(ContentsEntry("-rw-r--r--", "0/0", 10, "2026-11-22T21:15:00Z", b"./etc/passwd"))
            contents |= {name: tar, listing: lines}
            described.append(describe_file(name, hashlib.sha256(tar).hexdigest(), len(tar)))
            described.append(
                BackupFile(listing, hashlib.sha256(lines).hexdigest(), len(lines), FileKind.CONTENTS, describes=name)
            )
        return archived(
            Manifest(tuple(described)), **{name.replace(".", "__"): data for name, data in contents.items()}
        )

    return make


@pytest.mark.parametrize(
    ("names", "paths"),
    [
        (["home.tar"], ["./etc/passwd"]),
        (["etc.tar", "home.tar"], ["./etc/etc/passwd", "./home/etc/passwd"]),
        (["a.tar", "a.tar.tar"], ["./a.tar.tar/etc/passwd", "./a/etc/passwd"]),
    ],
)
def test_listed_path_is_what_restore_takes(thaniya, archive_tars, tmp_path, names, paths):
    backup = archive_tars(*names)

    listed = [json.loads(line)["path"] for line in thaniya("backup", "files", backup.id, "--json")[1].splitlines()]
    shown = [line.split()[-1] for line in thaniya("backup", "files", backup.id)[1].splitlines()]
    restored = [
        thaniya("backup", "restore", backup.id, str(tmp_path / f"target{number}"), path)[0]
        for number, path in enumerate(listed)
    ]

    assert sorted(listed) == sorted(shown) == paths
    assert restored == [0] * len(paths)
    assert all((tmp_path / f"target{number}" / path).is_file() for number, path in enumerate(listed))


def test_plain_file_beside_an_archive_is_listed_and_an_archive_without_a_list_is_named(thaniya, archived, tmp_path):
    backup = archived(home__tar=_packed("etc/passwd"), dump__sql=b"select")

    exit_code, stdout, stderr = thaniya("backup", "files", backup.id)

    assert exit_code == 0
    assert [line.split()[-1] for line in stdout.splitlines()] == ["dump.sql"]
    assert "home.tar: no list of what is inside" in stderr
    assert thaniya("backup", "restore", backup.id, str(tmp_path / "target"), "dump.sql")[0] == 0


def test_slot_that_cannot_be_cleaned_is_told_by_its_reset(server, thaniya, small_disk):
    with server.store.transaction() as state:
        state.slots.put(replace(state.slots.get("thaniya_01"), state=SlotState.DEGRADED, reason="cannot be cleaned"))
    small_disk(server.accounts.directory("thaniya_01") / "mounted", "1m")

    exit_code, _, stderr = thaniya("slot", "reset", "thaniya_01")

    assert exit_code == 1
    assert "thaniya_01 is degraded: cannot be cleaned" in stderr


@pytest.mark.parametrize("verb", ["reset", "enable"])
def test_reopened_slot_is_ready_when_the_command_ends(server, thaniya, verb):
    out_of_use = SlotState.DEGRADED if verb == "reset" else SlotState.DISABLED
    with server.store.transaction() as state:
        state.slots.put(replace(state.slots.get("thaniya_01"), state=out_of_use, reason="why"))

    exit_code, stdout, _ = thaniya("slot", verb, "thaniya_01", "--json")

    assert exit_code == 0
    assert json.loads(stdout)["state"] == "ready"


def test_each_line_of_json_says_what_it_is(thaniya, archive_tars, archived):
    lines = [
        json.loads(line)
        for command in (
            ("log",),
            ("backup", "files", archive_tars("etc.tar").id),
            ("backup", "files", archived().id),
        )
        for line in thaniya(*command, "--json")[1].splitlines()
    ]

    assert {line["message_type"] for line in lines} == {"event", "entry"}
    assert {line["ok"] for line in lines if line["message_type"] == "event"} == {True}


def test_what_cannot_be_undone_needs_a_word_where_nobody_is_there_to_ask(thaniya, archived, monkeypatch):
    backup = archived()
    monkeypatch.setattr("sys.stdin", io.StringIO())

    exit_code, stdout, stderr = thaniya("backup", "remove", backup.id, "--json")

    assert (exit_code, stdout) == (2, "")
    assert (json.loads(stderr)["code"], json.loads(stderr)["hint"]) == ("wrong_usage", "give --yes")
    assert thaniya("backup", "remove", backup.id, "--yes")[0] == 0


def test_backup_that_is_not_there_keeps_no_other_from_being_verified(server, thaniya, archived, volume, tmp_path):
    for place in ("first", "second"):
        archived()
        if place == "first":
            server.volumes.add(tmp_path / "second", "second", "login:root")
            (volume / "volume.json").rename(volume / "away")
    (volume / "volume.json").write_text("{")

    exit_code, stdout, _ = thaniya("backup", "verify", "--all", "--json")

    assert exit_code == 8
    verified = [json.loads(line) for line in stdout.splitlines()]
    assert sorted(line["good"] for line in verified) == [False, True]
    assert [line["damage"] for line in verified if "volume.json cannot be read" in line["damage"]] != []


@pytest.mark.parametrize(
    ("error", "exit_code", "words"),
    [
        (SystemExit("no terminal"), 1, "thaniya: no terminal"),
        (SystemExit(None), 0, ""),
        (SystemExit(4), 4, ""),
        (OSError(errno.EIO, "Input/output error", "/a/file"), 1, "slot list`: Input/output error: /a/file"),
    ],
)
def test_whatever_ends_a_command_has_its_exit_code_and_is_told(thaniya, monkeypatch, error, exit_code, words):
    def ends(context: object) -> None:
        raise error

    monkeypatch.setattr("thaniya_core.cli.slot.server_of", ends)

    found, _, stderr = thaniya("slot", "list")

    assert found == exit_code
    assert words in stderr


def test_log_is_read_back_as_it_was_written_before_it_said_that_all_went_well(server, thaniya):
    before = list(server.events())
    for file in (server.config.paths.state / "log").iterdir():
        file.write_bytes(file.read_bytes().replace(b'"ok":true,', b""))

    assert list(server.events()) == before


def test_disk_that_fails_while_a_slot_closes_is_told_with_the_slot(thaniya, open_upload, monkeypatch):
    upload = open_upload()

    def fails(accounts: object, slot: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(EmbeddedAccounts, "lock", fails)

    exit_code, _, stderr = thaniya("upload", "abort", upload.id)

    assert exit_code == 1
    assert f"cannot lock {upload.slot}: Input/output error" in stderr


def test_new_user_does_not_inherit_the_backups_of_an_earlier_one(archived, server, thaniya):
    archived(a=b"secret")
    server.users.remove("alice", "login:root")

    refused, _, reason = thaniya("user", "add", "alice")
    adopted, _, _ = thaniya("user", "add", "alice", "--adopt-backups")

    assert (refused, adopted) == (1, 0)
    assert "the archive holds 1 backups of an earlier user alice" in reason


def test_probe_of_the_broker_carries_nothing_out_and_tells_a_broken_state(thaniya, root, monkeypatch):
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", "allocate --host web1 --name nightly")

    assert thaniya("broker", "--probe") == (0, f"thaniya {__version__}\n", "")
    assert thaniya("broker")[0] == 2
    assert "web1" not in (root / "state" / "state.json").read_text()
    (root / "state" / "state.json").write_text("{")
    exit_code, _, stderr = thaniya("broker", "--probe")

    assert (exit_code, "state.json" in stderr) == (1, True)
