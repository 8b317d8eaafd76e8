"""Measures what 100,000 backups in 2,000 series cost, each command as a process of its own, and compares with the limits.

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
from pathlib import Path

from msgspec import Struct
from synthetic import make_volume, name_series

from thaniya_core.initialise import initialise
from thaniya_core.server import open_server

MEMORY_MIB = 300

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
        begun = time.perf_counter()
        make_volume(work / "volume", arguments.backups, arguments.series)
        print(
            f"{arguments.backups:,} backups in {arguments.series:,} series, made in {time.perf_counter() - begun:.0f} s"
        )
        is_kept = measure_all(work, name_series(arguments.series)[arguments.series // 2])
    finally:
        shutil.rmtree(work)
    if not is_kept:
        raise SystemExit(1)


def measure_all(work: Path, series: object) -> bool:
    """Every step, as lines of a table; gives whether each kept its limits."""
    server = initialise(work / "server", "bench", volume=work / "volume", port=0)
    config = str(server.config.file)
    user = str(series).partition("/")[0]
    server.users.add(user, [], "bench", quota_bytes=10**15)
    thaniya = ("-m", "thaniya_core", "--config", config)
    steps: list[tuple[str, tuple[str, ...], float | None]] = [
        ("catalog rebuild, empty state", (*thaniya, "catalog", "rebuild"), 60),
        ("catalog rebuild, nothing new", (*thaniya, "catalog", "rebuild"), 60),
        ("backup list --series X", (*thaniya, "backup", "list", "--series", str(series)), 0.5),
        ("backup list --user X", (*thaniya, "backup", "list", "--user", user), None),
        ("backup list", (*thaniya, "backup", "list"), None),
        ("backup list --json", (*thaniya, "backup", "list", "--json"), None),
        ("volume list", (*thaniya, "volume", "list"), None),
        ("retention plan, no policy", (*thaniya, "retention", "plan"), 10),
    ]
    is_kept = all([report(what, measure(*command), limit) for what, command, limit in steps])
    backup_id = open_server(server.config.file).store.read_catalog(series)[0].id  # type: ignore[arg-type]
    policy = "keep-daily=7 keep-weekly=4 keep-monthly=12"
    measure(*thaniya, "retention", "set", "default", policy)
    more: list[tuple[str, tuple[str, ...], float | None]] = [
        ("backup show ID", (*thaniya, "backup", "show", backup_id), None),
        (f"retention plan, {policy}", (*thaniya, "retention", "plan"), 10),
        ("retention plan --json", (*thaniya, "retention", "plan", "--json"), 10),
    ]
    is_kept &= all([report(what, measure(*command), limit) for what, command, limit in more])
    for what, script, argument, limit in (
        ("record one more backup (median)", RECORD, str(series), 0.05),
        (f"allocate, quota, {user}'s backups", ALLOCATE, user, None),
    ):
        measured = measure("-c", script, config, argument)
        is_kept &= report(what, Measured(float(measured.told), measured.memory_mib, ""), limit)
    return is_kept


def report(what: str, measured: Measured, limit_s: float | None) -> bool:
    is_kept = (limit_s is None or measured.seconds < limit_s) and measured.memory_mib < MEMORY_MIB
    limit = "" if limit_s is None else f"limit {limit_s:g} s"
    print(
        f"{what:<62} {measured.seconds:8.3f} s  {measured.memory_mib:4.0f} MiB  {limit:<12}"
        + ("" if is_kept else "  NOT KEPT"),
        flush=True,
    )
    return is_kept


if __name__ == "__main__":
    main()
