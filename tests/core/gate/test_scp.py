"""The old SCP protocol, byte by byte."""

import errno
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thaniya_core.errors import NotAllowed, WrongUsage
from thaniya_core.gate.scp import ScpSink, ScpTarget, parse_scp
from thaniya_core.gate.slot_files import SlotFiles


@pytest.fixture
def sink(slot, memory_stream):
    slot.upload_id = "taken"

    def receive(data, target=b"upload/", must_be_directory=False):
        stream = memory_stream(data)
        with SlotFiles(slot.path, slot.begin("thaniya_01", slot.upload_id, slot.shut)) as files:
            exit_code = ScpSink(files, stream, ScpTarget(target, must_be_directory)).serve()
        return exit_code, stream.got

    return receive


def test_files_with_times_come_in(sink, slot):
    data = b"T1 0 1 0\nC0644 3 a\nabc\0C0600 0 b\n\0"
    assert sink(data) == (0, b"\0" * 6)
    assert (slot.path / "a").read_bytes() == b"abc"
    assert (slot.path / "b").read_bytes() == b""


def test_a_directory_ends_it_with_a_clear_line(sink, slot):
    exit_code, answer = sink(b"D0755 0 tree\nC0644 1 a\nx\0E\n")
    assert (exit_code, answer) == (1, b"\0\2scp: directories are not taken: pack them with tar\n")
    assert list(slot.path.iterdir()) == []


@pytest.mark.parametrize("name", [b"../x", b"/x", b"a/b", b"..", b".", b".x", b"a b", b"\xff", b"backup.json", b"-x"])
def test_no_name_leads_anywhere_else(sink, slot, tmp_path, name):
    before = sorted(tmp_path.rglob("*"))
    exit_code, answer = sink(b"C0644 1 " + name + b"\n")
    assert (exit_code, answer[:1], answer[1:2] in (b"\1", b"\2")) == (1, b"\0", True)
    assert answer.endswith(b"\n")
    assert sorted(tmp_path.rglob("*")) == before


def test_after_a_full_disk_the_next_file_still_comes(sink, slot, monkeypatch):
    real = os.pwrite
    failures = [OSError(errno.ENOSPC, "full")]

    def once_full(*arguments):
        if failures:
            raise failures.pop()
        return real(*arguments)

    monkeypatch.setattr(os, "pwrite", once_full)
    exit_code, answer = sink(b"C0644 3 a\nabc\0C0644 3 b\ndef\0")
    assert exit_code == 1
    assert b"\1scp: upload/a: no space left on the server's disk\n" in answer
    assert (slot.path / "b").read_bytes() == b"def"


def test_an_error_of_the_client_is_remembered(sink):
    assert sink(b"\1scp: no such file\n")[0] == 1


def test_a_file_that_is_cut_short_is_a_failure(sink):
    assert sink(b"C0644 10 a\nabc")[0] == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["scp", "-t", "upload/"], ScpTarget(b"upload/", False)),
        (["scp", "-v", "-p", "-d", "-t", "--", "upload"], ScpTarget(b"upload", True)),
        (["scp", "-rt", "upload"], ScpTarget(b"upload", False)),
    ],
)
def test_what_scp_sends_is_understood(words, expected):
    assert parse_scp(words) == expected


def test_other_commands_are_refused():
    with pytest.raises(NotAllowed):
        parse_scp(["scp", "-f", "upload/a"])
    for words in (["scp"], ["scp", "-t"], ["scp", "-t", "a", "b"], ["scp", "-S", "-t", "a"], ["scp", "a"]):
        with pytest.raises(WrongUsage):
            parse_scp(words)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.lists(st.binary(max_size=40) | st.sampled_from([b"C0644 3 a\n", b"abc", b"\0", b"T\n", b"E\n"])).map(
        b"".join
    )
)
def test_whatever_comes_the_sink_ends_quietly(data, sink):
    exit_code, answer = sink(data)
    assert exit_code in (0, 1)
    assert answer[:1] == b"\0"
