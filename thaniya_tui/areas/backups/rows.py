"""The rows of a series' backups, and what is read for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from msgspec import Struct
from rich.text import Text

from thaniya_core.formats.names import Series
from thaniya_core.formats.quantities import format_size
from thaniya_core.model import Backup
from thaniya_tui import render
from thaniya_tui.widgets import MOST_ROWS, Column, Row

COLUMNS = (
    Column("made", "made", 16),
    Column("state", "state", 10),
    Column("stored", "stored", 10, is_right=True, from_width=42),
    Column("pinned", "pin", 3, from_width=46),
    Column("original", "original", 10, is_right=True, from_width=60),
    Column("files", "files", 5, is_right=True, from_width=96),
    Column("verified", "verified", 8, is_right=True, from_width=70),
    Column("tags", "tags", 4, grows=True, from_width=76),
)


class Seen(Struct, frozen=True):
    """The backups of a series."""

    series: Series
    backups: tuple[Backup, ...] = ()
    """The newest first, at most MOST_ROWS."""
    total: int = 0

    def get(self, backup_id: str | None) -> Backup | None:
        """A backup by its id."""
        return next((backup for backup in self.backups if backup.id == backup_id), None)

    def built_on(self, backup: Backup) -> list[Backup]:
        """The backups that need it to be restored."""
        return [each for each in self.backups if each.document.parent == backup.id]

    def is_last_good(self, backup: Backup) -> bool:
        """Whether no other backup of the series is good."""
        return not backup.broken and not any(not each.broken for each in self.backups if each.id != backup.id)


def backup_rows(backups: Iterable[Backup], now: datetime) -> Iterator[Row]:
    """A row a backup."""
    for backup in backups:
        document = backup.document
        yield Row(
            backup.id,
            (
                Text(minute(document.created_at)),
                state_of(backup),
                render.size(document.stored_bytes),
                Text("pin" if backup.notes.pinned else "", "accent"),
                render.size(document.original_bytes),
                render.number(len(document.files)),
                verified(backup, now),
                render.foreign(" ".join(backup.notes.tags), "accent"),
            ),
        )


def state_of(backup: Backup) -> Text:
    """Whether it is good, as a sign and a word."""
    if backup.broken:
        return Text("✗ broken", "bad")
    return Text("✓ verified", "good") if backup.verified_at else Text("○ archived", "faint")


def verified(backup: Backup, now: datetime) -> Text:
    """How long ago it was read again."""
    if backup.verified_at is None:
        return Text("never", "faint", justify="right")
    minutes = max(int((now - backup.verified_at).total_seconds() // 60), 0)
    if minutes < 60:
        return Text(f"{minutes} min", justify="right")
    return Text(f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} d", justify="right")


def minute(at: datetime) -> str:
    """A local time to the minute: `2026-11-24 02:00`; the id tells the second."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M")


def texts_of(backup: Backup) -> tuple[str, ...]:
    """What a filter of the table looks at."""
    words = ["broken" if backup.broken else "verified" if backup.verified_at else "archived"]
    words += ["pinned"] if backup.notes.pinned else []
    return backup.id, minute(backup.document.created_at), *backup.notes.tags, *words


def told(seen: Seen, shown: int, coming: int) -> str:
    """What the frame of the table says of its rows."""
    parts = [f"{seen.total:,} backup{'s' if seen.total != 1 else ''}"]
    if seen.total > MOST_ROWS:
        parts.append(f"the newest {MOST_ROWS:,} are shown")
    elif shown < seen.total:
        parts.append(f"{shown:,} shown")
    elif seen.backups:
        parts.append(format_size(sum(backup.document.stored_bytes for backup in seen.backups)))
    if coming:
        parts.append(f"▶ {coming} coming in")
    return ", ".join(parts)
