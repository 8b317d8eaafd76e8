import gzip
import io
import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from thaniya_core.errors import ProtocolViolated
from thaniya_core.formats.protocol import Backups, decode_request
from thaniya_core.gate.broker import run_command
from thaniya_core.gate.reading_verbs import BACKUPS_LIMIT
from thaniya_core.gate.services import Caller
from thaniya_core.model import UploadState
from thaniya_core.system.harmless import make_harmless

UPLOAD = "20261123T211500Z-000001"
BACKUP = "20261122T211500Z-00000a"
SUMS = f"{'a' * 64}  upload/home.tar.gz\n{'b' * 64} *notes.txt\n".encode()


@pytest.mark.parametrize("command", ["", "help", "   "])
def test_help_shows_each_verb_with_an_example(broker, command):
    exit_code, stdout, _ = broker(command)
    assert exit_code == 0
    for verb in ("allocate", "complete", "abort", "status", "uploads", "backups", "contents", "fetch", "session"):
        assert verb in stdout


def test_allocate_prints_what_a_shell_script_needs(broker, services):
    exit_code, stdout, _ = broker("allocate --host web1 --name=nightly --bytes 10K")
    assert (exit_code, stdout) == (0, f"upload={UPLOAD}\nslot=thaniya_01\ndirectory=upload\n")
    assert services.found[UPLOAD].expected_bytes == 10_240


def test_no_free_slot_is_exit_code_6_and_says_what_next(broker, open_upload):
    exit_code, stdout, stderr = broker("allocate --host web1 --name nightly")
    assert (exit_code, stdout) == (6, "")
    assert stderr == "thaniya: no free slot: 1 of 1 taken (try again later)\n"


def test_complete_waits_until_the_backup_is_archived(broker, services, open_upload, monkeypatch):
    services.archives = False
    real = services.upload
    answers = iter([UploadState.SPOOLED, UploadState.SPOOLED, UploadState.ARCHIVED])
    monkeypatch.setattr(
        services,
        "upload",
        lambda caller, upload_id, known="", wait_s=0.0: (
            services._change(upload_id, next(answers)) if known else real(caller, upload_id)
        ),
    )
    assert broker(f"complete {UPLOAD}") == (0, "state=archived\n", "")


def test_complete_gives_busy_when_the_wait_is_over(broker, services, open_upload):
    services.archives = False
    assert broker(f"complete {UPLOAD} --wait 0") == (6, "state=spooled\n", "")


def test_complete_without_waiting_is_done_when_the_files_are_spooled(broker, services, open_upload):
    services.archives = False
    assert broker(f"complete {UPLOAD} --no-wait") == (0, "state=spooled\n", "")


@pytest.mark.parametrize(
    ("state", "exit_code"),
    [(UploadState.REJECTED, 8), (UploadState.FAILED, 1), (UploadState.ABORTED, 1), (UploadState.EXPIRED, 1)],
)
def test_an_upload_that_ends_badly_says_why(broker, services, open_upload, state, exit_code):
    services.end_state, services.reason = state, "a.tar: the sum differs\n\x1b[31m"
    found_code, stdout, stderr = broker(f"complete {UPLOAD}")
    assert (found_code, stdout) == (exit_code, "")
    assert "a.tar: the sum differs\\x0a\\x1b[31m" in stderr


def test_sums_of_sha256sum_become_the_manifest(broker, services, open_upload):
    assert broker(f"complete {UPLOAD} --sums", SUMS)[0] == 0
    files = services.manifests[UPLOAD].files
    assert [(file.name, file.sha256[0], file.kind.value) for file in files] == [
        ("home.tar.gz", "a", "tar"),
        ("notes.txt", "b", "file"),
    ]


@pytest.mark.parametrize(
    "sums", [b"", b"nonsense\n", b"a" * 2_000_000, f"{'a' * 64}  .hidden\n".encode()], ids=range(4)
)
def test_sums_that_are_none_leave_the_upload_open(broker, services, open_upload, sums):
    exit_code, _, stderr = broker(f"complete {UPLOAD} --sums", sums)
    assert (exit_code, stderr.startswith("thaniya: ")) == (2, True)
    assert services.found[UPLOAD].state is UploadState.OPEN


def test_abort_and_status(broker, open_upload):
    assert "state=open\n" in broker(f"status {UPLOAD}")[1]
    assert broker(f'abort {UPLOAD} --reason "no more"') == (0, "state=aborted\n", "")
    status = json.loads(broker(f"status {UPLOAD} --json")[1])
    assert (status["state"], status["reason"]) == ("aborted", "no more")
    assert broker(f"abort {UPLOAD}")[0] == 1


def test_another_users_upload_is_not_found(services, open_upload):
    stderr = io.BytesIO()
    assert run_command(services, Caller("bob"), f"status {UPLOAD}", io.BytesIO(), io.BytesIO(), stderr) == 4


def test_tables_have_a_header_and_tabs(broker, open_upload):
    header, row = broker("uploads")[1].splitlines()
    assert header.split("\t")[:3] == ["id", "state", "host"]
    assert row.split("\t")[:5] == [UPLOAD, "open", "web1", "nightly", "2026-11-23T21:15:00Z"]
    header, row = broker("backups --host web1 --limit 5")[1].splitlines()
    assert dict(zip(header.split("\t"), row.split("\t"), strict=True))["state"] == "good"
    assert broker("backups --host other")[1].count("\n") == 1


def test_tables_as_json_lines(broker, open_upload):
    assert json.loads(broker("uploads --json")[1])["upload"] == UPLOAD
    assert json.loads(broker("backups --json")[1])["id"] == BACKUP
    assert [json.loads(line)["name"] for line in broker(f"contents {BACKUP} --json")[1].splitlines()] == [
        "home.tar.gz",
        "home.files",
    ]


def test_contents_lists_files_and_what_is_inside_a_tar(broker, services):
    assert broker(f"contents {BACKUP}")[1].splitlines()[1].startswith("home.tar.gz\t16\t")
    expected = services.files["home.files"].decode()
    assert broker(f"contents {BACKUP} home.tar.gz") == (0, expected, "")
    assert broker(f"contents {BACKUP} nothing")[0] == 4


def test_encrypted_contents_list_is_refused_with_what_to_do(broker, services, monkeypatch):
    document = services.contents

    def encrypted(caller, backup_id):
        found = document(caller, backup_id)
        tar, listing = found.files
        return replace(found, files=(tar, replace(listing, encryption="age")))

    monkeypatch.setattr(services, "contents", encrypted)
    exit_code, out, err = broker(f"contents {BACKUP} home.tar.gz")

    assert (exit_code, out) == (5, "")
    assert "is encrypted" in err
    assert "--identity" in err


def test_a_broken_contents_list_is_an_integrity_error(broker, services, monkeypatch):
    plain = services.files.pop("home.files")
    services.files["home.files"] = b""
    document = services.contents
    name = "home.files.gz"

    def renamed(caller, backup_id):
        found = document(caller, backup_id)
        tar, listing = found.files
        return replace(found, files=(tar, replace(listing, name=name, compression="gzip")))

    monkeypatch.setattr(services, "contents", renamed)
    services.files[name] = gzip.compress(plain)
    assert broker(f"contents {BACKUP} home.tar.gz") == (0, plain.decode(), "")
    services.files[name] = gzip.compress(os.urandom(5000))[:-2000]
    assert broker(f"contents {BACKUP} home.tar.gz")[0] == 8
    whole = gzip.compress(os.urandom(5000))
    services.files[name] = whole[:10] + b"\xff" * 100 + whole[110:]
    exit_code, _, stderr = broker(f"contents {BACKUP} home.tar.gz")
    assert (exit_code, f"{name} cannot be decompressed" in stderr) == (8, True)


def test_fetch_writes_the_stored_bytes_from_an_offset(broker):
    assert broker(f"fetch {BACKUP} home.tar.gz") == (0, "not really a tar", "")
    assert broker(f"fetch {BACKUP} home.tar.gz 4") == (0, "really a tar", "")
    assert broker(f"fetch {BACKUP} home.tar.gz 16") == (0, "", "")
    assert broker(f"fetch {BACKUP} home.tar.gz 17")[0] == 2
    assert broker(f"fetch {BACKUP} ../state.json")[0] == 4


@pytest.mark.parametrize("to_pipe", [True, False])
def test_fetch_between_real_files_uses_the_kernel(services, caller, tmp_path, monkeypatch, to_pipe):
    data = os.urandom(50_000)
    source = tmp_path / "data"
    source.write_bytes(data)
    monkeypatch.setattr(services, "open_file", lambda *_: source.open("rb", buffering=0))
    if to_pipe:
        reader, writer = os.pipe()
        with os.fdopen(writer, "wb") as stdout:
            assert run_command(services, caller, f"fetch {BACKUP} x 7", io.BytesIO(), stdout, io.BytesIO()) == 0
        with os.fdopen(reader, "rb") as stream:
            assert stream.read() == data[7:]
    else:
        with (tmp_path / "out").open("wb") as stdout:
            assert run_command(services, caller, f"fetch {BACKUP} x 7", io.BytesIO(), stdout, io.BytesIO()) == 0
        assert (tmp_path / "out").read_bytes() == data[7:]


def test_a_client_that_is_gone_is_no_internal_error(services, caller, caplog):
    reader, writer = os.pipe()
    os.close(reader)
    stdout = os.fdopen(writer, "wb", buffering=0)
    assert run_command(services, caller, "help", io.BytesIO(), stdout, io.BytesIO()) == 1
    stdout.close()
    assert caplog.text == ""


def test_an_unexpected_error_shows_a_reference_only(broker, services, caplog):
    services.fails = RuntimeError("secret detail")
    exit_code, _, stderr = broker("allocate --host a --name b")
    assert (exit_code, "internal error, reference" in stderr, "secret" in stderr) == (1, True, False)
    assert "secret detail" in caplog.text


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf /",
        "\0",
        "fetch a\0b c",
        "allocate --host 'web1",
        "x" * 1_000_000,
        "allocate",
        "allocate --host a",
        "allocate --host",
        "allocate --host a --host b --name c",
        "allocate --host a --name c --bytes many",
        "allocate --host a --name c extra",
        "complete",
        f"complete {UPLOAD} --wait 1 --no-wait",
        f"complete {UPLOAD} --sums=yes",
        "backups --limit -1",
        "backups --limit 0",
        "backups --limit 10001",
        "backups --limit 99999999",
        "fetch a b -3",
        "fetch a b 1 2",
        "uploads --color",
        "session now",
        "\x1b[2J\n\r\u202e",
    ],
    ids=lambda command: repr(command[:30]),
)
def test_a_command_that_is_none_is_wrong_usage_in_one_clear_line(broker, command):
    exit_code, stdout, stderr = broker(command)
    assert (exit_code, stdout) == (2, "")
    assert stderr.startswith("thaniya: ")
    assert stderr.count("\n") == 1
    assert len(stderr) < 1000
    assert all(char.isprintable() for char in stderr[:-1])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(command=st.text(max_size=80))
def test_no_command_crashes_the_broker(command, broker):
    exit_code, _, stderr = broker(command)
    assert "internal error" not in stderr
    assert exit_code in range(9)


@given(st.text())
def test_harmless_text_cannot_move_a_cursor_or_cut_a_line(text):
    shown = make_harmless(text)
    shown.encode()
    assert not any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 for char in shown)


@pytest.mark.parametrize("limit", [0, 1, BACKUPS_LIMIT, BACKUPS_LIMIT + 1])
def test_verb_and_message_take_the_same_limits(broker, limit):
    exit_code, _, _ = broker(f"backups --limit {limit}")
    line = b'{"type":"backups","limit":%d}' % limit
    if exit_code == 0:
        assert decode_request(line) == Backups(limit=limit)
    else:
        with pytest.raises(ProtocolViolated):
            decode_request(line)


@pytest.mark.parametrize(
    "command", ["shell", "fetch ../x y", "contents 20261122T211500Z-00000b", "backups --user bob", "\udcff\x1b[2J\n'"]
)
def test_what_a_caller_is_refused_is_noted_without_harm(broker, services, command):
    exit_code, _, _ = broker(command)
    assert exit_code in (2, 4)
    ((user, noted, detail),) = services.refusals
    assert (user, noted) == ("alice", make_harmless(command))
    assert detail
    assert (noted + detail).isprintable()


def test_what_is_only_for_now_is_not_noted_as_refused(broker, services, open_upload):
    assert broker("allocate --host web1 --name nightly")[0] == 6
    assert services.refusals == []
