"""Measures what 100,000 backups in 2,000 series cost, each command as a process of its own, against the limits.

    python tests/bench/large_archive.py [--work DIRECTORY] [--backups 100000] [--series 2000]

Times are of the whole command, from its start to its end; memory is its peak resident set. The volume needs some 2 GB
and 600,000 files for a while. Exit code 1 when a limit is not kept; the limits are meant for the sizes above.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace
from synthetic import make_history, make_volume, name_series

from thaniya_core.formats.names import Series
from thaniya_core.initialise import initialise
from thaniya_core.server import open_server

MEMORY_MIB = 300

HISTORY_DAYS = 35
"""As far as `check` looks back."""

RECORD = """
import statistics, sys, time
from pathlib import Path
from msgspec.structs import replace
from thaniya_core.formats.names import make_id, parse_series
from thaniya_core.server import open_server
server = open_server(Path(sys.argv[1]))
one = server.store.read_catalog(parse_series(sys.argv[2]))[0]
times = []
for _ in range(21):
    more = replace(one, document=replace(one.document, id=make_id(server.clock.now())))
    begun = time.perf_counter()
    server.catalog.add(more)
    times.append(time.perf_counter() - begun)
    server.catalog.remove(more)
print(statistics.median(times))
"""

SURVEY = """
import resource, sys, time
from pathlib import Path
from thaniya_core.server import open_server
server = open_server(Path(sys.argv[1]))
begun = time.perf_counter()
survey = server.surveys.make_elsewhere(600)
took = time.perf_counter() - begun
assert sum(series.backups for series in survey.series) >= int(sys.argv[2])
print(took, *(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)))
"""

KEPT = """
import sys, time
from pathlib import Path
from thaniya_core.server import open_server
server = open_server(Path(sys.argv[1]))
begun = time.perf_counter()
assert server.surveys.latest()
print(time.perf_counter() - begun)
"""

END_ONE = """
import statistics, sys, time
from pathlib import Path
from msgspec.structs import replace
from thaniya_core.formats.names import make_id, parse_series
from thaniya_core.model import Job, JobKind, JobState, Upload, UploadState
from thaniya_core.server import open_server
server = open_server(Path(sys.argv[1]))
series = parse_series(sys.argv[2])
one = server.store.read_catalog(series)[0]
times = []
for _ in range(21):
    now = server.clock.now()
    upload = Upload(make_id(now), *str(series).split("/"), "thaniya_01", now, now, UploadState.SPOOLED)
    job = Job(upload.id, JobKind.ARCHIVE, upload.id, now, now, JobState.RUNNING)
    with server.store.transaction() as state:
        state.uploads.put(upload)
        state.jobs.put(job)
    more = replace(one, document=replace(one.document, id=upload.id))
    begun = time.perf_counter()
    server.catalog.add(more)
    server.uploads.mark_archived(upload.id, 10)
    server.jobs.finish(job)
    times.append(time.perf_counter() - begun)
    server.catalog.remove(more)
print(statistics.median(times))
"""

ALLOCATE = """
import sys, time
from pathlib import Path
from thaniya_core.server import open_server
server = open_server(Path(sys.argv[1]))
begun = time.perf_counter()
upload = server.allocator.allocate(sys.argv[2], "web1", "nightly", 10, "peer", "bench")
print(time.perf_counter() - begun)
server.abort_upload(upload.id, "measured", "bench")
"""


CHOOSE_TO_VERIFY = """
import sys, time
from datetime import timedelta
from pathlib import Path
from thaniya_core.server import open_server
from thaniya_core.testing import FixedClock
clock = FixedClock()
server = open_server(Path(sys.argv[1]), clock)
clock.advance(10 * 365 * 86400)
begun = time.perf_counter()
chosen = server.verification.due(timedelta(days=1))
print(time.perf_counter() - begun)
assert len(chosen) == int(sys.argv[2])
"""


class Measured(Struct, frozen=True):
    """What a step took."""

    seconds: float
    memory_mib: float
    told: str


def measure(*command: str) -> Measured:
    """Run a command by itself."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen([sys.executable, *command], stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - begun
        out.seek(0)
        told = out.read(200).decode()
    if process.returncode:
        raise SystemExit(f"{' '.join(command[-3:])} ended with {process.returncode}")
    return Measured(seconds, usage.ru_maxrss / 1024, told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="where to work; a new temporary directory by default")
    parser.add_argument("--backups", type=int, default=100_000)
    parser.add_argument("--series", type=int, default=2_000)
    arguments = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="thaniya-bench-", dir=arguments.work))
    try:
        made = arguments.backups // arguments.series * arguments.series
        begun = time.perf_counter()
        make_volume(work / "volume", arguments.backups, arguments.series)
        print(
            f"{arguments.backups:,} backups in {arguments.series:,} series, made in {time.perf_counter() - begun:.0f} s"
        )
        is_kept = measure_all(work, made, name_series(arguments.series))
    finally:
        shutil.rmtree(work)
    if not is_kept:
        raise SystemExit(1)


def measure_all(work: Path, backups: int, every: list[Series]) -> bool:
    """Every step, as lines of a table; gives whether each kept its limits.

    Args:
        work: where the volume is.
        backups: how many are on it.
        every: the series on it.
    """
    series = every[len(every) // 2]
    server = initialise(work / "server", "bench", volume=work / "volume", port=0)
    server.users.add(series.user, [], "bench", quota_bytes=10**15)
    config = str(server.config.file)
    kept: list[bool] = []

    def command(*words: str, limit_s: float | None = None) -> None:
        measured = measure("-m", "thaniya_core", "--config", config, *words)
        kept.append(report(" ".join(words), measured, limit_s))

    def inside(what: str, script: str, argument: str, limit_s: float | None = None) -> None:
        measured = measure("-c", script, config, argument)
        kept.append(report(what, replace(measured, seconds=float(measured.told)), limit_s))

    command("catalog", "rebuild", limit_s=60)
    command("catalog", "rebuild", limit_s=60)
    command("backup", "list", "--series", str(series), limit_s=0.5)
    command("backup", "list", "--user", series.user)
    command("backup", "list")
    command("backup", "list", "--json")
    newest = open_server(server.config.file).catalog.newest(series)
    command("backup", "show", newest.id if newest else "")
    command("volume", "show", "synthetic")
    command("retention", "plan", limit_s=10)
    command("retention", "set", "default", "keep-daily=7 keep-weekly=4 keep-monthly=12")
    command("retention", "plan", limit_s=10)
    command("retention", "plan", "--json", limit_s=10)
    inside("choosing what to verify, all of it due", CHOOSE_TO_VERIFY, str(backups), limit_s=5)
    now = server.clock.now()
    make_history(server.config.paths.state, every, now, HISTORY_DAYS)
    oldest = f"{now - timedelta(days=HISTORY_DAYS - 1):%Y%m%dT%H%M%SZ}-{0:06x}"
    print(f"{HISTORY_DAYS} days of history, {len(every):,} uploads and jobs each")
    command("upload", "list", "--all", limit_s=0.5)
    command("upload", "show", oldest, limit_s=0.5)
    surveyed = measure("-c", SURVEY, config, str(backups))
    seconds, *memory_kib = map(float, surveyed.told.split())
    for who, peak_kib in zip(("that process", "who asked for it"), memory_kib, strict=True):
        kept.append(report(f"overview by a process of its own: {who}", Measured(seconds, peak_kib / 1024, ""), 10))
    command("schedule", "--run", "health")
    inside("reading the survey that was kept", KEPT, "", limit_s=0.1)
    command("metrics", limit_s=3)  # what `check` examines, with 0 as its exit code
    inside("recording one more backup (median of 21)", RECORD, str(series), limit_s=0.05)
    inside("an upload ends: catalog, history and state (median of 21)", END_ONE, str(series), limit_s=0.2)
    inside(f"opening an upload for {series.user}, who has a quota", ALLOCATE, series.user)
    return all(kept)


def report(what: str, measured: Measured, limit_s: float | None) -> bool:
    is_kept = (limit_s is None or measured.seconds < limit_s) and measured.memory_mib < MEMORY_MIB
    limit = "" if limit_s is None else f"limit {limit_s:g} s"
    print(
        f"{what:<66} {measured.seconds:8.3f} s  {measured.memory_mib:4.0f} MiB  {limit:<12}"
        + ("" if is_kept else "  NOT KEPT"),
        flush=True,
    )
    return is_kept


if __name__ == "__main__":
    main()
