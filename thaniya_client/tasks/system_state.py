"""Backs up what one wishes to know of a machine after a disaster."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, cast

from thaniya_client.packer import Packer
from thaniya_client.tasks.contents_list import ContentsList
from thaniya_client.tasks.system_facts import COMMANDS, DISK_COMMANDS, FILES, Fact, is_real_disk
from thaniya_client.tasks.tools import Tool, find_tool
from thaniya_core.errors import CommandFailed, SourceFailed
from thaniya_core.formats.compression import Compression
from thaniya_core.formats.contents import ContentsEntry
from thaniya_core.formats.manifest import FileKind
from thaniya_core.formats.names import check_file
from thaniya_core.system.run import run

_TIMEOUT_S = 120.0
_LARGEST_BYTES = 16 * 1024 * 1024
_ESTIMATED_BYTES = 64 * 1024 * 1024
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"}
LEFT_OUT = "left-out.txt"


class SystemState:
    """What a machine consists of beside its data: packages, partition tables, mounts, crontabs, enabled units, network,
    kernel settings. Small text files in one tar archive.

        SystemState()

    Machines differ: what one has not is left out, and `left-out.txt` and client.log say so. Passwords and keys are not
    collected; commands may hold some in crontabs, so the backup is as secret as these.
    """

    def __init__(self, *, name: str = "system-state", compression: Compression | str = Compression.GZIP) -> None:
        """Describe what to back up; nothing is read yet.

        Args:
            name: of the archive, without suffixes.
            compression: `gzip`, `bzip2`, `xz` or `none`.

        Raises:
            IllegalName: no file of a backup may bear that name.
        """
        self.name = check_file(name)
        self.compression = Compression(compression)

    def __repr__(self) -> str:
        return "SystemState()"

    def describe(self) -> str:
        """What will be collected."""
        return (
            f"packages, partitions, mounts, crontabs, units and settings, as {self.name}.tar{self.compression.suffix}"
        )

    def estimate_bytes(self) -> int | None:
        """More than any machine has."""
        return _ESTIMATED_BYTES

    def pack(self, out: Packer) -> None:
        """Write `NAME.tar.gz` and `NAME.files.gz`.

        Raises:
            SourceFailed: nothing could be collected at all.
        """
        left_out: list[str] = []
        now = datetime.now(UTC).replace(microsecond=0)
        with ContentsList(out) as contents:
            with out.open(f"{self.name}.tar", kind=FileKind.TAR, compression=self.compression) as archive:
                with tarfile.open(mode="w|", fileobj=cast(IO[bytes], archive), format=tarfile.PAX_FORMAT) as tar:
                    for member, data in _collect(left_out):
                        _add(tar, contents, member, data, now)
                    if not contents.entries:
                        raise SourceFailed("nothing of this machine's state could be collected: " + "; ".join(left_out))
                    _add(tar, contents, LEFT_OUT, "".join(f"{line}\n" for line in left_out).encode(), now)
                archive.entries = contents.entries
            contents.store(f"{self.name}.files", describes=archive.name)
        for line in left_out:
            out.note(f"left out: {line}")
        out.add_recipe(
            "the state of the machine",
            "# Nothing is to be run blindly. Of use are, where they are there:",
            "#   a partition table onto an empty disk:  sfdisk /dev/DISK <partitions-DISK.sfdisk",
            "#   the packages of a Debian:  dpkg --set-selections <dpkg-selections.txt && apt-get dselect-upgrade",
            f"#   and {LEFT_OUT}, which says what this machine did not tell.",
        )


def _collect(left_out: list[str]) -> Iterator[tuple[str, bytes]]:
    for fact in COMMANDS:
        yield from _ask(fact, left_out)
    for disk in sorted(path.name for path in Path("/sys/block").glob("*") if is_real_disk(path)):
        device = disk.replace("!", "/")
        for fact in DISK_COMMANDS:
            member = fact.member.format(disk=disk.replace("!", "-"))
            yield from _ask(Fact(member, tuple(part.format(device=device) for part in fact.argv)), left_out)
    for pattern in FILES:
        paths = sorted(Path("/").glob(pattern.lstrip("/")))
        if not paths:
            left_out.append(f"{pattern}: not there, or may not be listed")
        for path in paths:
            yield from _read(path, left_out)


def _ask(fact: Fact, left_out: list[str]) -> Iterator[tuple[str, bytes]]:
    try:
        argv = [find_tool(Tool(fact.argv[0])), *fact.argv[1:]]
        done = run(argv, timeout_s=_TIMEOUT_S, env=_ENVIRONMENT)
    except (CommandFailed, SourceFailed) as exc:
        left_out.append(f"{fact.member}: {exc.message}".replace("\n", " "))
        return
    if not done.stdout.strip():
        left_out.append(f"{fact.member}: `{' '.join(fact.argv)}` tells nothing")
    elif len(done.stdout) > _LARGEST_BYTES:
        left_out.append(f"{fact.member}: larger than {_LARGEST_BYTES} bytes")
    else:
        yield fact.member, done.stdout


def _read(path: Path, left_out: list[str]) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        return
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_BYTES + 1)
    except OSError as exc:
        left_out.append(f"{path}: {exc.strerror}")
        return
    if len(data) > _LARGEST_BYTES:
        left_out.append(f"{path}: larger than {_LARGEST_BYTES} bytes")
    else:
        yield f"files{path}", data


def _add(tar: tarfile.TarFile, contents: ContentsList, member: str, data: bytes, now: datetime) -> None:
    info = tarfile.TarInfo(f"./{member}")
    info.size, info.mode, info.mtime = len(data), 0o600, int(now.timestamp())
    info.uid, info.gid = os.geteuid(), os.getegid()
    tar.addfile(info, io.BytesIO(data))
    contents.add(
        ContentsEntry(
            mode="-rw-------",
            owner=f"{info.uid}/{info.gid}",
            size_bytes=info.size,
            mtime=f"{now:%Y-%m-%dT%H:%M:%SZ}",
            path=os.fsencode(info.name),
        )
    )
