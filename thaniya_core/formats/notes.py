"""backup.notes.json: what people said of a backup after it was archived.

It lies beside the backup, so that it outlives the server's state, and is no part of the backup: SHA256SUMS does not
name it, and a restore does not need it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from thaniya_core.errors import IllegalName, IntegrityFailed, WrongUsage

FORMAT = 1
TAGS_OF_CLIENT = 50
"""So many tags a client may give to a backup that it makes."""

_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@=:-]{0,63}")


class Notes(Struct, frozen=True, omit_defaults=True, gc=False):
    """What people said of a backup."""

    pinned: bool = False
    """Retention never removes it."""
    tags: tuple[str, ...] = ()
    """Sorted, each once."""
    format: int = FORMAT


def check_tag(text: str) -> str:
    """Give the text back when it may be a tag: up to 64 of A-Z a-z 0-9 . _ + @ = : - and no sign at the beginning."""
    if not _TAG.fullmatch(text):
        raise IllegalName(
            f"{text[:80]!r} is not a legal tag",
            hint="up to 64 of A-Z a-z 0-9 . _ + @ = : - and no sign at the beginning",
        )
    return text


def check_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags that a client gives to a backup, sorted, each once.

    Raises:
        IllegalName: one is not a legal tag.
        WrongUsage: there are too many.
    """
    checked = tuple(sorted({check_tag(tag) for tag in tags}))
    if len(checked) > TAGS_OF_CLIENT:
        raise WrongUsage(f"there are {len(checked)} tags; {TAGS_OF_CLIENT} are allowed")
    return checked


def encode_notes(notes: Notes) -> bytes:
    """backup.notes.json as it is written."""
    return msgspec.json.format(msgspec.json.encode(notes), indent=2) + b"\n"


def decode_notes(data: bytes, where: str) -> Notes:
    """Read backup.notes.json.

    Raises:
        IntegrityFailed: it is damaged or of a later format.
    """
    try:
        notes = msgspec.json.decode(data, type=Notes)
        for tag in notes.tags:
            check_tag(tag)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, IllegalName) as exc:
        raise IntegrityFailed(f"{where} cannot be read: {exc}") from exc
    if notes.format > FORMAT:
        raise IntegrityFailed(f"{where} has format {notes.format}, this version knows {FORMAT}", hint="upgrade Thaniya")
    return notes
