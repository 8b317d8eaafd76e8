"""What the rules look at: values, gathered elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from thaniya_core.formats.names import Series
from thaniya_core.model import (
    Backup,
    ChannelRecord,
    EndedUpload,
    Expectation,
    Job,
    PingRecord,
    RunRecord,
    Slot,
    Upload,
    User,
    Volume,
)
from thaniya_core.system.space import DiskSpace


class SeriesFacts(Struct, frozen=True):
    """All that is known of a series."""

    series: Series
    backups: tuple[Backup, ...] = ()
    """In the catalog."""
    ended: tuple[EndedUpload, ...] = ()
    """Its uploads that ended lately, archived or not."""
    expectation: Expectation | None = None
    """What an administrator said."""
    is_pruned: bool = False
    """A retention policy removes its old backups."""
    user_is_enabled: bool = True

    @property
    def last_good(self) -> Backup | None:
        """The newest backup that is not known to be broken."""
        good = [backup for backup in self.backups if not backup.broken]
        return max(good, key=lambda backup: (backup.document.created_at, backup.id)) if good else None


class VolumeFacts(Struct, frozen=True):
    """A volume, and what was seen of it."""

    volume: Volume
    space: DiskSpace | None = None
    """None when it is not there."""
    problem: str = ""
    """Why it is not there."""
    low_bytes: int = 0
    """With less free than this it is nearly full."""
    low_files: int = 0
    """The same in inodes."""


class ServerFacts(Struct, frozen=True):
    """What is known of the server, its series aside."""

    now: datetime
    users: tuple[User, ...] = ()
    slots: tuple[Slot, ...] = ()
    uploads: tuple[Upload, ...] = ()
    """On their way, and the failed ones that wait for an administrator."""
    jobs: tuple[Job, ...] = ()
    """Waiting, running and given up."""
    volumes: tuple[VolumeFacts, ...] = ()
    channels: tuple[ChannelRecord, ...] = ()
    pings: PingRecord | None = None
    service_runs: bool = True
    """A process is the service in this moment."""
    service_seen_at: datetime | None = None
    """When one was last; None for never."""
    runs: Mapping[str, RunRecord] = {}
    """How each part of the schedule went that has run."""
    every_s: Mapping[str, int] = {}
    """How often each part is to run; 0 for never."""
    silence_s: int = 900
    """After so long without a byte an upload is to be ended."""
