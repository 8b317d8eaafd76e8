"""The programs that tasks need: where they are, and how to install those that are missing."""

from __future__ import annotations

import os
import shutil

from msgspec import Struct

from thaniya_core.errors import SourceFailed

_ADMINISTRATORS_PATH = ("/usr/local/sbin", "/usr/sbin", "/sbin")


class Tool(Struct, frozen=True):
    """A program that a task needs."""

    program: str
    """Its name, or its whole path."""
    install: str = ""
    """How to get it: `apt install git`. Empty where nobody can say."""
    other_names: tuple[str, ...] = ()
    """Programs that do as well, where `program` is missing."""


def find_tool(tool: Tool) -> str:
    """The path of a program, from PATH or, since that is short in cron jobs, from the administrator's directories.

    Raises:
        SourceFailed: it is not there; the hint says how to install it.
    """
    told = [part for part in os.environ.get("PATH", os.defpath).split(os.pathsep) if part]  # an empty one means here
    path = os.pathsep.join([*told, *_ADMINISTRATORS_PATH])
    for name in (tool.program, *tool.other_names):
        found = shutil.which(name, path=path)
        if found is not None:
            return found
    names = " or ".join((tool.program, *tool.other_names))
    raise SourceFailed(f"the program {names} is not there", hint=tool.install or "install it, or give its whole path")
