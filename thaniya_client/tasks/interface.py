"""What a task must be able to do. An own task is a small class with these two methods:

class Crontab:
    def estimate_bytes(self) -> int | None:
        return None

    def pack(self, out: Packer) -> None:
        with out.open("crontab.txt") as file:
            file.write(Path("/etc/crontab").read_bytes())
"""

from __future__ import annotations

from typing import Protocol

from thaniya_client.packer import Packer


class Task(Protocol):
    """Something that can be backed up."""

    def estimate_bytes(self) -> int | None:
        """How much `pack` will write at the most, before compression; None where that cannot be known cheaply.

        Raises:
            SourceFailed: the source is not there or cannot be read.
        """
        ...

    def pack(self, out: Packer) -> None:
        """Write the files of the backup.

        Raises:
            SourceFailed: the source cannot be packed; nothing is archived then.
        """
        ...
