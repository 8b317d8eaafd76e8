"""A client is killed at random instants: locks are free, the next run is fine and takes back what was done."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from thaniya_client import Directory, LocalDirectory
from thaniya_client.around.state import runs_directory

pytestmark = pytest.mark.torture
KILLS = 100 if os.environ.get("THANIYA_TORTURE") == "1" else 8

RUN = """
import sys
import time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_steps import Flag
from thaniya_client import Directory, LocalDirectory
place = Path(sys.argv[1])
print("begin", flush=True)
report = LocalDirectory(place / "disk", user="alice").backup(
    Directory(place / "source"), name="nightly", host="web1",
    before=[Flag(place / "one"), Flag(place / "two"), Flag(place / "three")],
    after=[["sh", "-c", 'echo >>"$1"', "sh", str(place / "after")]],
)
print(report.id)
"""


def start(argv: list[str]) -> subprocess.Popen[str]:
    """A client, as soon as it has begun."""
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def seconds_a_run(argv: list[str]) -> float:
    """How long a run takes here that nobody kills: kills are to come within one, wherever this runs."""
    process = start(argv)
    begun = time.monotonic()
    process.communicate()
    return time.monotonic() - begun


@pytest.mark.parametrize("seed", range(2))
def test_client_killed_at_random_instants(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    (tmp_path / "disk").mkdir()
    (tmp_path / "source").mkdir()
    (tmp_path / "source/data").write_bytes(dice.randbytes(2_000_000))
    steps = Path(__file__).parents[1] / "client/around"
    flags = [tmp_path / name for name in ("one", "two", "three")]
    argv = [sys.executable, "-c", RUN, str(tmp_path), str(steps)]
    whole_s = seconds_a_run(argv)
    told: list[str] = []
    killed = 0
    for _ in range(KILLS):
        process = start(argv)
        try:
            process.wait(dice.uniform(0.0, whole_s))
        except subprocess.TimeoutExpired:
            process.kill()
        out, error = process.communicate()
        assert process.returncode in (0, -9), error
        told += out.split()
        killed += process.returncode == -9

    assert killed > KILLS // 8
    target = LocalDirectory(tmp_path / "disk", user="alice")
    report = target.backup(Directory(tmp_path / "source"), name="nightly", host="web1")
    assert report.warnings == ()
    assert [flag for flag in flags if flag.exists()] == []
    assert list(runs_directory().glob("*.json")) == []
    assert {backup.id for backup in target.backups()} >= {*told, report.id}
