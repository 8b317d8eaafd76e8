"""What is examined, with what, and how a check that cannot be made is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from thaniya_core.config import Config
from thaniya_core.doctor.finding import Finding, fail, skipped
from thaniya_core.doctor.machine import Machine
from thaniya_core.errors import ThaniyaError
from thaniya_core.model import Slot
from thaniya_core.setup.installation import SLOT_GROUP, Installation
from thaniya_core.store import StateView, Store
from thaniya_core.system.clock import Clock

SETUP = "thaniya setup openssh"
"""Puts right what setup made."""


class Subject(Struct, frozen=True):
    """The server that is examined, and the doors to it."""

    config: Config
    installation: Installation
    machine: Machine
    store: Store
    clock: Clock
    state: StateView | None = None
    """None when it cannot be read here."""

    @property
    def slot_names(self) -> list[str]:
        """The slots of the state; where it cannot be read, the accounts in the slots' group."""
        if self.state is None:
            return self.machine.group_members(SLOT_GROUP)
        return [slot.name for slot in self.state.slots.all()]

    def slot(self, name: str) -> Slot | None:
        return None if self.state is None else self.state.slots.get(name)

    @property
    def data_paths(self) -> dict[str, Path]:
        """Where the server keeps data, by what lies there."""
        paths = self.config.paths
        volumes = [] if self.state is None else self.state.volumes.all()
        return {"state": paths.state, "spool": paths.spool, "slots": paths.slots} | {
            f"volume {volume.label}": volume.path for volume in volumes
        }


class Check(Struct, frozen=True):
    """One examination; it may find several things."""

    name: str
    look: Callable[[Subject], Iterable[Finding]]
    needs_root: bool = False


def examine(subject: Subject, checks: Sequence[Check]) -> list[Finding]:
    """Make every check. One that cannot be made is a finding too, and keeps no other from being made."""
    return [finding for check in checks for finding in _examine_one(subject, check)]


def _examine_one(subject: Subject, check: Check) -> Iterator[Finding]:
    if check.needs_root and not subject.machine.is_root:
        yield skipped(check.name, "only root can look at this")
        return
    try:
        yield from check.look(subject)
    except PermissionError as exc:
        yield skipped(check.name, f"{subject.machine.user} may not look at {exc.filename or 'this'}")
    except OSError as exc:
        where = f": {exc.filename}" if exc.filename else ""
        yield fail(check.name, f"cannot be looked at: {exc.strerror or exc}{where}", "see the message of the system")
    except ThaniyaError as error:
        yield fail(check.name, error.message, error.hint)
