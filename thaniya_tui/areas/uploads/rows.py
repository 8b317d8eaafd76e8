"""The rows of the two tables of uploads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from rich.text import Text

from thaniya_core.formats.quantities import format_duration, format_size
from thaniya_core.model import Slot, SlotState, Upload, UploadState
from thaniya_core.views import Live
from thaniya_tui import render
from thaniya_tui.areas.overview.draw import seconds_left
from thaniya_tui.areas.uploads.rates import Tracks, sparkline
from thaniya_tui.widgets import Column, Row

_SPARK = 12

SLOT_COLUMNS = (
    Column("slot", "slot", 10),
    Column("state", "state", 10),
    Column("series", "series", 12, grows=True),
    Column("received", "received", 21, is_right=True, from_width=90),
    Column("part", "", 8, from_width=66),
    Column("rate", "rate", 11, is_right=True),
    Column("track", "", _SPARK, from_width=124),
    Column("left", "left", 9, is_right=True, from_width=104),
    Column("idle", "idle", 6, is_right=True, from_width=140),
    Column("peer", "from", 15, from_width=156),
    Column("note", "note", 18, grows=True, from_width=156),
)

ENDED_COLUMNS = (
    Column("ended", "ended", 10, is_right=True),
    Column("state", "state", 10),
    Column("series", "series", 12, grows=True),
    Column("stored", "stored", 10, is_right=True),
    Column("took", "took", 9, is_right=True, from_width=96),
    Column("reason", "reason", 16, grows=True, from_width=60),
    Column("id", "id", 23, from_width=140),
)


def slot_rows(live: Live, tracks: Tracks) -> Iterator[Row]:
    """A row a slot, with the upload that holds it; and one for each upload that holds none any more."""
    uploads = {upload.id: upload for upload in live.uploads}
    held = {slot.upload_id for slot in live.slots}
    for slot in live.slots:
        yield _slot_row(slot, uploads.get(slot.upload_id or ""), tracks, live.at)
    for upload in live.uploads:
        if upload.id not in held:
            yield Row(upload.id, (Text("-"), *_upload_cells(upload, tracks, live.at)))


def _slot_row(slot: Slot, upload: Upload | None, tracks: Tracks, now: datetime) -> Row:
    name = render.foreign(slot.name)
    if upload is not None:
        return Row(slot.name, (name, *_upload_cells(upload, tracks, now)))
    since = render.ago(slot.taken_at, now).plain if slot.taken_at else "never"
    note = slot.reason or (f"last taken {since}" if slot.state is SlotState.READY else "")
    empty = (Text(""),) * 8
    return Row(slot.name, (name, render.slot_state(slot.state), *empty, render.foreign(note, "faint")))


def _upload_cells(upload: Upload, tracks: Tracks, now: datetime) -> tuple[Text, ...]:
    received = format_size(upload.received_bytes)
    if upload.expected_bytes:
        received += f" of {format_size(upload.expected_bytes)}"
    track = tracks.get(upload.id)
    is_open = upload.state is UploadState.OPEN
    left_s = seconds_left(upload) if is_open else None
    return (
        render.upload_state(upload.state),
        render.foreign(upload.series),
        Text(received, justify="right"),
        render.bar(upload.received_bytes / upload.expected_bytes, 8) if upload.expected_bytes else Text(""),
        render.rate(upload.bytes_per_s if is_open else 0),
        sparkline(track.rates, _SPARK) if track is not None and is_open else Text(""),
        Text("" if left_s is None else format_duration(left_s), justify="right"),
        render.lasting(now - upload.last_activity_at) if is_open else Text(""),
        render.foreign(upload.peer or "-"),
        render.foreign(upload.shown_reason, "caution" if upload.shown_reason else ""),
    )


def ended_rows(uploads: Iterable[Upload], now: datetime) -> Iterator[Row]:
    """A row an upload, the newest first."""
    for upload in uploads:
        took = render.lasting(upload.ended_at - upload.created_at) if upload.ended_at else Text("-")
        yield Row(
            upload.id,
            (
                render.ago(upload.ended_at, now),
                render.upload_state(upload.state),
                render.foreign(upload.series),
                render.size(upload.stored_bytes),
                took,
                render.foreign(upload.reason or "-"),
                render.foreign(upload.id, "faint"),
            ),
        )
