"""Backs up what a program prints."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from thaniya_client.packer import Packer
from thaniya_client.tasks.stream import pack_output
from thaniya_client.tasks.tools import Tool, find_tool
from thaniya_core.errors import WrongUsage
from thaniya_core.formats.compression import Compression, check_level
from thaniya_core.formats.names import check_file
from thaniya_core.formats.recipes import Recipe, check_recipes


class Command:
    """The output of a program, as a stream: a dump needs no space on this machine.

        Command(["docker", "exec", "db", "pg_dump", "shop"], name="shop.sql", restore=["zcat shop.sql.gz | psql shop"])

    The program reads nothing. An exit code other than 0 fails the backup, and so does a program that writes nothing.
    What it writes to stderr goes into client.log.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        name: str,
        env: Mapping[str, str] | None = None,
        allow_empty: bool = False,
        compression: Compression | str = Compression.GZIP,
        level: int | None = None,
        restore: Iterable[str] = (),
    ) -> None:
        """Describe what to back up; nothing is run yet.

        Args:
            argv: the program and its arguments. No shell is involved; for a pipe run one, and have it heed failures
                within: `["bash", "-o", "pipefail", "-c", "a | b"]`. Everybody on this machine sees the arguments of a
                running program: give passwords in `env` or a file.
            name: of the file in the backup, without the compression's suffix: `shop.sql`.
            env: variables to set on top of this process's; never logged.
            allow_empty: a program that writes nothing is a success.
            compression: `gzip`, `bzip2`, `xz` or `none`.
            level: the compressor's level; by default fast rather than small.
            restore: lines for RESTORE.txt: commands that a person runs with the restored file.

        Raises:
            IllegalName: no file of a backup may bear that name.
            WrongUsage: the command is one text or empty, or a line of `restore` cannot be shown.
        """
        if isinstance(argv, str) or not argv:
            raise WrongUsage(
                f"{argv!r} is not a list of a program and its arguments",
                hint='no shell takes it apart: write ["pg_dump", "shop"], or ["sh", "-c", "…"]',
            )
        self.argv = tuple(os.fspath(argument) for argument in argv)
        self.name = check_file(name)
        self.env = dict(env or {})
        self.allow_empty = allow_empty
        self.compression = Compression(compression)
        self.level = check_level(self.compression, level)
        self.restore = tuple(restore)
        check_recipes([Recipe(self._subject, self.restore)] if self.restore else [])

    def __repr__(self) -> str:
        return f"Command({list(self.argv)!r}, name={self.name!r})"

    def describe(self) -> str:
        """What will be run."""
        return f"the output of `{shlex.join(self.argv)}`, as {self.name}{self.compression.suffix}"

    def tools(self) -> list[Tool]:
        """The program."""
        return [Tool(self.argv[0])]

    def estimate_bytes(self) -> int | None:
        """Nobody knows what a program will print."""
        return None

    def pack(self, out: Packer) -> None:
        """Run the program and write `NAME.gz`.

        Raises:
            SourceFailed: it is missing, ended with another exit code than 0, or wrote nothing.
        """
        argv = [find_tool(Tool(self.argv[0])), *self.argv[1:]]
        with out.open(self.name, compression=self.compression, level=self.level) as file:
            pack_output(out, file, argv, subject=self._subject, env=self.env, allow_empty=self.allow_empty)
        if self.restore:
            out.add_recipe(self._subject, *self.restore)

    @property
    def _subject(self) -> str:
        return f"the output of {Path(self.argv[0]).name} ({self.name}{self.compression.suffix})"
