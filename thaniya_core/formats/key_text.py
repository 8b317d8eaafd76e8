"""What RESTORE.txt says of the key that opens encrypted files: `age` finds it where the variable KEY tells."""

from __future__ import annotations

from collections.abc import Iterable

from thaniya_core.formats.manifest import BackupFile

ABOUT_KEYS = (
    "#",
    "# The files are encrypted. KEY names the file with the key that opens them, made by age-keygen or for SSH:",
    "#     KEY=/path/to/key.txt sh RESTORE.txt /where/to/restore",
)

FIND_KEY = (
    ': "${KEY:?the files are encrypted: KEY=/path/to/key.txt sh RESTORE.txt DIRECTORY}"',
    'case "$KEY" in /*) ;; *) KEY="$PWD/$KEY" ;; esac',
)


def decrypt_command(stored: str) -> str:
    """The shell command that writes an encrypted file decrypted to its output.

    Args:
        stored: the file's path, as the shell reads it.
    """
    return f'age -d -i "$KEY" {stored}'


def check_key_command(files: Iterable[BackupFile], place: str) -> str:
    """The shell command that fails when the key does not open a backup.

    In a pipeline nobody would notice that age failed, where tar takes an empty input for an empty archive. So one file
    is decrypted by itself first, the smallest: all of a backup are encrypted to the same keys.

    Args:
        files: of the backup; at least one is encrypted.
        place: the directory that it lies in, as the shell reads it.
    """
    smallest = min((file for file in files if file.is_encrypted), key=lambda file: (file.size_bytes or 0, file.name))
    return f"{decrypt_command(f'{place}/{smallest.name}')} >/dev/null"
