"""The spool: uploads on their way from the slot to the volume.

spool/<id>/manifest-<digest>.json    what the client said it uploaded, when it said so
spool/<id>/data/                     the files
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from thaniya_core.errors import IntegrityFailed
from thaniya_core.formats.manifest import Manifest
from thaniya_core.formats.names import check_id
from thaniya_core.system.files import make_directories, os_errors, remove_tree, write_atomic


class Spool:
    """Directories of uploads that left their slot."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def data(self, upload_id: str) -> Path:
        """Where an upload's files lie."""
        return self._place(upload_id) / "data"

    def keep_manifest(self, upload_id: str, manifest: Manifest) -> str:
        """Store a manifest durably and give its digest; the same manifest gives the same digest."""
        data = msgspec.json.encode(manifest)
        digest = hashlib.sha256(data).hexdigest()
        with os_errors(f"store the manifest of {upload_id}"):
            make_directories(self._place(upload_id))
            write_atomic(self._manifest_file(upload_id, digest), data)
        return digest

    def manifest(self, upload_id: str, digest: str) -> Manifest:
        """The manifest of that digest.

        Raises:
            IntegrityFailed: it is damaged.
        """
        file = self._manifest_file(upload_id, digest)
        with os_errors(f"read the manifest of {upload_id}"):
            data = file.read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise IntegrityFailed(f"{file} is damaged", hint="the client has to upload again")
        return msgspec.json.decode(data, type=Manifest)

    def drop(self, upload_id: str) -> None:
        """Remove all of an upload; harmless when nothing is there."""
        with os_errors(f"clean the spool of {upload_id}"):
            remove_tree(self._place(upload_id))

    def _place(self, upload_id: str) -> Path:
        return self._directory / check_id(upload_id)

    def _manifest_file(self, upload_id: str, digest: str) -> Path:
        return self._place(upload_id) / f"manifest-{digest}.json"


def manifest_digest(manifest: Manifest) -> str:
    """What `keep_manifest` would give."""
    return hashlib.sha256(msgspec.json.encode(manifest)).hexdigest()
