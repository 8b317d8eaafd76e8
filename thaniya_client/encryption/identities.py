"""What opens encrypted backups: private keys of age, or of SSH, from files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from thaniya_client.encryption.library import load_pyrage
from thaniya_core.errors import WrongUsage
from thaniya_core.system.files import os_errors

_LARGEST_FILE_BYTES = 1024 * 1024
_ENCRYPTED_STARTS = (b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE-----")


def read_identities(files: Iterable[str | Path]) -> tuple[object, ...]:
    """The private keys in some files, as pyrage takes them.

    Args:
        files: each as age-keygen writes it, or a private SSH key.

    Raises:
        WrongUsage: one holds no key that can be used, or is protected by a passphrase; or pyrage is not installed.
        NotFound, NotAllowed: one cannot be read.
    """
    if isinstance(files, str | Path):
        files = [files]
    return tuple(key for file in files for key in _read_file(Path(file).expanduser()))


def _read_file(file: Path) -> list[object]:
    pyrage = load_pyrage()
    with os_errors(f"read the key {file}"), file.open("rb") as stream:
        data = stream.read(_LARGEST_FILE_BYTES)
    if data.startswith(_ENCRYPTED_STARTS):
        raise WrongUsage(
            f"the key {file} is protected by a passphrase",
            hint=f"decrypt it for the time of the restore: age -d -o /dev/shm/key.txt {file}",
        )
    try:
        if data.startswith(b"-----BEGIN "):
            return [pyrage.ssh.Identity.from_buffer(data)]
        lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines()]
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except pyrage.IdentityError as exc:
        if "must be decrypted" in str(exc):
            raise WrongUsage(
                f"the SSH key {file} is protected by a passphrase",
                hint="take the passphrase from a copy of it for the time of the restore: ssh-keygen -p -f COPY",
            ) from exc
        raise WrongUsage(f"{file} holds no private key that can be used: {exc}", hint=_WHAT_IS_READ) from exc
    if not found:
        raise WrongUsage(f"there is no private key in {file}", hint=_WHAT_IS_READ)
    return found


_WHAT_IS_READ = "a file of age-keygen, or a private SSH key of the kinds ed25519 and rsa; not the .pub file"
