"""The state and a catalog as a whole, to read and to change."""

from __future__ import annotations

from thaniya_core.errors import WrongUsage
from thaniya_core.formats.names import Series
from thaniya_core.model import Backup
from thaniya_core.store.records import (
    BACKUPS,
    CHANNELS,
    EXPECTATIONS,
    JOBS,
    PINGS,
    RETENTION,
    RUNS,
    SLOTS,
    UPLOADS,
    USERS,
    VOLUMES,
    AnyDraft,
    AnyKind,
    Content,
    Draft,
    Records,
)

STATE_KINDS: tuple[AnyKind, ...] = (
    USERS,
    SLOTS,
    UPLOADS,
    VOLUMES,
    JOBS,
    RETENTION,
    EXPECTATIONS,
    CHANNELS,
    PINGS,
    RUNS,
)
CATALOG_KINDS: tuple[AnyKind, ...] = (BACKUPS,)
HISTORY_KINDS: tuple[AnyKind, ...] = (UPLOADS, JOBS)


class StateSnapshot:
    """A StateView."""

    def __init__(self, content: Content) -> None:
        self.users = Records(USERS, content)
        self.slots = Records(SLOTS, content)
        self.uploads = Records(UPLOADS, content)
        self.volumes = Records(VOLUMES, content)
        self.jobs = Records(JOBS, content)
        self.retention = Records(RETENTION, content)
        self.expectations = Records(EXPECTATIONS, content)
        self.channels = Records(CHANNELS, content)
        self.pings = Records(PINGS, content)
        self.runs = Records(RUNS, content)


class StateDraft:
    """A StateTransaction."""

    def __init__(self, content: Content) -> None:
        self.users = Draft(USERS, content)
        self.slots = Draft(SLOTS, content)
        self.uploads = Draft(UPLOADS, content)
        self.volumes = Draft(VOLUMES, content)
        self.jobs = Draft(JOBS, content)
        self.retention = Draft(RETENTION, content)
        self.expectations = Draft(EXPECTATIONS, content)
        self.channels = Draft(CHANNELS, content)
        self.pings = Draft(PINGS, content)
        self.runs = Draft(RUNS, content)

    @property
    def drafts(self) -> tuple[AnyDraft, ...]:
        return (
            self.users,
            self.slots,
            self.uploads,
            self.volumes,
            self.jobs,
            self.retention,
            self.expectations,
            self.channels,
            self.pings,
            self.runs,
        )

    def end(self) -> None:
        """Refuse further changes."""
        for draft in self.drafts:
            draft.end()


class CatalogDraft(Draft[Backup]):
    """One series' backups; a backup of another series is refused."""

    def __init__(self, series: Series, content: Content) -> None:
        super().__init__(BACKUPS, content)
        self._series = series

    def put(self, record: Backup) -> None:
        if record.series != self._series:
            raise WrongUsage(f"backup {record.id} belongs to {record.series}, not to {self._series}")
        super().put(record)
