"""What is done for any area: in a thread, with its outcome told."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from textual.app import App
from textual.worker import Worker, WorkerState

from thaniya_core.errors import ThaniyaError
from thaniya_tui.dialogs import Failure, FailureText, describe_failure
from thaniya_tui.threads import begin, in_thread

T = TypeVar("T")


class ActingApp(App[None]):
    """An application that does things beside the screen: toasts tell what was done, dialogs what failed."""

    def __init__(self, *, is_read_only: bool) -> None:
        """
        Args:
            is_read_only: nothing can be changed.
        """
        super().__init__()
        self.is_read_only = is_read_only

    def after_deed(self) -> None:
        """Something was changed, or tried: what is shown may be old."""

    def act(
        self,
        what: str,
        work: Callable[[], T],
        done: Callable[[T], str],
        then: Callable[[T], None] | None = None,
    ) -> None:
        """Do something in a thread, and tell how it ended: a toast, or a dialog that can be copied.

        Args:
            what: completes "could not …".
            work: does it.
            done: what is told then; empty for nothing.
            then: called with the result, in the event loop.
        """
        if self.is_read_only:
            self.fail(FailureText("Not allowed", what, "the console may only look (--read-only)", "", ""))
            return
        begin(self, partial(self._act, what, work, done, then), group="act", description=what)

    async def _act(
        self, what: str, work: Callable[[], T], done: Callable[[T], str], then: Callable[[T], None] | None
    ) -> None:
        try:
            result = await in_thread(work, what)
        except Exception as error:  # noqa: BLE001 - told in a dialog, whatever it is
            self.fail(describe_failure(what, error))
        else:
            if told := done(result):
                self.notify(told, markup=False)
            if then is not None:
                then(result)
        self.after_deed()

    def look(self, what: str, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Read something in a thread that changes nothing, and show it; a failure is told as of `act`.

        Args:
            what: completes "could not …".
            work: reads it.
            then: called with the result, in the event loop.
        """
        begin(self, partial(self._look, what, work, then), group="look", description=what)

    async def _look(self, what: str, work: Callable[[], T], then: Callable[[T], None]) -> None:
        try:
            result = await in_thread(work, what)
        except Exception as error:  # noqa: BLE001 - told in a dialog, whatever it is
            self.fail(describe_failure(what, error))
        else:
            then(result)

    def fail(self, failure: FailureText) -> None:
        """Tell a failure in full."""
        self.push_screen(Failure(failure))

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A worker that fails is a mistake in the program: it is told, and the rest goes on."""
        if event.state is WorkerState.ERROR and isinstance(event.worker.error, Exception):
            self.fail(describe_failure(event.worker.description or event.worker.name, event.worker.error))

    def fail_reading(self, error: Exception) -> None:
        """Something could not be read or shown; what was read before stays, and it is said."""
        failure = describe_failure("show what was read", error)
        if isinstance(error, ThaniyaError | OSError):
            self.notify(failure.cause, markup=False, severity="error", title=failure.title)
        else:
            self.fail(failure)
