"""Restores a backup: fetched, checked, decompressed and unpacked as a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic

from thaniya_client.connectors.interface import Connector
from thaniya_client.meter import Meter
from thaniya_client.restoring.contents import read_contents
from thaniya_client.restoring.fetching import open_checked, read_decompressed
from thaniya_client.restoring.members import check_members
from thaniya_client.restoring.unpack import unpack_with_python, unpack_with_tar
from thaniya_client.tasks.gnu_tar import GnuTar, find_gnu_tar
from thaniya_client.values import OnProgress, Phase, Restored
from thaniya_core.errors import IntegrityFailed
from thaniya_core.formats.manifest import BackupDocument, FileKind, find_contents
from thaniya_core.formats.names import check_id
from thaniya_core.formats.restoring import Part, not_in_backup, select_parts
from thaniya_core.system.files import os_errors
from thaniya_core.system.marked_directory import marked_directory

_WARNINGS_KEPT = 200


def restore_backup(
    connector: Connector,
    backup_id: str,
    into: Path,
    paths: Sequence[str],
    *,
    overwrite: bool,
    on_progress: OnProgress | None,
) -> Restored:
    """See `Target.restore`."""
    document = connector.document(check_id(backup_id))
    parts = select_parts(document, paths)
    for part in parts:
        if part.members and find_contents(document.files, part.file.name):
            check_members(backup_id, read_contents(connector, document, part.file), part)
    started = monotonic()
    restore = _Restore(connector, document, Meter(on_progress, Phase.RESTORING), find_gnu_tar())
    restore.meter.expect(sum(part.file.original_bytes or part.file.size_bytes or 0 for part in parts))
    with marked_directory(into, backup_id, overwrite=overwrite) as place:
        for part in parts:
            restore.restore_part(part, place)
    restore.meter.enter(Phase.DONE)
    return Restored(
        id=backup_id,
        into=into,
        files=len(parts),
        stored_bytes=restore.meter.progress.sent_bytes,
        original_bytes=restore.meter.progress.read_bytes,
        warnings=tuple(restore.warnings[:_WARNINGS_KEPT]),
        recipes=document.recipes,
        seconds=round(monotonic() - started, 3),
    )


class _Restore:
    """What one restore needs at every file."""

    def __init__(self, connector: Connector, document: BackupDocument, meter: Meter, tar: GnuTar | None) -> None:
        self.meter = meter
        self.warnings: list[str] = []
        self._connector = connector
        self._document = document
        self._tar = tar

    def restore_part(self, part: Part, into: Path) -> None:
        """Restore one file of the backup.

        Raises:
            IntegrityFailed: its sum does not match; what was restored of it is not to be trusted.
        """
        try:
            with open_checked(self._connector, self._document, part.file, self.meter) as (checked, stream):
                chunks = self._metered(read_decompressed(checked, stream, part.file))
                if part.file.kind is FileKind.TAR:
                    self._unpack(part, chunks, into)
                else:
                    _write_file(into / part.file.restored_name, chunks)
        except IntegrityFailed as exc:
            raise IntegrityFailed(exc.message, hint=f"do not trust what lies in {into}") from exc

    def _unpack(self, part: Part, chunks: Iterator[bytes], into: Path) -> None:
        target = into / part.directory
        with os_errors(f"restore into {target}"):
            target.mkdir(exist_ok=True)
        if self._tar is None:
            missing = unpack_with_python(part, chunks, target, self.warnings.append)
        else:
            left_out, missing = unpack_with_tar(self._tar, part, chunks, target)
            self.warnings += left_out
        if missing:
            raise not_in_backup(self._document.id, map(part.outer, missing))

    def _metered(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.meter.add(read_bytes=len(chunk))
            self.meter.tick()
            yield chunk


def _write_file(path: Path, chunks: Iterator[bytes]) -> None:
    with os_errors(f"restore {path}"):
        path.unlink(missing_ok=True)
        with path.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
