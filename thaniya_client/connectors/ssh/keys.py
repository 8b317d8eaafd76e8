"""The client's own SSH key."""

from __future__ import annotations

import os
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from thaniya_core.errors import IllegalKey
from thaniya_core.system.files import make_directories, os_errors, write_atomic


def load_key(path: Path) -> paramiko.PKey:
    """Read a private key: ed25519, ecdsa or rsa, without a passphrase.

    Raises:
        IllegalKey: it is missing, cannot be read, is encrypted, or is no private key.
    """
    try:
        return paramiko.PKey.from_path(path)
    except FileNotFoundError as exc:
        raise IllegalKey(f"the key {path} is not there", hint="make one with `thaniya-client init`") from exc
    except OSError as exc:
        raise IllegalKey(f"the key {path} cannot be read: {exc.strerror}") from exc
    except (TypeError, paramiko.PasswordRequiredException) as exc:
        raise IllegalKey(
            f"the key {path} is protected by a passphrase",
            hint="backups run unattended: use a key of their own without one, as `thaniya-client init` makes it",
        ) from exc
    except (ValueError, UnsupportedAlgorithm, paramiko.SSHException, paramiko.pkey.UnknownKeyType) as exc:
        raise IllegalKey(
            f"{path} is not a private key that can be used", hint="ed25519, ecdsa or rsa; not the .pub file"
        ) from exc


def make_key(path: Path) -> None:
    """Make an ed25519 key in OpenSSH's format, readable by its owner only; what there is of it is not touched."""
    public = path.with_name(path.name + ".pub")
    with os_errors("make a key"):
        if not path.exists():
            make_directories(path.parent, mode=0o700)
            write_atomic(path, _new_private_key(), mode=0o600)
        if not public.exists():
            write_atomic(public, f"{public_line(path)}\n".encode(), mode=0o644)


def _new_private_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )


def public_line(path: Path) -> str:
    """The public key as a line of authorized_keys."""
    key = load_key(path)
    return f"{key.get_name()} {key.get_base64()} {os.uname().nodename}"
