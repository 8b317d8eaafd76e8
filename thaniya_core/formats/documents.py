"""What the archive writes beside the files of a backup: backup.json, SHA256SUMS and RESTORE.txt.

SHA256SUMS has the form of GNU coreutils' sha256sum and covers every other file. RESTORE.txt is a POSIX shell script
that a person can also follow line by line.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping, Sequence

from thaniya_core.errors import WrongUsage
from thaniya_core.formats.chains import restore_steps
from thaniya_core.formats.compression import Compression
from thaniya_core.formats.key_text import ABOUT_KEYS, FIND_KEY, check_key_command, decrypt_command
from thaniya_core.formats.manifest import BackupDocument, BackupFile, FileKind, encode_document, first_encrypted
from thaniya_core.formats.names import BACKUP_FILE, RESTORE_FILE, SUMS_FILE, check_file
from thaniya_core.formats.recipes import recipe_comments
from thaniya_core.formats.restoring import Part, all_parts, archives_come_first
from thaniya_core.formats.tar import extract_options


def encode_documents(document: BackupDocument, ancestors: Sequence[BackupDocument] = ()) -> dict[str, bytes]:
    """What the archive writes beside the files of a backup: backup.json, RESTORE.txt, and SHA256SUMS of all.

    Args:
        document: the backup.
        ancestors: what an increment builds on: its parent, and so on down to the full one.
    """
    documents = {BACKUP_FILE: encode_document(document), RESTORE_FILE: encode_restore(document, ancestors)}
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


def encode_restore(document: BackupDocument, ancestors: Sequence[BackupDocument] = ()) -> bytes:
    """RESTORE.txt: the shell commands that restore this backup; of an increment, the whole chain.

    Raises:
        IntegrityFailed: the ancestors are not what an increment builds on.
    """
    steps = restore_steps([document, *ancestors], all_parts(document.files))
    needed = [each for each in reversed(ancestors) if any(step.document.id == each.id for step in steps)]
    places = {each.id: f'"$BASE_{number}"' for number, each in enumerate(needed, 1)} | {document.id: "."}
    commands = [restore_command(step.part, places[step.document.id]) for step in steps]
    keys_needed = [
        check_key_command(each.files, places[each.id]) for each in [*needed, document] if first_encrypted(each.files)
    ]
    tools = {"sha256sum"} | {
        word for command in [*keys_needed, *commands] for word in re.split(r"[ |]+", command) if word in _TOOLS
    }
    if archives_come_first(document.files):
        commands = _keep_times(commands)
    lines = [
        f"# How to restore backup {document.id} of {document.series}",
        f"# made {document.created_at:%Y-%m-%d %H:%M:%S} UTC, {len(document.files)} files, "
        f"{document.stored_bytes} bytes. Thaniya is not needed, only: {', '.join(sorted(tools))}.",
        "#",
        "# This file is a shell script. In the directory where it lies, run",
        "#     sh RESTORE.txt /where/to/restore",
        "# or type its commands one by one, with TARGET set to the directory to restore into.",
        "# The directory must be new or empty. As root, owners are restored too.",
        *(_ABOUT_INCREMENTS if needed else ()),
        *(ABOUT_KEYS if keys_needed else ()),
        *(["# What is to be done with the files then is at the end of this file."] if document.recipes else []),
        "set -eu",
        'TARGET="${1:?usage: sh RESTORE.txt DIRECTORY}"',
        *(FIND_KEY if keys_needed else ()),
        'mkdir -p "$TARGET"',
        'TARGET="$(cd "$TARGET" && pwd)"',
        '[ -z "$(ls -A "$TARGET")" ] || { echo "$TARGET is not empty: nothing was restored" >&2; exit 1; }',
        'cd "$(dirname "$0")"',
        *(_FIND_BACKUP if needed else ()),
        *(f'BASE_{number}="$(find_backup {each.id})"' for number, each in enumerate(needed, 1)),
        *keys_needed,
        *(f"(cd {places[each.id]} && sha256sum -c SHA256SUMS)" for each in needed),
        "sha256sum -c SHA256SUMS",
        *commands,
        *recipe_comments(document.recipes),
    ]
    return ("\n".join(lines) + "\n").encode()


_TOOLS = ("age", "gzip", "bzip2", "xz", "tar", "cp", "find")

_ABOUT_INCREMENTS = (
    "#",
    "# This backup is an increment: GNU tar unpacks those that it builds on before it, the oldest first. They are",
    "# looked for beside this directory, then in the directories that PARENTS names, separated by colons.",
)

_FIND_BACKUP = (
    "find_backup() (",
    "    IFS=:",
    "    for place in .. ${PARENTS:-}; do",
    '        if [ -d "$place/$1" ]; then echo "$place/$1"; exit 0; fi',
    "    done",
    '    echo "backup $1, which this one builds on, is missing: name the directory that holds it in PARENTS" >&2',
    "    exit 1",
    ")",
)


def _keep_times(commands: Sequence[str]) -> list[str]:
    """Have the target's times stay those that the archive gave it, whatever is copied into it afterwards."""
    plain = [command for command in commands if not re.search(r"\| tar ", command)]
    if not plain:
        return list(commands)
    stamp = 'STAMP="$(mktemp)"; touch -r "$TARGET" "$STAMP"'
    archives = commands[: len(commands) - len(plain)]
    return [*archives, stamp, *plain, 'touch -r "$STAMP" "$TARGET"; rm -f "$STAMP"']


def restore_command(part: Part, place: str = ".") -> str:
    """The shell command that restores a file of a backup below $TARGET.

    Legal names need no quotes, but a leading directory keeps programs from taking any for an option.

    Args:
        part: the file.
        place: the directory that it lies in, as the shell reads it.
    """
    file = part.file
    stored = f"{place}/{file.name}"
    read = _read_command(file, stored)
    if file.kind is FileKind.FILE and not file.is_encrypted and file.restored_compression is Compression.NONE:
        return f'cp -p -f {stored} "$TARGET"/{file.restored_name}'
    if file.kind is FileKind.FILE:
        restored = f'"$TARGET"/{file.restored_name}'
        return f"{read} >{restored}; touch -r {stored} {restored}"
    target = f'"$TARGET"/{part.directory}' if part.directory else '"$TARGET"'
    made = f"mkdir -p {target}; " if part.directory else ""
    if file.incremental:
        # What the archive before has given a mode that shuts out who is not root: tar sets all modes again.
        made = f"find {target} -type d ! -perm -700 -exec chmod u+rwx {{}} \\;; "
    unpack = f"tar {shlex.join([*extract_options(file), '--file=-'])} --directory={target}"
    return f"{made}{read} | {unpack}"


def _read_command(file: BackupFile, stored: str) -> str:
    """The command that writes what is restored of a file to its output."""
    if not file.is_encrypted:
        return f"{file.restored_compression.decompress_command} {stored}"
    decompress = file.restored_compression
    return decrypt_command(stored) + (
        f" | {decompress.decompress_command}" if decompress is not Compression.NONE else ""
    )
