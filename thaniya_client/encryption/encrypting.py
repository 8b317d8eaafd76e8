"""A stream that encrypts what is written to it, in a thread of its own: memory does not grow with the file."""

from __future__ import annotations

import os

from thaniya_client.encryption.library import load_pyrage
from thaniya_client.encryption.pump import PIPE_BUFFER_BYTES, Pump, RawPipe, Sink, Source
from thaniya_client.encryption.recipients import Recipients
from thaniya_core.system.streams import Writable


class EncryptingWriter:
    """Writes what it is given to a target, in the age format. `close` must be called; it leaves the target open.

    What `target.write` raises comes out of a later write or of `close`.
    """

    def __init__(self, target: Writable, recipients: Recipients) -> None:
        pyrage = load_pyrage()
        read_end, write_end = os.pipe()
        self._pipe = RawPipe(write_end)
        plain = os.fdopen(read_end, "rb", buffering=PIPE_BUFFER_BYTES)

        def encrypt(source: Source, sink: Sink) -> None:
            pyrage.encrypt_io(source, sink, list(recipients.keys))

        self._pump = Pump(encrypt, Source(plain.read), Sink(target), plain, "encrypt")

    def write(self, data: bytes) -> int:
        try:
            self._pipe.write(data)
        except BrokenPipeError:
            self._pump.join()
            raise
        return len(data)

    def flush(self) -> None:
        """What is written is on its way already."""

    def close(self) -> None:
        """Write the end of the encrypted form, and wait until the target has taken it."""
        self._pipe.close()
        self._pump.join()

    def abandon(self) -> None:
        """End it after a failure, when the target takes everything or fails at once."""
        self._pipe.close()
        self._pump.abandon()
