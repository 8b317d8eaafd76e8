"""Verifying many backups: chosen, throttled, and stopped when there is other work."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from msgspec import Struct

from thaniya_core.archive.backups import Backups
from thaniya_core.archive.catalog import Catalog
from thaniya_core.archive.due import Reading, choose_due, last_reading
from thaniya_core.archive.volumes import Volumes
from thaniya_core.config import VerifyLimits
from thaniya_core.errors import ThaniyaError
from thaniya_core.model import Backup
from thaniya_core.system.background import run_in_background
from thaniya_core.system.clock import Clock
from thaniya_core.system.throttle import Stopped, Throttle

logger = logging.getLogger(__name__)


class VerifiedRun(Struct, frozen=True):
    """What a run did."""

    verified: tuple[Backup, ...] = ()
    """As they are now; those that are broken say so."""
    unreadable: tuple[str, ...] = ()
    """Backups that could not be looked at, each with the reason."""
    was_stopped: bool = False
    """There was more to do."""


class Verification:
    """Reads the archive again in its time."""

    def __init__(
        self, clock: Clock, volumes: Volumes, catalog: Catalog, backups: Backups, limits: VerifyLimits
    ) -> None:
        self._clock = clock
        self._volumes = volumes
        self._catalog = catalog
        self._backups = backups
        self._limits = limits

    def due(self, horizon: timedelta) -> list[Reading]:
        """The backups that a run reads now; see `choose_due`. Broken ones are left out: they are told already.

        Args:
            horizon: until the next run.
        """
        present = {volume.id for volume in self._volumes.present()}
        readings = (
            last_reading(backup)
            for backup in self._catalog.each_unsorted()
            if backup.volume in present and not backup.broken
        )
        every = timedelta(seconds=self._limits.every)
        return choose_due(readings, self._clock.now(), every, horizon, self._limits.most_per_run)

    def run_due(
        self, horizon: timedelta, should_stop: Callable[[], bool] = lambda: False, actor: str = "service"
    ) -> VerifiedRun:
        """Read what is due, at the configured rate and the lowest priority.

        Args:
            horizon: until the next run.
            should_stop: asked at least twice a second; the backup that is being read is left as it was.
            actor: for the audit log.
        """
        verified: list[Backup] = []
        unreadable: list[str] = []
        for reading in self.due(horizon):
            try:
                backup = self._catalog.find_in(reading.series, reading.backup_id)
                if backup is None:
                    continue  # it has been removed meanwhile
                throttle = Throttle(self._clock, self._limits.limit_rate, should_stop)
                verified.append(run_in_background(partial(self._backups.verify, backup, actor, throttle)))
            except Stopped:
                return VerifiedRun(tuple(verified), tuple(unreadable), was_stopped=True)
            except ThaniyaError as error:
                logger.error("cannot verify %s: %s", reading.backup_id, error)
                unreadable.append(f"{reading.backup_id}: {error.message}")
        return VerifiedRun(tuple(verified), tuple(unreadable))
