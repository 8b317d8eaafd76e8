"""Reading an encrypted file of a backup as a stream of its decrypted bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, cast

from thaniya_client.encryption.library import load_pyrage
from thaniya_client.encryption.pump import PIPE_BUFFER_BYTES, Pump, RawPipe, Sink, Source
from thaniya_core.errors import IdentityNeeded
from thaniya_core.formats.encryption import identity_needed
from thaniya_core.formats.manifest import BackupFile


@contextmanager
def decrypted(source: IO[bytes], file: BackupFile, backup_id: str, identities: Sequence[object]) -> Iterator[IO[bytes]]:
    """A file as it was before it was encrypted; the source itself where it is not encrypted.

    Reading raises OSError where the data is damaged, and what the source raises. Nobody else may read the source
    meanwhile, unless its `read` may be called by several threads.

    Args:
        source: the file as it is stored.
        file: what is known of it.
        backup_id: for errors.
        identities: private keys, as `read_identities` gives them.

    Raises:
        IdentityNeeded: there is no key, or, when it is read, none of them opens it.
    """
    if not file.is_encrypted:
        yield source
        return
    if not identities:
        raise identity_needed(backup_id, file.name)
    reader = _DecryptingReader(source.read, identities, f"{file.name} of backup {backup_id}")
    try:
        yield cast(IO[bytes], reader)
    finally:
        reader.close()


class _DecryptingReader:
    """The decrypted bytes, from a thread that decrypts."""

    def __init__(self, read: Callable[[int], bytes], identities: Sequence[object], name: str) -> None:
        pyrage = load_pyrage()
        self._name = name
        self._refusal = pyrage.DecryptError
        read_end, write_end = os.pipe()
        self._pipe = os.fdopen(read_end, "rb", buffering=PIPE_BUFFER_BYTES)
        plain = RawPipe(write_end)

        def decrypt(source: Source, sink: Sink) -> None:
            pyrage.decrypt_io(source, sink, list(identities))

        self._pump = Pump(decrypt, Source(read), Sink(plain), plain, "decrypt")

    def read(self, size: int = -1) -> bytes:
        data = self._pipe.read(size)
        if len(data) != size:
            self._end()
        return data

    def readable(self) -> bool:
        return True

    def flush(self) -> None:
        """There is nothing held back."""

    def close(self) -> None:
        """Give up what is not read yet."""
        self._pipe.close()
        self._pump.abandon()

    def _end(self) -> None:
        """Make sure that the stream ended because the file did."""
        try:
            self._pump.join()
        except self._refusal as exc:
            if "No matching keys" in str(exc):
                raise IdentityNeeded(
                    f"{self._name} is encrypted to other keys than those given",
                    hint="give the private key that belongs to a public key it was encrypted to",
                ) from exc
            raise OSError(f"it cannot be decrypted: {exc}") from exc
