"""The steps of a run: what is done before a backup, what is taken back after it, and who is told when it fails."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from thaniya_client.around.actions import Action, ReadyStep
from thaniya_client.around.debts import Debt, Debts, ends_well, run_program
from thaniya_client.log import ClientLog
from thaniya_client.tasks.interface import check_tools
from thaniya_core.errors import AlreadyExists, StepFailed, ThaniyaError, WrongUsage
from thaniya_core.system.signals import held_signals

BeforeStep = Callable[[], object] | Sequence[str | Path] | ReadyStep
"""A function, a program with its arguments, or a ready-made step that is taken back by itself."""
AfterStep = Callable[[], object] | Sequence[str | Path]
OnErrorStep = Callable[[BaseException], object] | Sequence[str | Path]

ERROR_VARIABLE = "THANIYA_ERROR"
_ACTION_TIMEOUT_S = 600.0
_PROGRAM_TIMEOUT_S = 30 * 86400.0


class Steps(Struct, frozen=True):
    """What is done around a backup; see `Target.backup`."""

    before: tuple[BeforeStep, ...] = ()
    after: tuple[AfterStep, ...] = ()
    on_error: tuple[OnErrorStep, ...] = ()


def check_steps(before: Iterable[BeforeStep], after: Iterable[AfterStep], on_error: Iterable[OnErrorStep]) -> Steps:
    """The steps of a run.

    Raises:
        WrongUsage: one is no step, as a command in one text.
    """
    steps = Steps(tuple(before), tuple(after), tuple(on_error))
    for step in steps.before:
        if not isinstance(step, ReadyStep):
            _check_step(step)
    for other in (*steps.after, *steps.on_error):
        _check_step(other)
    return steps


def _check_step(step: object) -> None:
    if callable(step):
        return
    if isinstance(step, list | tuple) and step and all(isinstance(part, str | Path) for part in step):
        return
    raise WrongUsage(
        f"{step!r} is not a step",
        hint='a step is a function, or a list of a program and its arguments: ["systemctl", "stop", "shop"]; '
        "ready-made steps are for `before`",
    )


def do_before(steps: Steps, debts: Debts, log: ClientLog) -> None:
    """Do what comes before the backup; what is to be taken back is owed from here on.

    Raises:
        StepFailed: one failed; the rest was not done.
    """
    for after in reversed(steps.after):
        debts.add(after if callable(after) else _debt_of(after))
    check_tools(steps.before)
    for step in steps.before:
        log.note(f"before the backup: {step_text(step)}")
        try:
            _do(step, debts, log)
        except StepFailed:
            raise
        except Exception as exc:
            hint = exc.hint if isinstance(exc, ThaniyaError) else ""
            raise StepFailed(f"{step_text(step)}, before the backup, failed: {_text(exc)}", hint=hint) from exc


def tell_error(steps: Steps, error: BaseException) -> None:
    """Do what is to be done when a run has failed. What fails of that is added to the error as a note."""
    for step in steps.on_error:
        try:
            if callable(step):
                step(error)
            else:
                run_program(
                    _argv(step), _forget, timeout_s=_ACTION_TIMEOUT_S, env={ERROR_VARIABLE: _text(error)[:4000]}
                )
        except Exception as exc:  # noqa: BLE001 - the others are to be told too
            error.add_note(f"{step_text(step)}, on this error, failed: {_text(exc)}")


def step_text(step: BeforeStep | OnErrorStep) -> str:
    """A step in one line."""
    if isinstance(step, ReadyStep):
        return step.describe()
    if callable(step):
        return f"{getattr(step, '__qualname__', repr(step))}()"
    return f"`{shlex.join(_argv(step))}`"


def _do(step: BeforeStep, debts: Debts, log: ClientLog) -> None:
    if isinstance(step, ReadyStep):
        for action in step.actions():
            # A program that is killed while it makes a snapshot leaves half of one.
            with held_signals():
                _act(action, debts, log)
    elif callable(step):
        step()
    else:
        run_program(_argv(step), log.note, timeout_s=_PROGRAM_TIMEOUT_S)


def _act(action: Action, debts: Debts, log: ClientLog) -> None:
    if action.undo_needed_if and ends_well(action.undo_needed_if):
        raise AlreadyExists(
            f"cannot {action.what}: what that makes is there already, and is left as it is",
            hint=f"find out whose it is; `{shlex.join(action.undo)}` would take it away",
        )
    if not action.undo_wanted_if or ends_well(action.undo_wanted_if):
        debts.add(Debt(action.undo_what, action.undo, action.undo_needed_if))
    log.note(action.what)
    run_program(action.do, log.note, timeout_s=_ACTION_TIMEOUT_S)


def _debt_of(step: Sequence[str | Path]) -> Debt:
    return Debt(f"run {step_text(step)}", tuple(_argv(step)), again=False)


def _argv(step: Sequence[str | Path]) -> list[str]:
    return [os.fspath(part) for part in step]


def _text(exc: BaseException) -> str:
    return str(exc) if isinstance(exc, ThaniyaError) else f"{type(exc).__name__}: {exc}"


def _forget(line: str) -> None:
    """The log of a failed backup goes nowhere."""
