"""Files: written atomically and durably, copied carefully, moved, removed.

Durable means: after the call the data and the directory entry survive a power cut (fsync of the file, then of its
directory).
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import secrets
import shlex
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from thaniya_core.errors import NoSpace, NotAllowed, NotFound, ThaniyaError

CHUNK_BYTES = 1024 * 1024

_REMOVAL_TRIES = 1000


@contextmanager
def os_errors(doing: str) -> Iterator[None]:
    """Translate an OSError of the block: `doing` completes the sentence "cannot …".

    Raises:
        NoSpace: the disk or a quota of the file system is full.
        NotAllowed, NotFound, ThaniyaError: for the other causes.
    """
    try:
        yield
    except OSError as exc:
        raise from_os_error(doing, exc) from exc


def from_os_error(doing: str, exc: OSError) -> ThaniyaError:
    """The error for an OSError that came while `doing` something."""
    where = f": {os.fsdecode(exc.filename)}" if exc.filename else ""
    message = f"cannot {doing}: {exc.strerror or exc}{where}"
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(message, hint="free space on that file system, then try again")
    if exc.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return NotAllowed(message)
    if exc.errno in (errno.ENOENT, errno.ENOTDIR):
        return NotFound(message)
    return ThaniyaError(message)


def fsync_directory(directory: Path) -> None:
    """Make the entries of a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_file(file: Path) -> None:
    """Make the data of a file durable."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(file: Path, data: bytes, mode: int = 0o640, owner: tuple[int, int] | None = None) -> None:
    """Write a file durably so that a reader, and a crash, meet the old or the new content, never a part.

    Args:
        file: where.
        data: its whole content.
        mode: its permissions, whatever the umask.
        owner: the numbers of its user and group; None for those of this process.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        _write_new(temporary, data, mode, owner)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_directory(file.parent)


def _write_new(file: Path, data: bytes, mode: int, owner: tuple[int, int] | None) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as stream:
        if owner is not None:
            os.fchown(descriptor, *owner)  # before the mode: a change of owner takes set-id bits away
        os.fchmod(descriptor, mode)
        stream.write(data)
        stream.flush()
        os.fsync(descriptor)


def make_directories(directory: Path, mode: int = 0o750) -> None:
    """Make a directory and what is missing above it, durably; harmless when it is there."""
    missing: list[Path] = []
    current = directory
    while not current.exists():
        missing.append(current)
        current = current.parent
    for path in reversed(missing):
        path.mkdir(mode=mode, exist_ok=True)
        fsync_directory(path.parent)


def require_directory(directory: Path, doing: str) -> None:
    """See that a directory is there which a person has named: made silently, a typing error would go unnoticed.

    Args:
        directory: an absolute path.
        doing: completes the sentence "cannot …".

    Raises:
        NotFound: it is not; the hint says what to do.
    """
    if not directory.is_dir():
        raise NotFound(
            f"cannot {doing}: there is no directory {directory}",
            hint=f"correct the path, mount its disk, or make it: mkdir -p {shlex.quote(str(directory))}",
        )


def set_owner_and_mode(path: Path, owner: tuple[int, int], mode: int) -> None:
    """Give a directory or a regular file its owner and permissions; a link is refused with OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_regular(file: Path) -> int:
    """A descriptor to read a regular file; a link, device, pipe or directory is refused with OSError."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(file))
    return descriptor


def read_regular(file: Path, limit_bytes: int = 256 * 1024 * 1024) -> bytes:
    """What a small regular file holds; for files that anybody may have put there.

    Raises:
        OSError: it is no regular file (a link, device or pipe), it is larger than the limit, or it cannot be read.
    """
    with os.fdopen(open_regular(file), "rb") as stream:
        if os.fstat(stream.fileno()).st_size > limit_bytes:
            raise OSError(errno.EFBIG, "larger than such a file is", str(file))
        return stream.read(limit_bytes)


def hash_file(
    file: Path,
    on_chunk: Callable[[int], None] | None = None,
    into: Callable[[memoryview], object] | None = None,
) -> tuple[str, int]:
    """SHA-256 in lower-case hex and size in bytes of a regular file. Links are not followed.

    Args:
        file: what to read.
        on_chunk: called with the number of bytes read since the last call.
        into: called with the bytes; they hold during the call only.
    """
    return _read_through(file, into, on_chunk)


def copy_file(source: Path, target: Path) -> tuple[str, int]:
    """Copy a regular file to a new one, durably but for the directory entry.

    Gives SHA-256 and size of what was read.
    """
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640)
    try:
        result = _read_through(source, lambda data: write_all(descriptor, data), None)
        os.fsync(descriptor)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    return result


def _read_through(
    source: Path, into: Callable[[memoryview], object] | None, on_chunk: Callable[[int], None] | None
) -> tuple[str, int]:
    digest = hashlib.sha256()
    size = 0
    buffer = bytearray(CHUNK_BYTES)
    view = memoryview(buffer)
    with os.fdopen(open_regular(source), "rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            digest.update(view[:count])
            if into is not None:
                into(view[:count])
            size += count
            if on_chunk is not None:
                on_chunk(count)
    return digest.hexdigest(), size


def write_all(descriptor: int, data: memoryview) -> None:
    """Write all of the data, however many calls the kernel needs."""
    while data:
        data = data[os.write(descriptor, data) :]


def move_file(source: Path, target: Path) -> None:
    """Move a regular file, by rename where both lie on one file system, otherwise by a durable copy."""
    try:
        source.rename(target)
    except OSError as exc:
        if exc.errno != errno.EXDEV:
            raise
        target.unlink(missing_ok=True)  # a part that an earlier, interrupted copy left
        copy_file(source, target)
        source.unlink()


def link_file(source: Path, target: Path) -> bool:
    """Give a regular file a second name; False where the file systems do not allow it."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as exc:
        if exc.errno in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP):
            return False
        raise
    return True


def on_same_file_system(one: Path, other: Path) -> bool:
    """Whether a rename can move a file between two existing paths."""
    return one.stat().st_dev == other.stat().st_dev


def publish_directory(incoming: Path, final: Path) -> None:
    """Move a finished directory of flat files to its place, durably: it is wholly there or not there at all.

    Every file and directory on the way is fsynced. Both paths lie on one file system; `final` does not exist.
    """
    for entry in sorted(incoming.iterdir()):
        fsync_file(entry)
    fsync_directory(incoming)
    make_directories(final.parent)
    incoming.rename(final)
    fsync_directory(final.parent)
    fsync_directory(incoming.parent)


def remove_tree(path: Path) -> None:
    """Remove a directory with all below it, or a file. Links are not followed.

    Harmless when it is not there, and when another process removes it at the same moment.
    """
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        path.unlink(missing_ok=True)
        return
    tries = 0
    while path.exists():
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            tries += 1
            if tries == _REMOVAL_TRIES:  # not the other process: a file system that lists what it does not have
                raise
        except RecursionError:
            _remove_deep_tree(path)
        except OSError as exc:
            if exc.errno not in (errno.ENAMETOOLONG, errno.EMFILE):
                raise
            _remove_deep_tree(path)


def _remove_deep_tree(root: Path) -> None:
    """Remove a directory whatever its depth: each one below is moved up to the top when its turn has come.

    A tar archive may hold directories nested two thousand deep: more than there are descriptors, and longer in all than
    a path may be.
    """
    top = os.fsencode(root)
    names = (b"%d-%s" % (number, secrets.token_hex(4).encode()) for number in itertools.count())
    while below := _unlink_files(top):
        for directory in below:
            for deeper in _unlink_files(directory):
                os.rename(deeper, os.path.join(top, next(names)))  # noqa: PTH104, PTH118 - any bytes
            os.rmdir(directory)  # noqa: PTH106
    root.rmdir()


def _unlink_files(directory: bytes) -> list[bytes]:
    """Remove what lies in a directory but for the directories in it, and give those, made writable."""
    directories: list[bytes] = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                os.chmod(entry.path, 0o700)  # noqa: PTH101
                directories.append(entry.path)
            else:
                os.unlink(entry.path)  # noqa: PTH108
    return directories
