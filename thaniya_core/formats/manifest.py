"""What describes a backup: the client's manifest, and backup.json of the archive.

backup.json is indented JSON with `format`: 1; 2 when the backup is an increment, which a reader of 1 would restore
without what it builds on; 3 when something in it is encrypted, which a reader of 2 would take for damaged; 4 when it
has a list of an increment's whole tree, encrypted or not: a kind of file that a reader of 3 does not know. So it is the
lowest number whose readers know all that is in it. Fields may be added, never renamed or given another meaning; readers
ignore fields they do not know.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import datetime
from enum import StrEnum

import msgspec
from msgspec import Struct

from thaniya_core.errors import IllegalName, IntegrityFailed, WrongUsage
from thaniya_core.formats.compression import Compression, compression_of, strip_suffix
from thaniya_core.formats.encryption import Encryption
from thaniya_core.formats.names import Series, check_file, check_id
from thaniya_core.formats.notes import check_tags
from thaniya_core.formats.recipes import Recipe, check_recipes

FORMAT = 1
"""The version of backup.json of a backup that stands by itself."""

INCREMENT_FORMAT = 2
"""The version of backup.json of an increment without a list of the whole tree."""

ENCRYPTED_FORMAT = 3
"""The version of backup.json of a backup with encrypted files."""

TREE_FORMAT = 4
"""The version of backup.json of an increment with a list of the whole tree; the highest that this module reads."""

WARNINGS_KEPT = 200
WARNING_CHARACTERS = 500
"""What of a client's warnings goes into backup.json; all of them are in client.log."""

_FIRST_YEAR, _LAST_YEAR = 1970, 9000
_SHA256 = re.compile(r"[0-9a-f]{64}")


class FileKind(StrEnum):
    """What a file of a backup is, which says how it is restored."""

    TAR = "tar"
    """A tar archive, perhaps compressed: its members are restored."""
    CONTENTS = "contents"
    """The contents list of a tar archive: not restored."""
    TREE = "tree"
    """The contents list of all that an increment's archive gives together with those it builds on: not restored."""
    LOG = "log"
    """The client's log: not restored."""
    FILE = "file"
    """Any other file: restored as it was uploaded."""


LISTS = frozenset({FileKind.CONTENTS, FileKind.TREE})
"""The kinds that have the form of a contents list."""


class BackupFile(Struct, frozen=True, omit_defaults=True, gc=False):
    """One file of an upload or backup."""

    name: str
    sha256: str
    """64 lower-case hex digits, of the file as it is stored."""
    size_bytes: int | None = None
    """As it is stored. None only in a manifest that knows sums alone."""
    kind: FileKind = FileKind.FILE
    compression: Compression = Compression.NONE
    original_bytes: int | None = None
    """Before compression and encryption, where known."""
    entries: int | None = None
    """Members of a tar archive, where known."""
    describes: str | None = None
    """For a contents list, of an archive or of its tree: the name of the tar archive."""
    xattrs: bool = False
    """The tar archive holds extended attributes, so that restoring asks tar for them."""
    acls: bool = False
    """The tar archive holds access control lists."""
    incremental: bool = False
    """The tar archive is an increment of GNU tar's (`--listed-incremental`): it holds what has changed, and is unpacked
    over what the parent's archive of the same name gives."""
    encryption: Encryption = Encryption.NONE
    """By the client, after compressing. Sum and size are those of the encrypted file: to check them needs no key."""
    uploaded_name: str | None = None
    """What the client called it, where the archive has compressed it by a rule; a FILE is restored under this name."""
    uploaded_sha256: str | None = None
    """Its sum before the archive compressed it: the one that was compared with the client's."""
    uploaded_bytes: int | None = None
    """Its size before the archive compressed it."""
    shared_with: str | None = None
    """The earlier backup whose file this one became a hard link of, when it was archived. Either may be removed."""

    @property
    def restored_name(self) -> str:
        """What it is called where it is restored, decrypted; for a tar archive, where it was uploaded from."""
        return self.uploaded_name or self.name.removesuffix(self.encryption.suffix)

    @property
    def restored_compression(self) -> Compression:
        """What has to be decompressed to restore it. A FILE that came compressed is restored so."""
        return self.compression if self.kind is not FileKind.FILE or self.uploaded_name else Compression.NONE

    @property
    def is_encrypted(self) -> bool:
        """Whether a key is needed to see what is in it."""
        return self.encryption is not Encryption.NONE

    @property
    def restored_sha256(self) -> str:
        """The sum of the file as it was uploaded."""
        return self.uploaded_sha256 or self.sha256

    @property
    def restored_bytes(self) -> int | None:
        """The size of the file as it was uploaded."""
        return self.size_bytes if self.uploaded_bytes is None else self.uploaded_bytes


ARCHIVE_FIELDS: dict[str, None] = dict.fromkeys(("uploaded_name", "uploaded_sha256", "uploaded_bytes", "shared_with"))
"""What only the archive says of a file, with nothing said: a client's word on it does not count."""


class Manifest(Struct, frozen=True):
    """What a client says it uploaded. The server compares it with what lies in the slot."""

    files: tuple[BackupFile, ...]
    warnings: tuple[str, ...] = ()
    """What could not be backed up, one line each; the whole list is in client.log."""
    warning_count: int = 0
    started_at: datetime | None = None
    """The client's clock: for information only."""
    ended_at: datetime | None = None
    client: str = ""
    """Program and version that made the upload."""
    parent: str | None = None
    """The backup that this one builds on, as it was agreed when the upload was allocated."""
    recipes: tuple[Recipe, ...] = ()
    """What is to be done with the restored files."""
    tags: tuple[str, ...] = ()
    """Tags for the backup. They go into its notes, where people may change them."""


class SumsBy(StrEnum):
    """Who computed the sums first."""

    CLIENT = "client"
    SERVER = "server"


class BackupDocument(Struct, frozen=True, kw_only=True, gc=False):
    """backup.json: all that is known of a backup."""

    format: int = FORMAT
    id: str
    user: str
    host: str
    name: str
    created_at: datetime
    """When the server opened the upload: the time that retention counts by."""
    completed_at: datetime
    """When the client said `complete`."""
    archived_at: datetime
    files: tuple[BackupFile, ...]
    stored_bytes: int
    """All files together, as they lie on the volume. Quotas count this, also where files are shared: so a backup counts
    the same whichever others are removed."""
    shared_bytes: int = 0
    """Of these, what took no space when it was archived, because an earlier backup has the same file."""
    original_bytes: int
    """All files together before compression; a file of unknown original size counts as stored."""
    sums_by: SumsBy
    """`client`: compared with what the client computed while writing. `server`: the client sent no sums, so a damage
    on the way from the client to the server would not have been noticed."""
    warnings: tuple[str, ...] = ()
    warning_count: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    client: str = ""
    server: str = ""
    recipes: tuple[Recipe, ...] = ()
    """What is to be done with the restored files, as the client wrote it."""
    parent: str | None = None
    """The backup that an incremental one builds on."""

    @property
    def series(self) -> Series:
        return Series(self.user, self.host, self.name)


def check_manifest(manifest: Manifest) -> Manifest:
    """Give a manifest back when its names and sums are legal and each name is there once.

    Raises:
        IllegalName: a name that no uploaded file may bear, or a parent that is no id.
        WrongUsage: an increment of nothing, a malformed sum, a negative number, a name that is there twice, a recipe
            that RESTORE.txt may not show, or an illegal tag.
    """
    check_recipes(manifest.recipes)
    check_tags(manifest.tags)
    if manifest.parent is not None:
        check_id(manifest.parent)
    seen: set[str] = set()
    for file in manifest.files:
        if file.incremental and (file.kind is not FileKind.TAR or manifest.parent is None):
            raise WrongUsage(f"the manifest says that {file.name} is an increment, and of nothing")
        for name in {file.name, file.restored_name}:
            check_file(name)
            if name in seen:
                raise WrongUsage(f"the manifest names {name} twice")
            seen.add(name)
        if file.is_encrypted and (file.uploaded_name is not None or not file.name.endswith(file.encryption.suffix)):
            raise WrongUsage(f"the manifest says that {file.name} is encrypted by {file.encryption}")
        if file.restored_name + file.restored_compression.suffix != file.name and file.uploaded_name is not None:
            raise WrongUsage(f"the manifest says that {file.name} was made of {file.uploaded_name}")
        if file.shared_with is not None:
            check_id(file.shared_with)
        if not _SHA256.fullmatch(file.sha256) or not _SHA256.fullmatch(file.restored_sha256):
            raise WrongUsage(f"the manifest's sum of {file.name} is not 64 lower-case hex digits")
        if file.kind in LISTS and file.compression is Compression.XZ:
            # Its dictionary may take gigabytes of whoever reads the list.
            raise WrongUsage(
                f"the contents list {file.name} is compressed by xz", hint="lists are gzip, bzip2 or plain"
            )
        numbers = (file.size_bytes, file.original_bytes, file.entries, file.uploaded_bytes)
        if any(number is not None and number < 0 for number in numbers):
            raise WrongUsage(f"the manifest has a negative number for {file.name}")
    return manifest


def describe_file(name: str, sha256: str, size_bytes: int | None = None) -> BackupFile:
    """What a file's name alone says of it: `home.tar.gz` is a tar archive compressed by gzip.

    Used for uploads of shell clients, which send sums or nothing. A file that is no tar archive is kept and restored
    as it came, whatever its name says of compression.
    """
    stem = strip_suffix(name)
    if stem.endswith(".tar"):
        return BackupFile(name, sha256, size_bytes, FileKind.TAR, compression_of(name))
    if name == "client.log":
        return BackupFile(name, sha256, size_bytes, FileKind.LOG)
    return BackupFile(name, sha256, size_bytes)


def find_contents(files: Iterable[BackupFile], name: str) -> BackupFile | None:
    """The contents list of the tar archive `name`, if there is one."""
    return next((file for file in files if file.kind is FileKind.CONTENTS and file.describes == name), None)


def find_tree(files: Iterable[BackupFile], archive: BackupFile) -> BackupFile | None:
    """The list of the tree as it was when an archive was packed, if there is one.

    That is the archive's contents list, or for an increment, which holds only what has changed, a list of its own.
    """
    if not archive.incremental:
        return find_contents(files, archive.name)
    return next((file for file in files if file.kind is FileKind.TREE and file.describes == archive.name), None)


def first_encrypted(files: Iterable[BackupFile]) -> BackupFile | None:
    """The first of some files that is encrypted; None where none is."""
    return next((file for file in files if file.is_encrypted), None)


def encode_document(document: BackupDocument) -> bytes:
    """backup.json as it is written."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def decode_document(data: bytes, where: str) -> BackupDocument:
    """Read backup.json.

    Args:
        data: the file's bytes.
        where: the file's path, for the error.

    Raises:
        IntegrityFailed: it is not JSON of this form, or of a later format than this version knows.
    """
    try:
        _check_format(msgspec.json.decode(data, type=_Version).format, where)
        document = msgspec.json.decode(data, type=BackupDocument)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        raise IntegrityFailed(f"{where} cannot be read: {exc}") from exc
    return check_document(document, where)


def check_document(document: BackupDocument, where: str) -> BackupDocument:
    """Give a document back that its files may be read and restored by.

    Raises:
        IntegrityFailed: names, sums, times or numbers in it are not legal, or it is of a later format than this
            version knows.
    """
    _check_format(document.format, where)
    try:
        check_manifest(Manifest(document.files, parent=document.parent, recipes=document.recipes))
    except (IllegalName, WrongUsage) as exc:
        raise IntegrityFailed(f"{where} cannot be read: {exc}") from exc
    for moment in (document.created_at, document.completed_at, document.archived_at):
        # One that cannot be compared with the others, or has no local time, would stop all that looks at the series.
        if moment.tzinfo is None or not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
            raise IntegrityFailed(f"{where} cannot be read: {moment.isoformat()} is no time of a backup")
    if min(document.stored_bytes, document.shared_bytes, document.original_bytes, document.warning_count) < 0:
        raise IntegrityFailed(f"{where} cannot be read: it has a negative number")
    return document


def make_document(
    series: Series,
    backup_id: str,
    files: tuple[BackupFile, ...],
    manifest: Manifest,
    *,
    sums_by: SumsBy,
    created_at: datetime,
    completed_at: datetime,
    archived_at: datetime,
    server: str = "",
) -> BackupDocument:
    """backup.json of a checked backup: its files as they lie there, the rest as the client told."""
    return BackupDocument(
        format=_format_of(files, manifest.parent),
        id=backup_id,
        user=series.user,
        host=series.host,
        name=series.name,
        created_at=created_at,
        completed_at=completed_at,
        archived_at=archived_at,
        files=files,
        stored_bytes=sum(file.size_bytes or 0 for file in files),
        shared_bytes=sum(file.size_bytes or 0 for file in files if file.shared_with is not None),
        original_bytes=sum(
            (file.size_bytes or 0) if file.original_bytes is None else file.original_bytes for file in files
        ),
        sums_by=sums_by,
        warnings=tuple(warning[:WARNING_CHARACTERS] for warning in manifest.warnings[:WARNINGS_KEPT]),
        warning_count=max(manifest.warning_count, len(manifest.warnings)),
        started_at=manifest.started_at,
        ended_at=manifest.ended_at,
        client=manifest.client[:WARNING_CHARACTERS],
        server=server,
        parent=manifest.parent,
        recipes=manifest.recipes,
    )


class _Version(Struct):
    """What is read of backup.json before anything that a later version may have changed."""

    format: int = FORMAT


def _check_format(number: int, where: str) -> None:
    if number > TREE_FORMAT:
        raise IntegrityFailed(
            f"{where} has format {number}; this version knows up to {TREE_FORMAT}", hint="upgrade Thaniya"
        )


def _format_of(files: Collection[BackupFile], parent: str | None) -> int:
    if any(file.kind is FileKind.TREE for file in files):
        return TREE_FORMAT
    if first_encrypted(files) is not None:
        return ENCRYPTED_FORMAT
    return FORMAT if parent is None else INCREMENT_FORMAT
