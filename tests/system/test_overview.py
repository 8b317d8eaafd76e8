"""`thaniya overview` as a person and a program read it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import termios
from datetime import UTC, datetime

import msgspec
import pytest

from thaniya_core.monitor import decode_survey


def test_overview_shows_what_is_there(running_server, make_file, wait_until):
    box = running_server
    box.back_up(make_file("data.bin", 1000))
    going = box.allocate(name="weekly", size=4000)
    box.put(going, make_file("more.bin", 2000))
    wait_until(lambda: box.upload(going.upload).received_bytes == 2000)
    done = box.thaniya("overview")
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "OK  the one series is backed up"
    assert any(
        line.startswith("  open      alice/web1/weekly  [==========          ]  2.0 KiB of 3.9 KiB") for line in lines
    )
    assert any(line.startswith("  alice/web1/nightly  .............................#  ") for line in lines)
    assert "upload.archived" in done.stdout or "upload.open" in done.stdout
    assert "\x1b" not in done.stdout
    (strip,) = (
        line for line in box.thaniya("overview", "--days", "3").stdout.splitlines() if line.startswith("  alice/web1/n")
    )
    assert strip.startswith("  alice/web1/nightly  ..#  ")


def test_json_is_the_survey(running_server, make_file):
    box = running_server
    backup = box.back_up(make_file("data.bin", 1000))
    done = box.thaniya("overview", "--json")
    assert done.exit_code == 0
    survey = decode_survey(done.raw)
    assert msgspec.json.encode(survey) + b"\n" == done.raw
    assert (survey.series[0].backups, survey.ended[0].id) == (1, backup)
    assert {user.name: user.backups for user in survey.users} == {"alice": 1, "bob": 0}
    assert abs((datetime.now(UTC) - survey.made_at).total_seconds()) < 600


@pytest.mark.parametrize(("columns", "no_color"), [(60, False), (80, True), (120, False)])
def test_overview_fits_the_terminal(box, columns, no_color):
    assert (
        box.thaniya("series", "set", "alice/db-primary.example.org/" + "n" * 60, "--expect-every", "1d").exit_code == 0
    )
    terminal, end = os.openpty()
    termios.tcsetwinsize(end, (24, columns))
    environment = {name: value for name, value in box.environment.items() if name not in ("COLUMNS", "NO_COLOR")}
    environment |= {"TERM": "xterm-256color", **({"NO_COLOR": "1"} if no_color else {})}
    words = [sys.executable, "-m", "thaniya_core", "--config", str(box.config), "overview"]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=end, env=environment) as process:
        os.close(end)
        shown = b""
        while data := _read(terminal):
            shown += data
    os.close(terminal)
    assert process.returncode == 0
    text = shown.decode()
    assert ("\x1b[31m" in text or "\x1b[1;31m" in text) is not no_color  # the service does not run
    plain = _without_styles(text).splitlines()
    assert max(map(len, plain)) <= columns
    assert any(line.startswith("  alice/") and line.endswith("  never") and "…" in line for line in plain)


def test_server_that_cannot_be_read_is_an_error(box):
    (box.directory / "state" / "state.json").write_text("{")
    done = box.thaniya("overview")
    assert (done.exit_code, done.stdout, "state.json" in done.stderr) == (1, "", True)
    assert box.thaniya("overview", "--days", "31").exit_code == 2


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # EIO: whoever wrote has gone
        return b""


def _without_styles(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
