"""Plans of one series or of all that a scope holds, made in a thread that can be told to stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial

from msgspec import Struct
from textual.dom import DOMNode

from thaniya_core.formats.names import Series, parse_series
from thaniya_core.server import Server
from thaniya_core.views import PlanSums, Policy, SeriesPlan
from thaniya_tui.threads import begin, in_thread

Progress = tuple[int, int] | None
"""So many series are done, of so many; None when nothing is under way."""


class Target(Struct, frozen=True):
    """What is planned."""

    scope: str
    tried: Policy | None = None
    """Instead of the policies that are set."""

    @property
    def is_series(self) -> bool:
        return "/" in self.scope


class Preview(Struct, frozen=True):
    """What would become of the backups of a scope."""

    target: Target
    made_at: datetime
    plan: SeriesPlan | None = None
    """Of a series; of many series there are sums only."""
    before: PlanSums | None = None
    """Of a series whose policy is tried: what the policy comes to that is set."""
    sums: tuple[PlanSums, ...] = ()
    """Of each series that the scope holds."""


class Ticket:
    """Work in a thread: how far it is, and whether it is to stop."""

    def __init__(self) -> None:
        self.progress = (0, 0)
        """So many series are done, of so many; replaced as a whole."""
        self.is_done = False
        self._stop = threading.Event()

    def stop(self) -> None:
        """Ask the work to stop after the series at hand."""
        self._stop.set()

    @property
    def is_stopped(self) -> bool:
        return self._stop.is_set()


def make_preview(server: Server, target: Target, ticket: Ticket) -> Preview | None:
    """Plan; None when it was told to stop.

    Raises:
        ThaniyaError: the state or a catalog cannot be read.
    """
    now = server.clock.now()
    retention = server.retention
    if target.is_series:
        one = [parse_series(target.scope)]
        (planned,) = retention.plan(one)
        if target.tried is None:
            return Preview(target, now, planned, sums=(planned.sums,))
        before = planned.sums
        (planned,) = retention.preview(one, target.tried)
        return Preview(target, now, planned, before, (planned.sums,))
    held = held_series(server, target.scope)
    ticket.progress = (0, len(held))
    sums: list[PlanSums] = []
    for planned in retention.plan(held) if target.tried is None else retention.preview(held, target.tried):
        sums.append(planned.sums)
        ticket.progress = (len(sums), len(held))
        if ticket.is_stopped:
            return None
    return Preview(target, now, sums=tuple(sums))


def held_series(server: Server, scope: str) -> list[Series]:
    """The series with backups for which the policy of a scope holds, or would hold."""
    return server.retention_settings.held_by(scope, server.store.catalog_series())


class Planner:
    """Makes one preview at a time; asked for another it stops the one before."""

    def __init__(
        self,
        node: DOMNode,
        name: str,
        server: Server,
        show: Callable[[Preview], None],
        fail: Callable[[Exception], None],
        pause_s: float,
    ) -> None:
        """
        Args:
            node: the screen that the work ends with.
            name: tells planners of one screen apart.
            server: asked in threads.
            show: called with each preview, in the event loop.
            fail: called when planning failed.
            pause_s: so long it waits for another question, before it begins.
        """
        self._node = node
        self._name = name
        self._server = server
        self._show = show
        self._fail = fail
        self._pause_s = pause_s
        self._ticket: Ticket | None = None

    @property
    def progress(self) -> Progress:
        """How far the work is; None when there is none."""
        return None if self._ticket is None else self._ticket.progress

    def ask(self, target: Target) -> None:
        """Make a preview of this, and none of anything else."""
        self.stop()
        ticket = self._ticket = Ticket()
        begin(
            self._node,
            partial(self._make, target, ticket),
            group=f"plan {self._name}",
            description=f"plan {target.scope}",
            exclusive=True,
        )

    def stop(self) -> None:
        """Let the work be."""
        if self._ticket is not None:
            self._ticket.stop()
            self._ticket = None

    async def _make(self, target: Target, ticket: Ticket) -> None:
        await asyncio.sleep(self._pause_s)
        try:
            preview = await in_thread(partial(make_preview, self._server, target, ticket), f"plan {target.scope}")
        except Exception as error:  # noqa: BLE001 - told on the screen, whatever it is
            if self._ticket is ticket:
                self._ticket = None
                self._fail(error)
            return
        if self._ticket is ticket and preview is not None:
            self._ticket = None
            self._show(preview)
