"""gzip, bzip2 and xz: written by us and read by the programs, and the other way round."""

from __future__ import annotations

import io
import os
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thaniya_core.formats.compression import (
    DECOMPRESSION_ERRORS,
    Compression,
    compression_of,
    open_reader,
    open_writer,
    strip_suffix,
)
from thaniya_core.system.run import run

REAL = [Compression.GZIP, Compression.BZIP2, Compression.XZ]
DATA = b"a line that repeats\n" * 50_000 + os.urandom(500_000)
DEADLINE_S = 30.0


def _compressed(data: bytes, compression: Compression, level: int | None = None) -> bytes:
    target = io.BytesIO()
    with open_writer(target, compression, level) as stream:
        stream.write(data)
    assert not target.closed
    return target.getvalue()


@pytest.mark.parametrize("compression", Compression)
@settings(max_examples=20, deadline=None)
@given(st.lists(st.binary(max_size=5000)))
def test_what_is_written_is_read_back(compression, chunks):
    target = io.BytesIO()
    with open_writer(target, compression) as stream:
        for chunk in chunks:
            stream.write(chunk)
    target.seek(0)

    with open_reader(target, compression) as stream:
        assert stream.read() == b"".join(chunks)
    assert not target.closed


@pytest.mark.parametrize("compression", REAL)
@pytest.mark.parametrize("data", [b"", b"x", DATA], ids=["empty", "byte", "large"])
def test_program_reads_what_we_compress(compression, data):
    command = compression.decompress_command.split()

    assert run(command, stdin=_compressed(data, compression), timeout_s=60).stdout == data


@pytest.mark.parametrize("compression", REAL)
def test_we_read_what_the_program_compresses(compression):
    source = io.BytesIO(run([compression.value, "-c"], stdin=DATA, timeout_s=60).stdout)

    with open_reader(source, compression) as stream:
        assert stream.read() == DATA


@pytest.mark.parametrize("compression", REAL)
def test_members_one_after_another_are_read_as_one(compression):
    source = io.BytesIO(_compressed(b"one ", compression) + _compressed(b"two", compression))

    with open_reader(source, compression) as stream:
        assert stream.read() == b"one two"


@pytest.mark.parametrize("compression", Compression)
def test_lines_of_a_stream_are_read_one_by_one(compression):
    source = io.BytesIO(_compressed(b"one\ntwo\nthree", compression))

    with open_reader(source, compression) as stream:
        assert list(stream) == [b"one\n", b"two\n", b"three"]


@pytest.mark.parametrize("compression", REAL)
@pytest.mark.parametrize("damage", ["cut", "flipped", "garbage"])
def test_damaged_stream_raises_a_known_error(compression, damage):
    whole = _compressed(DATA, compression)
    middle = len(whole) // 2
    broken = {
        "cut": whole[:middle],
        "flipped": whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :],
        "garbage": b"this was never compressed",
    }[damage]

    with pytest.raises(DECOMPRESSION_ERRORS), open_reader(io.BytesIO(broken), compression) as stream:
        stream.read()


class FullDisk(io.BytesIO):
    """A target that takes so many bytes and no more."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, data) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(28, "No space left on device")
        return super().write(data)


@pytest.mark.parametrize("compression", Compression)
@pytest.mark.parametrize("room", [0, 100, 100_000])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_error_of_the_target_comes_out_and_nothing_hangs(compression, room):
    raised: list[BaseException] = []

    def work() -> None:
        try:
            with open_writer(FullDisk(room), compression) as stream:
                for _ in range(20):
                    stream.write(os.urandom(100_000))
        except OSError as error:
            raised.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(DEADLINE_S)

    assert not thread.is_alive()
    assert [error.errno for error in raised] == [28]


@pytest.mark.parametrize(
    ("name", "compression", "stripped"),
    [
        ("home.tar.gz", Compression.GZIP, "home.tar"),
        ("home.tar.bz2", Compression.BZIP2, "home.tar"),
        ("home.tar.xz", Compression.XZ, "home.tar"),
        ("home.tar", Compression.NONE, "home.tar"),
        ("gz", Compression.NONE, "gz"),
    ],
)
def test_suffix_tells_the_compression(name, compression, stripped):
    assert compression_of(name) is compression
    assert strip_suffix(name) == stripped
