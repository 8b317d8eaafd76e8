"""The SFTP server, packet by packet."""

import errno
import io
import os
import stat
import struct

import paramiko
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thaniya_core.gate import sftp_wire as wire
from thaniya_core.gate.sftp import DIRECTORIES_LIMIT, HANDLES_LIMIT, SftpServer
from thaniya_core.gate.sftp_wire import Code, Kind
from thaniya_core.gate.slot_files import SlotFiles, resolve


def packets(data):
    while data:
        (length,) = struct.unpack(">I", data[:4])
        yield data[4], data[5 : 4 + length]
        data = data[4 + length :]


@pytest.fixture
def sftp(slot, memory_stream):
    """Send requests and give the answers: packet type, and code and text where it is a status."""
    slot.upload_id = "taken"

    def talk(*requests):
        stream = memory_stream(b"".join(requests))
        with SlotFiles(slot.path, slot.begin("thaniya_01", slot.upload_id, slot.shut)) as files:
            SftpServer(files, stream).serve()
        answers = []
        for kind, body in packets(stream.got):
            if kind == Kind.STATUS:
                (code,) = struct.unpack(">I", body[4:8])
                (length,) = struct.unpack(">I", body[8:12])
                answers.append((code, body[12 : 12 + length].decode()))
            else:
                answers.append((kind, body[4:]))
        return answers

    return talk


def request(kind, *parts):
    return wire.packet(kind, wire.uint32(7), *parts)


def open_file(path, flags=wire.OPEN_WRITE | wire.OPEN_CREATE | wire.OPEN_TRUNCATE):
    return request(Kind.OPEN, wire.string(path), wire.uint32(flags), wire.uint32(0))


def write(offset, data, handle=b"0"):
    return request(Kind.WRITE, wire.string(handle), wire.uint64(offset), wire.string(data))


EVIL_PATHS = [
    b"x",
    b"../x",
    b"/x",
    b"/etc/passwd",
    b"upload/../../x",
    b"upload/sub/x",
    b"upload/",
    b"upload",
    b"",
    b"/",
    b"upload/.hidden",
    b"upload/-rf",
    b"upload/a b",
    b"upload/a\nb",
    b"upload/\xff\xfe",
    b"upload/" + b"x" * 300,
    b"upload/" + b"x" * 100_000,
    b"upload/backup.json",
    b"upload/SHA256SUMS",
    b"upload/\x1b[2J",
]


@pytest.mark.parametrize("path", EVIL_PATHS, ids=lambda path: repr(path[:30]))
def test_no_path_leads_anywhere_but_to_a_legal_file(sftp, slot, tmp_path, path):
    before = sorted(tmp_path.rglob("*"))
    ((code, text),) = sftp(open_file(path))
    assert code == Code.PERMISSION_DENIED
    assert text.isprintable()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_nul_in_a_path_is_a_bad_message(sftp):
    assert sftp(open_file(b"upload/a\0b"))[0][0] == Code.BAD_MESSAGE


@given(st.lists(st.sampled_from([b"..", b".", b"", b"upload", b"x"]), max_size=12))
def test_a_path_never_leads_above_the_root(parts):
    place = resolve(b"/".join(parts))
    assert not {"..", ".", ""} & set(place)


def test_real_path_is_what_a_chroot_would_show(sftp):
    for path, expected in (
        (b".", b"/"),
        (b"..", b"/"),
        (b"upload/./x/..", b"/upload"),
        (b"/../upload/a", b"/upload/a"),
    ):
        ((kind, body),) = sftp(request(Kind.REALPATH, wire.string(path)))
        assert kind == Kind.NAME
        assert body[4:].startswith(wire.string(expected))


def test_the_version_names_the_extensions(sftp):
    stream = sftp(wire.packet(Kind.INIT, wire.uint32(3)))
    ((kind, body),) = stream
    assert kind == Kind.VERSION
    assert b"limits@openssh.com" in body
    assert b"posix-rename@openssh.com" in body


def test_writes_land_where_they_should(sftp, slot):
    answers = sftp(open_file(b"upload/a"), write(3, b"def"), write(0, b"abc"), request(Kind.CLOSE, wire.string(b"0")))
    assert [answer[0] for answer in answers] == [Kind.HANDLE, Code.OK, Code.OK, Code.OK]
    assert (slot.path / "a").read_bytes() == b"abcdef"


def test_opening_without_truncation_keeps_what_is_there(sftp, slot):
    (slot.path / "a").write_bytes(b"abcdef")
    sftp(open_file(b"upload/a", wire.OPEN_WRITE), write(2, b"X"))
    assert (slot.path / "a").read_bytes() == b"abXdef"


def test_appending_ignores_the_offset(sftp, slot):
    (slot.path / "a").write_bytes(b"abc")
    sftp(open_file(b"upload/a", wire.OPEN_WRITE | wire.OPEN_APPEND), write(0, b"d"), write(0, b"e"))
    assert (slot.path / "a").read_bytes() == b"abcde"


def test_attributes_but_the_size_are_left_alone(sftp, slot):
    file = slot.path / "a"
    file.write_bytes(b"abcdef")
    file.chmod(0o640)
    before = file.stat()
    everything = wire.uint32(0xF) + wire.uint64(3) + 2 * wire.uint32(0) + wire.uint32(0o4777) + 2 * wire.uint32(1)
    assert sftp(request(Kind.SETSTAT, wire.string(b"upload/a"), everything))[0][0] == Code.OK
    after = file.stat()
    assert (after.st_size, after.st_mode, after.st_uid) == (3, before.st_mode, before.st_uid)
    assert after.st_mtime > 1000


@pytest.fixture(params=["symlink", "dangling", "fifo", "directory", "device"])
def planted(request, slot, tmp_path):
    """Something in the slot that is no file; and a file outside that must stay as it is."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"secret")
    place = slot.path / "planted"
    match request.param:
        case "symlink":
            place.symlink_to(outside)
        case "dangling":
            place.symlink_to(tmp_path / "new")
        case "fifo":
            os.mkfifo(place)
        case "directory":
            place.mkdir()
        case "device":
            if os.geteuid() != 0:
                pytest.skip("only root can make a device")
            os.mknod(place, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    yield place
    assert outside.read_bytes() == b"secret"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("flags", [wire.OPEN_READ, wire.OPEN_WRITE, 0x1A, 0x1B, 0x3A, 0x0E])
def test_what_is_no_file_is_never_opened(sftp, planted, flags):
    ((code, _),) = sftp(open_file(b"upload/planted", flags))
    assert code in (Code.PERMISSION_DENIED, Code.FAILURE)


def test_what_is_no_file_is_neither_changed_nor_moved(sftp, planted, slot):
    (slot.path / "a").write_bytes(b"a")
    path, other = wire.string(b"upload/planted"), wire.string(b"upload/b")
    answers = sftp(
        request(Kind.SETSTAT, path, wire.uint32(1), wire.uint64(0)),
        request(Kind.REMOVE, path),
        request(Kind.RENAME, path, other),
        request(Kind.RENAME, wire.string(b"upload/a"), path),
        request(Kind.READLINK, path),
    )
    assert [answer[0] for answer in answers[:3]] == [Code.PERMISSION_DENIED] * 3
    assert answers[3][0] == Code.FAILURE
    assert answers[4][0] == Code.PERMISSION_DENIED
    assert os.path.lexists(planted)


def test_rename_replaces_only_when_asked(sftp, slot):
    (slot.path / "a").write_bytes(b"a")
    (slot.path / "b").write_bytes(b"b")
    names = wire.string(b"upload/a") + wire.string(b"upload/b")
    assert sftp(request(Kind.RENAME, names)) == [(Code.FAILURE, "b exists already")]
    assert sftp(request(Kind.EXTENDED, wire.string(b"posix-rename@openssh.com"), names))[0][0] == Code.OK
    assert (slot.path / "b").read_bytes() == b"a"


def test_fsync_statvfs_and_limits_are_answered(sftp):
    answers = sftp(
        open_file(b"upload/a"),
        request(Kind.EXTENDED, wire.string(b"fsync@openssh.com"), wire.string(b"0")),
        request(Kind.EXTENDED, wire.string(b"statvfs@openssh.com"), wire.string(b"/upload")),
        request(Kind.EXTENDED, wire.string(b"limits@openssh.com")),
        request(Kind.EXTENDED, wire.string(b"copy-data")),
    )
    assert [answer[0] for answer in answers] == [
        Kind.HANDLE,
        Code.OK,
        Kind.EXTENDED_REPLY,
        Kind.EXTENDED_REPLY,
        Code.OP_UNSUPPORTED,
    ]


def test_a_full_disk_is_called_by_its_name(sftp, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    assert sftp(open_file(b"upload/a"), write(0, b"x"))[1] == (Code.FAILURE, "no space left on the server's disk")


def test_a_slot_that_has_closed_takes_nothing_more(sftp, slot, monkeypatch):
    real = slot.begin

    def begin_and_close(*words):
        session = real(*words)
        slot.upload_id = None
        return session

    monkeypatch.setattr(slot, "begin", begin_and_close)
    for answer in sftp(
        open_file(b"upload/a"),
        request(Kind.REMOVE, wire.string(b"upload/a")),
        request(Kind.RENAME, wire.string(b"upload/a"), wire.string(b"upload/b")),
    ):
        assert answer == (Code.PERMISSION_DENIED, "the slot has closed")
    assert list(slot.path.iterdir()) == []


def test_too_many_open_files_are_refused(sftp):
    answers = sftp(*(open_file(b"upload/a") for _ in range(HANDLES_LIMIT + 5)))
    assert [answer[0] for answer in answers].count(Kind.HANDLE) == HANDLES_LIMIT
    assert answers[-1] == (Code.FAILURE, f"more than {HANDLES_LIMIT} open files")


def test_too_many_open_directories_are_refused(sftp):
    answers = sftp(*(request(Kind.OPENDIR, wire.string(b"upload")) for _ in range(DIRECTORIES_LIMIT + 1)))
    assert [answer[0] for answer in answers].count(Kind.HANDLE) == DIRECTORIES_LIMIT
    assert answers[-1] == (Code.FAILURE, f"more than {DIRECTORIES_LIMIT} open directories")


def test_an_internal_error_is_logged_and_answered(sftp, slot, monkeypatch, caplog):
    monkeypatch.setattr(SlotFiles, "remove", lambda *_: 1 / 0)
    assert sftp(request(Kind.REMOVE, wire.string(b"upload/a"))) == [(Code.FAILURE, "internal error")]
    assert "ZeroDivisionError" in caplog.text


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=60)), max_size=10))
def test_any_packet_gets_one_answer(bodies, sftp):
    sent = [wire.packet(kind, body) for kind, body in bodies if kind != Kind.INIT]
    assert len(sftp(*sent)) == len(sent)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300))
def test_any_bytes_end_the_session_quietly(data, sftp):
    sftp(data)


def test_paramikos_client_uploads_and_reads_back(paramiko_sftp, slot, tmp_path):
    data = os.urandom(1_000_000)
    paramiko_sftp.putfo(io.BytesIO(data), "upload/a.tar")
    with paramiko_sftp.open("upload/a.tar") as file:
        assert file.read() == data
    assert [entry.filename for entry in paramiko_sftp.listdir_attr("upload")] == ["a.tar"]
    assert paramiko_sftp.stat("upload/a.tar").st_size == len(data)
    with pytest.raises(PermissionError):
        paramiko_sftp.mkdir("upload/sub")
    with pytest.raises(FileNotFoundError):
        paramiko_sftp.stat("upload/none")


@pytest.mark.parametrize("name", [b"upload/\xff", b"upload/a\nb", b"../x", b"upload/" + b"x" * 300])
def test_evil_names_over_the_wire_leave_the_session_alive(paramiko_sftp, slot, name):
    with pytest.raises(OSError):
        paramiko_sftp.open(name, "wb")
    assert paramiko_sftp.listdir("upload") == []


def test_a_channel_takes_one_subsystem_only(paramiko_sftp):
    channel = paramiko_sftp.get_channel()
    with pytest.raises(paramiko.SSHException):
        channel.invoke_subsystem("sftp")
