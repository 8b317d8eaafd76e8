"""What retention needs of the archive. `archive/` fulfils it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from thaniya_core.formats.names import Series
from thaniya_core.model import Backup


class Removed(Protocol):
    """What a removal did."""

    @property
    def backups(self) -> tuple[Backup, ...]:
        """What is gone."""
        ...

    @property
    def absent(self) -> tuple[Backup, ...]:
        """What was chosen too, but lies on a volume that is not there now."""
        ...

    @property
    def freed_bytes(self) -> int:
        """What became free."""
        ...


class Archive(Protocol):
    """Removes backups."""

    def remove_chosen(
        self, series: Series, choose: Callable[[Sequence[Backup]], Iterable[Backup]], actor: str
    ) -> Removed:
        """Remove the backups of a series that are chosen from all of them, while nobody else can change them.

        Raises:
            WrongState: catalog and volumes disagree about the series; nothing was removed.
        """
        ...
