"""Measures the console on a server with 100,000 backups in 2,000 series and 64 slots, of which 16 take an upload.

    python tests/bench/console.py [--work DIRECTORY] [--backups 100000] [--series 2000]

The console runs in a process of its own, at 120 x 40 and without a terminal: everything is laid out and drawn, and goes
nowhere. Uploads move as the service moves them, by another process. Exit code 1 when a limit is not kept.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from synthetic import make_history, make_volume, name_series

from thaniya_core.formats.names import Series
from thaniya_core.initialise import initialise
from thaniya_core.server import open_server

SLOTS = 64
LIVE = 16
HISTORY_DAYS = 35
WATCHED_S = 20.0


class Figures(Struct, frozen=True):
    """What was seen of the console."""

    first_picture_s: float
    """From the start of the interpreter until the verdict can be read."""
    blocks: dict[str, float]
    """By area: the longest time, in seconds, in which its event loop did nothing else."""
    memory_mib: float
    quiet_share: float
    """Of one processor, while nothing moves."""
    live_share: float
    """Of one processor, with uploads on their way."""


async def watch(config: Path, begun: float, move: Path) -> Figures:
    """Use the console, and see what that takes."""
    from thaniya_tui import Console
    from thaniya_tui.areas import AREAS

    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.005)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    def take_longest() -> float:
        nonlocal longest
        taken, longest = longest, 0.0
        return taken

    async def share() -> float:
        processor, wall = time.process_time(), time.perf_counter()
        await asyncio.sleep(WATCHED_S)
        return (time.process_time() - processor) / (time.perf_counter() - wall)

    console = Console(open_server(config), "login:bench", keep=gc.freeze)
    gc.freeze()  # as the command does
    async with console.run_test(size=(120, 40)) as pilot:
        while console.survey is None or console.live is None:
            await asyncio.sleep(0.005)
        await pilot.pause()
        first = time.time() - begun
        beating = asyncio.create_task(beat())
        blocks = {}
        for number, area in enumerate(AREAS, 1):
            await pilot.press(str(number))
            await asyncio.sleep(3)
            blocks[area.NAME] = take_longest()
        await pilot.press("1")
        quiet = await share()
        move.touch()
        await pilot.press("2")
        live = await share()
        move.unlink()
        blocks["with uploads"] = take_longest()
        beating.cancel()
    with Path("/proc/self/status").open() as status:
        peak_kib = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return Figures(first, blocks, peak_kib / 1024, quiet, live)


def move_uploads(config: Path, move: Path) -> None:
    """Let the uploads grow as the service writes it, for as long as the file is there."""
    server = open_server(config)
    while True:
        time.sleep(0.5)
        if move.exists():
            with server.store.transaction() as state:
                for upload in state.uploads.all():
                    more = upload.received_bytes + 5_000_000
                    state.uploads.put(replace(upload, received_bytes=more, bytes_per_s=10_000_000))


def make_server(work: Path, backups: int, series: list[Series]) -> Path:
    """The server, with its survey as the service keeps it; gives its configuration."""
    make_volume(work / "volume", backups, len(series))
    server = initialise(work / "server", "bench", volume=work / "volume", port=0, slots=SLOTS)
    server.catalog.rebuild()
    make_history(server.config.paths.state, series, server.clock.now(), HISTORY_DAYS)
    for each in series[:: len(series) // LIVE][:LIVE]:
        if server.store.read().users.get(each.user) is None:
            server.users.add(each.user, [], "bench", max_uploads=LIVE)
        server.allocator.allocate(each.user, each.host, each.name, 10**9, "203.0.113.7", f"{each.user}@203.0.113.7")
    server.schedule.run_now("health", "bench")
    return server.config.file


def measure(config: Path, work: Path) -> Figures:
    """Run the console and what moves beside it, each in a process of its own."""
    move = work / "move"
    script = str(Path(__file__).resolve())
    mover = subprocess.Popen([sys.executable, script, "--move", str(config), str(move)])
    try:
        begun = time.time()
        command = [sys.executable, script, "--watch", str(config), str(move), str(begun)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    finally:
        mover.kill()
        mover.wait()
    return msgspec.json.decode(done.stdout, type=Figures)


def report(figures: Figures) -> bool:
    """Print the table; gives whether every limit is kept."""
    rows = [
        ("first useful picture, s", figures.first_picture_s, 1.5),
        *((f"longest block of the event loop, {name}, s", block, 0.1) for name, block in figures.blocks.items()),
        ("peak memory, MiB", figures.memory_mib, 150),
        ("of one processor while nothing moves", figures.quiet_share, 0.05),
        (f"of one processor with {LIVE} live uploads", figures.live_share, 0.25),
    ]
    for name, value, limit in rows:
        print(f"{name:<55} {value:8.3f}  (limit {limit:g}){'' if value <= limit else '  NOT KEPT'}")
    return all(value <= limit for _, value, limit in rows)


def main() -> None:
    if sys.argv[1:2] == ["--watch"]:
        config, move, begun = Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])
        sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(watch(config, begun, move))))
        sys.stdout.flush()
        os._exit(0)  # what still reads in a thread is not waited for
    if sys.argv[1:2] == ["--move"]:
        move_uploads(Path(sys.argv[2]), Path(sys.argv[3]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="where to work; a new temporary directory by default")
    parser.add_argument("--backups", type=int, default=100_000)
    parser.add_argument("--series", type=int, default=2_000)
    arguments = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="thaniya-bench-", dir=arguments.work))
    try:
        is_kept = report(measure(make_server(work, arguments.backups, name_series(arguments.series)), work))
    finally:
        shutil.rmtree(work)
    if not is_kept:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
