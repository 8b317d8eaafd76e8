"""What the archive writes beside the files of a backup: backup.json, SHA256SUMS and RESTORE.txt.

SHA256SUMS has the form of GNU coreutils' sha256sum and covers every other file. RESTORE.txt is a POSIX shell script
that a person can also follow line by line.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable, Mapping

from thaniya_core.errors import WrongUsage
from thaniya_core.formats.compression import strip_suffix
from thaniya_core.formats.manifest import BackupDocument, BackupFile, FileKind, encode_document
from thaniya_core.formats.names import BACKUP_FILE, RESTORE_FILE, SUMS_FILE, check_file


def encode_documents(document: BackupDocument) -> dict[str, bytes]:
    """What the archive writes beside the files of a backup: backup.json, RESTORE.txt, and SHA256SUMS of all."""
    documents = {BACKUP_FILE: encode_document(document), RESTORE_FILE: encode_restore(document)}
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in documents.items()}
    return {**documents, SUMS_FILE: encode_sums({**{file.name: file.sha256 for file in document.files}, **sums})}


def encode_sums(sums: Mapping[str, str]) -> bytes:
    """SHA256SUMS from names and sums, as `sha256sum -c` reads it."""
    return "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(sums.items())).encode()


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
    that the trees do not mix: `home.tar.gz` goes into `home`, or into `home.tar.gz` where another file needs that name.
    """
    others = [other for other in files if other.name != file.name and other.kind in (FileKind.TAR, FileKind.FILE)]
    if file.kind is not FileKind.TAR or not any(other.kind is FileKind.TAR for other in others):
        return ""
    directory = _tar_stem(file)
    is_taken = any(directory in (other.name, _tar_stem(other)) for other in others)
    return file.name if is_taken else directory


def restored_path(directory: str, path: bytes) -> bytes:
    """What a path inside a tar archive is called below the target: it begins with the archive's directory, if any."""
    return f"./{directory}/".encode() + path.removeprefix(b"./") if directory else path


def _tar_stem(file: BackupFile) -> str:
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
