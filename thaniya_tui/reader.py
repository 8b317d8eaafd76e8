"""Asking a server again and again, each time after the last answer has come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from textual.dom import DOMNode
from textual.worker import Worker

from thaniya_tui.threads import begin, in_thread

T = TypeVar("T")


class Reader(Generic[T]):
    """Reads in a thread and shows in the event loop; what it has read is a frozen value."""

    def __init__(
        self,
        node: DOMNode,
        name: str,
        ask: Callable[[], T],
        show: Callable[[T], None],
        fail: Callable[[Exception], None],
        every_s: float | None,
    ) -> None:
        """
        Args:
            node: the screen or application that the reading ends with.
            name: what is read, for whoever debugs.
            ask: called in a thread; may take long.
            show: called with each answer, in the event loop.
            fail: called when asking failed; the next try comes in its time.
            every_s: from an answer to the next question; None asks only when `ask_soon` is called.
        """
        self._node = node
        self._name = name
        self._ask = ask
        self._show = show
        self._fail = fail
        self._every_s = every_s
        self._wake = asyncio.Event()
        self._worker: Worker[None] | None = None

    def start(self) -> None:
        """Begin to read, at once."""
        self._worker = begin(
            self._node,
            self._read_for_ever,
            group=f"read {self._name}",
            description=f"read {self._name}",
            exclusive=True,
        )

    def ask_soon(self) -> None:
        """Ask at once, or as soon as the answer that is under way has come."""
        self._wake.set()

    def stop(self) -> None:
        """Read no more; an answer that is under way is thrown away."""
        if self._worker is not None:
            self._worker.cancel()

    async def _read_for_ever(self) -> None:
        while True:
            self._wake.clear()
            try:
                answer = await in_thread(self._ask, self._name)
            except Exception as error:  # noqa: BLE001 - told on the screen, whatever it is
                self._fail(error)
            else:
                self._show(answer)
            try:
                await asyncio.wait_for(self._wake.wait(), self._every_s)
            except TimeoutError:
                pass  # it is time to ask again
