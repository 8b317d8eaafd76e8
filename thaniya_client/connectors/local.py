"""A directory as the place for backups: the layout of a server's volume, without a server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from thaniya_client.connectors.local_layout import LocalLayout
from thaniya_client.values import Outcome
from thaniya_core.errors import IntegrityFailed, NotFound, WrongState
from thaniya_core.formats.chains import read_chain
from thaniya_core.formats.documents import encode_documents
from thaniya_core.formats.manifest import (
    BackupDocument,
    Manifest,
    SumsBy,
    check_manifest,
    decode_document,
    make_document,
)
from thaniya_core.formats.names import (
    BACKUP_FILE,
    DOCUMENT_FILES,
    NOTES_FILE,
    Series,
    check_id,
    id_time,
    is_legal_file,
)
from thaniya_core.formats.notes import Notes, check_tags, decode_notes, encode_notes
from thaniya_core.formats.protocol import BackupSummary, UploadState, summarize_backup
from thaniya_core.system.clock import SystemClock
from thaniya_core.system.files import open_regular, os_errors, publish_directory, remove_tree

_FILE_MODE = 0o440


class LocalConnector:
    """Keeps backups in a directory that is there already."""

    def __init__(self, path: Path, user: str) -> None:
        self._layout = LocalLayout(path)
        self._user = user

    def place(self) -> str:
        """What this directory and its user are told from others by, wherever it is mounted."""
        self._layout.prepare(None)
        return f"directory {self._user}@{self._layout.identity()}"

    def begin(self, host: str, name: str, expected_bytes: int | None) -> LocalUpload:
        return self.begin_on((), host, name, expected_bytes)

    def begin_on(self, parents: Sequence[str], host: str, name: str, expected_bytes: int | None) -> LocalUpload:
        self._layout.prepare(expected_bytes)
        series = Series(self._user, host, name)
        refused: list[str] = []
        for parent in parents:
            try:
                self._read_chain(self.document(parent), series)
            except (NotFound, IntegrityFailed) as exc:
                refused.append(exc.message)
            else:
                return LocalUpload(self._layout, series, self.document, parent)
        return LocalUpload(self._layout, series, self.document, parent_refused="; ".join(refused))

    def _read_chain(self, document: BackupDocument, series: Series) -> None:
        """Make sure that a backup is there with all files of all that it builds on.

        Raises:
            NotFound, IntegrityFailed: it is not.
        """
        if document.series != series:
            raise NotFound(f"backup {document.id} is of {document.series}")
        for each in read_chain(document, self.document):
            directory = self._find(each.id)
            for file in each.files:
                place = directory / file.name
                if not place.is_file() or place.stat().st_size != file.size_bytes:
                    raise IntegrityFailed(f"{file.name} of backup {each.id} is not what it was")

    def backups(self, host: str = "", name: str = "") -> Iterator[BackupSummary]:
        for directory in self._layout.backups(self._user, host, name):
            yield summarize_backup(_read_document(directory), tags=_read_notes(directory).tags)

    def document(self, backup_id: str) -> BackupDocument:
        return _read_document(self._find(backup_id))

    def open_file(self, backup_id: str, name: str, size_bytes: int | None) -> BinaryIO:
        if not is_legal_file(name) and name not in DOCUMENT_FILES:
            raise NotFound(f"backup {backup_id} has no file {name!r}")
        with os_errors(f"read {name} of backup {backup_id}"):
            return os.fdopen(open_regular(self._find(backup_id) / name), "rb", buffering=0)

    def close(self) -> None:
        """There is nothing to let go of."""

    def _find(self, backup_id: str) -> Path:
        return self._layout.find(self._user, check_id(backup_id))


class LocalUpload:
    """A backup that is being written into `.incoming`, locked against being cleaned away by another client."""

    def __init__(
        self,
        layout: LocalLayout,
        series: Series,
        read_document: Callable[[str], BackupDocument],
        parent: str | None = None,
        parent_refused: str = "",
    ) -> None:
        self.parent = parent
        self.parent_refused = parent_refused
        self._read_document = read_document
        self._layout = layout
        self._series = series
        self._id, self._lock = layout.make_incoming()
        self._directory = layout.incoming(self._id)
        self._writer: _LocalWriter | None = None
        self._is_open = True

    @property
    def id(self) -> str:
        return self._id

    @property
    def series(self) -> Series:
        return self._series

    def open(self, name: str) -> _LocalWriter:
        self._writer = _LocalWriter(self._directory / name)
        return self._writer

    def finish(self, manifest: Manifest, wait: bool, on_wait: Callable[[str], None]) -> Outcome:
        check_manifest(manifest)
        document = self._describe(manifest)
        ancestors = read_chain(document, self._read_document)[1:]
        with os_errors(f"archive backup {self._id}"):
            documents = encode_documents(document, ancestors)
            if manifest.tags:
                documents[NOTES_FILE] = encode_notes(Notes(tags=check_tags(manifest.tags)))
            for name, data in documents.items():
                writer = self.open(name)
                writer.write(data)
                writer.close()
            publish_directory(self._directory, self._layout.backup(self._series, self._id))
        self._end()
        return Outcome(UploadState.ARCHIVED, document.stored_bytes)

    def abort(self, reason: str) -> None:
        if not self._is_open:
            return
        if self._writer is not None:
            self._writer.abandon()
        with os_errors(f"remove {self._directory}"):
            remove_tree(self._directory)
        self._end()

    def _end(self) -> None:
        self._is_open = False
        os.close(self._lock)

    def _describe(self, manifest: Manifest) -> BackupDocument:
        now = SystemClock().now()
        return make_document(
            self._series,
            self._id,
            manifest.files,
            manifest,
            sums_by=SumsBy.CLIENT,
            created_at=id_time(self._id),
            completed_at=now,
            archived_at=now,
        )


class _LocalWriter:
    """Writes a file of a backup; it is made durable when the whole directory is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with os_errors(f"write {path}"):
            self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE), "wb")

    def write(self, data: bytes) -> None:
        if self._file.closed:
            raise WrongState(f"{self._path} is closed")
        with os_errors(f"write {self._path}"):
            self._file.write(data)

    def close(self) -> None:
        with os_errors(f"write {self._path}"):
            os.fchmod(self._file.fileno(), _FILE_MODE)
            self._file.close()

    def abandon(self) -> None:
        try:
            self._file.close()
        except OSError:
            pass  # what could not be written is thrown away


def _read_notes(directory: Path) -> Notes:
    path = directory / NOTES_FILE
    try:
        with os_errors("read a backup's notes"):
            data = path.read_bytes()
    except NotFound:
        return Notes()
    return decode_notes(data, str(path))


def _read_document(directory: Path) -> BackupDocument:
    path = directory / BACKUP_FILE
    with os_errors("read a backup's description"):
        data = path.read_bytes()
    return decode_document(data, str(path))
