"""Work that others must not feel."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

NICENESS = 19


def run_in_background(step: Callable[[], T]) -> T:
    """Do a step with the lowest priority for processor and disk, and give what it returns or raise what it raises.

    It runs in a thread of its own: on Linux the niceness belongs to the thread, the threads and processes that the step
    starts inherit it, and it cannot be taken back without privileges (setpriority(2)). The priority for the disk
    follows from it where none is set: niceness 19 is the lowest of the best-effort class (ioprio_set(2)).
    """
    outcome: list[T] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
            outcome.append(step())
        except BaseException as error:  # noqa: BLE001 - raised again below
            failure.append(error)

    thread = threading.Thread(target=work, name="background", daemon=True)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
