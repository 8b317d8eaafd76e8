"""When a backup is a full one, and when only what has changed is sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from msgspec import Struct

from thaniya_core.errors import WrongUsage
from thaniya_core.formats.chains import LONGEST_CHAIN
from thaniya_core.formats.quantities import format_duration, format_size, parse_duration

_SMALL_BYTES = 1024 * 1024
"""Increments that are smaller together never call for a full backup by their size."""


class Link(Struct, frozen=True):
    """One backup of a chain."""

    id: str
    made_at: datetime
    """By this machine's clock."""
    stored_bytes: int
    """The archive, as it is stored."""


class Incremental:
    """When a directory is backed up in full; in between, only what has changed is.

        Directory("/home", incremental=Incremental(full_every="30d", longest_chain=60))

    Whatever comes first counts. A backup is also full when there is nothing that it could build on: the first one,
    after the snapshot file was lost, or when the server has not, or not whole, what the last one gave.
    """

    def __init__(
        self,
        *,
        full_every: str | int = "7d",
        longest_chain: int = 30,
        largest_percent: int = 50,
        state_directory: str | Path | None = None,
    ) -> None:
        """Describe the policy.

        Args:
            full_every: a full backup at least so often: `7d`, `4w`, or seconds.
            longest_chain: so many increments on a full one at the most.
            largest_percent: a full one, too, when the increments together are larger than so much of it.
            state_directory: where snapshot files are kept; by default `thaniya/increments` in the XDG state directory
                (`~/.local/state`).

        Raises:
            WrongUsage: a number that is not positive, or no duration.
        """
        self.full_every_s = parse_duration(full_every)
        self.longest_chain = longest_chain
        self.largest_percent = largest_percent
        self.state_directory = None if state_directory is None else Path(state_directory).expanduser().absolute()
        if min(self.full_every_s, longest_chain, largest_percent) < 1 or longest_chain >= LONGEST_CHAIN:
            raise WrongUsage(
                "an incremental policy needs positive numbers, and fewer than 1000 increments in a row",
                hint='Incremental(full_every="7d", longest_chain=30, largest_percent=50)',
            )

    def __repr__(self) -> str:
        return (
            f"Incremental(full_every={self.full_every_s}, longest_chain={self.longest_chain}, "
            f"largest_percent={self.largest_percent})"
        )

    def full_is_due(self, chain: Sequence[Link], now: datetime) -> str:
        """Why the next backup has to be a full one; empty when it may build on the last of the chain.

        Args:
            chain: the full backup and its increments, the oldest first.
            now: this machine's time.
        """
        full, increments = chain[0], chain[1:]
        if now < chain[-1].made_at:
            return "this machine's clock was set back since the last one"
        if now - full.made_at >= timedelta(seconds=self.full_every_s):
            return f"the last full one is {format_duration((now - full.made_at).total_seconds())} old"
        if len(increments) >= self.longest_chain:
            return f"there are {len(increments)} increments on the last full one"
        grown = sum(each.stored_bytes for each in increments)
        if grown > max(_SMALL_BYTES, full.stored_bytes * self.largest_percent / 100):
            return f"the increments have {format_size(grown)}, the last full one {format_size(full.stored_bytes)}"
        return ""
