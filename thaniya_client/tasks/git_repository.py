"""Backs up a git repository as a bundle."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from thaniya_client.packer import Packer
from thaniya_client.tasks.scratch import scratch_directory, scratch_place
from thaniya_client.tasks.stream import pack_output, run_tool
from thaniya_client.tasks.tools import Tool, find_tool
from thaniya_core.errors import SourceFailed, WrongUsage
from thaniya_core.formats.compression import Compression
from thaniya_core.formats.names import check_file

GIT = Tool("git", install="apt install git, or dnf install git")

_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
_REMOTE = re.compile(r"[a-z][a-z0-9+]*://|[^/]+:")
_FIXED_BYTES = 1024 * 1024


class GitRepository:
    """All branches, tags and other refs of a git repository with their whole history, as one bundle.

        GitRepository("/srv/git/shop.git")
        GitRepository("https://example.org/shop.git")

    A bundle is a file that `git clone` and `git fetch` read. A repository elsewhere is mirrored first, into a directory
    of its own that is removed afterwards. Not in it: what is not committed, hooks, the repository's configuration, and
    large files that git-lfs keeps (a warning).
    """

    def __init__(self, repository: str | Path, *, name: str | None = None, scratch: str | Path | None = None) -> None:
        """Describe what to back up; nothing is read yet.

        Args:
            repository: a directory, with a working tree or bare, or an address to clone from.
            name: of the file in the backup, without `.bundle`; by default the repository's own name.
            scratch: a directory with room for the mirror of an address; by default that of TMPDIR, or /var/tmp.

        Raises:
            IllegalName: no file of a backup may bear that name.
            WrongUsage: the address has a password in it.
        """
        text = str(repository)
        self.is_remote = isinstance(repository, str) and _REMOTE.match(text) is not None
        if self.is_remote and "://" in text and urlsplit(text).password is not None:
            raise WrongUsage(
                "the repository's address has a password in it, which all on this machine would see",
                hint="use an SSH key or git's credential helper",
            )
        self.repository = text if self.is_remote else str(Path(text).expanduser().absolute())
        stem = re.sub(r"[^A-Za-z0-9._-]", "_", re.split(r"[/:]", self.repository.rstrip("/"))[-1])
        self.name = check_file((stem.removesuffix(".git").lstrip(".-") or "repository") if name is None else name)
        self.scratch = scratch_place(scratch)
        self._mirror: str | None = None

    def __repr__(self) -> str:
        return f"GitRepository({self.repository!r})"

    def describe(self) -> str:
        """What will be bundled."""
        return f"all refs of the git repository {self.repository}, as {self.name}.bundle"

    def tools(self) -> list[Tool]:
        """git."""
        return [GIT]

    def estimate_bytes(self) -> int | None:
        """The size of its objects; None for an address that is not mirrored yet, and where objects are borrowed.

        Raises:
            SourceFailed: it is no git repository, or git does not trust its owner.
        """
        directory = self._mirror if self.is_remote else self.repository
        if directory is None:
            return None
        counted = self._git(directory, "count-objects", "-v")
        if "alternate:" in counted:
            return None
        sizes = re.findall(r"^size(?:-pack)?: (\d+)$", counted, re.MULTILINE)
        return sum(map(int, sizes)) * 1024 + _FIXED_BYTES

    def check_source(self) -> None:
        """Look whether the repository is there.

        Raises:
            SourceFailed: as `estimate_bytes`.
        """
        self.estimate_bytes()

    def pack(self, out: Packer) -> None:
        """Write `NAME.bundle`.

        Raises:
            SourceFailed: it is no git repository, is empty, cannot be reached, or git does not trust its owner.
        """
        if not self.is_remote:
            self._pack_from(self.repository, out)
        elif self._mirror is not None:
            self._pack_from(self._mirror, out)
        else:
            with self._mirrored() as mirror:
                self._pack_from(mirror, out)

    @contextmanager
    def prepare(self) -> Iterator[None]:
        """Mirror a repository elsewhere, which may take long, before a slot is asked for.

        Raises:
            SourceFailed: as `pack`.
        """
        if not self.is_remote:
            yield
            return
        with self._mirrored() as mirror:
            self._mirror = mirror
            try:
                yield
            finally:
                self._mirror = None

    @contextmanager
    def _mirrored(self) -> Iterator[str]:
        with scratch_directory(self.scratch) as directory:
            mirror = str(directory / "mirror.git")
            argv = [find_tool(GIT), "clone", "--quiet", "--mirror", "--", self.repository, mirror]
            run_tool(argv, subject=self.repository, env=_ENVIRONMENT)
            yield mirror

    def _pack_from(self, directory: str, out: Packer) -> None:
        if self._git(directory, "rev-parse", "--is-shallow-repository").strip() == "true":
            raise SourceFailed(
                f"{self.repository} is a shallow clone, whose bundle could not be restored",
                hint="git fetch --unshallow, or back up the repository it was cloned from",
            )
        common = Path(self._git(directory, "rev-parse", "--git-common-dir").rstrip("\n"))
        if (Path(directory) / common / "lfs/objects").is_dir():
            out.warn(f"{self.repository} keeps large files by git-lfs, which a bundle does not have")
        with out.open(f"{self.name}.bundle", compression=Compression.NONE) as file:
            argv = [find_tool(GIT), "-C", directory, "bundle", "create", "--quiet", "-", "--all"]
            pack_output(out, file, argv, subject=self.repository, env=_ENVIRONMENT)
        out.add_recipe(
            f"the git repository {self.name}",
            f"git clone --mirror ./{file.restored_name} {self.name}.git",
            f"# or with a working tree: git clone ./{file.restored_name} {self.name}",
        )

    def _git(self, directory: str, *arguments: str) -> str:
        argv = [find_tool(GIT), "-C", directory, *arguments]
        return run_tool(argv, subject=self.repository, env=_ENVIRONMENT).decode("utf-8", "surrogateescape")
