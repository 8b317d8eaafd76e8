"""`thaniya demo --console` in a real terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from thaniya_tui.areas import AREAS

SIZE = ("-x", "120", "-y", "40")
ENDED = "ended with "
WITHOUT_TEXTUAL = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "textual":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""


class Terminal:
    """A terminal of tmux, with a server of tmux that nobody else uses."""

    def __init__(self, environment: dict[str, str], place: Path, wait_until: Callable[..., Any]) -> None:
        self._environment = environment
        self._socket = place / "tmux"
        self._wait_until = wait_until

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), "-f", "/dev/null", *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    def open(self, *command: str) -> None:
        # A shell waits for the command, and its word is the exit code; what tmux knows of ended programs comes late.
        shell = ["sh", "-c", f'"$@"; echo "{ENDED}$?."; exec sleep 600', "sh", *command]
        self._tmux("new-session", "-d", *SIZE, *shell)

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    @property
    def process_id(self) -> int:
        """Of the command."""
        shell = self._tmux("list-panes", "-F", "#{pane_pid}").strip()
        return int(subprocess.run(["ps", "-o", "pid=", "--ppid", shell], capture_output=True, check=True).stdout)

    @property
    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def see(self, text: str) -> None:
        self._wait(lambda: text in self.screen, text)

    def see_no_more(self, text: str) -> None:
        self._wait(lambda: text not in self.screen, f"no {text}")

    def wait_for_end(self) -> int:
        """The command's exit code."""
        self.see(ENDED)
        return int(self.screen.partition(ENDED)[2].partition(".")[0])

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        try:
            self._wait_until(condition, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.screen}") from None

    def close(self) -> None:
        if self._socket.exists():
            command = ["tmux", "-S", str(self._socket), "kill-server"]
            subprocess.run(command, env=self._environment, capture_output=True, check=False)


@pytest.fixture
def terminal(new_box, tmp_path: Path, wait_until: Callable[..., Any]) -> Iterator[Terminal]:
    environment = {**new_box.environment, "TERM": "xterm-256color", "TMPDIR": str(tmp_path / "temporary")}
    (tmp_path / "temporary").mkdir()
    opened = Terminal(environment, tmp_path, wait_until)
    yield opened
    opened.close()
    wait_until(lambda: not new_box.processes_left(), "the end of all processes")


def demo_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "thaniya_core", "demo", "--console", *arguments]


def test_somebody_looks_around_and_leaves(terminal: Terminal, tmp_path: Path) -> None:
    terminal.open(*demo_command())
    terminal.see("alice/web1/videos")
    terminal.see("bob/laptop/home")
    for number, area in enumerate(AREAS, 1):
        terminal.press(str(number))
        terminal.press("?")
        terminal.see(area.WHAT[:30])
        terminal.press("Escape")
        terminal.see_no_more(area.WHAT[:30])
    terminal.press("2")
    terminal.see("MiB/s")
    terminal.press("C-p")
    terminal.see("Search")
    terminal.press("Escape")
    terminal.see_no_more("Search")
    terminal.press("q")
    assert terminal.wait_for_end() == 0, terminal.screen
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_terminal_that_is_closed_leaves_nothing(terminal: Terminal, new_box, tmp_path: Path, wait_until) -> None:
    terminal.open(*demo_command())
    terminal.see("alice/web1/videos")
    terminal.close()
    wait_until(lambda: not new_box.processes_left(), "the end of all processes")
    assert list((tmp_path / "temporary").iterdir()) == []


def test_who_stops_it_and_goes_on_sees_all_of_it_again(terminal: Terminal) -> None:
    terminal.open(*demo_command())
    terminal.see("bob/laptop/home")
    process_id = terminal.process_id
    os.kill(process_id, signal.SIGTSTP)
    terminal.see_no_more("bob/laptop/home")
    os.kill(process_id, signal.SIGCONT)
    terminal.see("bob/laptop/home")
    terminal.press("q")
    assert terminal.wait_for_end() == 0


def test_a_given_directory_stays(terminal: Terminal, tmp_path: Path) -> None:
    terminal.open(*demo_command("--directory", str(tmp_path / "kept")))
    terminal.see("bob/laptop/home")
    terminal.press("q")
    assert terminal.wait_for_end() == 0
    assert "thaniya --config" in terminal.screen
    assert (tmp_path / "kept" / "server" / "thaniya.toml").is_file()


def test_without_a_terminal_it_says_so_and_makes_nothing(new_box, tmp_path: Path) -> None:
    done = new_box.run(*demo_command("--directory", str(tmp_path / "none")))
    assert (done.exit_code, "needs a terminal" in done.stderr) == (2, True)
    assert not (tmp_path / "none").exists()


def test_without_textual_it_says_how_to_get_it(new_box, tmp_path: Path) -> None:
    arguments = demo_command("--directory", str(tmp_path / "none"))[3:]
    program = WITHOUT_TEXTUAL + f"sys.argv[1:] = {arguments!r}\nfrom thaniya_core.__main__ import main\nmain()"
    done = new_box.run(sys.executable, "-c", program)
    assert (done.exit_code, "pip install 'thaniya[tui]'" in done.stderr) == (4, True), done.stderr
    assert not (tmp_path / "none").exists()
