"""What the library offers is a promise."""

from __future__ import annotations

import inspect
import re

import thaniya_client
from thaniya_client import LocalDirectory, Task, ThaniyaError, ThaniyaServer


def test_public_names() -> None:
    assert set(thaniya_client.__all__) == {
        "AlreadyExists",
        "BackupDocument",
        "BackupFile",
        "BackupSummary",
        "BlockDevice",
        "BtrfsSnapshot",
        "Busy",
        "Change",
        "Command",
        "CommandFailed",
        "Compression",
        "ConnectionLost",
        "ContentsEntry",
        "Difference",
        "Directory",
        "FileKind",
        "Files",
        "Found",
        "GitRepository",
        "HostKeyChanged",
        "HostKeyUnknown",
        "IdentityNeeded",
        "Incremental",
        "IllegalKey",
        "IllegalName",
        "IntegrityFailed",
        "LDAP",
        "LocalDirectory",
        "LvmSnapshot",
        "MediaWiki",
        "MySQL",
        "NoFreeSlot",
        "NoSpace",
        "NotAllowed",
        "NotFound",
        "OutOfTime",
        "OverQuota",
        "Packer",
        "Phase",
        "PostgreSQL",
        "Progress",
        "ProtocolViolated",
        "Recipe",
        "Report",
        "Restored",
        "SQLite",
        "Series",
        "ServerCheck",
        "SourceFailed",
        "StepFailed",
        "StoppedService",
        "SystemState",
        "Target",
        "Task",
        "ThaniyaError",
        "ThaniyaServer",
        "Tool",
        "TooManyUploads",
        "Typo3",
        "UploadRejected",
        "UploadState",
        "UserDisabled",
        "VersionsDiffer",
        "WordPress",
        "WrongState",
        "WrongUsage",
        "ZfsSnapshot",
        "progress_bar",
    }
    assert all(hasattr(thaniya_client, name) for name in thaniya_client.__all__)


def test_errors_that_the_docstrings_name_can_be_imported() -> None:
    for owner in (ThaniyaServer, LocalDirectory, Task):
        for name, member in inspect.getmembers(owner, callable):
            raises = re.search(r"Raises:\n(.*)", inspect.getdoc(member) or "", re.DOTALL)
            if name.startswith("_") or raises is None:
                continue
            lines = re.findall(r"^    ([A-Z]\w+(?:, [A-Z]\w+)*):", raises[1], re.MULTILINE)
            assert lines, name
            for error in ", ".join(lines).split(", "):
                assert error in thaniya_client.__all__
                assert issubclass(getattr(thaniya_client, error), ThaniyaError)
