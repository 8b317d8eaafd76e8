"""Backs up files that are named or match patterns, as a tar archive."""

from __future__ import annotations

import glob
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from thaniya_client.packer import Packer
from thaniya_client.tasks.contents_list import ContentsList
from thaniya_client.tasks.gnu_tar import find_gnu_tar
from thaniya_client.tasks.python_tar import pack_found
from thaniya_client.tasks.tar_archive import pack_with_gnu_tar
from thaniya_client.tasks.walk import Found, estimate_found_bytes
from thaniya_core.errors import SourceFailed, WrongUsage
from thaniya_core.formats.compression import Compression, check_level
from thaniya_core.formats.manifest import FileKind
from thaniya_core.formats.names import check_file


class Files:
    """Single files, each under its path.

        Files(["/etc/fstab", "/etc/ssh/*.conf", "/srv/**/*.toml"])
        Files(["results/*.csv", "notes.txt"], base="/data/run7")

    They become one tar archive with a contents list, because a file of a backup has a plain name without directories:
    so paths, owners, modes, times and odd names are kept, and ten thousand files are one. Whole directories are for
    `Directory`; a pattern passes them over.
    """

    def __init__(
        self,
        paths: Iterable[str | Path],
        *,
        base: str | Path | None = None,
        name: str = "files",
        missing_ok: bool = False,
        compression: Compression | str = Compression.GZIP,
        level: int | None = None,
    ) -> None:
        """Describe what to back up; nothing is read yet.

        Args:
            paths: files, or patterns as the shell has them: `*` and `?` match no slash and no dot at the beginning,
                `**` any number of directories. A path that is there is taken as it is, whatever signs it has.
            base: the directory that the archive's paths begin at; by default `/` for absolute paths and the working
                directory for relative ones.
            name: of the archive, without suffixes.
            missing_ok: a path that is not there, or a pattern that matches nothing, is a warning, no failure.
            compression: `gzip`, `bzip2`, `xz` or `none`.
            level: the compressor's level; by default fast rather than small.

        Raises:
            IllegalName: no file of a backup may bear that name.
            WrongUsage: there is no path, one is not below `base`, or absolute and relative ones are mixed without it.
        """
        texts = [os.fspath(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
        absolute = {text.startswith("/") for text in texts}
        if not texts or "" in texts:
            raise WrongUsage("there is no file to back up", hint='name files or patterns: Files(["/etc/*.conf"])')
        if base is None and len(absolute) > 1:
            raise WrongUsage("absolute and relative paths are mixed", hint='say what they begin at: base="/srv"')
        self.base = Path(base).expanduser().absolute() if base is not None else Path("/" if True in absolute else ".")
        self.base = self.base.absolute()
        self.paths = tuple(_below(self.base, text) for text in texts)
        self.name = check_file(name)
        self.missing_ok = missing_ok
        self.compression = Compression(compression)
        self.level = check_level(self.compression, level)

    def __repr__(self) -> str:
        return f"Files({list(self.paths)!r}, base={str(self.base)!r})"

    def describe(self) -> str:
        """What will be packed."""
        shown = ", ".join(self.paths[:5]) + (", …" if len(self.paths) > 5 else "")
        return f"the files {shown} below {self.base}, as {self.name}.tar{self.compression.suffix}"

    def estimate_bytes(self) -> int | None:
        """The size of the archive before compression, at the most.

        Raises:
            SourceFailed: a file is not there, or none at all.
        """
        return estimate_found_bytes(self.base, self._found([]))

    def check_source(self) -> None:
        """Look whether the files are there.

        Raises:
            SourceFailed: a file is not there, or none at all.
        """
        for _ in self._found([]):
            pass

    def pack(self, out: Packer) -> None:
        """Write `NAME.tar.gz` and `NAME.files.gz`. What cannot be read is a warning.

        Raises:
            SourceFailed: a file is not there, or none at all, or tar failed.
        """
        tar = find_gnu_tar()
        missing: list[str] = []
        with ContentsList(out) as contents:
            with out.open(
                f"{self.name}.tar", kind=FileKind.TAR, compression=self.compression, level=self.level
            ) as archive:
                if tar is None:
                    pack_found(self.base, self._found(missing), archive, contents, out.warn)
                else:
                    with tempfile.TemporaryFile() as names:
                        for found in self._found(missing):
                            names.write(b"./" + found.path + b"\0")
                        names.flush()
                        names.seek(0)
                        pack_with_gnu_tar(
                            out,
                            archive,
                            contents,
                            tar,
                            lambda list_end: tar.create_from_list_arguments(
                                self.base, names_descriptor=names.fileno(), list_descriptor=list_end
                            ),
                            subject=repr(self),
                            pass_fds=[names.fileno()],
                        )
                archive.entries = contents.entries
            contents.store(f"{self.name}.files", describes=archive.name)
        for text in missing:
            out.warn(f"{text}: there is no such file below {self.base}")

    def _found(self, missing: list[str]) -> Iterator[Found]:
        """Each file once, in the order of paths; what is missing is added to the list."""
        seen: set[str] = set()
        for text in self.paths:
            is_missing = True
            for path in self._matches(text):
                if path in seen:
                    is_missing = False
                    continue
                try:
                    found = Found(os.fsencode(path), os.lstat(self.base / path))
                except OSError:
                    continue  # gone since it was listed
                is_missing = False
                seen.add(path)
                yield found
            if is_missing and not self.missing_ok:
                raise SourceFailed(
                    f"{text}: there is no such file below {self.base}", hint="missing_ok=True makes this a warning"
                )
            if is_missing:
                missing.append(text)
        if not seen:
            raise SourceFailed(f"none of the files is there: {', '.join(self.paths[:5])} below {self.base}")

    def _matches(self, text: str) -> Iterator[str]:
        if os.path.lexists(self.base / text):
            if _is_directory(self.base / text):
                raise SourceFailed(
                    f"{self.base / text} is a directory", hint=f'take Directory("{self.base / text}"), or a pattern'
                )
            yield text
            return
        for path in sorted(glob.iglob(text, root_dir=self.base, recursive=True)):  # noqa: PTH207 - with bytes in names
            if os.path.lexists(self.base / path) and not _is_directory(self.base / path):
                yield path


def _is_directory(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False  # gone meanwhile: tar tells


def _below(base: Path, text: str) -> str:
    relative = text
    if text.startswith("/"):
        prefix = str(base).rstrip("/") + "/"
        if not text.startswith(prefix):
            raise WrongUsage(f"{text} is not below {base}")
        relative = text[len(prefix) :]
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        raise WrongUsage(f"{text!r} is not the path of a file below {base}")
    return "/".join(parts)
