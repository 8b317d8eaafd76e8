"""The receiving end of the old SCP protocol, which `scp -O` and old clients speak (OpenSSH's scp.c, `sink`).

The client sends `C0644 SIZE NAME`, the bytes and a zero byte; each is answered by a zero byte, by 1 and a line for an
error after which the next file may come, or by 2 and a line for one that ends it all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from msgspec import Struct

from thaniya_core.errors import NotAllowed, WrongUsage
from thaniya_core.formats.protocol import UPLOAD_DIRECTORY
from thaniya_core.gate.byte_stream import ByteStream
from thaniya_core.gate.slot_files import UPLOAD, SlotFiles, explain, resolve
from thaniya_core.gate.slot_shell import split_scp
from thaniya_core.system.harmless import make_harmless

_LINE_LIMIT = 4096
_BUFFER_BYTES = 1024 * 1024
_FILE_LINE = re.compile(rb"C[0-7]{4,5} ([0-9]{1,18}) ([^/]+)")
_OPTIONS = frozenset("tprdvq")


class ScpTarget(Struct, frozen=True):
    """Where `scp -t` puts files."""

    path: bytes
    must_be_directory: bool


def parse_scp(words: Sequence[str]) -> ScpTarget:
    """Read the command line that a client's scp sends.

    Args:
        words: the command's words, `scp` the first.

    Raises:
        NotAllowed: the client wants to download (-f).
        WrongUsage: it is no command that scp sends.
    """
    options, rest = split_scp(words)  # type: ignore[no-untyped-call]
    if "f" in options:
        raise NotAllowed(
            "nothing can be downloaded from a slot", hint="`fetch` on the control account gives backups back"
        )
    if "t" not in options or not options <= _OPTIONS or len(rest) != 1:
        raise WrongUsage("this is no scp command that an upload needs")
    return ScpTarget(os.fsencode(rest[0]), "d" in options)


class ScpSink:
    """Receives files into a slot until the client closes its side."""

    def __init__(self, files: SlotFiles, stream: ByteStream, target: ScpTarget) -> None:
        self._files = files
        self._stream = stream
        self._target = target
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._failed = False

    def serve(self) -> int:
        """Give scp's exit code: 0 when all files came in, else 1."""
        place = resolve(self._target.path)
        if place != UPLOAD and (self._target.must_be_directory or len(place) != 2 or place[0] != UPLOAD_DIRECTORY):
            shown = make_harmless(os.fsdecode(self._target.path), 200)
            return self._give_up(f"{shown}: files go into upload/ and nowhere else")
        self._stream.send(b"\0")
        while line := self._read_line():
            if line[:1] == b"T":
                self._stream.send(b"\0")
            elif line[:1] in b"\1\2":
                self._failed = True
            elif match := _FILE_LINE.fullmatch(line):
                path = b"/".join((UPLOAD_DIRECTORY.encode(), match[2])) if place == UPLOAD else self._target.path
                if not self._receive(path, int(match[1])):
                    return 1
            elif line[:1] == b"D":
                return self._give_up("directories are not taken: pack them with tar")
            else:
                return self._give_up("protocol error: " + make_harmless(line.decode("utf-8", "replace"), 80))
        return int(self._failed)

    def _receive(self, path: bytes, size_bytes: int) -> bool:
        """Receive one file; False when the connection ended within it."""
        try:
            descriptor = self._files.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        except OSError as exc:
            self._complain(f"{make_harmless(os.fsdecode(path), 300)}: {explain(exc)}")
            return True
        try:
            self._stream.send(b"\0")
            return self._copy(path, descriptor, size_bytes)
        finally:
            os.close(descriptor)

    def _copy(self, path: bytes, descriptor: int, size_bytes: int) -> bool:
        problem = ""
        offset = 0
        while offset < size_bytes:
            part = self._buffer[: min(len(self._buffer), size_bytes - offset)]
            if not self._stream.read_into(part):
                return False
            try:
                # After an error the rest is still read: the client sends all of the file before it listens.
                if not problem:
                    self._files.write(descriptor, part, offset)
            except OSError as exc:
                problem = explain(exc)
            offset += len(part)
        end = self._buffer[:1]
        if not self._stream.read_into(end):
            return False
        if end[0] != 0:
            self._read_line()
            self._failed = True
        if problem:
            self._complain(f"{os.fsdecode(path)}: {problem}")
        else:
            self._stream.send(b"\0")
        return True

    def _read_line(self) -> bytes:
        """A line without its newline; empty at the end of input."""
        line = bytearray()
        one = self._buffer[:1]
        while self._stream.read_into(one):
            if one[0] == 0x0A:
                return bytes(line)
            line += one
            if len(line) > _LINE_LIMIT:
                return bytes(line)
        return b""

    def _complain(self, message: str) -> None:
        self._failed = True
        self._stream.send(f"\1scp: {message}\n".encode("utf-8", "backslashreplace"))

    def _give_up(self, message: str) -> int:
        self._stream.send(f"\2scp: {message}\n".encode("utf-8", "backslashreplace"))
        return 1
