"""What the archive writes beside the files of a backup: backup.json, SHA256SUMS and RESTORE.txt.

SHA256SUMS has the form of GNU coreutils' sha256sum and covers every other file. RESTORE.txt is a POSIX shell script
that a person can also follow line by line.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping

from thaniya_core.errors import WrongUsage
from thaniya_core.formats.compression import Compression
from thaniya_core.formats.manifest import BackupDocument, FileKind, encode_document
from thaniya_core.formats.names import BACKUP_FILE, RESTORE_FILE, SUMS_FILE, check_file
from thaniya_core.formats.recipes import recipe_comments
from thaniya_core.formats.restoring import Part, all_parts
from thaniya_core.formats.tar import extract_options


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
    for part in all_parts(document.files):
        command = restore_command(part)
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
        "# The directory must be new or empty. As root, owners are restored too.",
        *(["# What is to be done with the files then is at the end of this file."] if document.recipes else []),
        "set -eu",
        'TARGET="${1:?usage: sh RESTORE.txt DIRECTORY}"',
        'mkdir -p "$TARGET"',
        'TARGET="$(cd "$TARGET" && pwd)"',
        '[ -z "$(ls -A "$TARGET")" ] || { echo "$TARGET is not empty: nothing was restored" >&2; exit 1; }',
        'cd "$(dirname "$0")"',
        "sha256sum -c SHA256SUMS",
        *commands,
        *recipe_comments(document.recipes),
    ]
    return ("\n".join(lines) + "\n").encode()


def restore_command(part: Part) -> str:
    """The shell command that restores a file of a backup below $TARGET.

    Legal names need no quotes, but a leading directory keeps programs from taking any for an option.
    """
    file = part.file
    if file.kind is FileKind.FILE and file.restored_compression is Compression.NONE:
        return f'cp -p -f ./{file.name} "$TARGET"/{file.restored_name}'
    if file.kind is FileKind.FILE:
        restored = f'"$TARGET"/{file.restored_name}'
        return f"{file.compression.decompress_command} ./{file.name} >{restored}; touch -r ./{file.name} {restored}"
    target = f'"$TARGET"/{part.directory}' if part.directory else '"$TARGET"'
    made = f"mkdir -p {target}; " if part.directory else ""
    unpack = f"tar {shlex.join([*extract_options(file), '--file=-'])} --directory={target}"
    return f"{made}{file.compression.decompress_command} ./{file.name} | {unpack}"
