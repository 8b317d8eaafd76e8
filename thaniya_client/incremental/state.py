"""What a client remembers for the next increment: snapshot files, a directory for each series, task and place.

`ID.json`, `ID.snapshot` and `ID.tree`, the contents list of the whole tree (gzip), tell of one backup. They are written
before its upload is completed, and what they replace is removed once the backup is archived. In between both are there,
and the place of backups says which of them it has.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
from pathlib import Path

import msgspec
from msgspec import Struct

from thaniya_client.incremental.policy import Link
from thaniya_core.errors import Busy, IntegrityFailed
from thaniya_core.system.files import fsync_directory, hash_file, os_errors, read_regular, write_atomic
from thaniya_core.system.locks import try_lock

_FORMAT = 2


class Source(Struct, frozen=True):
    """What tells a tree from another one."""

    machine: str
    path: str
    device: int
    inode: int
    file_system: int
    """Its id as statvfs(3) tells it; device numbers may change when the machine is started."""
    options: str
    """What is packed of it, and how."""

    def differs_from(self, then: Source) -> str:
        """Why an increment on what was packed then is not possible; empty when it is."""
        if self.machine != then.machine:
            return "the snapshot file was made on another machine"
        if self.path != then.path:
            return f"the snapshot file is of {then.path}"
        if (self.inode, self.file_system) != (then.inode, then.file_system):
            return f"{self.path} is not the directory that it was"
        if self.options != then.options:
            return "what is left out, how it is packed, or whom it is encrypted to, has changed"
        return ""


class _Version(Struct):
    """What is read of what is remembered before anything that another version may have changed."""

    format: int = 0


class Saved(Struct, frozen=True):
    """What is remembered of a backup."""

    chain: tuple[Link, ...]
    """The full backup and its increments, the oldest first; this one last."""
    source: Source
    snapshot_sha256: str
    tree_sha256: str
    format: int = _FORMAT

    @property
    def id(self) -> str:
        return self.chain[-1].id


def describe_source(path: Path, options: str) -> Source:
    """What a directory is recognised by."""
    with os_errors(f"look at {path}"):
        status, system = path.stat(), os.statvfs(path)
    return Source(_machine(), str(path), status.st_dev, status.st_ino, system.f_fsid, options)


def default_state_directory() -> Path:
    """`thaniya/increments` in the XDG state directory."""
    given = os.environ.get("XDG_STATE_HOME", "")
    base = Path(given) if given.startswith("/") else Path.home() / ".local" / "state"
    return base / "thaniya" / "increments"


class StateDirectory:
    """The snapshot files of one task of one series in one place; locked for as long as it is open."""

    def __init__(self, base: Path, place: str, host: str, name: str, task: str) -> None:
        """Make the directory, and lock it.

        Raises:
            Busy: another backup of the same task is running.
        """
        digest = hashlib.sha256("\0".join((place, host, name, task)).encode()).hexdigest()[:12]
        readable = re.sub(r"[^A-Za-z0-9._-]", "_", f"{host}-{name}-{task}")[:150]
        self.path = base / f"{readable}-{digest}"
        with os_errors(f"prepare {self.path}"):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = try_lock(self.path / "lock")
        if lock is None:
            raise Busy(
                f"another incremental backup of {task} for {name} is running",
                hint=f"wait for it; it holds {self.path / 'lock'}",
            )
        self._lock = lock

    def load(self) -> tuple[list[Saved], str]:
        """What is remembered, the newest first, and what is wrong with the rest."""
        found: list[Saved] = []
        damage = ""
        with os_errors(f"read {self.path}"):
            for file in sorted(self.path.glob("*.json"), reverse=True):
                try:
                    found.append(self._read(file))
                except (IntegrityFailed, OSError) as exc:
                    damage = damage or f"the snapshot file of {file.stem} cannot be used: {exc}"
        return sorted(found, key=lambda saved: saved.chain[-1].made_at, reverse=True), damage

    def snapshot(self, saved: Saved) -> Path:
        """The snapshot file of a backup."""
        return self.path / f"{saved.id}.snapshot"

    def tree(self, saved: Saved) -> Path:
        """The contents list of the whole tree at a backup, compressed by gzip."""
        return self.path / f"{saved.id}.tree"

    def save(self, chain: tuple[Link, ...], source: Source, snapshot: bytes, tree: bytes) -> None:
        """Remember a backup, durably."""
        saved = Saved(chain, source, hashlib.sha256(snapshot).hexdigest(), hashlib.sha256(tree).hexdigest())
        with os_errors(f"write into {self.path}"):
            write_atomic(self.snapshot(saved), snapshot, 0o600)
            write_atomic(self.tree(saved), tree, 0o600)
            write_atomic(self.path / f"{saved.id}.json", msgspec.json.encode(saved), 0o600)

    def keep_only(self, wanted: set[str], others: int = 0) -> None:
        """Forget all other backups, some newest ones excepted."""
        with os_errors(f"clean {self.path}"):
            known = sorted((file.stem for file in self.path.glob("*.json")), reverse=True)
            kept = wanted | set([each for each in known if each not in wanted][:others])
            for file in self.path.iterdir():
                if file.suffix in (".json", ".snapshot", ".tree") and file.stem not in kept:
                    file.unlink()
            fsync_directory(self.path)

    def close(self) -> None:
        """Let go of the lock. Harmless when repeated."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _read(self, file: Path) -> Saved:
        try:
            data = read_regular(file)
            if (number := msgspec.json.decode(data, type=_Version).format) != _FORMAT:
                raise IntegrityFailed(f"it has format {number}, this version knows {_FORMAT}")
            saved = msgspec.json.decode(data, type=Saved)
        except (msgspec.MsgspecError, UnicodeError) as exc:
            raise IntegrityFailed(f"it is damaged: {exc}") from exc
        if not saved.chain or saved.id != file.stem:
            raise IntegrityFailed("it is of another backup")
        for part, sha256 in ((self.snapshot(saved), saved.snapshot_sha256), (self.tree(saved), saved.tree_sha256)):
            if hash_file(part)[0] != sha256:
                raise IntegrityFailed(f"{part.name} is damaged: its SHA-256 is another one")
        return saved


def _machine() -> str:
    """What this machine is told from others by. Its id is not to be shown, so only a sum of it is."""
    try:
        own = Path("/etc/machine-id").read_text().strip()
    except OSError:
        own = ""
    return hashlib.sha256(f"thaniya {own or socket.gethostname()}".encode()).hexdigest()[:32]
