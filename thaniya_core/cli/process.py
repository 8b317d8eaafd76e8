"""How the process of a command begins and ends, whoever parses its arguments: its log, its exit code."""

from __future__ import annotations

import logging
import shlex
import sys
import syslog
from collections.abc import Sequence

from thaniya_core.errors import ThaniyaError
from thaniya_core.system.files import from_os_error
from thaniya_core.system.harmless import make_harmless
from thaniya_core.system.terminal import show_error


def set_up_log(level: int = logging.WARNING) -> None:
    """Write what happens at `level` and above to stderr."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)


def log_to_system() -> None:
    """Write warnings and errors to the system's log: behind sshd, stderr is what the client sees."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", handlers=[_SystemLog()])


class _SystemLog(logging.Handler):
    """syslog(3), a line of the log for a line of the message."""

    def __init__(self) -> None:
        super().__init__()
        syslog.openlog("thaniya-broker", syslog.LOG_PID, syslog.LOG_DAEMON)

    def emit(self, record: logging.LogRecord) -> None:
        priority = syslog.LOG_ERR if record.levelno >= logging.ERROR else syslog.LOG_WARNING
        for line in self.format(record).splitlines():
            syslog.syslog(priority, make_harmless(line))


def tell_failure(error: ThaniyaError | OSError, arguments: Sequence[str]) -> int:
    """Say on stderr why the command with these arguments failed, and give its exit code."""
    if not isinstance(error, ThaniyaError):
        error = from_os_error(f"run `thaniya {shlex.join(arguments)}`", error)
    show_error("thaniya", error, as_json="--json" in arguments)
    return error.exit_code
