"""Ingest: from the spool into its place on a volume, with the promise.

When `archive` returns, every file's sum equals what the client computed, files and directory entries are on the disk,
and the catalog knows the backup. A crash at any instant leaves nothing counted or everything done; run again it
carries on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from thaniya_core import __version__
from thaniya_core.archive.bringing import Bringer, Form, as_stored
from thaniya_core.archive.catalog import Catalog
from thaniya_core.archive.choice import DOCUMENTS_BYTES
from thaniya_core.archive.notes import read_notes, write_notes
from thaniya_core.archive.reuse import BACKUPS_LOOKED_AT, EarlierFile, EarlierFiles
from thaniya_core.archive.rules import Rule
from thaniya_core.archive.volumes import Volumes
from thaniya_core.errors import IntegrityFailed, NoSpace, NotFound, ThaniyaError, UploadRejected
from thaniya_core.formats.chains import restore_steps
from thaniya_core.formats.documents import encode_documents
from thaniya_core.formats.manifest import (
    ARCHIVE_FIELDS,
    BackupDocument,
    BackupFile,
    Manifest,
    SumsBy,
    decode_document,
    describe_file,
    make_document,
)
from thaniya_core.formats.names import BACKUP_FILE
from thaniya_core.formats.notes import Notes, check_tags
from thaniya_core.formats.quantities import format_size
from thaniya_core.formats.restoring import all_parts
from thaniya_core.formats.volume import backup_directory, incoming_directory
from thaniya_core.model import Backup, Upload
from thaniya_core.system.clock import Clock
from thaniya_core.system.files import (
    fsync_directory,
    make_directories,
    on_same_file_system,
    os_errors,
    publish_directory,
    remove_tree,
    write_atomic,
)
from thaniya_core.system.space import free_bytes

_READ_ONLY = 0o440

OnDamage = Callable[[Backup, str], None]
"""Told of an archived backup that was found damaged, and how."""


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


def describe_files(manifest: Manifest | None, found: dict[str, BackupFile]) -> tuple[BackupFile, ...]:
    """The files found, with what the client said of them beyond their sums."""
    told = manifest.files if manifest is not None else ()
    descriptions = {file.name: file for file in told if _is_described(file)}
    return tuple(
        replace(descriptions.get(name, file), sha256=file.sha256, size_bytes=file.size_bytes, **ARCHIVE_FIELDS)
        for name, file in sorted(found.items())
    )


def _is_described(file: BackupFile) -> bool:
    """Whether a manifest says more of a file than name, size and sum."""
    return replace(file, size_bytes=None) != BackupFile(file.name, file.sha256)


def check_room(directory: Path, needed_bytes: int) -> None:
    """Refuse early what would fill the disk.

    Raises:
        NoSpace: there is less room where the directory lies.
    """
    free = free_bytes(directory)
    if free < needed_bytes:
        raise NoSpace(
            f"{format_size(needed_bytes)} do not fit: {format_size(free)} are free at {directory}",
            hint="remove backups or add space",
        )


def check_parent(upload: Upload, manifest: Manifest | None) -> None:
    """Refuse an increment of what was not agreed when the upload was allocated.

    Raises:
        UploadRejected: it is one.
    """
    told = manifest.parent if manifest is not None else None
    if told is not None and told != upload.parent:
        raise UploadRejected(f"it builds on {told}, which was not agreed", hint="offer the parent at `allocate`")


class Ingest:
    """Takes uploads from the spool into the archive."""

    def __init__(
        self, volumes: Volumes, catalog: Catalog, clock: Clock, rules: Sequence[Rule], on_damage: OnDamage
    ) -> None:
        """
        Args:
            volumes, catalog, clock: the parts it works with.
            rules: by which files are compressed.
            on_damage: told when an earlier backup is found damaged on the way.
        """
        self._volumes = volumes
        self._catalog = catalog
        self._clock = clock
        self._rules = rules
        self._on_damage = on_damage

    def archive(self, upload: Upload, uploaded: UploadedFiles) -> Backup:
        """Check an upload and put it into its place on its volume, durably.

        Raises:
            UploadRejected: files are missing, too many, or not as the client said. Nothing was archived.
            NoSpace, NotFound, NotAllowed, ThaniyaError: it is not possible now; it may be tried again.
        """
        with self._volumes.hold(upload.volume) as root, os_errors(f"archive {upload.id}"):
            document = self._find_in_place(upload, root) or self._put_into_place(upload, uploaded, root)
            notes = read_notes(backup_directory(root, upload.series, upload.id))
        backup = Backup(document, upload.volume, notes=notes)
        self._catalog.add(backup)
        return backup

    def is_in_place(self, upload: Upload) -> bool:
        """Whether an attempt that failed had come so far that the backup is, or may be, in its place already."""
        try:
            root = self._volumes.present_root(upload.volume)
        except ThaniyaError:
            return True
        return backup_directory(root, upload.series, upload.id).exists()

    def _find_in_place(self, upload: Upload, root: Path) -> BackupDocument | None:
        """The backup, when an earlier attempt was interrupted after the rename."""
        directory = backup_directory(root, upload.series, upload.id)
        file = directory / BACKUP_FILE
        if not file.is_file():
            return None
        document = decode_document(file.read_bytes(), str(file))
        # The attempt may have ended between the rename and its fsync.
        fsync_directory(directory)
        fsync_directory(directory.parent)
        return document

    def _put_into_place(self, upload: Upload, uploaded: UploadedFiles, root: Path) -> BackupDocument:
        incoming = incoming_directory(root, upload.id)
        remove_tree(incoming)
        try:
            make_directories(incoming)
            document = self._prepare(upload, uploaded, incoming)
            publish_directory(incoming, backup_directory(root, upload.series, upload.id))
        except BaseException:
            remove_tree(incoming)  # what lies there takes space that another upload may need
            raise
        return document

    def _prepare(self, upload: Upload, uploaded: UploadedFiles, incoming: Path) -> BackupDocument:
        """Have files and documents in `incoming`, checked."""
        check_room(incoming, DOCUMENTS_BYTES)
        check_parent(upload, uploaded.manifest)
        found, forms = self._bring(upload, uploaded, incoming)
        if uploaded.manifest is not None:
            complaints = compare(uploaded.manifest, found)
            if complaints:
                more = f"; and {len(complaints) - 5} more" if len(complaints) > 5 else ""
                raise UploadRejected("; ".join(complaints[:5]) + more, hint="upload again")
        now = self._clock.now()
        document = make_document(
            upload.series,
            upload.id,
            as_stored(describe_files(uploaded.manifest, found), forms),
            uploaded.manifest or Manifest(()),
            sums_by=SumsBy.SERVER if uploaded.manifest is None else SumsBy.CLIENT,
            created_at=upload.created_at,
            completed_at=upload.completed_at or now,
            archived_at=now,
            server=f"thaniya {__version__}",
        )
        ancestors = self._find_ancestors(document)
        for name, data in encode_documents(document, ancestors).items():
            write_atomic(incoming / name, data)
        for file in incoming.iterdir():
            file.chmod(_READ_ONLY)
        if uploaded.manifest is not None:
            write_notes(incoming, Notes(tags=check_tags(uploaded.manifest.tags)))
        return document

    def _find_ancestors(self, document: BackupDocument) -> list[BackupDocument]:
        """What an increment builds on.

        Raises:
            UploadRejected: it was removed since it was agreed, or lacks an archive.
        """
        try:
            ancestors = [each.document for each in self._catalog.ancestors(Backup(document, ""))]
            restore_steps([document, *ancestors], all_parts(document.files))
        except (NotFound, IntegrityFailed) as error:
            raise UploadRejected(error.message, hint="make the backup again: it will be a full one") from error
        return ancestors

    def _bring(
        self, upload: Upload, uploaded: UploadedFiles, incoming: Path
    ) -> tuple[dict[str, BackupFile], dict[str, Form]]:
        """Have every file in `incoming`; gives what was uploaded, and the forms of what lies there otherwise.

        On one file system they are hard links, otherwise copies; what a rule compresses is written anew.
        """
        may_link = on_same_file_system(uploaded.directory, incoming)
        if not may_link:
            check_room(incoming, DOCUMENTS_BYTES + upload.received_bytes)
        places = sorted(uploaded.directory.iterdir())
        names = frozenset(place.name for place in places)
        earlier = self._find_earlier(upload, {place.stat().st_size for place in places})
        bringer = Bringer(incoming, self._rules, earlier, names, may_link=may_link)
        told = {file.name: file for file in uploaded.manifest.files} if uploaded.manifest is not None else {}
        found: dict[str, BackupFile] = {}
        forms: dict[str, Form] = {}
        for place in places:
            described = told.get(place.name)
            if described is None or not _is_described(described):
                described = describe_file(place.name, "")
            brought = bringer.bring(place, described)
            found[place.name] = describe_file(place.name, brought.sha256, brought.size_bytes)
            if brought.form is not None:
                forms[place.name] = brought.form
        return found, forms

    def _find_earlier(self, upload: Upload, sizes: Collection[int]) -> EarlierFiles:
        """The files of these sizes in the series' newest good backups on the upload's volume."""
        newest = self._catalog.of_series(upload.series)
        good = [backup for backup in newest if backup.volume == upload.volume and not backup.broken]
        found: list[EarlierFile] = []
        for backup in good[:BACKUPS_LOOKED_AT]:
            if self._catalog.is_there(backup):
                directory, on_damage = self._catalog.directory(backup), partial(self._on_damage, backup)
                fitting = [file for file in backup.document.files if file.restored_bytes in sizes]
                found += [EarlierFile(backup.id, file, directory, on_damage) for file in fitting]
        return EarlierFiles(found)
