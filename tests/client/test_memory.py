"""Memory does not grow with the data."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# The peak is that of VmHWM: ru_maxrss is inherited from the process that starts another, here the one of the tests.
SCRIPT = r"""
import re, sys
from pathlib import Path
from thaniya_client import BlockDevice, Command, Directory, Files, LocalDirectory
source, disk, restored = sys.argv[1:4]
target = LocalDirectory(disk)
task = {
    "Directory": lambda **options: Directory(source, **options),
    "Files": lambda **options: Files(["*"], base=source, **options),
    "Command": lambda **options: Command(["cat", f"{source}/large"], name="large", **options),
    "BlockDevice": lambda **options: BlockDevice(f"{source}/large", **options),
}[sys.argv[5]]
report = target.backup(task(compression=sys.argv[4]), name="large")
target.restore(report.id, into=restored)
peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
print(report.original_bytes, int(peak[1]) * 1024)
"""
DATA_BYTES = 300 * 1024 * 1024
LIMIT_BYTES = 100 * 1024 * 1024


@pytest.mark.parametrize(
    ("compression", "task"),
    [("gzip", "Directory"), ("none", "Directory"), ("gzip", "Files"), ("gzip", "Command"), ("gzip", "BlockDevice")],
)
def test_a_large_backup_needs_little_memory(tmp_path: Path, compression: str, task: str) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "disk").mkdir()
    with (tmp_path / "source/large").open("wb") as file:
        for _ in range(DATA_BYTES // (10 * 1024 * 1024)):
            file.write(os.urandom(10 * 1024 * 1024))

    done = subprocess.run(
        [
            sys.executable,
            "-c",
            SCRIPT,
            tmp_path / "source",
            tmp_path / "disk",
            tmp_path / "restored",
            compression,
            task,
        ],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )

    original_bytes, peak_bytes = map(int, done.stdout.split())
    assert original_bytes >= DATA_BYTES
    assert peak_bytes < LIMIT_BYTES
