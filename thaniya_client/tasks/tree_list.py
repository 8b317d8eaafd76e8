"""Puts the contents list of the whole tree beside an increment, and keeps it for the next one."""

from __future__ import annotations

from thaniya_client.incremental.run import WorkingSnapshot
from thaniya_client.incremental.snapshot import SnapshotNames
from thaniya_client.incremental.tree import merge_trees
from thaniya_client.packer import Packer
from thaniya_client.tasks.contents_list import ContentsList, read_list
from thaniya_core.formats.compression import Compression, open_writer
from thaniya_core.formats.contents import encode_entry
from thaniya_core.formats.manifest import FileKind
from thaniya_core.system.files import os_errors


def store_tree(out: Packer, contents: ContentsList, snapshot: WorkingSnapshot, name: str, describes: str) -> None:
    """Keep the list of the whole tree for the next increment; of an increment, add it to the backup as well.

    Args:
        out: takes the list.
        contents: what the archive holds itself; it is stored.
        snapshot: what tar has worked with.
        name: of the list before compression: `home.tree`.
        describes: the archive's name as it is stored.

    Raises:
        IntegrityFailed: the snapshot file, or what is remembered of the last backup, is damaged.
    """
    with os_errors(f"write {snapshot.tree}"):
        if snapshot.tree_before is None:
            contents.copy_to(snapshot.tree)
            return
        entries = original_bytes = 0
        names = SnapshotNames(snapshot.path)
        with (
            snapshot.tree_before.open("rb") as before,
            snapshot.tree.open("xb") as file,
            open_writer(file, Compression.GZIP) as tree,
        ):
            for entry in merge_trees(contents.read(), read_list(before), names, snapshot.unpacked):
                line = encode_entry(entry)
                tree.write(line)
                entries += 1
                original_bytes += len(line)
        with snapshot.tree.open("rb") as written:
            out.store(
                name + Compression.GZIP.suffix,
                written,
                kind=FileKind.TREE,
                compression=Compression.GZIP,
                original_bytes=original_bytes,
                entries=entries,
                describes=describes,
            )
