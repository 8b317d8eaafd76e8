"""Restores a backup: fetched, checked, decompressed and unpacked as a stream."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
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
from thaniya_core.errors import IntegrityFailed, WrongUsage
from thaniya_core.formats.chains import Step, read_chain, restore_steps
from thaniya_core.formats.encryption import identity_needed
from thaniya_core.formats.manifest import FileKind, find_contents
from thaniya_core.formats.names import check_id
from thaniya_core.formats.restoring import (
    Part,
    absent_paths,
    archives_come_first,
    check_overwrite,
    not_in_backup,
    select_parts,
)
from thaniya_core.system.files import os_errors
from thaniya_core.system.marked_directory import make_writable, marked_directory

_WARNINGS_KEPT = 200


def restore_backup(
    connector: Connector,
    backup_id: str,
    into: Path,
    paths: Sequence[str],
    *,
    overwrite: bool,
    on_progress: OnProgress | None,
    identities: Sequence[object] = (),
) -> Restored:
    """See `Target.restore`."""
    document = connector.document(check_id(backup_id))
    parts = select_parts(document, paths)
    check_overwrite(parts, into, overwrite=overwrite)
    chain = read_chain(document, connector.document)
    steps = restore_steps(chain, parts)
    for step in steps:
        part = step.part
        if part.file.is_encrypted and not identities:
            raise identity_needed(step.document.id, part.file.name)
        if part.members and find_contents(step.document.files, part.file.name):
            entries = read_contents(connector, step.document, part.file, identities)
            check_members(backup_id, entries, part, may_be_absent=step.is_of_chain)
    started = monotonic()
    restore = _Restore(connector, Meter(on_progress, Phase.RESTORING), find_gnu_tar(), identities)
    restore.check_programs(parts)
    restore.meter.expect(sum(step.part.file.original_bytes or step.part.file.size_bytes or 0 for step in steps))
    with marked_directory(into, backup_id, overwrite=overwrite) as place:
        with _kept_times(place, is_wanted=archives_come_first(document.files)) as keep:
            for step in steps:
                if step.part.file.kind is FileKind.FILE:
                    keep()
                restore.restore_step(step, place)
        absent = [path for part in parts if part.file.incremental for path in absent_paths(part, place)]
        if absent:
            raise not_in_backup(backup_id, absent)
    restore.meter.enter(Phase.DONE)
    return Restored(
        id=backup_id,
        into=into,
        files=len(steps),
        stored_bytes=restore.meter.progress.sent_bytes,
        original_bytes=restore.meter.progress.read_bytes,
        warnings=tuple(restore.warnings[:_WARNINGS_KEPT]),
        recipes=document.recipes,
        seconds=round(monotonic() - started, 3),
    )


class _Restore:
    """What one restore needs at every file."""

    def __init__(self, connector: Connector, meter: Meter, tar: GnuTar | None, identities: Sequence[object]) -> None:
        self.meter = meter
        self.warnings: list[str] = []
        self._connector = connector
        self._tar = tar
        self._identities = identities

    def check_programs(self, parts: Iterable[Part]) -> None:
        """Make sure that there is what an increment needs.

        Raises:
            WrongUsage: there is no GNU tar.
        """
        if self._tar is None and any(part.file.incremental for part in parts):
            raise WrongUsage(
                "an increment is restored by GNU tar, which is not there", hint="install GNU tar (apt install tar)"
            )

    def restore_step(self, step: Step, into: Path) -> None:
        """Restore one file of the backup, or of one that it builds on.

        Raises:
            IntegrityFailed: its sum does not match; what was restored of it is not to be trusted.
        """
        part = step.part
        try:
            with open_checked(self._connector, step.document, part.file, self.meter, self._identities) as (
                checked,
                stream,
            ):
                chunks = self._metered(read_decompressed(checked, stream, part.file))
                if part.file.kind is FileKind.TAR:
                    self._unpack(step, chunks, into)
                else:
                    _write_file(into / part.file.restored_name, chunks)
        except IntegrityFailed as exc:
            raise IntegrityFailed(exc.message, hint=f"do not trust what lies in {into}") from exc

    def _unpack(self, step: Step, chunks: Iterator[bytes], into: Path) -> None:
        part, target = step.part, into / step.part.directory
        with os_errors(f"restore into {target}"):
            target.mkdir(exist_ok=True)
            if part.file.incremental:
                make_writable(target)  # tar sets all modes again, which may shut out who is not root
        if self._tar is None:
            missing = unpack_with_python(part, chunks, target, self.warnings.append)
        else:
            left_out, missing = unpack_with_tar(self._tar, part, chunks, target)
            self.warnings += left_out
        if missing and not step.is_of_chain:
            raise not_in_backup(step.document.id, map(part.outer, missing))

    def _metered(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.meter.add(read_bytes=len(chunk))
            self.meter.tick()
            yield chunk


@contextmanager
def _kept_times(directory: Path, *, is_wanted: bool) -> Iterator[Callable[[], None]]:
    """Give a function after whose first call a directory's times stay as they are, whatever is put into it."""
    kept: list[os.stat_result] = []

    def keep() -> None:
        if is_wanted and not kept:
            kept.append(directory.stat())

    yield keep
    if kept:
        os.utime(directory, ns=(kept[0].st_atime_ns, kept[0].st_mtime_ns))


def _write_file(path: Path, chunks: Iterator[bytes]) -> None:
    with os_errors(f"restore {path}"):
        path.unlink(missing_ok=True)
        with path.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
