"""Backs up a directory as a tar archive."""

from __future__ import annotations

import fcntl
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from thaniya_client.incremental.packing import note_unpacked
from thaniya_client.incremental.policy import Incremental
from thaniya_client.incremental.run import IncrementSource, WorkingSnapshot
from thaniya_client.packer import PackedFile, Packer
from thaniya_client.tasks.contents_list import ContentsList, TarListing
from thaniya_client.tasks.gnu_tar import (
    CHANGED_WHILE_READ,
    ENVIRONMENT,
    GnuTar,
    clean_message,
    find_gnu_tar,
    is_harmless,
)
from thaniya_client.tasks.patterns import check_patterns
from thaniya_client.tasks.python_tar import pack_with_python
from thaniya_client.tasks.walk import estimate_tar_bytes
from thaniya_core.errors import CommandFailed, SourceFailed
from thaniya_core.formats.compression import Compression
from thaniya_core.formats.manifest import FileKind
from thaniya_core.formats.names import check_file
from thaniya_core.system.run import Process

_PIPE_BYTES = 1024 * 1024
_TIMEOUT_S = 30 * 86400.0


class Directory:
    """Everything in and below a directory: files, directories, links, modes, owners, times, holes.

        Directory("/home", exclude=["*.tmp", ".cache", "/alice/scratch"])

    It is packed with GNU tar, or with Python's tarfile where tar is not GNU, compressed on the way, and listed in a
    contents list. What cannot be read, changes or vanishes meanwhile is a warning.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        exclude: Iterable[str] = (),
        one_file_system: bool = False,
        xattrs: bool = False,
        acls: bool = False,
        compression: Compression | str = Compression.GZIP,
        level: int | None = None,
        incremental: bool | Incremental = False,
    ) -> None:
        """Describe what to back up; nothing is read yet.

        Args:
            path: the directory. A link to one is followed.
            name: of the archive, without suffixes; by default the directory's own name: `home` for `/home`.
            exclude: patterns. Without a slash they are compared with each name at any depth, with a slash with the
                path from the directory on. `*`, `?` and `[…]` do not match a slash.
            one_file_system: leave out what is mounted below.
            xattrs: extended attributes too; needs GNU tar.
            acls: access control lists too; needs GNU tar.
            compression: `gzip`, `bzip2`, `xz` or `none`.
            level: the compressor's level; by default fast rather than small.
            incremental: pack only what has changed since the last backup of the series, and everything from time to
                time: by the default policy, or by one that is given. Needs GNU tar.

        Raises:
            IllegalName: no file of a backup may bear that name.
            WrongUsage: a pattern that excludes all or nothing.
        """
        self.path = Path(path).expanduser().absolute()
        self.name = default_name(self.path) if name is None else name
        check_file(self.name)
        self.exclude = check_patterns(exclude)
        self.one_file_system = one_file_system
        self.xattrs = xattrs
        self.acls = acls
        self.compression = Compression(compression)
        self.level = level
        self.incremental = Incremental() if incremental is True else incremental or None

    def __repr__(self) -> str:
        return f"Directory({str(self.path)!r})"

    def estimate_bytes(self) -> int | None:
        """The size of the archive before compression, at the most."""
        self._check_source()
        return estimate_tar_bytes(self.path, self.exclude, self.one_file_system)

    def increment_source(self) -> IncrementSource | None:
        """What increments are made of; None for a directory that is always packed whole."""
        if self.incremental is None:
            return None
        self._check_source()
        options = (self.exclude, self.one_file_system, self.xattrs, self.acls)
        hindrance = "" if find_gnu_tar() is not None else "increments need GNU tar, which is not there"
        return IncrementSource(self.name, self.path, repr(options), self.incremental, hindrance)

    def pack(self, out: Packer) -> None:
        """Write `NAME.tar.gz` and `NAME.files.gz`.

        Raises:
            SourceFailed: the directory is not there or cannot be read, or tar failed.
        """
        self._check_source()
        tar = find_gnu_tar()
        snapshot = out.working_snapshot(self.name)
        with ContentsList(out) as contents:
            with out.open(
                f"{self.name}.tar",
                kind=FileKind.TAR,
                compression=self.compression,
                level=self.level,
                xattrs=self.xattrs,
                acls=self.acls,
                incremental=snapshot is not None and snapshot.is_increment,
            ) as archive:
                if tar is None:
                    self._pack_with_python(out, archive, contents)
                else:
                    self._pack_with_tar(tar, out, archive, contents, snapshot)
                archive.entries = contents.entries
            if snapshot is not None and snapshot.is_spoilt:
                out.note("a directory was renamed meanwhile: the next increment will not build on this backup")
            contents.store(f"{self.name}.files", describes=archive.name)

    def _check_source(self) -> None:
        try:
            next(self.path.iterdir(), None)
        except OSError as exc:
            raise SourceFailed(f"{self.path} cannot be backed up: {exc.strerror}") from exc

    def _pack_with_tar(
        self,
        tar: GnuTar,
        out: Packer,
        archive: PackedFile,
        contents: ContentsList,
        snapshot: WorkingSnapshot | None,
    ) -> None:
        listing = TarListing(contents)
        try:
            arguments = tar.create_arguments(
                self.path,
                list_descriptor=listing.write_end,
                exclude=self.exclude,
                one_file_system=self.one_file_system,
                xattrs=self.xattrs,
                acls=self.acls,
                snapshot=None if snapshot is None else snapshot.path,
            )
            out.note(f"{tar.version}: {shlex.join(arguments)}")
            with Process(
                arguments,
                timeout_s=_TIMEOUT_S,
                stdout=True,
                pass_fds=[listing.write_end],
                env=ENVIRONMENT,
                on_stderr=lambda line: _sort_message(out, line, snapshot),
            ) as process:
                listing.close_write_end()
                fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
                while chunk := process.stdout.read(_PIPE_BYTES):
                    archive.write(chunk)
                exit_code = process.wait()
            listing.join()
        except CommandFailed as exc:
            listing.abandon()
            raise SourceFailed(f"{self.path} cannot be backed up: {exc.message}", hint=exc.hint) from exc
        except BaseException:
            listing.abandon()
            raise
        if exit_code not in (0, CHANGED_WHILE_READ):
            raise _tar_failed(self.path, exit_code, process)

    def _pack_with_python(self, out: Packer, archive: PackedFile, contents: ContentsList) -> None:
        if self.xattrs or self.acls:
            raise SourceFailed(
                f"{self.path}: extended attributes and access control lists need GNU tar, which is not there",
                hint="install GNU tar, or leave xattrs and acls out",
            )
        out.note(f"Python's tarfile packs {self.path}: there is no GNU tar")
        pack_with_python(self.path, self.exclude, self.one_file_system, archive, contents, out.warn)


def default_name(path: Path) -> str:
    """A legal archive name after a directory: its own name, signs replaced; `root` for `/`."""
    return re.sub(r"[^A-Za-z0-9._+@=,%-]", "_", path.name).lstrip(".-+@=,%")[:150] or "root"


def _sort_message(out: Packer, line: str, snapshot: WorkingSnapshot | None) -> None:
    message = clean_message(line)
    if snapshot is not None and message:
        note_unpacked(snapshot, message)
    if message and is_harmless(message):
        out.note(message)
    elif message:
        out.warn(message)


def _tar_failed(path: Path, exit_code: int, process: Process) -> SourceFailed:
    how = f"was killed by signal {-exit_code}" if exit_code < 0 else f"ended with exit code {exit_code}"
    messages = [message for line in process.stderr_lines if (message := clean_message(line))]
    tail = ": " + "; ".join(messages[-3:]) if messages else ""
    return SourceFailed(f"{path} cannot be backed up: tar {how}{tail}", exit_code=exit_code)
