"""What administrators have done to the demo's server, each at its time, by the functions that the commands use."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from thaniya_core.cli.demo.year import DAYS, HABITS, USUAL, last_pruning, last_verification, midnight
from thaniya_core.formats.manifest import FileKind
from thaniya_core.formats.names import Series
from thaniya_core.formats.notes import Notes
from thaniya_core.formats.quantities import format_size
from thaniya_core.model import Backup, Role, RunRecord
from thaniya_core.retention import parse_policy
from thaniya_core.server import Server
from thaniya_core.testing import FixedClock

ROOT = "login:root"
SHOP = Series("alice", "db1", "shop")
_GB = 1000**3


def public_key(owner: str) -> str:
    """A key as in `id_ed25519.pub`, whose private half nobody has."""
    algorithm = b"ssh-ed25519"
    parts = (algorithm, hashlib.sha256(owner.encode()).digest())
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return f"{algorithm.decode()} {base64.b64encode(blob).decode()} {owner}"


class Deeds:
    """Does what was done, in the order of time."""

    def __init__(self, server: Server, clock: FixedClock, now: datetime) -> None:
        self._server = server
        self._clock = clock
        self._now = now

    def _days_ago(self, days: float) -> None:
        self._go_to(midnight(self._now) - timedelta(days=days))

    def _go_to(self, moment: datetime) -> None:
        self._clock.set_wall_clock(moment - self._clock.now())

    def add_volume(self, path: Path, at: datetime) -> None:
        """Add the second volume; the first takes no new backups from then on."""
        self._go_to(at)
        self._server.volumes.add(path, path.name, ROOT)
        for volume in self._server.volumes.all():
            if volume.path != path:
                self._server.volumes.set_active(volume, False, ROOT)

    def set_up(self) -> None:
        """Add users, and say what is kept and expected."""
        users, settings = self._server.users, self._server.retention_settings
        self._days_ago(DAYS + 3.6)
        users.add("alice", [public_key("alice@web1"), public_key("alice@db1")], ROOT, role=Role.ADMIN, max_uploads=4)
        users.add("bob", [public_key("bob@lab-nas")], ROOT, quota_bytes=6 * _GB)
        users.add("dave", [public_key("dave@laptop")], ROOT, quota_bytes=2 * _GB)
        settings.set("default", parse_policy(USUAL), ROOT)
        self._days_ago(289.4)
        users.add_key("bob", public_key("bob@laptop"), ROOT)
        self._days_ago(242.5)
        users.add("carol", [public_key("carol@laptop")], ROOT, role=Role.OPERATOR, quota_bytes=3 * _GB)
        self._days_ago(117.6)
        users.disable("dave", ROOT)
        self._server.expectations.retire(Series("dave", "laptop", "home"), ROOT)
        self._days_ago(45.5)
        settings.set(str(SHOP), parse_policy(next(each.policy for each in HABITS if each.series == SHOP)), ROOT)
        self._server.expectations.set(SHOP, 3600, 1800, ROOT)
        self._days_ago(14.2)
        users.change("bob", ROOT, quota_bytes=8 * _GB)
        self._server.expectations.set(Series("carol", "laptop", "home"), 86400, 43200, "carol")

    def decide(self, marked: Iterable[tuple[Backup, Notes]]) -> None:
        """Pin and tag backups, disable a slot; and set a policy whose time to be applied has not come."""
        for backup, notes in marked:
            self._go_to(backup.document.archived_at + timedelta(hours=9))
            if notes.pinned:
                self._server.backups.pin(backup, True, ROOT)
            self._server.backups.tag(backup, notes.tags, (), ROOT)
        self._days_ago(11.3)
        self._server.slots.disable("thaniya_04", ROOT)
        self._go_to(self._now - timedelta(hours=2))
        self._server.retention_settings.set("bob", parse_policy("keep-daily=14 keep-weekly=8 keep-monthly=6"), ROOT)

    def find_broken(self, backup: Backup) -> None:
        """Flip a byte of a backup on the disk, and have it read."""
        tar = next(file for file in backup.document.files if file.kind is FileKind.TAR)
        file = self._server.catalog.directory(backup) / tar.name
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 0xFF
        file.unlink()  # it may be one file with that of another backup
        file.write_bytes(data)
        file.chmod(0o440)
        self._go_to(last_verification(self._now) + timedelta(minutes=14))
        self._server.backups.verify(backup, "service")

    def run_schedule(self, freed_bytes: Sequence[int], verified: int) -> None:
        """Leave records of what the schedule ran last.

        Args:
            freed_bytes: of each backup that retention has removed.
            verified: how many backups were read again and good.
        """
        pruning = f"{len(HABITS)} series, {len(freed_bytes)} backups removed, {format_size(sum(freed_bytes))}"
        pruned = last_pruning(self._now)
        night = last_verification(self._now)
        moment = self._now - timedelta(seconds=20)
        runs = (
            RunRecord("volumes", moment, "", moment, moment),
            RunRecord("health", moment, "critical, 7 findings, 0 messages sent", moment, moment),
            RunRecord("retention", pruned, pruning, pruned, pruned),
            RunRecord("verify", night, f"{verified + 1} backups read, 1 broken", night, night + timedelta(minutes=22)),
        )
        self._leave_mark()
        with self._server.store.transaction() as state:
            for run in runs:
                state.runs.put(replace(run, ended_at=(run.ended_at or night) + timedelta(seconds=2)))

    def _leave_mark(self) -> None:
        """A service has run until now."""
        with self._server.as_service():
            self._server.note_alive()
        moment = self._now.timestamp()
        os.utime(self._server.config.paths.state / "service.lock", (moment, moment))
