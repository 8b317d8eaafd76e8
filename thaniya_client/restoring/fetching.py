"""Reads files of a backup and checks them on the way."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, BinaryIO, cast

import msgspec

from thaniya_client.connectors.interface import Connector, FileReader
from thaniya_client.encryption.decrypting import decrypted
from thaniya_client.meter import Meter
from thaniya_core.errors import CommandFailed, IntegrityFailed, NotFound
from thaniya_core.formats.compression import DECOMPRESSION_ERRORS, Compression, open_reader
from thaniya_core.formats.manifest import BackupDocument, BackupFile
from thaniya_core.formats.names import DOCUMENT_FILES

CHUNK_BYTES = 1024 * 1024


class CheckedReader:
    """Reads a file of a backup as it is stored and sums it, whichever thread asks."""

    def __init__(self, reader: FileReader, file: BackupFile, backup_id: str, meter: Meter | None = None) -> None:
        self._reader = reader
        self._file = file
        self._backup_id = backup_id
        self._meter = meter
        self._digest = hashlib.sha256()
        self._lock = threading.Lock()
        self.size_bytes = 0

    def read(self, size: int = -1) -> bytes:
        with self._lock:
            data = self._reader.read(CHUNK_BYTES if size < 0 else size)
            self._digest.update(data)
            self.size_bytes += len(data)
        if self._meter is not None:
            self._meter.add(sent_bytes=len(data))
        return data

    def readable(self) -> bool:
        return True

    def flush(self) -> None:
        """There is nothing held back."""

    def check(self) -> None:
        """Read what is left and compare the sum.

        Raises:
            IntegrityFailed: the file is not what was backed up.
        """
        while self.read(CHUNK_BYTES):
            pass
        if self._digest.hexdigest() != self._file.sha256:
            raise IntegrityFailed(
                f"{self._file.name} of backup {self._backup_id} is damaged: its SHA-256 is "
                f"{self._digest.hexdigest()}, not {self._file.sha256}"
            )


@contextmanager
def open_checked(
    connector: Connector,
    document: BackupDocument,
    file: BackupFile,
    meter: Meter | None = None,
    identities: Sequence[object] = (),
) -> Iterator[tuple[CheckedReader, BinaryIO]]:
    """A file of a backup, as a checked reader and as the stream of its decrypted, decompressed bytes; a FILE as packed.

    Leaving the block reads the rest and checks the sum, also after a program failed: damage is then the better answer.

    Raises:
        IdentityNeeded: it is encrypted, and none of the identities opens it.
        IntegrityFailed: the sum does not match.
    """
    reader = connector.open_file(document.id, file.name, file.size_bytes)
    try:
        checked = CheckedReader(reader, file, document.id, meter)
        with decrypted(cast(IO[bytes], checked), file, document.id, identities) as plain:
            stream = open_reader(plain, file.restored_compression)
            try:
                yield checked, stream
            except CommandFailed:
                checked.check()
                raise
            finally:
                stream.close()
        checked.check()
    finally:
        reader.close()


def read_decompressed(checked: CheckedReader, stream: BinaryIO, file: BackupFile) -> Iterator[bytes]:
    """The decompressed bytes in large pieces.

    Raises:
        IntegrityFailed: they cannot be decompressed.
    """
    while True:
        try:
            data = stream.read(CHUNK_BYTES)
        except DECOMPRESSION_ERRORS as exc:
            checked.check()
            how = "decrypted and decompressed" if file.is_encrypted else "decompressed"
            raise IntegrityFailed(f"{file.name} cannot be {how}: {exc}") from exc
        if not data:
            return
        yield data


def copy_chunks(chunks: Iterable[bytes], into: BinaryIO) -> int:
    """Write the chunks to a stream; gives the number of their bytes."""
    copied = 0
    for chunk in chunks:
        into.write(chunk)
        copied += len(chunk)
    return copied


def copy_file_to(
    connector: Connector, backup_id: str, name: str, into: BinaryIO, identities: Sequence[object] = ()
) -> int:
    """See `Target.fetch`."""
    document = connector.document(backup_id)
    file = next((file for file in document.files if file.name == name), None)
    uploaded = next((file for file in document.files if file.restored_name == name), None)
    if file is None and uploaded is not None:
        return _copy_as_packed(connector, document, uploaded, into, identities)
    if file is None and name not in DOCUMENT_FILES:
        names = ", ".join([file.name for file in document.files][:20])
        raise NotFound(f"backup {backup_id} has no file {name!r}", hint=f"it has {names}")
    reader = connector.open_file(backup_id, name, None if file is None else file.size_bytes)
    try:
        checked = CheckedReader(reader, file or BackupFile(name, ""), backup_id)
        while data := checked.read(CHUNK_BYTES):
            into.write(data)
        if file is not None:
            checked.check()
        return checked.size_bytes
    finally:
        reader.close()


def _copy_as_packed(
    connector: Connector, document: BackupDocument, file: BackupFile, into: BinaryIO, identities: Sequence[object]
) -> int:
    """Write a file that the archive has compressed as it was before, one that is encrypted decrypted."""
    as_packed = file if file.uploaded_name else msgspec.structs.replace(file, compression=Compression.NONE)
    with open_checked(connector, document, as_packed, identities=identities) as (checked, stream):
        return copy_chunks(read_decompressed(checked, stream, file), into)
