"""The rows of what is inside a backup."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from rich.text import Text

from thaniya_core.formats.contents import ContentsEntry, escape_path
from thaniya_tui import render
from thaniya_tui.areas.backups.rows import minute
from thaniya_tui.areas.backups.searching import Found, Hit
from thaniya_tui.widgets import Column, Row

COLUMNS = (
    Column("mode", "mode", 10),
    Column("owner", "owner", 11, from_width=86),
    Column("size", "size", 10, is_right=True),
    Column("time", "changed", 16, from_width=64),
    Column("path", "path", 14, grows=True),
)


def inside_rows(hits: Iterable[Hit]) -> Iterator[Row]:
    """A row a path."""
    for hit in hits:
        entry = hit.inside.entry
        yield Row(
            str(hit.number),
            (
                render.foreign(entry.mode if entry is not None else "file", "" if entry is not None else "faint"),
                render.foreign(entry.owner if entry is not None else "-", "faint"),
                render.size(None if entry is not None and entry.is_directory else hit.inside.size_bytes),
                Text(changed_at(entry), "faint"),
                path_of(hit),
            ),
        )


def path_of(hit: Hit) -> Text:
    """The path without the `./` that all begin with, and where a link points."""
    entry = hit.inside.entry
    style = "accent" if entry is not None and entry.is_directory else ""
    text = render.foreign(hit.path.removeprefix("./") or "./", style, 1000)
    if entry is not None and entry.target is not None:
        text.append(f" → {render.foreign(escape_path(entry.target), limit=1000).plain}", "faint")
    return text


def changed_at(entry: ContentsEntry | None) -> str:
    """When a file was changed, in local time; what cannot be read as a time is shown as it is."""
    if entry is None:
        return "-"
    try:
        return minute(datetime.fromisoformat(entry.mtime))
    except (ValueError, OverflowError, OSError):
        return render.foreign(entry.mtime, limit=16).plain


def told(found: Found, text: str, marked: int) -> Text:
    """How far the search is, and what is marked."""
    shown = len(found.hits)
    if not found.is_done:
        words, style = f"looking … {found.looked_at:,} looked at, {shown:,} found", "moving"
    elif found.has_more:
        words, style = f"! the first {shown:,} that fit; there are more: search for more of the path", "caution"
    elif shown:
        of = f" of {found.looked_at:,}" if text.strip() else ""
        words, style = f"{shown:,}{of} path{'s' if shown != 1 or of else ''}", "faint"
    else:
        words, style = "nothing fits" if found.looked_at else "nothing is listed", "caution"
    line = Text.assemble((words, style))
    if marked:
        line.append(f"   ● {marked:,} marked", "accent")
    return line
