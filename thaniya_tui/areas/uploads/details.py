"""Everything about a slot and an upload, to be read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

from thaniya_core.formats.quantities import format_size
from thaniya_core.model import Slot, Upload, UploadState
from thaniya_tui import render


def describe_upload(upload: Upload, now: datetime) -> Text:
    """Where an upload comes from, how far it came, and why it ended."""
    received = Text(format_size(upload.received_bytes))
    if upload.expected_bytes:
        received.append(f" of {format_size(upload.expected_bytes)}")
    received.append(f" in {upload.received_files:,} file{'s' if upload.received_files != 1 else ''}")
    facts = [
        ("upload", render.foreign(upload.id)),
        ("series", render.foreign(upload.series)),
        ("state", render.upload_state(upload.state)),
        ("slot", render.foreign(upload.slot)),
        ("from", render.foreign(upload.peer or "-")),
        ("opened", _at(upload.created_at, now)),
        ("last byte", _at(upload.last_activity_at, now)),
        ("received", received),
    ]
    if upload.ended_at is not None:
        facts.append(("ended", _at(upload.ended_at, now)))
    if upload.stored_bytes is not None:
        facts.append(("stored", render.size(upload.stored_bytes)))
    text = _told(facts)
    if upload.shown_reason:
        is_bad = upload.state in (UploadState.FAILED, UploadState.REJECTED)
        text.append("\n\n").append_text(render.paragraph(upload.shown_reason, "bad" if is_bad else "caution"))
    if upload.state is UploadState.FAILED:
        text.append("\n\nwhat next  ", "faint").append("mend the cause and retry its job (area Jobs), or abort it (a)")
    return text


def describe_slot(slot: Slot, now: datetime) -> Text:
    """A slot that no upload holds."""
    text = _told(
        [
            ("slot", render.foreign(slot.name)),
            ("state", render.slot_state(slot.state)),
            ("last taken", _at(slot.taken_at, now) if slot.taken_at else Text("never")),
        ]
    )
    return text.append("\n\n").append_text(render.paragraph(slot.reason, "caution")) if slot.reason else text


def _told(facts: Sequence[tuple[str, Text]]) -> Text:
    return Text("\n").join(Text.assemble((f"{name:<11}", "faint"), value) for name, value in facts)


def _at(at: datetime, now: datetime) -> Text:
    return render.moment(at).append(f"  {render.ago(at, now).plain}", "faint")
