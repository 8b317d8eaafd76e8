"""Reading the contents lists of archived backups."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from thaniya_core.errors import IntegrityFailed
from thaniya_core.formats.compression import BUFFER_BYTES, DECOMPRESSION_ERRORS, open_reader
from thaniya_core.formats.contents import ContentsEntry, decode_entries, split_lines
from thaniya_core.formats.manifest import BackupFile
from thaniya_core.system.files import open_regular, os_errors

_DAMAGED: tuple[type[Exception], ...] = (*DECOMPRESSION_ERRORS, ValueError)
"""What reading a damaged list raises."""


def read_contents(directory: Path, file: BackupFile) -> Iterator[ContentsEntry]:
    """The entries of a contents list, read as they are asked for.

    Args:
        directory: where the backup lies.
        file: the list.

    Raises:
        NotFound, NotAllowed, ThaniyaError: it cannot be opened.
        IntegrityFailed: it is damaged.
    """
    with os_errors(f"open {file.name} of {directory.name}"):
        descriptor = open_regular(directory / file.name)
    with os.fdopen(descriptor, "rb", buffering=0) as stored, open_reader(stored, file.compression) as reader:
        try:
            yield from decode_entries(split_lines(iter(partial(reader.read, BUFFER_BYTES), b"")))
        except _DAMAGED as exc:
            raise IntegrityFailed(f"{file.name} of {directory.name} is damaged: {exc}") from exc
