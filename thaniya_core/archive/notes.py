"""What people say of a backup, in a file beside it on its volume."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from thaniya_core.errors import NotFound
from thaniya_core.formats.names import NOTES_FILE
from thaniya_core.formats.notes import Notes, check_tag, decode_notes, encode_notes
from thaniya_core.system.files import read_regular, write_atomic


def read_notes(directory: Path) -> Notes:
    """The notes in a backup's directory; empty ones where there are none.

    Raises:
        IntegrityFailed: they are damaged.
        OSError: they cannot be read.
    """
    file = directory / NOTES_FILE
    try:
        data = read_regular(file)
    except FileNotFoundError:
        return Notes()
    return decode_notes(data, str(file))


def write_notes(directory: Path, notes: Notes) -> None:
    """Write the notes into a backup's directory, durably; empty ones leave no file."""
    if not directory.is_dir():
        raise NotFound(f"there is no backup at {directory}")
    file = directory / NOTES_FILE
    if notes == Notes():
        file.unlink(missing_ok=True)
    else:
        write_atomic(file, encode_notes(notes))


def change_tags(notes: Notes, add: Iterable[str], remove: Iterable[str]) -> Notes:
    """The notes with some tags added and others taken away.

    Raises:
        IllegalName: one is not a legal tag.
    """
    added = {check_tag(tag) for tag in add}
    return replace(notes, tags=tuple(sorted((set(notes.tags) | added) - set(remove))))
