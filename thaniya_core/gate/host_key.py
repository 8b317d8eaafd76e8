"""The host key of the embedded server."""

from __future__ import annotations

from pathlib import Path

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from thaniya_core.errors import StateUnreadable
from thaniya_core.system.files import os_errors, write_atomic


def load_host_key(file: Path) -> paramiko.Ed25519Key:
    """Read the ed25519 key of a file, or make it when the file is missing; its public half lies beside it, `.pub`.

    Raises:
        StateUnreadable: the file holds no ed25519 key in OpenSSH's format.
        NotAllowed, NotFound, NoSpace: the file cannot be read or written.
    """
    with os_errors(f"read or write the host key {file}"):
        if not file.exists():
            private = Ed25519PrivateKey.generate()
            write_atomic(file, private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), 0o600)
        try:
            key = paramiko.Ed25519Key.from_private_key_file(str(file))
        except (paramiko.SSHException, ValueError, IndexError) as exc:
            raise StateUnreadable(
                f"the host key {file} cannot be read: {exc}", hint="restore it, or remove it and a new one is made"
            ) from exc
        public = file.with_name(file.name + ".pub")
        if not public.exists():
            write_atomic(public, f"{key.get_name()} {key.get_base64()}\n".encode(), 0o644)
    return key
