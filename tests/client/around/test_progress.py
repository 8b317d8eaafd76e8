"""Progress tells bytes, rate and remaining time; the bar shows it on a terminal and nothing elsewhere."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from thaniya_client import Directory, LocalDirectory, Phase, Progress
from thaniya_client.meter import Meter
from thaniya_client.pace import Pace, remaining_s
from thaniya_core.testing import FixedClock

SCRIPT = """
import sys
from thaniya_client import Directory, LocalDirectory, progress_bar
with progress_bar() as bar:
    LocalDirectory(sys.argv[1]).backup(Directory(sys.argv[2]), name="nightly", on_progress=bar)
print("rich" in sys.modules)
"""


def test_rate_is_that_of_the_last_seconds() -> None:
    pace = Pace()
    rates = [pace.at(float(second), 100 * second) for second in range(60)]
    assert rates[0] is None
    assert rates[1:] == [100.0] * 59
    slower = [pace.at(60.0 + second, 5900 + 10 * second) for second in range(60)]
    assert slower[1] is not None
    assert 10 < slower[1] < 100
    assert slower[-1] == pytest.approx(10)


def test_remaining_time_is_told_where_it_can_be_known() -> None:
    assert remaining_s(400, 1000, 100.0) == 6.0
    assert remaining_s(1100, 1000, 100.0) == 0.0
    assert remaining_s(400, None, 100.0) is None
    assert remaining_s(400, 1000, None) is None
    assert remaining_s(400, 1000, 0.0) is None


def test_callback_gets_rate_and_remaining_time_while_bytes_move() -> None:
    clock = FixedClock()
    seen: list[Progress] = []
    meter = Meter(seen.append, Phase.ESTIMATING, clock.monotonic)
    meter.expect(10_000)
    meter.enter(Phase.PACKING)
    for _ in range(20):
        clock.advance(0.5)
        meter.add(read_bytes=250)
        meter.tick()
    meter.enter(Phase.ARCHIVING)
    packing = [progress for progress in seen if progress.phase is Phase.PACKING]
    assert (packing[-1].bytes_per_s, packing[-1].remaining_s) == (500.0, 10.0)
    assert (seen[0].bytes_per_s, seen[-1].bytes_per_s, seen[-1].remaining_s) == (None, None, None)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/file").write_bytes(bytes(5_000_000))
    return tmp_path / "source"


def test_bar_is_shown_on_a_terminal(target: LocalDirectory, source: Path) -> None:
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-c", SCRIPT, str(target.path), str(source)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    out, _ = process.communicate()
    assert out == b"True\n"
    assert b"done" in shown or b"archiving" in shown


def test_nothing_is_shown_elsewhere_and_nothing_loaded(target: LocalDirectory, source: Path) -> None:
    argv = [sys.executable, "-c", SCRIPT, str(target.path), str(source)]
    done = subprocess.run(argv, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"False\n", b"")


def test_a_backup_tells_what_it_does(target: LocalDirectory, source: Path) -> None:
    seen: list[Progress] = []
    target.backup(Directory(source), name="nightly", on_progress=seen.append)
    assert [phase for phase in Phase if any(progress.phase is phase for progress in seen)] == [
        Phase.ESTIMATING,
        Phase.PACKING,
        Phase.ARCHIVING,
        Phase.DONE,
    ]
    assert seen[-1].read_bytes >= 5_000_000
