"""An SFTP server for one slot: version 3 as in draft-ietf-secsh-filexfer-02, with OpenSSH's extensions.

paramiko's own SFTP server is not used: it knows neither limits, fsync nor statvfs and cannot explain a refusal. Without
limits@openssh.com clients send small packets, and its many copies of each make an upload several times slower.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterator

from thaniya_core.gate import sftp_wire as wire
from thaniya_core.gate.byte_stream import ByteStream
from thaniya_core.gate.sftp_wire import Code, Fields, Kind
from thaniya_core.gate.slot_files import SlotFiles, explain, resolve

HANDLES_LIMIT = 32
DIRECTORIES_LIMIT = 2
"""A directory that is open holds a list of all its entries."""
_NAMES_AT_ONCE = 100
_EXTENSIONS = {
    b"posix-rename@openssh.com": b"1",
    b"statvfs@openssh.com": b"2",
    b"fstatvfs@openssh.com": b"2",
    b"fsync@openssh.com": b"1",
    b"lsetstat@openssh.com": b"1",
    b"limits@openssh.com": b"1",
}
logger = logging.getLogger(__name__)


class _File:
    """An open file."""

    def __init__(self, descriptor: int, flags: int) -> None:
        self.descriptor = descriptor
        self.appends = bool(flags & os.O_APPEND)


class _Directory:
    """A directory that is being listed."""

    def __init__(self, entries: list[wire.Entry]) -> None:
        self.entries = entries


class SftpServer:
    """Answers one client's requests until it closes its side."""

    def __init__(self, files: SlotFiles, stream: ByteStream) -> None:
        self._files = files
        self._stream = stream
        self._handles: dict[bytes, _File | _Directory] = {}
        self._next_handle = 0
        self._buffer = memoryview(bytearray(wire.PACKET_LIMIT))
        self._answers: dict[int, Callable[[int, Fields], bytes]] = {
            Kind.OPEN: self._open,
            Kind.CLOSE: self._close,
            Kind.READ: self._read,
            Kind.WRITE: self._write,
            Kind.LSTAT: self._stat,
            Kind.STAT: self._stat,
            Kind.FSTAT: self._stat_open,
            Kind.SETSTAT: self._set_attributes,
            Kind.FSETSTAT: self._set_attributes_open,
            Kind.OPENDIR: self._open_directory,
            Kind.READDIR: self._read_directory,
            Kind.REMOVE: self._remove,
            Kind.RENAME: self._rename,
            Kind.REALPATH: self._real_path,
            Kind.MKDIR: self._refuse,
            Kind.RMDIR: self._refuse,
            Kind.SYMLINK: self._refuse,
            Kind.READLINK: self._refuse,
            Kind.EXTENDED: self._extended,
        }
        self._extended_answers: dict[bytes, Callable[[int, Fields], bytes]] = {
            b"posix-rename@openssh.com": self._rename_over,
            b"statvfs@openssh.com": self._space,
            b"fstatvfs@openssh.com": self._space,
            b"fsync@openssh.com": self._sync,
            b"lsetstat@openssh.com": self._set_attributes,
            b"limits@openssh.com": self._limits,
            b"hardlink@openssh.com": self._refuse,
        }

    def serve(self) -> None:
        """Answer until the client closes its side or sends what is no SFTP."""
        try:
            for kind, body in self._packets():
                if kind == Kind.INIT:
                    pairs = [wire.string(part) for pair in _EXTENSIONS.items() for part in pair]
                    self._stream.send(wire.packet(Kind.VERSION, wire.uint32(wire.VERSION), *pairs))
                else:
                    self._stream.send(self._answer(kind, body))
        finally:
            for handle in self._handles.values():
                if isinstance(handle, _File):
                    os.close(handle.descriptor)
            self._handles.clear()

    def _packets(self) -> Iterator[tuple[int, memoryview]]:
        head = memoryview(bytearray(5))
        while self._stream.read_into(head):
            size = int.from_bytes(head[:4]) - 1
            body = self._buffer[: max(size, 0)]
            if not 0 <= size <= wire.PACKET_LIMIT or not self._stream.read_into(body):
                return
            yield head[4], body

    def _answer(self, kind: int, body: memoryview) -> bytes:
        fields = Fields(body)
        request = 0
        try:
            request = fields.uint32()
            return self._answers.get(kind, self._unsupported)(request, fields)
        except wire.Malformed as exc:
            return wire.status(request, Code.BAD_MESSAGE, str(exc))
        except OSError as exc:
            return wire.status(request, _code_of(exc), explain(exc))
        except Exception:
            logger.exception("internal error in an SFTP request of type %s", kind)
            return wire.status(request, Code.FAILURE, "internal error")

    def _open(self, request: int, fields: Fields) -> bytes:
        path, asked = fields.path(), fields.uint32()
        self._check_room()
        flags = _open_flags(asked)
        return self._new_handle(request, _File(self._files.open(path, flags), flags))

    def _close(self, request: int, fields: Fields) -> bytes:
        handle = self._handles.pop(bytes(fields.string()), None)
        if handle is None:
            raise wire.Malformed("no such handle")
        if isinstance(handle, _File):
            os.close(handle.descriptor)
        return _done(request)

    def _read(self, request: int, fields: Fields) -> bytes:
        file, offset, length = self._file(fields), fields.uint64(), fields.uint32()
        data = os.pread(file.descriptor, min(length, wire.DATA_LIMIT), _signed(offset))
        if not data:
            return wire.status(request, Code.EOF, "end of file")
        return wire.packet(Kind.DATA, wire.uint32(request), wire.string(data))

    def _write(self, request: int, fields: Fields) -> bytes:
        file, offset, data = self._file(fields), fields.uint64(), fields.string()
        # pwrite to a file that was opened for appending appends, whatever the offset: pwrite(2), BUGS.
        self._files.write(file.descriptor, data, 0 if file.appends else _signed(offset))
        return _done(request)

    def _stat(self, request: int, fields: Fields) -> bytes:
        return wire.packet(Kind.ATTRS, wire.uint32(request), wire.attributes(self._files.stat(fields.path())))

    def _stat_open(self, request: int, fields: Fields) -> bytes:
        return wire.packet(Kind.ATTRS, wire.uint32(request), wire.attributes(os.fstat(self._file(fields).descriptor)))

    def _set_attributes(self, request: int, fields: Fields) -> bytes:
        """Owner, mode and times are the server's business: they are accepted and left as they are."""
        path, size = fields.path(), fields.size_of_attributes()
        if size is None:
            self._files.stat(path)
            return _done(request)
        descriptor = self._files.open(path, os.O_WRONLY)
        try:
            self._files.truncate(descriptor, _signed(size))
        finally:
            os.close(descriptor)
        return _done(request)

    def _set_attributes_open(self, request: int, fields: Fields) -> bytes:
        file, size = self._file(fields), fields.size_of_attributes()
        if size is not None:
            self._files.truncate(file.descriptor, _signed(size))
        return _done(request)

    def _open_directory(self, request: int, fields: Fields) -> bytes:
        self._check_room()
        if sum(isinstance(handle, _Directory) for handle in self._handles.values()) >= DIRECTORIES_LIMIT:
            raise OSError(errno.EMFILE, f"more than {DIRECTORIES_LIMIT} open directories")
        entries = [wire.Entry(name, found) for name, found in self._files.list(fields.path())]
        return self._new_handle(request, _Directory(entries))

    def _read_directory(self, request: int, fields: Fields) -> bytes:
        handle = self._handles.get(bytes(fields.string()))
        if not isinstance(handle, _Directory):
            raise wire.Malformed("no such handle")
        entries, handle.entries = handle.entries[:_NAMES_AT_ONCE], handle.entries[_NAMES_AT_ONCE:]
        return wire.names(request, entries) if entries else wire.status(request, Code.EOF, "end of directory")

    def _remove(self, request: int, fields: Fields) -> bytes:
        self._files.remove(fields.path())
        return _done(request)

    def _rename(self, request: int, fields: Fields) -> bytes:
        self._files.rename(fields.path(), fields.path(), replace=False)
        return _done(request)

    def _rename_over(self, request: int, fields: Fields) -> bytes:
        self._files.rename(fields.path(), fields.path(), replace=True)
        return _done(request)

    def _real_path(self, request: int, fields: Fields) -> bytes:
        return wire.real_path(request, os.fsencode("/" + "/".join(resolve(fields.path()))))

    def _space(self, request: int, fields: Fields) -> bytes:
        return wire.space(request, self._files.space())

    def _sync(self, request: int, fields: Fields) -> bytes:
        os.fsync(self._file(fields).descriptor)
        return _done(request)

    def _limits(self, request: int, fields: Fields) -> bytes:
        values = (wire.PACKET_LIMIT, wire.DATA_LIMIT, wire.DATA_LIMIT, HANDLES_LIMIT)
        return wire.packet(Kind.EXTENDED_REPLY, wire.uint32(request), *map(wire.uint64, values))

    def _extended(self, request: int, fields: Fields) -> bytes:
        return self._extended_answers.get(bytes(fields.string()), self._unsupported)(request, fields)

    def _refuse(self, request: int, fields: Fields) -> bytes:
        return wire.status(request, Code.PERMISSION_DENIED, "upload/ takes plain files only")

    def _unsupported(self, request: int, fields: Fields) -> bytes:
        return wire.status(request, Code.OP_UNSUPPORTED, "not supported")

    def _file(self, fields: Fields) -> _File:
        handle = self._handles.get(bytes(fields.string()))
        if not isinstance(handle, _File):
            raise wire.Malformed("no such handle")
        return handle

    def _check_room(self) -> None:
        if len(self._handles) >= HANDLES_LIMIT:
            raise OSError(errno.EMFILE, f"more than {HANDLES_LIMIT} open files")

    def _new_handle(self, request: int, handle: _File | _Directory) -> bytes:
        name = str(self._next_handle).encode()
        self._next_handle += 1
        self._handles[name] = handle
        return wire.packet(Kind.HANDLE, wire.uint32(request), wire.string(name))


def _open_flags(asked: int) -> int:
    if asked & wire.OPEN_WRITE:
        flags = os.O_RDWR if asked & wire.OPEN_READ else os.O_WRONLY
    else:
        return os.O_RDONLY
    for bit, flag in (
        (wire.OPEN_APPEND, os.O_APPEND),
        (wire.OPEN_CREATE, os.O_CREAT),
        (wire.OPEN_TRUNCATE, os.O_TRUNC),
        (wire.OPEN_EXCLUSIVE, os.O_EXCL),
    ):
        if asked & bit:
            flags |= flag
    return flags


def _signed(value: int) -> int:
    """An offset or size that the kernel takes."""
    if value >= 2**63:
        raise wire.Malformed("the offset is too large")
    return value


def _code_of(exc: OSError) -> Code:
    if exc.errno in (errno.ENOENT, errno.ENOTDIR):
        return Code.NO_SUCH_FILE
    if exc.errno in (errno.EACCES, errno.EPERM):
        return Code.PERMISSION_DENIED
    return Code.FAILURE


def _done(request: int) -> bytes:
    return wire.status(request, Code.OK, "Success")
