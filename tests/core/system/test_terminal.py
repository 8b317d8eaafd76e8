"""What both commands print the same way."""

from __future__ import annotations

import io
import json
import sys

import pytest

from thaniya_core.errors import CommandFailed
from thaniya_core.system.terminal import progress_bar, show_error, show_json_array, show_table


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_error_as_json_has_all_its_facts(capsys):
    error = CommandFailed("tar failed", hint="look at the disk", exit_code=2, file="a\udcff")

    show_error("thaniya", error, as_json=True)

    assert json.loads(capsys.readouterr().err) == {
        "message_type": "error",
        "code": "command_failed",
        "title": "A program failed",
        "exit_code": 1,
        "message": "tar failed",
        "hint": "look at the disk",
        "facts": {"exit_code": 2, "file": "a\\udcff"},
    }


def test_error_about_a_path_that_is_no_utf8_is_told(capsys):
    for as_json in (True, False):
        show_error("thaniya", CommandFailed("cannot read a\udcff"), as_json=as_json)

    assert capsys.readouterr().err.count("cannot read a\\") == 2


def test_bar_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    shown = {}
    for stream in (Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", stream)
        with progress_bar("the [b]backup", 100) as advance:
            advance(50)
        shown[type(stream)] = stream.getvalue()

    assert "the [b]backup" in shown[Terminal]
    assert shown[io.StringIO] == ""


def test_table_in_a_pipe_has_a_row_a_line(capsys):
    rows = [["a", "5", "x" * 300], ["größer", "12345", "日本"]]

    assert show_table(["name", ">size", "text"], iter(rows)) == 2

    assert capsys.readouterr().out == (
        "name     size  text\n"
        f"a           5  {'x' * 300}\n"
        "größer  12345  日本\n"
    )  # fmt: skip


def test_table_of_nothing_is_nothing(capsys):
    assert show_table(["name"], []) == 0
    assert capsys.readouterr().out == ""


def test_long_table_has_one_heading_and_is_never_whole_in_memory(capsys, monkeypatch):
    monkeypatch.setattr("thaniya_core.system.terminal._BLOCK_ROWS", 3)
    taken = []

    def rows():
        for number in range(8):
            taken.append(len(capsys.readouterr().out.splitlines()))
            yield [str(number)]

    assert show_table(["number"], rows()) == 8
    assert taken == [0, 0, 0, 4, 0, 0, 3, 0]


def test_table_on_a_terminal_is_folded(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "30")
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    show_table(["name", "text"], [["a", "many words that do not fit at all"]])
    lines = screen.getvalue().splitlines()[1:]
    assert [len(line) <= 30 for line in lines] == [True, True]


def test_harmful_text_is_escaped_in_a_table(capsys):
    show_table(["name"], [["a\x1b[2J\nb"]])
    assert capsys.readouterr().out == "name\na\\x1b[2J\\x0ab\n"


def test_array_is_written_one_by_one(capfdbinary):
    for values, shown in (([], b"[]\n"), ([1], b"[1]\n"), ([{"a": 1}, "x"], b'[{"a":1},"x"]\n')):
        show_json_array(iter(values))
        assert capfdbinary.readouterr().out == shown
