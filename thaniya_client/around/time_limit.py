"""A limit for the time of a run."""

from __future__ import annotations

import signal
import threading
from time import monotonic
from types import FrameType, TracebackType

from thaniya_client.values import OnProgress, Progress
from thaniya_core.errors import OutOfTime
from thaniya_core.formats.quantities import format_duration

_AGAIN_S = 30.0


class TimeLimitReached(BaseException):
    """Ends the run wherever it is, as KeyboardInterrupt does. Nobody outside of this module sees it."""


class TimeLimit:
    """Ends a block with `OutOfTime` after some time.

    In the main thread an alarm (SIGALRM) interrupts whatever it waits for, unless the program uses that signal itself;
    in other threads it is looked at whenever progress is told.
    """

    def __init__(self, limit_s: float | None) -> None:
        self._limit_s = limit_s
        self._ends_at = None if limit_s is None else monotonic() + limit_s
        self._has_alarm = False

    def __enter__(self) -> TimeLimit:
        is_main = threading.current_thread() is threading.main_thread()
        if self._limit_s is not None and is_main and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL:
            signal.signal(signal.SIGALRM, self._ring)
            self._has_alarm = True
            # Again and again: an exception that comes up in a destructor is lost.
            signal.setitimer(signal.ITIMER_REAL, self._limit_s, _AGAIN_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        if self._has_alarm:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        if isinstance(error, TimeLimitReached):
            told = OutOfTime(
                f"the run was given up: it was not done within {format_duration(self._limit_s or 0)}",
                hint="give it more time, or look what it waits for",
            )
            for note in getattr(error, "__notes__", ()):
                told.add_note(note)
            raise told from None

    def end(self) -> None:
        """From here on there is no limit."""
        self._ends_at = None
        if self._has_alarm:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def left_s(self) -> float:
        """How much time is left; infinite without a limit."""
        return float("inf") if self._ends_at is None else self._ends_at - monotonic()

    def watched(self, on_progress: OnProgress | None) -> OnProgress | None:
        """A callback that also looks at the limit."""
        if self._limit_s is None:
            return on_progress

        def watch(progress: Progress) -> None:
            if self.left_s() <= 0:
                raise TimeLimitReached
            if on_progress is not None:
                on_progress(progress)

        return watch

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if self._ends_at is not None:
            raise TimeLimitReached
