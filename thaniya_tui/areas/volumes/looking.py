"""Looking at volumes without waiting for one whose disk hangs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial

from msgspec import Struct
from msgspec.structs import replace
from textual.dom import DOMNode

from thaniya_core.model import Volume
from thaniya_core.views import VolumeStatus
from thaniya_tui.threads import begin, in_thread

DEADLINE_S = 3.0
"""A disk that has not answered after so long is said not to answer."""


class Look(Struct, frozen=True):
    """What is known of a volume by looking at it."""

    status: VolumeStatus | None = None
    """The newest answer."""
    asked_at: float | None = None
    """Since when an answer is waited for, by the monotonic clock; None when none is."""

    def silent_s(self, now: float) -> float:
        """For how long an answer is overdue; 0 when none is."""
        waited_s = 0.0 if self.asked_at is None else now - self.asked_at
        return waited_s if waited_s >= DEADLINE_S else 0.0


class Looks:
    """Asks each volume in a thread of its own, and never a second time while it owes an answer."""

    def __init__(self, node: DOMNode, look_at: Callable[[Volume], VolumeStatus], show: Callable[[], None]) -> None:
        """
        Args:
            node: what the asking ends with.
            look_at: looks at one volume; called in threads, may take for ever.
            show: called after each answer.
        """
        self._node = node
        self._look_at = look_at
        self._show = show
        self._looks: dict[tuple[str, str], Look] = {}

    def ask(self, volumes: Iterable[Volume]) -> None:
        """Look at these."""
        for volume in volumes:
            look = self.of(volume)
            if look.asked_at is None:
                self._looks[_key(volume)] = replace(look, asked_at=time.monotonic())
                begin(
                    self._node,
                    partial(self._ask, volume),
                    group="look",
                    description=f"look at {volume.label}",
                )

    def of(self, volume: Volume) -> Look:
        """What is known of a volume where it is said to be."""
        return self._looks.get(_key(volume)) or Look()

    async def _ask(self, volume: Volume) -> None:
        try:
            status = await in_thread(partial(self._look_at, volume), f"look at {volume.label}")
        except BaseException:
            self._looks[_key(volume)] = Look()
            raise
        self._looks[_key(volume)] = Look(status)
        self._show()


def _key(volume: Volume) -> tuple[str, str]:
    return volume.id, str(volume.path)
