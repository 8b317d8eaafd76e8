"""SSH public keys as people paste them: one line of authorized_keys form, see sshd(8)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from datetime import datetime

from thaniya_core.errors import IllegalKey
from thaniya_core.model import MIN_RSA_BITS, PublicKey

ALGORITHMS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
)

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
