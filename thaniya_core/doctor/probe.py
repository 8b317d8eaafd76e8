"""A key pair for one examination, and letting it in for a few seconds: the key look-up heeds what is written here."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from msgspec import Struct

from thaniya_core.doctor.machine import Account, Machine
from thaniya_core.errors import CommandFailed
from thaniya_core.gate.keys import PROBE_LIFE_S
from thaniya_core.system.files import write_atomic

LIFE = timedelta(seconds=30)
"""Long enough for a slow login, and well below what the look-up allows."""


class _Probe(Struct, frozen=True):
    """What the key look-up reads."""

    account: str
    expires: float
    """Seconds since 1970."""
    algorithm: str
    blob: str


@contextmanager
def key_pair(machine: Machine) -> Iterator[Path]:
    """A new private key with its public one beside it (`.pub`), in a directory that goes when the block ends.

    Raises:
        CommandFailed: ssh-keygen is missing or failed.
    """
    with TemporaryDirectory(prefix="thaniya-doctor-") as directory:
        key = Path(directory) / "key"
        done = machine.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "thaniya doctor", "-f", str(key)])
        if done.exit_code != 0:
            told = done.stderr.decode("utf-8", "replace").strip()
            raise CommandFailed(f"ssh-keygen ended with {done.exit_code}: {told}", hint="see whether /tmp is full")
        yield key


@contextmanager
def let_in(state: Path, account: str, key: Path, now: datetime, owner: Account | None) -> Iterator[None]:
    """Let a key into an account while the block lasts, and no longer than `LIFE`, should this process be killed.

    Args:
        state: the directory of the state.
        account: the control account, or a slot that is ready.
        key: the private key.
        now: the time.
        owner: the service user; None when this process runs as it.

    Raises:
        OSError: it cannot be written.
    """
    _remove_stale(state, now)
    algorithm, blob = key.with_suffix(".pub").read_text().split()[:2]
    content = msgspec.json.encode(_Probe(str(account), (now + LIFE).timestamp(), algorithm, blob))
    # A name of its own, so that two examinations at once do not disturb each other.
    file = state / f"probe-{secrets.token_hex(8)}.json"
    try:
        write_atomic(file, content, 0o600, None if owner is None else (owner.uid, owner.gid))
        yield
    finally:
        file.unlink(missing_ok=True)


def _remove_stale(state: Path, now: datetime) -> None:
    """What an examination left that was killed."""
    for pattern in ("probe-*.json", ".probe-*.tmp"):
        for file in state.glob(pattern):
            try:
                if now.timestamp() - file.lstat().st_mtime > PROBE_LIFE_S:
                    file.unlink()
            except FileNotFoundError:
                continue  # another examination has removed it
