"""A service that is stopped while it is backed up."""

from __future__ import annotations

import re

from thaniya_client.around.actions import Action
from thaniya_client.tasks.tools import Tool
from thaniya_core.errors import WrongUsage

_UNIT = re.compile(r"[A-Za-z0-9_:.@\\][A-Za-z0-9_:.@\\-]{0,250}")
_IS_UP = 'case "$(systemctl is-active -- "$1")" in active|activating|reloading|refreshing) ;; *) exit 1 ;; esac'


class StoppedService:
    """A systemd service that is stopped before the backup and started after it; one that does not run stays so."""

    def __init__(self, *units: str) -> None:
        """
        Args:
            units: as systemctl knows them: `shop.service`. They are stopped in this order and started in the reverse.

        Raises:
            WrongUsage: there is none, or one that cannot be a unit's name.
        """
        if not units:
            raise WrongUsage("there is no service to stop", hint='StoppedService("shop.service")')
        for unit in units:
            if not _UNIT.fullmatch(unit):
                raise WrongUsage(f"{unit!r} is not the name of a unit", hint="systemctl list-units shows them")
        self.units = units

    def __repr__(self) -> str:
        return f"StoppedService({', '.join(map(repr, self.units))})"

    def describe(self) -> str:
        """What is stopped."""
        return f"stop {', '.join(self.units)} until the backup has ended"

    def tools(self) -> list[Tool]:
        """systemctl."""
        return [Tool("systemctl", install="this needs a machine that runs systemd")]

    def actions(self) -> list[Action]:
        """Stop, and start where it ran."""
        return [
            Action(
                what=f"stop {unit}",
                do=("systemctl", "stop", "--", unit),
                undo_what=f"start {unit}",
                undo=("systemctl", "start", "--", unit),
                undo_wanted_if=("sh", "-c", _IS_UP, "sh", unit),
            )
            for unit in self.units
        ]
