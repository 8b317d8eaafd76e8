"""What is known of the backup under the cursor, as lines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct
from rich.text import Text

from thaniya_core.errors import ThaniyaError
from thaniya_core.formats.manifest import BackupFile, SumsBy
from thaniya_core.formats.quantities import format_size
from thaniya_core.model import Backup, Volume
from thaniya_core.server import Server
from thaniya_tui import render
from thaniya_tui.areas.backups.rows import Seen, state_of

_KEY_WIDTH = 10
_WIDTH_FOR_AGES = 50
_SUM = "sha256"


class Place(Struct, frozen=True):
    """Where a backup lies, and what only a look there tells."""

    backup_id: str
    directory: str = ""
    own_bytes: int | None = None
    """What removing it frees."""
    problem: str = ""
    """Why it is not there; empty when it is."""


def look_at(server: Server, backup: Backup) -> Place:
    """Look where a backup lies; in a thread, since its disk may hang."""
    try:
        directory = str(server.catalog.directory(backup))
        return Place(backup.id, directory, server.backups.own_bytes(backup))
    except ThaniyaError as error:
        return Place(backup.id, problem=error.message)


class Facts(Struct, frozen=True):
    """What the lines are made of."""

    backup: Backup
    seen: Seen
    place: Place | None
    """None while it is being looked for."""
    volume: Volume | None
    """None when the server does not know it."""
    now: datetime


def draw_details(facts: Facts, width: int) -> list[Text]:
    """The lines: what a person wants to know first, at the top."""
    backup = facts.backup
    state = state_of(backup)
    if backup.notes.pinned:
        state.append("  pinned", "accent")
    head = render.foreign(backup.id, "strong")
    lines = [Text.assemble(head, "  ", state)] if len(head) + 2 + len(state) <= width else [head, state]
    for key, value in _facts(facts, with_ages=width >= _WIDTH_FOR_AGES):
        lines += _draw_sum(value, width) if key == _SUM else _wrap(key, value, width)
    return lines


def details_text(facts: Facts, width: int) -> Text:
    """All of it, to be read in a window of its own and copied."""
    return Text("\n").join(draw_details(facts, width))


def _facts(facts: Facts, *, with_ages: bool) -> Iterator[tuple[str, Text]]:
    backup, document, notes = facts.backup, facts.backup.document, facts.backup.notes
    if backup.broken:
        yield "broken", render.foreign(backup.broken, "bad", 2000)
    place = facts.place
    if place is not None and place.problem:
        yield "not there", render.foreign(place.problem, "bad", 2000)
    now = facts.now if with_ages else None
    yield "made", _time(document.created_at, now)
    yield "stored", _stored(facts)
    if backup.verified_at is None:
        yield "verified", Text("never: v reads it again", "caution")
    else:
        yield "verified", _time(backup.verified_at, now)
    yield "tags", render.foreign(" ".join(notes.tags), "accent") if notes.tags else Text("none", "faint")
    yield "series", render.foreign(backup.series)
    yield "sums by", _sums_by(document.sums_by)
    yield from _chain(facts)
    if document.warning_count:
        yield "warnings", Text(f"{document.warning_count:,}", "caution")
        for warning in document.warnings:
            yield "", render.foreign(warning, limit=600)
        if document.warning_count > len(document.warnings):
            yield "", Text("the others are in client.log", "faint")
    for number, file in enumerate(document.files):
        yield "" if number else "files", _file(file)
        yield _SUM, Text(file.sha256, "faint")
        if file.uploaded_sha256 is not None:
            yield "", render.foreign(f"uploaded as {file.uploaded_name}, {format_size(file.uploaded_bytes)}")
            yield _SUM, Text(file.uploaded_sha256, "faint")
    yield "archived", _time(document.archived_at, now)
    yield "client", render.foreign(document.client or "-")
    yield "volume", _volume(facts)
    yield "directory", Text("looking …", "faint") if place is None else render.foreign(place.directory or "-", "", 2000)


def _time(at: datetime, now: datetime | None) -> Text:
    ago = f"  {render.ago(at, now).plain}" if now is not None else ""
    return Text.assemble(render.moment(at), (ago, "faint"))


def _stored(facts: Facts) -> Text:
    document, place = facts.backup.document, facts.place
    text = Text(format_size(document.stored_bytes))
    if document.original_bytes != document.stored_bytes:
        text.append(f" of {format_size(document.original_bytes)}")
        if document.original_bytes:
            text.append(f" ({document.stored_bytes / document.original_bytes:.0%})")
    if document.shared_bytes:
        text.append(f", {format_size(document.shared_bytes)} shared with earlier ones")
    if place is not None and place.own_bytes is not None:
        text.append(f"; removing it frees {format_size(place.own_bytes)}", "faint")
    return text


def _sums_by(sums_by: SumsBy) -> Text:
    if sums_by is SumsBy.CLIENT:
        return Text("client: compared when it came")
    return Text("server: the client sent none")


def _chain(facts: Facts) -> Iterator[tuple[str, Text]]:
    parent = facts.backup.document.parent
    if parent is not None:
        is_there = facts.seen.get(parent) is not None or facts.seen.total > len(facts.seen.backups)
        told = "builds on it" if is_there else "builds on it, and it is not there"
        yield "parent", Text.assemble(render.foreign(parent), (f"  {told}", "" if is_there else "bad"))
    if needing := facts.seen.built_on(facts.backup):
        yield "needed by", render.foreign(", ".join(each.id for each in needing[:5]))


def _file(file: BackupFile) -> Text:
    text = Text.assemble((render.foreign(file.name).plain, "strong"), f"  {file.kind.value}")
    text.append(f", {format_size(file.size_bytes)}")
    if file.original_bytes is not None and file.original_bytes != file.size_bytes:
        text.append(f" of {format_size(file.original_bytes)}, {file.compression.value}")
    if file.is_encrypted:
        text.append(f", encrypted by {file.encryption.value}")
    if file.entries is not None:
        text.append(f", {file.entries:,} members")
    if file.shared_with is not None:
        text.append(", shared with ").append_text(render.foreign(file.shared_with))
    return text


def _volume(facts: Facts) -> Text:
    if facts.volume is None:
        return Text.assemble(render.foreign(facts.backup.volume), ("  unknown to this server", "bad"))
    text = Text.assemble(render.foreign(facts.volume.label or facts.volume.id))
    return text.append(f"  {render.foreign(facts.volume.path).plain}", "faint")


def _draw_sum(value: Text, width: int) -> list[Text]:
    """A sum in one line wherever it fits, so that it can be copied."""
    room = width - len(value)
    if room < 0:
        return _wrap("", value, width)
    name = f"{_SUM} " if room >= _KEY_WIDTH + len(_SUM) + 1 else ""
    return [Text.assemble(" " * min(_KEY_WIDTH, room), (name, "faint"), value)]


def _wrap(key: str, value: Text, width: int) -> list[Text]:
    """A fact in as many lines as it takes, the value in a column of its own."""
    room = max(width - _KEY_WIDTH, 8)
    pieces = _pieces(value, room)
    return [
        Text.assemble((f"{key if number == 0 else '':<{_KEY_WIDTH}}", "faint"), piece)
        for number, piece in enumerate(pieces)
    ]


def _pieces(value: Text, room: int) -> list[Text]:
    pieces: list[Text] = []
    while value.cell_len > room:
        cut = len(value.plain)
        piece = value.copy()
        piece.truncate(room)
        cut = len(piece.plain)
        blank = value.plain.rfind(" ", room // 2, cut + 1)
        cut = blank + 1 if blank > 0 else max(cut, 1)
        head, value = value.divide([cut])
        head.rstrip()
        pieces.append(head)
    return [*pieces, value]
