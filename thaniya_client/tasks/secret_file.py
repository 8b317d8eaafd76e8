"""A password for a program, as a file that has no name."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct


class SecretFile(Struct, frozen=True):
    """An open file with a secret in it, for a program that inherits the descriptor."""

    descriptor: int
    path: str
    """What the program opens."""


@contextmanager
def secret_file(text: str) -> Iterator[SecretFile]:
    """Write a secret into a file of mode 0600 that only those who inherit its descriptor can open.

    The file has no name in any directory, so it is gone with the last process that holds it, however that ends.
    """
    with tempfile.TemporaryFile(prefix="thaniya-") as file:
        file.write(text.encode("utf-8", "surrogateescape"))
        file.flush()
        file.seek(0)
        yield SecretFile(file.fileno(), f"/dev/fd/{file.fileno()}")
