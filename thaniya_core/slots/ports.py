"""What slots need of the system's accounts. `accounts/` has the kinds that fulfil it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from thaniya_core.model import Collected, SlotUsage


class SlotAccounts(Protocol):
    """The accounts behind the slots. Every method may be run again after a crash."""

    def create(self, slot: str) -> None:
        """Make the account and its upload directory."""
        ...

    def remove(self, slot: str) -> None:
        """Remove the account and its directory."""
        ...

    def unlock(self, slot: str) -> None:
        """Let logins in, as far as the look-up of keys does."""
        ...

    def lock(self, slot: str) -> None:
        """Let no login in, whatever its key, and end those there are.

        When this returns nothing writes to the upload directory any more.
        """
        ...

    def directory(self, slot: str) -> Path:
        """The upload directory."""
        ...

    def usage(self, slot: str) -> SlotUsage:
        """What lies in the upload directory and how many are logged in."""
        ...

    def collect(self, slot: str, into: Path) -> Collected:
        """Move plain files with legal names out of the upload directory, durably, and name what was refused."""
        ...

    def clean(self, slot: str) -> None:
        """Empty the upload directory."""
        ...
