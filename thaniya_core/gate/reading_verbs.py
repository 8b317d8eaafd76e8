"""The one-shot verbs that show and give back what is archived: `uploads`, `backups`, `contents`, `fetch`."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from typing import BinaryIO

from thaniya_core.errors import IntegrityFailed, NotFound, WrongUsage
from thaniya_core.formats.compression import DECOMPRESSION_ERRORS, open_reader
from thaniya_core.formats.encryption import identity_needed
from thaniya_core.formats.manifest import LISTS, BackupFile, find_contents
from thaniya_core.formats.protocol import Backups
from thaniya_core.gate.answers import backup_summary, upload_status
from thaniya_core.gate.arguments import parse_count
from thaniya_core.gate.calls import Call
from thaniya_core.system.files import CHUNK_BYTES
from thaniya_core.system.harmless import make_harmless

BACKUPS_LIMIT = 10_000
"""As in `protocol.Backups`."""
_SENDFILE_BYTES = 64 * 1024 * 1024


def uploads(call: Call) -> int:
    """Print the caller's open uploads and the newest ended ones."""
    answers = [upload_status(call.services, upload) for upload in call.services.uploads(call.caller)]
    if call.wants_json:
        call.write_json(answers)
    else:
        call.write_table(
            ("id", "state", "host", "name", "created", "received_bytes", "reason"),
            ((a.upload, a.state, a.host, a.name, a.created_at, a.received_bytes, a.reason or None) for a in answers),
        )
    return 0


def backups(call: Call) -> int:
    """Print the caller's backups, the newest first."""
    values = call.arguments.values
    given = values.get("--limit")
    limit = Backups().limit if given is None else parse_count(given, "--limit", BACKUPS_LIMIT, least=1)
    found = call.services.backups(call.caller, values.get("--host", ""), values.get("--name", ""), limit, "")
    answers = [backup_summary(backup) for backup in found]
    if call.wants_json:
        call.write_json(answers)
    else:
        call.write_table(
            ("id", "host", "name", "created", "files", "stored_bytes", "original_bytes", "warnings", "state"),
            (
                (a.id, a.host, a.name, a.created_at, a.files, a.stored_bytes, a.original_bytes, a.warning_count, state)
                for a in answers
                for state in ("broken" if a.broken else "good",)
            ),
        )
    return 0


def contents(call: Call) -> int:
    """Print the files of a backup or, with a file's name, what is inside this tar archive.

    Raises:
        NotFound: there is no such file, or no list of what is inside.
        IntegrityFailed: the list cannot be decompressed.
    """
    backup_id, *names = call.arguments.operands
    files = call.services.contents(call.caller, backup_id).files
    if names:
        _write_contents_list(call, backup_id, _contents_file(files, names[0]))
    elif call.wants_json:
        call.write_json(files)
    else:
        call.write_table(
            ("name", "size_bytes", "sha256", "kind"), ((f.name, f.size_bytes, f.sha256, f.kind.value) for f in files)
        )
    return 0


def fetch(call: Call) -> int:
    """Write a file of a backup as it is stored, from an offset on.

    Raises:
        WrongUsage: the offset lies behind the end.
    """
    backup_id, name, *rest = call.arguments.operands
    offset = parse_count(rest[0], "OFFSET", 2**63 - 1) if rest else 0
    with call.services.open_file(call.caller, backup_id, name) as source:
        size_bytes = source.seek(0, io.SEEK_END)
        if offset > size_bytes:
            raise WrongUsage(f"{name} has {size_bytes} bytes; there is nothing at {offset}")
        source.seek(offset)
        call.stdout.flush()
        if not _send_by_kernel(source, call.stdout, offset, size_bytes - offset):
            for chunk in iter(lambda: source.read(CHUNK_BYTES), b""):
                call.stdout.write(chunk)
        call.stdout.flush()
    return 0


def _contents_file(files: tuple[BackupFile, ...], name: str) -> BackupFile:
    file = next((file for file in files if file.name == name), None)
    if file is None:
        raise NotFound(f"the backup has no file {make_harmless(name, 80)!r}", hint="`contents ID` lists its files")
    found = file if file.kind in LISTS else find_contents(files, name)
    if found is None:
        raise NotFound(f"the backup has no list of what is inside {name}")
    return found


def _write_contents_list(call: Call, backup_id: str, file: BackupFile) -> None:
    if file.is_encrypted:
        raise identity_needed(backup_id, file.name)
    with (
        call.services.open_file(call.caller, backup_id, file.name) as stored,
        open_reader(stored, file.compression) as plain,
    ):
        for chunk in _read_chunks(plain, file.name):
            call.stdout.write(chunk)
    call.stdout.flush()


def _read_chunks(source: BinaryIO, name: str) -> Iterator[bytes]:
    while True:
        try:
            chunk = source.read(CHUNK_BYTES)
        except DECOMPRESSION_ERRORS as exc:
            raise IntegrityFailed(f"{name} cannot be decompressed: {exc}") from exc
        if not chunk:
            return
        yield chunk


def _send_by_kernel(source: BinaryIO, target: BinaryIO, offset: int, count: int) -> bool:
    """Copy with sendfile(2); False, with nothing copied, where the streams have no descriptors that can do it."""
    try:
        source_fd, target_fd = source.fileno(), target.fileno()
    except OSError:
        return False
    end = offset + count
    while offset < end:
        try:
            sent = os.sendfile(target_fd, source_fd, offset, min(end - offset, _SENDFILE_BYTES))
        except OSError as exc:
            if exc.errno in (errno.EINVAL, errno.ENOSYS) and offset == end - count:
                return False
            raise
        if sent == 0:
            raise IntegrityFailed("the file became shorter while it was read")
        offset += sent
    return True
