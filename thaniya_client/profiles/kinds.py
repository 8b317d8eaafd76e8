"""The tasks and steps that a profile may name by `type`. Their constructors say which keys each of them has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from thaniya_client.around.actions import ReadyStep
from thaniya_client.around.services import StoppedService
from thaniya_client.around.snapshots import BtrfsSnapshot, LvmSnapshot, ZfsSnapshot
from thaniya_client.incremental.policy import Incremental
from thaniya_client.profiles.secrets import with_secrets
from thaniya_client.settings.construct import arguments_of, construct
from thaniya_client.settings.kinds import Readers, TableReader
from thaniya_client.settings.where import Where, nearest
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
from thaniya_client.tasks.typo3 import Typo3
from thaniya_client.tasks.wordpress import WordPress

TASK_TYPES: Mapping[str, type[Task]] = {
    "directory": Directory,
    "files": Files,
    "command": Command,
    "mysql": MySQL,
    "postgresql": PostgreSQL,
    "sqlite": SQLite,
    "ldap": LDAP,
    "wordpress": WordPress,
    "mediawiki": MediaWiki,
    "typo3": Typo3,
    "git_repository": GitRepository,
    "block_device": BlockDevice,
    "system_state": SystemState,
}
STEP_TYPES: Mapping[str, type[ReadyStep]] = {
    "stopped_service": StoppedService,
    "btrfs_snapshot": BtrfsSnapshot,
    "lvm_snapshot": LvmSnapshot,
    "zfs_snapshot": ZfsSnapshot,
}


def readers_for(incremental: object) -> Readers:
    """What tables in a profile stand for.

    Args:
        incremental: what directories are given that do not say whether they are incremental.
    """

    def read_policy(table: dict[str, object], where: Where) -> object:
        return construct(Incremental, table, where, {})

    def read_task(table: dict[str, object], where: Where) -> object:
        cls = _type_of(table, where, TASK_TYPES)
        keys = {name: value for name, value in table.items() if name != "type"}
        if incremental is not False and any(each.name == "incremental" for each in arguments_of(cls)):
            keys.setdefault("incremental", incremental)
        return construct(cls, with_secrets(keys, where), where, readers)

    def read_step(table: dict[str, object], where: Where) -> object:
        keys = {name: value for name, value in table.items() if name != "type"}
        return construct(_type_of(table, where, STEP_TYPES), keys, where, readers)

    policy_keys = ", ".join(each.name for each in arguments_of(Incremental))
    readers: Readers = {
        Incremental: TableReader(f"a table of {policy_keys}", read_policy),
        Task: TableReader('a table with a `type`, as {type = "directory", path = "/home"}', read_task),
        ReadyStep: TableReader('a table with a `type`, as {type = "stopped_service", units = ["shop"]}', read_step),
    }
    return readers


def _type_of(table: Mapping[str, object], where: Where, types: Mapping[str, type[Any]]) -> type[Any]:
    given = table.get("type")
    expected = f"one of {', '.join(types)}"
    if given is None:
        raise where.at("type").error(f"is missing, expected {expected}")
    if not isinstance(given, str) or given not in types:
        raise where.at("type").wrong(given, expected, nearest(str(given), types))
    return types[given]
