"""GNU tar: its arguments, and what its lists, messages and exit codes mean.

From its manual: exit code 1 means that some files changed or vanished while they were read, 2 that something fatal
happened. With --ignore-failed-read what cannot be read is a warning and changes no exit code.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from thaniya_client.tasks.patterns import tar_exclude_options
from thaniya_core.errors import CommandFailed
from thaniya_core.formats.restoring import Part
from thaniya_core.formats.tar import extract_options, member_arguments
from thaniya_core.system.run import run

ENVIRONMENT = {"LC_ALL": "C.UTF-8", "TAR_OPTIONS": ""}
"""Messages in English, names as UTF-8, no options from outside."""

PROGRAMS = ("tar", "gtar")
CHANGED_WHILE_READ = 1


class GnuTar:
    """A GNU tar that is installed here."""

    def __init__(self, program: str, version: str) -> None:
        self.program = program
        self.version = version
        """As it says itself: `tar (GNU tar) 1.35`."""

    def create_arguments(
        self,
        directory: Path,
        *,
        list_descriptor: int,
        exclude: Sequence[str] = (),
        one_file_system: bool = False,
        xattrs: bool = False,
        acls: bool = False,
        snapshot: Path | None = None,
    ) -> list[str]:
        """Pack a directory to stdout and list the members, as `parse_tar_line` reads them, to a descriptor.

        The format is POSIX (pax), which keeps times to the nanosecond and names and sizes of any length. With a
        snapshot file it is an increment on what that file tells of, and a full archive where the file is not there;
        tar writes what there is now into it.
        """
        return [
            *self._create_options(list_descriptor),
            *(["--one-file-system"] if one_file_system else []),
            *(["--xattrs", "--xattrs-include=*"] if xattrs else []),
            *(["--acls"] if acls else []),
            *([f"--listed-incremental={snapshot}", "--warning=no-new-directory"] if snapshot else []),
            *tar_exclude_options(exclude),
            f"--directory={directory}",
            ".",
        ]

    def create_from_list_arguments(self, base: Path, *, names_descriptor: int, list_descriptor: int) -> list[str]:
        """Pack files that are listed, each name with a NUL byte behind it, and nothing below them."""
        return [
            *self._create_options(list_descriptor),
            "--no-recursion",
            f"--directory={base}",
            "--null",
            "--verbatim-files-from",
            f"--files-from=/dev/fd/{names_descriptor}",
        ]

    def _create_options(self, list_descriptor: int) -> list[str]:
        return [
            self.program,
            "--create",
            "--file=-",
            "--format=posix",
            "--pax-option=delete=atime,delete=ctime",
            "--sparse",
            "--numeric-owner",
            "--ignore-failed-read",
            "--verbose",
            "--verbose",
            f"--index-file=/dev/fd/{list_descriptor}",
            "--full-time",
            "--utc",
            "--quoting-style=c",
        ]

    def extract_arguments(self, part: Part, target: Path) -> list[str]:
        """Unpack an archive from stdin into a directory, or the members of it that are wanted."""
        return [
            self.program,
            *extract_options(part.file),
            "--file=-",
            f"--directory={target}",
            *member_arguments(part.members, incremental=part.file.incremental),
        ]


def find_gnu_tar() -> GnuTar | None:
    """The first of `tar` and `gtar` that is GNU tar; None where there is none."""
    for program in PROGRAMS:
        try:
            done = run([program, "--version"], timeout_s=30, check=False)
        except CommandFailed:
            continue
        first_line = done.stdout.decode("utf-8", "replace").partition("\n")[0]
        if "GNU tar" in first_line:
            return GnuTar(program, first_line)
    return None


_SUMMARY = re.compile(r"(Exiting with failure status due to previous errors|Error is not recoverable: exiting now)$")
_HARMLESS = re.compile(
    r"(: socket ignored"
    r"|: file is on a different filesystem; not dumped"
    r"|: Directory is new"
    r"|^Removing leading `.*"
    r"|: implausibly old time stamp.*)$"
)


def clean_message(line: str) -> str:
    """A line of tar's stderr without the program's name; empty for the line that only sums up."""
    message = re.sub(r"^\S*tar: ", "", line).strip()
    return "" if _SUMMARY.search(message) else message


def is_harmless(message: str) -> bool:
    """Whether a message while packing tells of nothing that is missing from the archive: a socket, say."""
    return _HARMLESS.search(message) is not None
