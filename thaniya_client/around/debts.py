"""What a run has still to take back, noted before it is done: so the next run can do it when this one is killed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from thaniya_client.tasks.tools import Tool, find_tool
from thaniya_core.errors import ThaniyaError
from thaniya_core.system.files import os_errors, read_regular, write_atomic
from thaniya_core.system.run import Process

_LIMIT_BYTES = 1024 * 1024
_TIMEOUT_S = 600.0


class Debt(Struct, frozen=True, omit_defaults=True):
    """One thing to take back, as command lines."""

    what: str
    argv: tuple[str, ...]
    needed_if: tuple[str, ...] = ()
    """Ends with 0 as long as there is something to take back; empty: nobody can tell."""
    again: bool = True
    """When it fails, the next run tries it again."""


class _Note(Struct, frozen=True):
    debts: tuple[Debt, ...]
    format: int = 1


class Debts:
    """The debts of one run. The last one made is settled first."""

    def __init__(self, file: Path | None, note: Callable[[str], None]) -> None:
        """
        Args:
            file: where they are noted; None where there is no such place: then nobody settles those of a killed run.
            note: is told what is done.
        """
        self._file = file
        self._note = note
        self._open: list[Debt | Callable[[], object]] = []

    def add(self, debt: Debt | Callable[[], object]) -> None:
        """Note a debt, durably; what is to be called cannot be noted, and is owed by this process alone.

        Raises:
            ThaniyaError: it cannot be noted; it is not owed then.
        """
        before = list(self._open)
        self._open = [other for other in self._open if other != debt] + [debt]
        try:
            self._write()
        except BaseException:
            self._open = before
            raise

    def settle_left(self) -> list[str]:
        """Settle what an earlier run has left that was killed. What fails is still owed. Call it with that run's lock.

        Returns:
            What failed, one line each.
        """
        if self._file is None:
            return []
        try:
            left = msgspec.json.decode(read_regular(self._file, _LIMIT_BYTES), type=_Note)
        except FileNotFoundError:
            return []
        except (OSError, msgspec.MsgspecError) as exc:
            return [f"what an earlier run has left to be taken back cannot be read: {self._file}: {exc}"]
        self._note("an earlier run was killed or failed: what it has left is taken back")
        self._open = list(left.debts)
        return [f"what an earlier run has left: {failure} ({self._file} says what it is)" for failure in self.settle()]

    def settle(self) -> list[str]:
        """Take all back, the last first. One that fails keeps no other from being tried.

        Returns:
            What failed, one line each.
        """
        failures: list[str] = []
        kept: list[Debt | Callable[[], object]] = []
        while self._open:
            debt = self._open.pop()
            try:
                settle_debt(debt, self._note)
            except Exception as exc:  # noqa: BLE001 - what a caller's function raises must not keep the rest from being done
                failures.append(f"cannot {debt_text(debt)}: {_text(exc)}")
                if isinstance(debt, Debt) and debt.again:
                    kept.insert(0, debt)
            failures += self._try_to_write(kept)
        self._open = kept
        return failures

    def _try_to_write(self, kept: Sequence[Debt | Callable[[], object]]) -> list[str]:
        try:
            self._write(kept)
        except ThaniyaError as exc:
            return [str(exc)]
        return []

    def _write(self, kept: Sequence[Debt | Callable[[], object]] = ()) -> None:
        if self._file is None:
            return
        noted = tuple(debt for debt in (*self._open, *kept) if isinstance(debt, Debt))
        with os_errors("note what has to be taken back"):
            if noted:
                write_atomic(self._file, msgspec.json.format(msgspec.json.encode(_Note(noted)), indent=2), mode=0o600)
            else:
                self._file.unlink(missing_ok=True)


def debts_left(runs: Path) -> list[Path]:
    """The files of runs that have debts: those at work now, and those that were killed."""
    return sorted(runs.glob("*.json"))


def debt_text(debt: Debt | Callable[[], object]) -> str:
    """What it takes back, in words."""
    return debt.what if isinstance(debt, Debt) else f"call {getattr(debt, '__name__', repr(debt))}"


def settle_debt(debt: Debt | Callable[[], object], note: Callable[[str], None]) -> None:
    """Take one thing back, where there still is something to take back."""
    if not isinstance(debt, Debt):
        note(debt_text(debt))
        debt()
        return
    if debt.needed_if and not ends_well(debt.needed_if):
        return
    note(debt.what)
    run_program(debt.argv, note, timeout_s=_TIMEOUT_S)


def run_program(
    argv: Sequence[str], note: Callable[[str], None], *, timeout_s: float, env: dict[str, str] | None = None
) -> None:
    """Run a program to its end; what it writes to stderr is noted, and the rest thrown away.

    Raises:
        CommandFailed: it failed or ran out of time.
        SourceFailed: it is not there.
    """
    with Process(
        [find_tool(Tool(argv[0])), *argv[1:]], timeout_s=timeout_s, on_stderr=lambda line: note(f"    {line}"), env=env
    ) as process:
        process.check()


def ends_well(argv: Sequence[str]) -> bool:
    """Whether a program ends with 0."""
    with Process([find_tool(Tool(argv[0])), *argv[1:]], timeout_s=_TIMEOUT_S) as process:
        return process.wait() == 0


def _text(exc: Exception) -> str:
    return str(exc) if isinstance(exc, ThaniyaError) else f"{type(exc).__name__}: {exc}"
