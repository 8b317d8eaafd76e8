"""Whole-file reuse: what the earlier backups of a series hold already becomes a hard link.

Both directories stay complete and restorable by themselves, and either may be removed. But one copy on the disk is
then all there is: damage to it is damage to every backup that shares it. So the earlier file is read again before it is
shared, byte for byte for its sum: that costs one read, no space, and finds a damaged one while the new upload is there
to take its place. An upload thus never becomes a link to bytes that were not seen to be its own.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from thaniya_core.formats.compression import Compression
from thaniya_core.formats.manifest import BackupFile
from thaniya_core.system.files import hash_file, link_file

logger = logging.getLogger(__name__)

BACKUPS_LOOKED_AT = 10
"""So many of a series' newest backups are looked at: what nine later ones did not have is seldom uploaded again."""

OnDamage = Callable[[str], None]
"""Told what is wrong with a stored file."""


class EarlierFile:
    """A file of an earlier backup, as it is stored."""

    def __init__(self, backup_id: str, file: BackupFile, directory: Path, on_damage: OnDamage) -> None:
        self.backup_id = backup_id
        self.sha256 = file.sha256
        self.size_bytes = file.size_bytes or 0
        self.compression = Compression.NONE if file.uploaded_name is None else file.compression
        """By which the archive compressed it."""
        self.uploaded = (file.restored_sha256, file.restored_bytes)
        self._path = directory / file.name
        self._on_damage = on_damage

    def link_to(self, target: Path) -> bool:
        """Read it, and give it a second name if it is whole; False where that is not possible."""
        try:
            sha256, size = hash_file(self._path)
            if (sha256, size) != (self.sha256, self.size_bytes):
                self._on_damage(f"{self._path.name} has another SHA-256 than when it was archived")
                return False
            return link_file(self._path, target)
        except OSError as error:
            # It was removed in this moment, or the disk cannot read it: verification will tell which.
            logger.warning("%s cannot be shared with a new backup: %s", self._path, error)
            return False


class EarlierFiles:
    """The files that a new backup may share, the newest first."""

    def __init__(self, files: Iterable[EarlierFile] = ()) -> None:
        self._by_upload: defaultdict[tuple[str, int | None], list[EarlierFile]] = defaultdict(list)
        for file in files:
            if file.size_bytes:
                self._by_upload[file.uploaded].append(file)
        self._sizes = {size for _, size in self._by_upload}

    def may_hold(self, size_bytes: int) -> bool:
        """Whether a file of this size was uploaded before: only then its sum is worth knowing in advance."""
        return size_bytes in self._sizes

    def find(self, sha256: str, size_bytes: int, compressions: Collection[Compression]) -> list[EarlierFile]:
        """The files that were uploaded with this sum and are stored in one of these forms."""
        found = self._by_upload.get((sha256, size_bytes), [])
        return [file for file in found if file.compression in compressions]
