"""Ingest: from the spool into its place on a volume, with the promise.

When `archive` returns, every file's sum equals what the client computed, files and directory entries are on the disk,
and the catalog knows the backup. A crash at any instant leaves nothing counted or everything done; run again it
carries on.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from thaniya_core import __version__
from thaniya_core.archive.catalog import Catalog
from thaniya_core.archive.layout import backup_directory, incoming_directory
from thaniya_core.archive.volumes import Volumes
from thaniya_core.errors import UploadRejected
from thaniya_core.formats.manifest import (
    BackupDocument,
    BackupFile,
    Manifest,
    SumsBy,
    decode_document,
    describe_file,
    encode_document,
    encode_restore,
    encode_sums,
)
from thaniya_core.formats.names import BACKUP_FILE, RESTORE_FILE, SUMS_FILE
from thaniya_core.model import Backup, Upload
from thaniya_core.system.clock import Clock
from thaniya_core.system.files import (
    copy_file,
    fsync_directory,
    hash_file,
    link_file,
    make_directories,
    on_same_file_system,
    os_errors,
    publish_directory,
    remove_tree,
    write_atomic,
)

DOCUMENTS_BYTES = 4 * 1024 * 1024
"""What is kept free for backup.json, SHA256SUMS and RESTORE.txt."""

_READ_ONLY = 0o440


class UploadedFiles(Struct, frozen=True):
    """What the spool holds of an upload."""

    directory: Path
    manifest: Manifest | None


def compare(manifest: Manifest, found: dict[str, BackupFile]) -> list[str]:
    """Where the files found differ from what the client said, one line each; empty when they are the same."""
    promised = {file.name: file for file in manifest.files}
    complaints = [f"{name} was promised and is not there" for name in promised if name not in found]
    complaints += [f"{name} is there and was not promised" for name in found if name not in promised]
    for name in sorted(promised.keys() & found.keys()):
        wanted, got = promised[name], found[name]
        if wanted.size_bytes is not None and wanted.size_bytes != got.size_bytes:
            complaints.append(f"{name} has {got.size_bytes} bytes, {wanted.size_bytes} were promised")
        elif wanted.sha256 != got.sha256:
            complaints.append(f"{name} has another SHA-256 than promised")
    return complaints


def make_document(
    upload: Upload, manifest: Manifest | None, found: dict[str, BackupFile], now: datetime
) -> BackupDocument:
    """backup.json of a checked upload."""
    told = manifest or Manifest(())
    descriptions = {file.name: file for file in told.files if _is_described(file)}
    files = tuple(
        replace(descriptions.get(name, file), sha256=file.sha256, size_bytes=file.size_bytes)
        for name, file in sorted(found.items())
    )
    return BackupDocument(
        id=upload.id,
        user=upload.user,
        host=upload.host,
        name=upload.name,
        created_at=upload.created_at,
        completed_at=upload.completed_at or now,
        archived_at=now,
        files=files,
        stored_bytes=sum(file.size_bytes or 0 for file in files),
        original_bytes=sum(
            (file.size_bytes or 0) if file.original_bytes is None else file.original_bytes for file in files
        ),
        sums_by=SumsBy.CLIENT if manifest is not None else SumsBy.SERVER,
        warnings=told.warnings,
        warning_count=max(told.warning_count, len(told.warnings)),
        started_at=told.started_at,
        ended_at=told.ended_at,
        client=told.client,
        server=f"thaniya/{__version__}",
    )


def _is_described(file: BackupFile) -> bool:
    """Whether a manifest says more of a file than name, size and sum."""
    return replace(file, size_bytes=None) != BackupFile(file.name, file.sha256)


class Ingest:
    """Takes uploads from the spool into the archive."""

    def __init__(self, volumes: Volumes, catalog: Catalog, clock: Clock) -> None:
        self._volumes = volumes
        self._catalog = catalog
        self._clock = clock

    def archive(self, upload: Upload, uploaded: UploadedFiles) -> Backup:
        """Check an upload and put it into its place, durably.

        Raises:
            UploadRejected: files are missing, too many, or not as the client said. Nothing was archived.
            NoSpace, NotFound, NotAllowed, ThaniyaError: it is not possible now; it may be tried again.
        """
        backup = self._find_in_place(upload)
        if backup is None:
            with os_errors(f"archive {upload.id}"):
                backup = self._put_into_place(upload, uploaded)
        self._catalog.add(backup)
        return backup

    def _find_in_place(self, upload: Upload) -> Backup | None:
        """The backup, when an earlier attempt was interrupted after the rename."""
        for volume in self._volumes.present():
            directory = backup_directory(volume.path, upload.series, upload.id)
            file = directory / BACKUP_FILE
            if file.is_file():
                document = decode_document(file.read_bytes(), str(file))
                # The attempt may have ended between the rename and its fsync.
                with os_errors(f"archive {upload.id}"):
                    fsync_directory(directory)
                    fsync_directory(directory.parent)
                return Backup(document, volume.id)
        return None

    def _put_into_place(self, upload: Upload, uploaded: UploadedFiles) -> Backup:
        volume = self._volumes.choose(DOCUMENTS_BYTES)
        incoming = incoming_directory(volume.path, upload.id)
        remove_tree(incoming)
        try:
            make_directories(incoming)
            document = self._prepare(upload, uploaded, incoming)
            publish_directory(incoming, backup_directory(volume.path, upload.series, upload.id))
        except BaseException:
            remove_tree(incoming)  # what lies there takes space that another upload may need
            raise
        return Backup(document, volume.id)

    def _prepare(self, upload: Upload, uploaded: UploadedFiles, incoming: Path) -> BackupDocument:
        """Have files and documents in `incoming`, checked."""
        found = self._bring(upload, uploaded, incoming)
        if uploaded.manifest is not None:
            complaints = compare(uploaded.manifest, found)
            if complaints:
                more = f"; and {len(complaints) - 5} more" if len(complaints) > 5 else ""
                raise UploadRejected("; ".join(complaints[:5]) + more, hint="upload again")
        document = make_document(upload, uploaded.manifest, found, self._clock.now())
        write_atomic(incoming / BACKUP_FILE, encode_document(document))
        write_atomic(incoming / SUMS_FILE, encode_sums(document.files))
        write_atomic(incoming / RESTORE_FILE, encode_restore(document))
        for file in incoming.iterdir():
            file.chmod(_READ_ONLY)
        return document

    def _bring(self, upload: Upload, uploaded: UploadedFiles, incoming: Path) -> dict[str, BackupFile]:
        """Have every file in `incoming`, each read once for its sum.

        On one file system they are hard links, otherwise copies; either way the spool keeps its own names until the
        backup is in its place, so that `incoming` may be thrown away at any instant.
        """
        may_link = on_same_file_system(uploaded.directory, incoming)
        if not may_link:
            self._volumes.choose(DOCUMENTS_BYTES + upload.received_bytes)
        found: dict[str, BackupFile] = {}
        for place in sorted(uploaded.directory.iterdir()):
            target = incoming / place.name
            linked = may_link and link_file(place, target)
            sha256, size = hash_file(place) if linked else copy_file(place, target)
            found[place.name] = describe_file(place.name, sha256, size)
        return found
