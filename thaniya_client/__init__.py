"""Thaniya's client library: makes and restores backups, in a few lines.

from thaniya_client import Directory, ThaniyaServer

with ThaniyaServer("backup.example.org", key="~/.config/thaniya/id_ed25519") as server:
    report = server.backup(Directory("/home"), name="nightly")   # comes back when it is archived
    print(report.id, report.stored_bytes)

    for backup in server.backups():
        print(backup.id, backup.name, backup.created_at)

    server.restore(report.id, into="/tmp/restored", paths=["alice/notes.txt"])
"""

from thaniya_client.local_directory import LocalDirectory
from thaniya_client.packer import Packer
from thaniya_client.target import Target
from thaniya_client.tasks.directory import Directory
from thaniya_client.tasks.interface import Task
from thaniya_client.thaniya_server import ServerCheck, ThaniyaServer
from thaniya_client.values import Phase, Progress, Report, Restored
from thaniya_core.errors import ThaniyaError
from thaniya_core.formats.compression import Compression

__all__ = [
    "Directory",
    "Task",
    "Packer",
    "Compression",
    "ThaniyaServer",
    "LocalDirectory",
    "Target",
    "Report",
    "Restored",
    "Progress",
    "Phase",
    "ServerCheck",
    "ThaniyaError",
]
