"""What a ready-made step does and takes back, as command lines: steps are values, and one place carries them out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from msgspec import Struct

from thaniya_client.tasks.tools import Tool


class Action(Struct, frozen=True, kw_only=True):
    """Something that is done before a backup and taken back after it. Programs without a path are looked for."""

    what: str
    """What is done, in words: `stop shop.service`."""
    do: tuple[str, ...]
    undo_what: str
    """What takes it back, in words: `start shop.service`."""
    undo: tuple[str, ...]
    undo_wanted_if: tuple[str, ...] = ()
    """Asked before `do`: only when it ends with 0 there will be something to take back. Empty: always."""
    undo_needed_if: tuple[str, ...] = ()
    """Ends with 0 as long as there is something to take back; when that is so before `do`, it is another's, and the
    step fails. Empty: `undo` is harmless when there is nothing to take back."""


@runtime_checkable
class ReadyStep(Protocol):
    """A step that is taken back when the run ends, or by the next run when this one was killed."""

    def describe(self) -> str:
        """What is done, in one line."""
        ...

    def tools(self) -> Sequence[Tool]:
        """The programs that its actions run."""
        ...

    def actions(self) -> Sequence[Action]:
        """What is done, in this order; it is taken back in the reverse one."""
        ...
