"""Whom a backup is encrypted to: public keys of age, or of SSH."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from thaniya_client.encryption.library import load_pyrage
from thaniya_core.errors import WrongUsage
from thaniya_core.system.files import os_errors

_KEY_STARTS = ("age1", "ssh-", "ecdsa-", "sk-", "AGE-SECRET-KEY-", "AGE-PLUGIN-")
_LARGEST_FILE_BYTES = 1024 * 1024


class Recipients:
    """Public keys, ready to encrypt to."""

    def __init__(self, lines: Sequence[str], keys: Sequence[object]) -> None:
        self.keys = tuple(keys)
        """As pyrage takes them."""
        self.mark = hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]
        """Tells these keys from others, in whatever order they were given."""

    def __len__(self) -> int:
        return len(self.keys)


def read_recipients(given: Iterable[str | Path]) -> Recipients | None:
    """The keys that a backup is to be encrypted to; None where none is given.

    Args:
        given: public keys (`age1…`, `ssh-ed25519 …`, `ssh-rsa …`), and files with one in each line.

    Raises:
        WrongUsage: one is no such key, a file has none, or pyrage is not installed.
        NotFound, NotAllowed: a file cannot be read.
    """
    if isinstance(given, str | Path):
        given = [given]
    keys: dict[str, object] = {}
    for one in given:
        text = str(one).strip()
        if isinstance(one, str) and text.startswith(_KEY_STARTS):
            keys[_bare(text)] = _parse(text, "")
        else:
            keys |= _read_file(Path(one).expanduser())
    return Recipients(list(keys), list(keys.values())) if keys else None


def _read_file(file: Path) -> dict[str, object]:
    with os_errors(f"read the public keys in {file}"), file.open("rb") as stream:
        text = stream.read(_LARGEST_FILE_BYTES).decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines()]
    keys = {_bare(line): _parse(line, f" in {file}") for line in lines if line and not line.startswith("#")}
    if not keys:
        raise WrongUsage(f"there is no public key in {file}", hint="a line with age1… for each key")
    return keys


def _parse(line: str, where: str) -> object:
    pyrage = load_pyrage()
    shown = f"{line[:40]}…" if len(line) > 40 else line
    if line.startswith("AGE-SECRET-KEY-"):
        raise WrongUsage(
            f"a secret key was given{where} where a public one is wanted",
            hint="`age-keygen -y FILE` prints the public key; the secret one is better not on this machine",
        )
    try:
        if line.startswith("age1"):
            return pyrage.x25519.Recipient.from_str(line)
        return pyrage.ssh.Recipient.from_str(line)
    except pyrage.RecipientError as exc:
        raise WrongUsage(
            f"{shown!r}{where} is no public key to encrypt to: {exc}",
            hint="age1… of age-keygen, ssh-ed25519 or ssh-rsa; keys of plugins are not known",
        ) from exc


def _bare(line: str) -> str:
    """A key without the comment that an SSH key may have."""
    return " ".join(line.split()[:2])
