"""Surveys: the one that was kept, one made here, and one made by another process."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct

from thaniya_core.errors import CommandFailed
from thaniya_core.monitor import Survey, decode_survey, read_survey
from thaniya_core.monitoring import Monitoring
from thaniya_core.system.background import run_in_background
from thaniya_core.system.run import Completed, command_failed, run


class _Told(Struct, frozen=True):
    """What the command says on stderr when it fails."""

    message: str
    hint: str = ""


class Surveys:
    """Everything at a glance."""

    def __init__(self, config_file: Path, monitoring: Monitoring) -> None:
        """
        Args:
            config_file: whose server another process is to look at.
            monitoring: looks at it here.
        """
        self._config_file = config_file
        self._monitoring = monitoring
        self._kept: tuple[tuple[int, int, int], Survey | None] | None = None

    def latest(self) -> Survey | None:
        """The survey that the schedule made last; None when there is none. Asked again it gives the same object."""
        file = self._monitoring.survey_file
        try:
            status = file.stat()
        except OSError:
            return None
        identity = status.st_ino, status.st_mtime_ns, status.st_size
        kept = self._kept
        if kept is None or kept[0] != identity:
            kept = self._kept = identity, read_survey(file)
        return kept[1]

    def make(self) -> Survey:
        """A survey of now, made by this process: with very many backups that takes it seconds, and memory for good.

        Raises:
            StateUnreadable: a file of the state cannot be read.
        """
        return self._monitoring.survey()[1]

    def make_elsewhere(self, timeout_s: float) -> Survey:
        """A survey of now, made by a process of its own that others do not feel.

        Args:
            timeout_s: after so long that process is ended.

        Raises:
            CommandFailed: it failed, did not end in time, or printed something else; tells what it said.
        """
        completed = run_in_background(partial(run, self._command(), timeout_s=timeout_s, check=False))
        if completed.exit_code != 0:
            raise _failure(completed)
        try:
            return decode_survey(completed.stdout)
        except ValueError as exc:
            raise CommandFailed(f"`{shlex.join(completed.argv)}` printed no survey: {exc}", exit_code=0) from exc

    def _command(self) -> list[str]:
        # -P: nothing is to be imported from the directory that somebody happens to be in.
        program = [sys.executable, "-P", "-m", "thaniya_core"]
        return [*program, "--config", str(self._config_file), "overview", "--json"]


def _failure(completed: Completed) -> CommandFailed:
    lines = completed.stderr.decode("utf-8", "replace").splitlines()
    try:
        told = msgspec.json.decode(lines[-1] if lines else "", type=_Told)
    except ValueError:
        return command_failed(completed.argv, completed.exit_code, lines)
    return CommandFailed(f"no survey could be made: {told.message}", hint=told.hint, exit_code=completed.exit_code)
