"""Spool -> volume; volumes; catalog; verify; restore."""

from thaniya_core.archive.backups import Backups
from thaniya_core.archive.catalog import Catalog, RebuildReport
from thaniya_core.archive.ingest import Ingest, UploadedFiles
from thaniya_core.archive.rules import Rule, read_rules
from thaniya_core.archive.verification import Verification, VerifiedRun
from thaniya_core.archive.volumes import Volumes

__all__ = [
    "Backups",
    "Catalog",
    "Ingest",
    "RebuildReport",
    "Rule",
    "UploadedFiles",
    "Verification",
    "VerifiedRun",
    "Volumes",
    "read_rules",
]
