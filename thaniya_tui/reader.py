"""Asking a server again and again, each time after the last answer has come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from textual.dom import DOMNode
from textual.screen import Screen

from thaniya_tui.threads import begin, in_thread

if TYPE_CHECKING:
    from thaniya_tui.app import Console

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
            fail: called when asking or showing failed in another way than the last time; the next try comes in time.
            every_s: from an answer to the next question, while the screen is in front; None asks only when `ask_soon`
                is called.
        """
        self._node = node
        self._name = name
        self._ask = ask
        self._show = show
        self._fail = fail
        self._every_s = every_s
        self._failure = ""
        self._wake = asyncio.Event()

    def start(self) -> None:
        """Begin to read, at once."""
        begin(
            self._node,
            self._read_for_ever,
            group=f"read {self._name}",
            description=f"read {self._name}",
            exclusive=True,
        )

    def ask_soon(self) -> None:
        """Ask at once, or as soon as the answer that is under way has come."""
        self._wake.set()

    async def _read_for_ever(self) -> None:
        while True:
            self._wake.clear()
            try:
                self._show(await in_thread(self._ask, self._name))
            except Exception as error:  # noqa: BLE001 - told on the screen, whatever it is
                self._note(str(error) or type(error).__name__, error)
            else:
                self._note("")
            try:
                await asyncio.wait_for(self._wake.wait(), self._every_s if self._is_seen else None)
            except TimeoutError:
                pass  # it is time to ask again

    @property
    def _is_seen(self) -> bool:
        """Whether somebody sees what is read; an area that comes to the front asks by itself."""
        return not isinstance(self._node, Screen) or self._node.is_current

    def _note(self, failure: str, error: Exception | None = None) -> None:
        """Tell a failure once, and have the status line show for as long as it lasts that what is shown is old."""
        before, self._failure = self._failure, failure
        if failure == before:
            return
        cast("Console", self._node.app).note_reading(self._node, self._name, is_failing=bool(failure))
        if error is not None:
            self._fail(error)
