"""Calls that may take long, in threads that nobody waits for when the console ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from textual.dom import DOMNode
from textual.worker import Worker

T = TypeVar("T")


async def in_thread(function: Callable[[], T], name: str) -> T:
    """Call a function in a daemon thread of its own, and give its result or raise what it raised.

    A thread of asyncio's pool is waited for at the end of the program, however long a disk that hangs lets it wait.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(settle: Callable[[Any], None], outcome: object) -> None:
        if not future.done():  # who waited may have gone
            settle(outcome)

    def tell(settle: Callable[[Any], None], outcome: object) -> None:
        try:
            loop.call_soon_threadsafe(deliver, settle, outcome)
        except RuntimeError:
            pass  # the console has ended

    def call() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            tell(future.set_exception, error)
        else:
            tell(future.set_result, result)

    threading.Thread(target=call, name=name, daemon=True).start()
    return await future


def begin(
    node: DOMNode, work: Callable[[], Awaitable[object]], *, group: str, description: str, exclusive: bool = False
) -> Worker[None]:
    """Run something beside the screen; what it raises is told by the console.

    Args:
        node: the screen or application that it ends with.
        work: called when its turn comes. One that is dropped before leaves no coroutine that nobody awaited.
        group: of the workers, of which an exclusive one ends the others.
        description: completes "could not …".
        exclusive: the others of the group end.
    """

    async def run() -> None:
        await work()

    return node.run_worker(
        run, name=description, group=group, description=description, exclusive=exclusive, exit_on_error=False
    )
