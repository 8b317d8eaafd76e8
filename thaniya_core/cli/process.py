"""How the process of a command begins and ends, whoever parses its arguments: its log, its exit code."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Sequence

from thaniya_core.errors import ThaniyaError
from thaniya_core.system.files import from_os_error
from thaniya_core.system.terminal import show_error


def set_up_log(level: int = logging.WARNING) -> None:
    """Write what happens at `level` and above to stderr."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)


def tell_failure(error: ThaniyaError | OSError, arguments: Sequence[str]) -> int:
    """Say on stderr why the command with these arguments failed, and give its exit code."""
    if not isinstance(error, ThaniyaError):
        error = from_os_error(f"run `thaniya {shlex.join(arguments)}`", error)
    show_error("thaniya", error, as_json="--json" in arguments)
    return error.exit_code
