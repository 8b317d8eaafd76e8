"""How an uploaded file gets into a backup that is being made: linked, copied, compressed, shared with an earlier one.

The spool keeps its own names until the backup is in its place, so that `.incoming` may be thrown away at any instant.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from thaniya_core.archive.reading import hash_stream, read_through
from thaniya_core.archive.reuse import EarlierFiles
from thaniya_core.archive.rules import HEAD_BYTES, Rule, choose_rule
from thaniya_core.errors import IntegrityFailed
from thaniya_core.formats.compression import Compression, open_file_writer
from thaniya_core.formats.manifest import LISTS, BackupFile
from thaniya_core.system.background import run_in_background
from thaniya_core.system.files import copy_file, hash_file, link_file, open_regular
from thaniya_core.system.space import free_bytes

logger = logging.getLogger(__name__)

MARGIN_BYTES = 64 * 1024 * 1024
"""What compressing leaves free on the volume."""


class Form(Struct, frozen=True):
    """How a file lies in a backup, where that is not as it was uploaded."""

    name: str
    sha256: str
    size_bytes: int
    compression: Compression = Compression.NONE
    """By which the archive compressed it; none when it did not."""
    shared_with: str | None = None


class Brought(Struct, frozen=True):
    """A file that lies in the new backup."""

    sha256: str
    """As uploaded."""
    size_bytes: int
    form: Form | None = None


def as_stored(files: Iterable[BackupFile], forms: dict[str, Form]) -> tuple[BackupFile, ...]:
    """The files of an upload as they lie in the backup.

    Args:
        files: as uploaded.
        forms: by the name that a file was uploaded under.
    """
    stored: list[BackupFile] = []
    for file in files:
        if file.kind in LISTS and file.describes in forms:
            file = replace(file, describes=forms[file.describes].name)
        form = forms.get(file.name)
        stored.append(file if form is None else _in_form(file, form))
    return tuple(sorted(stored, key=lambda file: file.name))


def _in_form(file: BackupFile, form: Form) -> BackupFile:
    lies = replace(file, name=form.name, sha256=form.sha256, size_bytes=form.size_bytes, shared_with=form.shared_with)
    if form.compression is Compression.NONE:
        return lies
    return replace(
        lies,
        compression=form.compression,
        original_bytes=file.size_bytes if file.original_bytes is None else file.original_bytes,
        uploaded_name=file.name,
        uploaded_sha256=file.sha256,
        uploaded_bytes=file.size_bytes,
    )


class Bringer:
    """Brings the files of one upload into the directory of its backup."""

    def __init__(
        self,
        incoming: Path,
        rules: Sequence[Rule],
        earlier: EarlierFiles,
        names: frozenset[str],
        *,
        may_link: bool,
    ) -> None:
        """
        Args:
            incoming: the directory.
            rules: by which files are compressed.
            earlier: what the series holds on this volume already.
            names: of all files of the upload.
            may_link: the spool lies on the same file system.
        """
        self._incoming = incoming
        self._rules = rules
        self._earlier = earlier
        self._names = names
        self._may_link = may_link

    def bring(self, place: Path, described: BackupFile) -> Brought:
        """Have a file of the spool in the backup. It is read once; twice where an earlier one has its size, or a rule
        has compressed it in vain.

        Args:
            place: where it lies in the spool.
            described: what is known of it without its sum.
        """
        rule = choose_rule(self._rules, described, self._names, _head(place))
        known: Brought | None = None
        if self._earlier.may_hold(place.stat().st_size):
            known = Brought(*hash_file(place))
            form = self._share(place.name, known, rule)
            if form is not None:
                return replace(known, form=form)
        if rule is not None and self._has_room(place):
            compressed = run_in_background(partial(self._compress, place, rule))
            if compressed is not None:
                return compressed
        target = self._incoming / place.name
        if self._may_link and link_file(place, target):
            return known or Brought(*hash_file(place))
        return Brought(*copy_file(place, target))

    def _share(self, name: str, uploaded: Brought, rule: Rule | None) -> Form | None:
        compressions = {Compression.NONE} if rule is None else {rule.compression, Compression.NONE}
        found = self._earlier.find(uploaded.sha256, uploaded.size_bytes, compressions)
        for file in found:
            new_name = name + file.compression.suffix
            if file.link_to(self._incoming / new_name):
                return Form(new_name, file.sha256, file.size_bytes, file.compression, file.backup_id)
        return None

    def _has_room(self, place: Path) -> bool:
        """Whether the compressed form fits; what does not stays plain: a rule must not keep a backup from its place."""
        free, needed = free_bytes(self._incoming), place.stat().st_size + MARGIN_BYTES
        if free < needed:
            logger.warning("%s is not compressed: %d bytes are free on the volume, %d are needed", place, free, needed)
        return free >= needed

    def _compress(self, place: Path, rule: Rule) -> Brought | None:
        """The file compressed, and read back; None, with nothing left behind, when it became no smaller."""
        target = self._incoming / (place.name + rule.compression.suffix)
        plain_bytes = place.stat().st_size

        def give_up_in_vain(_: int) -> None:
            if target.stat().st_size >= plain_bytes:
                raise _InVain

        try:
            with (
                target.open("xb", buffering=0) as stream,
                open_file_writer(stream, rule.compression, rule.level, rule.threads) as writer,
            ):
                sha256, size = hash_file(place, give_up_in_vain, lambda data: writer.write(bytes(data)))
            is_smaller = target.stat().st_size < size
        except _InVain:
            is_smaller = False
        if not is_smaller:
            target.unlink()
            return None
        # Whatever a faulty memory or program made of it is found here, while the spool has the original still.
        back = read_through(target, rule.compression.decompress_command.split(), hash_stream)
        if back.failure or back.result != (sha256, size):
            raise IntegrityFailed(
                f"{place.name} compressed by {rule.compression} cannot be read back: {back.failure or 'it is another'}"
            )
        status = place.stat()
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
        return Brought(sha256, size, Form(target.name, back.sha256, back.size_bytes, rule.compression))


class _InVain(Exception):
    """The compressed form is as large as the plain one."""


def _head(place: Path) -> bytes:
    with os.fdopen(open_regular(place), "rb") as stream:
        return stream.read(HEAD_BYTES)
