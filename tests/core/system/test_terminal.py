"""What both commands print the same way."""

from __future__ import annotations

import io
import json
import sys

import pytest

from thaniya_core.errors import CommandFailed
from thaniya_core.system.terminal import progress_bar, show_error


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
