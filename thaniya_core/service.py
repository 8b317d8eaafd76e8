"""The service: lets clients in, watches uploads, closes slots and runs jobs, until it is told to stop."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from thaniya_core.callers import CallerServices
from thaniya_core.entrance import EMBEDDED_HOST_KEY
from thaniya_core.errors import Busy
from thaniya_core.model import Refusal
from thaniya_core.server import Server
from thaniya_core.system.attempts import attempt

if TYPE_CHECKING:
    from thaniya_core.gate.embedded import EmbeddedServer

logger = logging.getLogger(__name__)

PASS_S = 0.1
"""Seconds between two looks at the state, when nothing in this process wakes the service earlier.

Behind sshd each client waits so long until its upload is closed. A look at a state that has not changed takes 0.03 ms.
"""

FAILED_PASS_S = 1.0
"""Seconds until the next look when something failed: it will mostly fail again, and is logged each time."""

WATCH_S = 0.5
"""Seconds between two looks at the slots: whoever watches an upload sees it move within a second."""

UNTOLD = 1000
"""So many refusals wait for an audit log that cannot be written; older ones are lost."""

MARK_S = 10.0
"""Seconds between two marks that the service works."""

TAKE_OVER_S = 5.0
"""How long to wait for a command that is the service for a moment."""

_DRAIN_S = 30.0


class Service:
    """A running server. Use as a context manager, or call `run`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._is_stopping = False
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._watched_at: float | None = None
        self._marked_at: float | None = None
        self.gate = _make_gate(server)
        """The SSH server of the embedded kind; None where sshd lets clients in."""
        self._untold: deque[Refusal] = deque(maxlen=UNTOLD)

    def run(self, on_ready: Callable[[], None] | None = None) -> None:
        """Serve until `stop` is called from another thread, or `stop_soon` from a signal handler.

        Args:
            on_ready: called once clients can come in.

        Raises:
            Busy: another process is the service already.
            ThaniyaError: the gate cannot listen, or the state cannot be read.
        """
        with self._server.as_service(wait_s=TAKE_OVER_S) as is_service:
            if not is_service:
                raise Busy(
                    "another process is the service of this server already",
                    hint="one at a time: a running `thaniya serve` or `thaniya tick`",
                )
            self._server.recover()
            try:
                if self.gate is not None:
                    self.gate.start()
                if self._server.slot_log is not None:
                    self._server.slot_log.start()
                    self._listen_to_slots()
                self._ready.set()
                if on_ready is not None:
                    on_ready()
                while not self._is_stopping:
                    self._server.work_waits.wait(PASS_S if self._pass() else FAILED_PASS_S)
                    self._server.work_waits.clear()
            finally:
                if self.gate is not None:
                    self.gate.stop()
                if self._server.slot_log is not None:
                    self._server.slot_log.stop()
                self._server.schedule.stop()
                if not self._server.worker.drain(_DRAIN_S):
                    logger.warning("a job still runs; it will be taken up at the next start")
                if not self._server.schedule.shut_down():
                    logger.warning("a part of the schedule still runs; it is done again after the next start")

    def stop(self) -> None:
        """Make `run` return; harmless when it has."""
        self._is_stopping = True
        self._server.work_waits.set()

    def stop_soon(self) -> None:
        """Make `run` return at its next pass; the one for signal handlers.

        A handler interrupts `run` anywhere, also while it holds the lock inside an event, which `stop` needs.
        """
        self._is_stopping = True

    def __enter__(self) -> Service:
        """Serve in a thread; returns once clients can come in."""
        self._thread = threading.Thread(target=self._run_in_thread, name="service", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._thread is not None:
            self._thread.join()

    def _run_in_thread(self) -> None:
        try:
            self.run()
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self._ready.set()

    def _pass(self) -> bool:
        """One look at everything. A step that fails is told and tried again at the next pass; the others go on.

        Returns:
            Whether nothing failed.
        """
        steps: list[tuple[str, Callable[[], object]]] = [("log what was refused", self._tell_refusals)]
        now = self._server.clock.monotonic()
        if self._watched_at is None or now - self._watched_at >= WATCH_S:
            self._watched_at = now
            steps.append(("listen to the slots", self._listen_to_slots))
            steps.append(("watch the uploads", lambda: self._server.watch_uploads(remembers=True)))
            steps.append(("run the schedule", self._server.schedule.run_due))
        if self._marked_at is None or now - self._marked_at >= MARK_S:
            self._marked_at = now
            steps.append(("mark that the service works", self._server.note_alive))
        steps += [("close slots", self._server.close_slots), ("run jobs", self._server.worker.run_due)]
        done = [attempt(what, step) for what, step in steps]
        return all(done)

    def _listen_to_slots(self) -> None:
        if self._server.slot_log is not None:
            self._server.slot_log.listen_to(slot.name for slot in self._server.slots.all())

    def _tell_refusals(self) -> None:
        if self._server.slot_log is not None:
            self._untold.extend(self._server.slot_log.take())
            if self._untold:
                self._server.refusals.tell(self._untold)


def _make_gate(server: Server) -> EmbeddedServer | None:
    if server.embedded is None:
        return None
    # Imported here: where sshd lets clients in, the service needs no SSH of its own.
    from thaniya_core.gate.embedded import EmbeddedServer

    host_key = server.config.paths.state / EMBEDDED_HOST_KEY
    return EmbeddedServer(CallerServices(server), server.embedded, server.config.gate, host_key)
