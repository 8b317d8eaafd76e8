"""What persisted state looks like to the rest of the server.

A transaction is the only way to change state. It must not be assumed that one process or one host works on it: what
was read before is stale, and everything a decision rests on is read inside the transaction that carries it out.
Transactions are short and do not nest: no other input or output inside, least of all on a slot or a volume, whose disk
may hang. One exception: allocation reads its user's catalog inside the transaction of the state, so that an upload
that moves from there into the catalog meanwhile is counted once. And one more: removing backups renames their
directories inside the transaction of their series, so that nobody pins one that is just going.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol, TypeVar

from thaniya_core.formats.names import Series
from thaniya_core.model import (
    Backup,
    ChannelRecord,
    EndedUpload,
    Event,
    Expectation,
    Job,
    PingRecord,
    RetentionSetting,
    RunRecord,
    Slot,
    Upload,
    User,
    Volume,
)
from thaniya_core.store.events import LoggedEvent, LogPlace

R = TypeVar("R")


class ReadTable(Protocol[R]):
    """Records of one kind by key: users, slots and volumes by name or id, uploads, jobs and backups by id, retention by
    scope, expectations by series, channels and runs by name."""

    def get(self, key: str) -> R | None: ...

    def all(self) -> list[R]:
        """Every record, in the order of the keys."""
        ...


class Table(Protocol[R]):
    """Records that a transaction may change."""

    def get(self, key: str) -> R | None: ...

    def all(self) -> list[R]:
        """Every record, in the order of the keys."""
        ...

    def put(self, record: R) -> None:
        """Write a record, in place of the one with its key if there is one."""
        ...

    def remove(self, key: str) -> bool:
        """Remove a record; False when there is none."""
        ...


class StateView(Protocol):
    """The state as it was at one instant."""

    @property
    def users(self) -> ReadTable[User]: ...
    @property
    def slots(self) -> ReadTable[Slot]: ...
    @property
    def uploads(self) -> ReadTable[Upload]: ...
    @property
    def volumes(self) -> ReadTable[Volume]: ...
    @property
    def jobs(self) -> ReadTable[Job]: ...
    @property
    def retention(self) -> ReadTable[RetentionSetting]: ...
    @property
    def expectations(self) -> ReadTable[Expectation]: ...
    @property
    def channels(self) -> ReadTable[ChannelRecord]: ...
    @property
    def pings(self) -> ReadTable[PingRecord]: ...
    @property
    def runs(self) -> ReadTable[RunRecord]: ...


class StateTransaction(Protocol):
    """The state under the lock. Everything changed is written at the end, or nothing when an exception leaves it."""

    @property
    def users(self) -> Table[User]: ...
    @property
    def slots(self) -> Table[Slot]: ...
    @property
    def uploads(self) -> Table[Upload]: ...
    @property
    def volumes(self) -> Table[Volume]: ...
    @property
    def jobs(self) -> Table[Job]: ...
    @property
    def retention(self) -> Table[RetentionSetting]: ...
    @property
    def expectations(self) -> Table[Expectation]: ...
    @property
    def channels(self) -> Table[ChannelRecord]: ...
    @property
    def pings(self) -> Table[PingRecord]: ...
    @property
    def runs(self) -> Table[RunRecord]: ...


class Store(Protocol):
    """All persisted state of a server.

    Every method raises StateUnreadable when a state file is broken; the file is left as it is.
    """

    def read(self) -> StateView:
        """The newest committed state, without a lock."""
        ...

    def transaction(self) -> AbstractContextManager[StateTransaction]:
        """Lock, read, let change, write durably, unlock. Works between threads and processes."""
        ...

    def catalog_series(self) -> list[Series]:
        """Every series with at least one backup in the catalog, sorted."""
        ...

    def read_catalog(self, series: Series) -> list[Backup]:
        """A series' backups, the oldest first; empty for an unknown series."""
        ...

    def find_backups(self, id_prefix: str, user: str = "") -> Iterator[Backup]:
        """The backups whose id begins so, of all series or those of one user; faster than reading them all.

        A file that is broken is told when nothing is found: what was looked for may be in there.
        """
        ...

    def stored_bytes(self, user: str) -> int:
        """What a user's backups take on the volumes, by the catalog; faster than reading them."""
        ...

    def catalog_transaction(self, series: Series) -> AbstractContextManager[Table[Backup]]:
        """Change one series' backups. A series whose last backup is removed vanishes."""
        ...

    def replace_catalog(self, series: Series, backups: Iterable[Backup]) -> None:
        """Write a series' catalog anew, even where it is unreadable; without a backup the series vanishes.

        For rebuilding. What was added since `backups` were gathered is lost from the catalog.
        """
        ...

    def add_history(self, record: Upload | Job) -> None:
        """Keep an ended upload or job, under the day it ended on; adding the same id again replaces it."""
        ...

    def find_ended_upload(self, upload_id: str) -> Upload | None:
        """The upload of this id in the history; faster than reading it.

        A file that is broken is told when nothing is found: what was looked for may be in there.
        """
        ...

    def find_ended_job(self, job_id: str) -> Job | None:
        """The job of this id in the history, as `find_ended_upload` does."""
        ...

    def read_upload_history(self) -> Iterator[Upload]:
        """Ended uploads, the newest `ended_at` first, read day by day."""
        ...

    def read_ended_uploads(self, since: datetime) -> Iterator[EndedUpload]:
        """Uploads of the history that ended at or after `since`, in no order; faster than `read_upload_history`."""
        ...

    def read_job_history(self) -> Iterator[Job]:
        """Ended jobs, in the order of `read_upload_history`."""
        ...

    def drop_history(self, before: datetime) -> list[str]:
        """Forget the history of the days before that of an instant, as whole files; gives their names, oldest first."""
        ...

    def note_key_use(self, fingerprint: str, at: datetime) -> None:
        """Remember when a key, `SHA256:…`, let a client in; the last time counts. Takes no lock, and is not durable.

        Raises:
            WrongUsage: it is no fingerprint.
        """
        ...

    def key_uses(self) -> dict[str, datetime]:
        """When each key last let a client in, by its fingerprint."""
        ...

    def forget_key_use(self, fingerprint: str) -> None:
        """Forget when a key was used; nothing happens when that is not known."""
        ...

    def add_event(self, event: Event) -> None:
        """Append to the audit log. Safe between processes; a torn last line harms nothing."""
        ...

    def read_events(self, since: datetime | None = None) -> Iterator[Event]:
        """Events, the oldest first. A line that cannot be read is passed over."""
        ...

    def read_newest_events(self) -> Iterator[Event]:
        """Events, the newest first; only what is asked for is read."""
        ...

    def read_events_after(self, place: LogPlace) -> Iterator[tuple[Event, LogPlace]]:
        """Events that were appended after a place in the audit log, each with the place after it."""
        ...

    def read_events_before(self, place: LogPlace) -> Iterator[LoggedEvent]:
        """Events before a place in the audit log, the newest first; only what is asked for is read."""
        ...

    def end_of_events(self) -> LogPlace:
        """The place after the newest event in the audit log."""
        ...

    def drop_events(self, before: datetime) -> list[str]:
        """Forget the audit log of the months before that of an instant; gives them, `2026-11`, the oldest first."""
        ...
