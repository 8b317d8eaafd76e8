"""The terminal that the console draws on, which may go away at any moment."""

from __future__ import annotations

from typing import IO, Any, cast

from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver


class LastingFile:
    """A terminal's file that takes everything, also when the terminal is gone."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write a text, or nothing when there is no terminal any more."""
        try:
            return self._file.write(text)
        except OSError:
            return len(text)  # nobody sees it

    def flush(self) -> None:
        """Write what is kept back, if there is a terminal still."""
        try:
            self._file.flush()
        except OSError:
            pass  # nobody sees it

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class LastingDriver(LinuxDriver):
    """Textual's own, but the end of the terminal does not keep the console from ending.

    Textual's thread that writes dies of the first error, and then whoever draws waits for it for ever.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._file = cast(Any, LastingFile(cast("IO[str]", self._file)))


def lasting(driver: type[Driver]) -> type[Driver]:
    """What to draw with, in place of what Textual has chosen."""
    return LastingDriver if driver is LinuxDriver else driver
