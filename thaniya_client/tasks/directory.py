"""Backs up a directory as a tar archive."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from thaniya_client.incremental.packing import note_unpacked
from thaniya_client.incremental.policy import Incremental
from thaniya_client.incremental.run import IncrementSource, WorkingSnapshot
from thaniya_client.packer import PackedFile, Packer
from thaniya_client.tasks.contents_list import ContentsList
from thaniya_client.tasks.gnu_tar import GnuTar, find_gnu_tar
from thaniya_client.tasks.patterns import check_patterns
from thaniya_client.tasks.python_tar import pack_with_python
from thaniya_client.tasks.tar_archive import pack_with_gnu_tar
from thaniya_client.tasks.tree_list import store_tree
from thaniya_client.tasks.walk import estimate_tar_bytes
from thaniya_core.errors import SourceFailed
from thaniya_core.formats.compression import Compression, check_level
from thaniya_core.formats.manifest import FileKind
from thaniya_core.formats.names import check_file


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
        self.level = check_level(self.compression, level)
        self.incremental = Incremental() if incremental is True else incremental or None

    def __repr__(self) -> str:
        return f"Directory({str(self.path)!r})"

    def describe(self) -> str:
        """What will be packed."""
        return f"the directory {self.path}, as {self.name}.tar{self.compression.suffix}"

    def estimate_bytes(self) -> int | None:
        """The size of the archive before compression, at the most."""
        self.check_source()
        return estimate_tar_bytes(self.path, self.exclude, self.one_file_system)

    def increment_source(self) -> IncrementSource | None:
        """What increments are made of; None for a directory that is always packed whole."""
        if self.incremental is None:
            return None
        self.check_source()
        options = (self.exclude, self.one_file_system, self.xattrs, self.acls)
        hindrance = "" if find_gnu_tar() is not None else "increments need GNU tar, which is not there"
        return IncrementSource(self.name, self.path, repr(options), self.incremental, hindrance)

    def pack(self, out: Packer) -> None:
        """Write `NAME.tar.gz` and `NAME.files.gz`; of an increment `NAME.tree.gz` too.

        Raises:
            SourceFailed: the directory is not there or cannot be read, or tar failed.
        """
        self.check_source()
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
                    pack_with_gnu_tar(
                        out,
                        archive,
                        contents,
                        tar,
                        lambda list_end: self._arguments(tar, list_end, snapshot),
                        subject=str(self.path),
                        on_message=None if snapshot is None else partial(note_unpacked, snapshot),
                    )
                archive.entries = contents.entries
            contents.store(f"{self.name}.files", describes=archive.name)
            if snapshot is not None and snapshot.is_spoilt:
                out.note("a directory was renamed meanwhile: the next increment will not build on this backup")
            elif snapshot is not None:
                store_tree(out, contents, snapshot, f"{self.name}.tree", describes=archive.name)

    def check_source(self) -> None:
        """Look whether the directory is there.

        Raises:
            SourceFailed: it is not, or cannot be read.
        """
        try:
            next(self.path.iterdir(), None)
        except OSError as exc:
            raise SourceFailed(f"{self.path} cannot be backed up: {exc.strerror}") from exc

    def _arguments(self, tar: GnuTar, list_descriptor: int, snapshot: WorkingSnapshot | None) -> list[str]:
        return tar.create_arguments(
            self.path,
            list_descriptor=list_descriptor,
            exclude=self.exclude,
            one_file_system=self.one_file_system,
            xattrs=self.xattrs,
            acls=self.acls,
            snapshot=None if snapshot is None else snapshot.path,
        )

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
