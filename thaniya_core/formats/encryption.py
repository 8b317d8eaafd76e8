"""Which files of a backup are encrypted, and what opens them: the age format (https://age-encryption.org/v1).

The client encrypts to public keys while it packs. Nobody who only stores, sums or checks the files needs a key.
"""

from __future__ import annotations

from enum import StrEnum

from thaniya_core.errors import IdentityNeeded


class Encryption(StrEnum):
    """How a file is encrypted, after it was compressed."""

    NONE = "none"
    AGE = "age"

    @property
    def suffix(self) -> str:
        """What it adds to a file's name: `.age`; empty for none."""
        return "" if self is Encryption.NONE else ".age"


def identity_needed(backup_id: str, name: str) -> IdentityNeeded:
    """The error of who is asked for what is inside an encrypted file, and has no key."""
    return IdentityNeeded(
        f"{name} of backup {backup_id} is encrypted",
        hint=f"with the key: thaniya-client restore --identity FILE {backup_id} DIRECTORY; "
        "or, where the backup lies, KEY=FILE sh RESTORE.txt DIRECTORY",
    )
