"""Thaniya's client library: makes and restores backups, in a few lines.

from thaniya_client import Directory, ThaniyaServer

with ThaniyaServer("backup.example.org", key="~/.config/thaniya/id_ed25519") as server:
    report = server.backup(Directory("/home"), name="nightly")   # comes back when it is archived
    print(report.id, report.stored_bytes)

    for backup in server.backups():
        print(backup.id, backup.name, backup.created_at)

    server.restore(report.id, into="/tmp/restored", paths=["alice/notes.txt"])
"""

from thaniya_client.around.services import StoppedService
from thaniya_client.around.snapshots import BtrfsSnapshot, LvmSnapshot, ZfsSnapshot
from thaniya_client.bar import progress_bar
from thaniya_client.incremental.policy import Incremental
from thaniya_client.local_directory import LocalDirectory
from thaniya_client.packer import Packer
from thaniya_client.restoring.differences import Change, Difference
from thaniya_client.restoring.finding import Found
from thaniya_client.target import Target
from thaniya_client.tasks.block_device import BlockDevice
from thaniya_client.tasks.command import Command
from thaniya_client.tasks.directory import Directory
from thaniya_client.tasks.files import Files
from thaniya_client.tasks.git_repository import GitRepository
from thaniya_client.tasks.interface import Task
from thaniya_client.tasks.ldap import LDAP
from thaniya_client.tasks.mediawiki import MediaWiki
from thaniya_client.tasks.mysql import MySQL
from thaniya_client.tasks.postgresql import PostgreSQL
from thaniya_client.tasks.sqlite import SQLite
from thaniya_client.tasks.system_state import SystemState
from thaniya_client.tasks.tools import Tool
from thaniya_client.tasks.typo3 import Typo3
from thaniya_client.tasks.wordpress import WordPress
from thaniya_client.thaniya_server import ServerCheck, ThaniyaServer
from thaniya_client.values import Phase, Progress, Report, Restored
from thaniya_core.errors import (
    AlreadyExists,
    Busy,
    CommandFailed,
    ConnectionLost,
    HostKeyChanged,
    HostKeyUnknown,
    IdentityNeeded,
    IllegalKey,
    IllegalName,
    IntegrityFailed,
    NoFreeSlot,
    NoSpace,
    NotAllowed,
    NotFound,
    OutOfTime,
    OverQuota,
    ProtocolViolated,
    SourceFailed,
    StepFailed,
    ThaniyaError,
    TooManyUploads,
    UploadRejected,
    UserDisabled,
    VersionsDiffer,
    WrongState,
    WrongUsage,
)
from thaniya_core.formats.compression import Compression
from thaniya_core.formats.contents import ContentsEntry
from thaniya_core.formats.manifest import BackupDocument, BackupFile, FileKind
from thaniya_core.formats.names import Series
from thaniya_core.formats.protocol import BackupSummary, UploadState
from thaniya_core.formats.recipes import Recipe

__all__ = [
    "Directory",
    "Incremental",
    "Files",
    "Command",
    "MySQL",
    "PostgreSQL",
    "SQLite",
    "LDAP",
    "WordPress",
    "MediaWiki",
    "Typo3",
    "GitRepository",
    "BlockDevice",
    "SystemState",
    "Task",
    "Tool",
    "Packer",
    "Recipe",
    "Compression",
    "FileKind",
    "StoppedService",
    "BtrfsSnapshot",
    "LvmSnapshot",
    "ZfsSnapshot",
    "ThaniyaServer",
    "LocalDirectory",
    "Target",
    "Report",
    "Restored",
    "Progress",
    "Phase",
    "progress_bar",
    "ServerCheck",
    "BackupSummary",
    "BackupDocument",
    "BackupFile",
    "ContentsEntry",
    "Found",
    "Difference",
    "Change",
    "Series",
    "UploadState",
    "ThaniyaError",
    "WrongUsage",
    "IllegalName",
    "IllegalKey",
    "NotFound",
    "NotAllowed",
    "UserDisabled",
    "IdentityNeeded",
    "HostKeyUnknown",
    "HostKeyChanged",
    "Busy",
    "NoFreeSlot",
    "TooManyUploads",
    "NoSpace",
    "OverQuota",
    "IntegrityFailed",
    "UploadRejected",
    "WrongState",
    "AlreadyExists",
    "ProtocolViolated",
    "VersionsDiffer",
    "ConnectionLost",
    "CommandFailed",
    "SourceFailed",
    "StepFailed",
    "OutOfTime",
]
