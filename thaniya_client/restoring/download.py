"""Copies the files of a backup into a directory, as they are stored."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from thaniya_client.connectors.interface import Connector
from thaniya_client.meter import Meter
from thaniya_client.restoring.fetching import CHUNK_BYTES, CheckedReader, copy_file_to
from thaniya_client.values import OnProgress, Phase
from thaniya_core.errors import AlreadyExists, IntegrityFailed, NotFound
from thaniya_core.formats.manifest import BackupDocument, BackupFile
from thaniya_core.formats.names import BACKUP_FILE, RESTORE_FILE, SUMS_FILE, check_id
from thaniya_core.system.files import fsync_directory, os_errors

_DOCUMENTS = (BACKUP_FILE, RESTORE_FILE, SUMS_FILE)


def download_files(
    connector: Connector,
    backup_id: str,
    into: Path,
    names: Sequence[str],
    *,
    overwrite: bool,
    on_progress: OnProgress | None,
) -> tuple[Path, ...]:
    """See `Target.fetch_files`."""
    document = connector.document(check_id(backup_id))
    files = _choose(connector, document, names)
    targets = [into / file.name for file in files]
    with os_errors(f"write into {into}"):
        into.mkdir(parents=True, exist_ok=True)
        there = [target.name for target in targets if os.path.lexists(target)]
    if there and not overwrite:
        raise AlreadyExists(
            f"{', '.join(there[:5])} {'is' if len(there) == 1 else 'are'} in {into} already",
            hint="choose another directory, or have files of the same names replaced (--overwrite)",
        )
    meter = Meter(on_progress, Phase.RESTORING)
    meter.expect(sum(file.size_bytes or 0 for file in files))
    for file, target in zip(files, targets, strict=True):
        _download(connector, document, file, target, meter)
    with os_errors(f"write into {into}"):
        fsync_directory(into)
    meter.enter(Phase.DONE)
    return tuple(targets)


def _choose(connector: Connector, document: BackupDocument, names: Sequence[str]) -> list[BackupFile]:
    """The files of some names; or all, the archive's documents last: with them the rest is known to be whole."""
    known = {file.name: file for file in document.files}
    wanted = dict.fromkeys(names or (*known, *_DOCUMENTS))
    for name in wanted:
        if name not in known and name not in _DOCUMENTS:
            there_are = ", ".join([*known, *_DOCUMENTS][:20])
            raise NotFound(f"backup {document.id} has no file {name!r}", hint=f"it has {there_are}")
    if not wanted.keys().isdisjoint(_DOCUMENTS):
        known |= _check_documents(connector, document)
    return [known[name] for name in wanted]


def _check_documents(connector: Connector, document: BackupDocument) -> dict[str, BackupFile]:
    """The archive's documents with their sums, once they agree with one another.

    Raises:
        IntegrityFailed: they do not.
    """
    read = {name: BytesIO() for name in _DOCUMENTS}
    for name, data in read.items():
        copy_file_to(connector, document.id, name, data)
    found = {
        name: BackupFile(name, hashlib.sha256(data.getvalue()).hexdigest(), len(data.getvalue()))
        for name, data in read.items()
    }
    lines = read[SUMS_FILE].getvalue().decode("utf-8", "replace").splitlines()
    sums = {name: sha256 for sha256, _, name in (line.partition("  ") for line in lines)}
    for file in (*document.files, *found.values()):
        if file.name != SUMS_FILE and sums.get(file.name) != file.sha256:
            raise IntegrityFailed(
                f"{file.name} of backup {document.id} has another sum than {SUMS_FILE} says: one of them is damaged",
                hint=f"other files can be fetched by their names: {', '.join(file.name for file in document.files)}",
            )
    return found


def _download(connector: Connector, document: BackupDocument, file: BackupFile, target: Path, meter: Meter) -> None:
    """Write a file under another name, check it, and give it its own. What fails on the way is not left behind."""
    part = target.with_name(f".{target.name}.part")
    reader = connector.open_file(document.id, file.name, file.size_bytes)
    try:
        with os_errors(f"write {target}"):
            part.unlink(missing_ok=True)
            with part.open("xb") as stream:
                checked = CheckedReader(reader, file, document.id, meter)
                while data := checked.read(CHUNK_BYTES):
                    stream.write(data)
                    meter.add(read_bytes=len(data))
                    meter.tick()
                checked.check()
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(target)
    finally:
        reader.close()
        part.unlink(missing_ok=True)
