"""SSH public keys as people paste them: one line of authorized_keys form, see sshd(8)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from datetime import datetime
from pathlib import Path

from thaniya_core.errors import IllegalKey
from thaniya_core.model import MIN_RSA_BITS, PublicKey
from thaniya_core.system.files import os_errors

ALGORITHMS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
)

_LARGEST_FILE = 256 * 1024

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def parse_public_key(line: str, added_at: datetime) -> PublicKey:
    """Read the line of an `id_….pub` file.

    Options in front of the key are refused: Thaniya sets its own.

    Raises:
        IllegalKey: no public key, of an algorithm that is not taken, or an RSA key that is too short.
    """
    text = line.strip()
    if "PRIVATE KEY" in text:
        raise IllegalKey("this is a private key", hint="give the public one, from the file that ends in .pub")
    if "\n" in text:
        raise IllegalKey("more than one line", hint="give one key at a time")
    algorithm, _, rest = text.partition(" ")
    blob, _, comment = rest.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise IllegalKey(
            f"{algorithm[:40]!r} is not an algorithm that is taken",
            hint=f"a line that begins with one of {', '.join(ALGORITHMS)}; make a key with `ssh-keygen -t ed25519`",
        )
    raw = _check_blob(algorithm, blob)
    return PublicKey(
        algorithm=algorithm,
        blob=base64.b64encode(raw).decode(),
        comment=_CONTROL.sub(" ", comment.strip())[:200],
        fingerprint="SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("="),
        added_at=added_at,
    )


def find_keys(given: str, added_at: datetime) -> tuple[PublicKey, ...]:
    """The keys of what a person types or pastes: the line of a `.pub` file, or the path of such a file.

    A path begins with `/`, `~` or `.`; no public key does.

    Raises:
        IllegalKey: there is no key in it, or one that is not taken.
        NotFound, NotAllowed: the file cannot be read.
    """
    text = given.strip()
    lines = read_key_file(Path(text).expanduser()) if text.startswith(("/", "~", ".")) else [text]
    return tuple(parse_public_key(line, added_at) for line in lines)


def read_key_file(file: Path) -> list[str]:
    """The lines of a `.pub` file; what is empty or a comment is passed over.

    Raises:
        IllegalKey: it is no file of public keys.
        NotFound, NotAllowed: it cannot be read.
    """
    hint = "give the file that ends in .pub"
    with os_errors(f"read the key file {file}"):
        if file.is_dir():
            raise IllegalKey(f"{file} is a directory", hint=hint)
        with file.open("rb") as stream:
            content = stream.read(_LARGEST_FILE + 1)
    try:
        lines = split_key_lines(content.decode())
    except UnicodeDecodeError as exc:
        raise IllegalKey(f"{file} is not a public key file", hint=hint) from exc
    if len(content) > _LARGEST_FILE or not lines:
        what = "holds no key" if len(content) <= _LARGEST_FILE else "is too large for a public key file"
        raise IllegalKey(f"{file} {what}", hint=hint)
    return lines


def split_key_lines(text: str) -> list[str]:
    """The keys of a text, a line each; empty lines and comments are passed over."""
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _check_blob(algorithm: str, blob: str) -> bytes:
    """The key's bytes, when they are a usable key of the algorithm."""
    # Imported here: it is slow to load, and only who adds a key needs it.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    try:
        raw = base64.b64decode(blob, validate=True)
        key = load_ssh_public_key(f"{algorithm} {blob}".encode())
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as exc:
        raise IllegalKey(
            f"the {algorithm} key is damaged: {exc}", hint="paste the whole line of the .pub file"
        ) from exc
    if isinstance(key, RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        raise IllegalKey(
            f"an RSA key of {key.key_size} bits is too short, {MIN_RSA_BITS} are needed",
            hint="make a new one with `ssh-keygen -t ed25519`",
        )
    return raw
