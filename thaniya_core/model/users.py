"""Backup users and their keys."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from thaniya_core.errors import NotAllowed, UserDisabled


class Role(StrEnum):
    """What a user may do. Over SSH every role may do the same: make and read its own backups."""

    BACKUP = "backup"
    OPERATOR = "operator"
    ADMIN = "admin"


MIN_RSA_BITS = 3072
"""RSA keys shorter than this are not taken."""


class PublicKey(Struct, frozen=True):
    """An SSH public key of a user."""

    algorithm: str
    """As in authorized_keys: `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`."""
    blob: str
    """The key in base64."""
    comment: str
    fingerprint: str
    """`SHA256:…`, as `ssh-keygen -l` shows it."""
    added_at: datetime

    @property
    def line(self) -> str:
        """The key as in authorized_keys, without its comment."""
        return f"{self.algorithm} {self.blob}"


class User(Struct, frozen=True):
    """Who may back up."""

    name: str
    created_at: datetime
    role: Role = Role.BACKUP
    enabled: bool = True
    keys: tuple[PublicKey, ...] = ()
    quota_bytes: int | None = None
    """Of archived backups and open uploads together; None: no limit."""
    max_uploads: int = 2
    """Uploads at the same time."""


def check_admitted(user: User | None, name: str) -> User:
    """Give the user of a name back when there is one and it is enabled.

    Raises:
        NotAllowed, UserDisabled: it is not let in.
    """
    if user is None:
        raise NotAllowed(f"there is no user {name!r}")
    if not user.enabled:
        raise UserDisabled(f"the user {name} is disabled", hint="ask the administrator")
    return user
