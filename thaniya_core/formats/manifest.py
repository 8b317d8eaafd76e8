"""What describes a backup: the client's manifest, and backup.json, SHA256SUMS and RESTORE.txt of the archive.

backup.json is indented JSON with `format`: 1. Fields may be added, never renamed or given another meaning; readers
ignore fields they do not know. SHA256SUMS has the form of GNU coreutils' sha256sum. RESTORE.txt is a POSIX shell script
that a person can also follow line by line.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import msgspec
from msgspec import Struct

from thaniya_core.errors import IllegalName, IntegrityFailed, WrongUsage
from thaniya_core.formats.compression import Compression, compression_of, strip_suffix
from thaniya_core.formats.names import Series, check_file

FORMAT = 1
"""The version of backup.json that this module writes."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


class FileKind(StrEnum):
    """What a file of a backup is, which says how it is restored."""

    TAR = "tar"
    """A tar archive, perhaps compressed: its members are restored."""
    CONTENTS = "contents"
    """The contents list of a tar archive: not restored."""
    LOG = "log"
    """The client's log: not restored."""
    FILE = "file"
    """Any other file: restored as it was uploaded."""


class BackupFile(Struct, frozen=True, omit_defaults=True):
    """One file of an upload or backup."""

    name: str
    sha256: str
    """64 lower-case hex digits, of the file as it is stored."""
    size_bytes: int | None = None
    """As it is stored. None only in a manifest that knows sums alone."""
    kind: FileKind = FileKind.FILE
    compression: Compression = Compression.NONE
    original_bytes: int | None = None
    """Before compression, where known."""
    entries: int | None = None
    """Members of a tar archive, where known."""
    describes: str | None = None
    """For a contents list: the name of the tar archive it lists."""
    xattrs: bool = False
    """The tar archive holds extended attributes, so that restoring asks tar for them."""
    acls: bool = False
    """The tar archive holds access control lists."""


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


class SumsBy(StrEnum):
    """Who computed the sums first."""

    CLIENT = "client"
    SERVER = "server"


class BackupDocument(Struct, frozen=True, kw_only=True):
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
    """All files together, as they lie on the volume."""
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
    parent: str | None = None
    """The backup that an incremental one builds on."""

    @property
    def series(self) -> Series:
        return Series(self.user, self.host, self.name)


def check_manifest(manifest: Manifest) -> Manifest:
    """Give a manifest back when its names and sums are legal and each name is there once.

    Raises:
        IllegalName: a name that no uploaded file may bear.
        WrongUsage: a malformed sum, a negative number, or a name that is there twice.
    """
    seen: set[str] = set()
    for file in manifest.files:
        check_file(file.name)
        if file.name in seen:
            raise WrongUsage(f"the manifest names {file.name} twice")
        seen.add(file.name)
        if not _SHA256.fullmatch(file.sha256):
            raise WrongUsage(f"the manifest's sum of {file.name} is not 64 lower-case hex digits")
        if any(number is not None and number < 0 for number in (file.size_bytes, file.original_bytes, file.entries)):
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
        document = msgspec.json.decode(data, type=BackupDocument)
        check_manifest(Manifest(document.files))
    except (msgspec.MsgspecError, IllegalName, WrongUsage) as exc:
        raise IntegrityFailed(f"{where} cannot be read: {exc}") from exc
    if document.format > FORMAT:
        raise IntegrityFailed(
            f"{where} has format {document.format}; this version knows up to {FORMAT}", hint="upgrade Thaniya"
        )
    return document


def encode_sums(files: Iterable[BackupFile]) -> bytes:
    """SHA256SUMS, as `sha256sum -c` reads it."""
    return "".join(f"{file.sha256}  {file.name}\n" for file in files).encode()


def decode_sums(data: bytes) -> dict[str, str]:
    """Read the output of sha256sum: names to sums.

    Names may have a leading directory (`upload/home.tar.gz`, `./x`), which is dropped.

    Raises:
        WrongUsage: a line that sha256sum does not write, or a name that is there twice.
    """
    sums: dict[str, str] = {}
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        match = re.fullmatch(r"([0-9a-fA-F]{64}) [ *](.+)", line)
        if match is None:
            raise WrongUsage(f"line {number} is not a line of sha256sum: {line[:100]!r}")
        name = check_file(match[2].rpartition("/")[2])
        if name in sums:
            raise WrongUsage(f"line {number}: {name} is there twice")
        sums[name] = match[1].lower()
    return sums


def encode_restore(document: BackupDocument) -> bytes:
    """RESTORE.txt: the shell commands that restore this backup."""
    tools = {"sha256sum"}
    commands: list[str] = []
    for file in document.files:
        command = restore_command(file, restore_directory(file, document.files))
        if command:
            commands.append(command)
            tools |= {word for word in re.split(r"[ |]+", command) if word in ("gzip", "bzip2", "xz", "tar", "cp")}
    lines = [
        f"# How to restore backup {document.id} of {document.series}",
        f"# made {document.created_at:%Y-%m-%d %H:%M:%S} UTC, {len(document.files)} files, "
        f"{document.stored_bytes} bytes. Thaniya is not needed, only: {', '.join(sorted(tools))}.",
        "#",
        "# This file is a shell script. In the directory where it lies, run",
        "#     sh RESTORE.txt /where/to/restore",
        "# or type its commands one by one, with TARGET set to the directory to restore into.",
        "# As root, owners are restored too. Existing files of the same names are overwritten.",
        "set -eu",
        'TARGET="${1:?usage: sh RESTORE.txt DIRECTORY}"',
        'mkdir -p "$TARGET"',
        'TARGET="$(cd "$TARGET" && pwd)"',
        'cd "$(dirname "$0")"',
        "sha256sum -c SHA256SUMS",
        *commands,
    ]
    return ("\n".join(lines) + "\n").encode()


def restore_directory(file: BackupFile, files: Iterable[BackupFile]) -> str:
    """The directory below the target that a file is restored into; empty for the target itself.

    A single tar archive is restored into the target. Where a backup holds several, each gets a directory of its own, so
    that the trees do not mix: `home.tar.gz` goes into `home`.
    """
    if file.kind is not FileKind.TAR or sum(other.kind is FileKind.TAR for other in files) < 2:
        return ""
    return strip_suffix(file.name).removesuffix(".tar")


def restore_command(file: BackupFile, directory: str = "") -> str:
    """The shell command that restores one file into $TARGET, or into a directory below it; empty for lists and logs.

    Legal names need no quotes, but a leading directory keeps programs from taking any for an option.
    """
    if file.kind is FileKind.TAR:
        options = [
            "--extract",
            "--preserve-permissions",
            "--numeric-owner",
            *tar_extract_extras(file),
            "--file=-",
        ]
        target = f'"$TARGET"/{directory}' if directory else '"$TARGET"'
        made = f"mkdir -p {target}; " if directory else ""
        unpack = f"tar {shlex.join(options)} --directory={target}"
        return f"{made}{file.compression.decompress_command} ./{file.name} | {unpack}"
    if file.kind is FileKind.FILE:
        return f'cp -p -f ./{file.name} "$TARGET"/{file.name}'
    return ""


def tar_extract_extras(file: BackupFile) -> list[str]:
    """The options that make GNU tar bring back what this archive holds beyond the usual."""
    extras: list[str] = []
    if file.xattrs:
        extras += ["--xattrs", "--xattrs-include=*"]
    if file.acls:
        extras.append("--acls")
    return extras
