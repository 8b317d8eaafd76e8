"""A terminal that goes away does not keep the console from ending."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from textual.drivers._writer_thread import WriterThread
from textual.drivers.linux_driver import LinuxDriver
from textual.drivers.web_driver import WebDriver

from thaniya_core.errors import WrongUsage
from thaniya_tui.command import check_encoding
from thaniya_tui.terminal import LastingDriver, LastingFile, lasting

DEADLINE_S = 30.0


def test_what_is_drawn_after_the_terminal_is_gone_is_lost_in_silence() -> None:
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as terminal:
        writer = WriterThread(LastingFile(terminal))  # type: ignore[arg-type]
        writer.start()
        os.close(master)
        # More than the thread's queue holds.
        for _ in range(100):
            writer.write("text\n")
        writer.stop()
        assert not writer.is_alive()
        _forget_what_is_kept_back(terminal.fileno())


def _forget_what_is_kept_back(descriptor: int) -> None:
    """Have the file's own buffer go somewhere when it is closed."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


def test_what_is_written_arrives(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        lasting_file = LastingFile(file)
        lasting_file.write("text")
        lasting_file.flush()
        assert (tmp_path / "file").read_text() == "text"
        assert lasting_file.fileno() == file.fileno()


@pytest.mark.parametrize(("chosen", "taken"), [(LinuxDriver, LastingDriver), (WebDriver, WebDriver)])
def test_only_the_driver_of_a_terminal_is_replaced(chosen: type, taken: type) -> None:
    assert lasting(chosen) is taken


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "no such", ""])
def test_a_terminal_without_the_signs_is_told_before_anything_is_drawn(encoding: str) -> None:
    with pytest.raises(WrongUsage, match="has not the signs") as caught:
        check_encoding(encoding)
    assert "UTF-8" in caught.value.hint
    check_encoding("utf-8")
