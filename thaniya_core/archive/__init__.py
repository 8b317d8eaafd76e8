"""Spool -> volume; volumes; catalog; verify; restore."""

from thaniya_core.archive.backups import Backups
from thaniya_core.archive.catalog import Catalog, VolumeUsage
from thaniya_core.archive.condition import VolumeStatus, VolumeWatch
from thaniya_core.archive.contents import Inside, unlisted_archives
from thaniya_core.archive.ingest import Ingest, UploadedFiles
from thaniya_core.archive.rebuild import RebuildReport
from thaniya_core.archive.rescan import Rescanned
from thaniya_core.archive.rules import Rule, read_rules
from thaniya_core.archive.verification import Verification, VerifiedRun
from thaniya_core.archive.volume_removal import forget_volume
from thaniya_core.archive.volumes import Volumes

__all__ = [
    "Backups",
    "Catalog",
    "Ingest",
    "Inside",
    "RebuildReport",
    "Rescanned",
    "Rule",
    "UploadedFiles",
    "Verification",
    "VerifiedRun",
    "VolumeStatus",
    "VolumeUsage",
    "VolumeWatch",
    "Volumes",
    "forget_volume",
    "read_rules",
    "unlisted_archives",
]
