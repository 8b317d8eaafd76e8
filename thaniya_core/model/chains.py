"""Chains of incremental backups, as the catalog knows them: which backups need which, and what that does to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from thaniya_core.formats.chains import LONGEST_CHAIN
from thaniya_core.model.backups import Backup
from thaniya_core.model.uploads import Upload, UploadState


class Agreement(Struct, frozen=True):
    """What an increment may be made on."""

    parent: str = ""
    """The backup's id; empty where it has to be a full one."""
    refused: str = ""
    """Why, where a parent was offered and there is none."""


def mark_broken_chains(backups: Iterable[Backup]) -> list[Backup]:
    """The backups of whole series, in their order; an increment is broken too when what it builds on is, or is gone."""
    listed = list(backups)
    if all(backup.document.parent is None for backup in listed):
        return listed
    known = {backup.id: backup for backup in listed}
    return [replace(backup, broken=backup.broken or chain_damage(backup, known)) for backup in listed]


def chain_damage(backup: Backup, known: Mapping[str, Backup]) -> str:
    """What is wrong with the backups that one builds on; empty when nothing is."""
    for ancestor_id in ancestor_ids(backup, known):
        ancestor = known.get(ancestor_id)
        if ancestor is None:
            return f"it builds on {ancestor_id}, which is not there"
        if ancestor.broken:
            return f"it builds on {ancestor_id}, which is broken: {ancestor.broken}"
    return ""


def ancestor_ids(backup: Backup, known: Mapping[str, Backup]) -> list[str]:
    """The ids of those that a backup builds on, its parent first. The last may be one that is not known."""
    ids: list[str] = []
    next_id = backup.document.parent
    while next_id is not None and next_id not in ids and next_id != backup.id:
        ids.append(next_id)
        next_id = known[next_id].document.parent if next_id in known else None
    return ids


def increments_on(backup_id: str, backups: Iterable[Backup]) -> list[Backup]:
    """Those of a series' backups that build on one, directly or by way of others.

    What builds on others comes before them: removed in this order and killed half way, none has lost what it needs.
    """
    listed = list(backups)
    known = {backup.id: backup for backup in listed}
    depths = {backup.id: len(ancestor_ids(backup, known)) for backup in listed}
    building = [backup for backup in listed if backup_id in ancestor_ids(backup, known)]
    return sorted(building, key=lambda backup: depths[backup.id], reverse=True)


def awaited_parents(uploads: Iterable[Upload]) -> dict[str, str]:
    """The parents of uploads that may still be archived, and the upload's id."""
    return {
        upload.parent: upload.id
        for upload in uploads
        if upload.parent and (not upload.state.is_ended or upload.state is UploadState.FAILED)
    }


def agree_on_parent(offered: Sequence[str], backups: Iterable[Backup], is_there: Callable[[Backup], bool]) -> Agreement:
    """The first backup offered that an increment can be made on.

    Args:
        offered: ids, the preferred first.
        backups: all of the series.
        is_there: whether a backup can be read now.
    """
    known = {backup.id: backup for backup in backups}
    refused: list[str] = []
    for backup_id in offered:
        why_not = _why_no_parent(backup_id, known, is_there)
        if not why_not:
            return Agreement(backup_id)
        refused.append(why_not)
    return Agreement("", "; ".join(refused)[:1000])


def _why_no_parent(backup_id: str, known: Mapping[str, Backup], is_there: Callable[[Backup], bool]) -> str:
    backup = known.get(backup_id)
    if backup is None:
        return f"{backup_id} is not in the archive"
    if damage := backup.broken or chain_damage(backup, known):
        return f"{backup_id} is broken: {damage}"
    chain = [backup, *(known[ancestor] for ancestor in ancestor_ids(backup, known))]
    if len(chain) >= LONGEST_CHAIN:
        return f"{backup_id} builds on {len(chain) - 1} others already"
    if absent := [each.id for each in chain if not is_there(each)]:
        return f"{absent[0]} is on a volume that is not there now"
    return ""
