"""Measures how long a byte of an upload takes to the screen: from the slot, by the service, to the console.

    python tests/bench/screen_delay.py [--work DIRECTORY] [--times 40]

A service runs as a process of its own; bytes are put into a slot at random instants, as a client does, and the area of
uploads is read until it shows them. Exit code 1 when one takes longer than a second.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from thaniya_core.formats.quantities import format_size
from thaniya_core.initialise import initialise
from thaniya_core.server import open_server
from thaniya_tui import Console

LIMIT_S = 1.0
STEP_BYTES = 1024 * 1024
DEADLINE_S = 30.0


async def watch(config: Path, file: Path, times: int) -> list[float]:
    """Put bytes into the slot again and again; gives how long each took until the screen showed it, in seconds."""
    delays = []
    console = Console(open_server(config), "login:bench")
    async with console.run_test(size=(120, 40)) as pilot:
        while console.survey is None or console.live is None:
            await asyncio.sleep(0.005)
        await pilot.press("2")
        size = file.stat().st_size
        for _ in range(times):
            await asyncio.sleep(random.uniform(1.0, 2.0))
            size += STEP_BYTES
            with file.open("ab") as slot:
                slot.write(bytes(STEP_BYTES))
            begun = time.perf_counter()
            while format_size(size) not in read_screen(console):
                if time.perf_counter() - begun > DEADLINE_S:
                    raise SystemExit(f"{format_size(size)} was not seen within {DEADLINE_S:g} s")
                await asyncio.sleep(0.01)
            delays.append(time.perf_counter() - begun)
    return delays


def read_screen(console: Console) -> str:
    """What is on the screen now."""
    return "\n".join(strip.text for strip in console.screen._compositor.render_strips())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="where to work; a new temporary directory by default")
    parser.add_argument("--times", type=int, default=40)
    arguments = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="thaniya-bench-", dir=arguments.work))
    server = initialise(work / "server", "bench", port=0)
    config = server.config.file
    service = subprocess.Popen([sys.executable, "-m", "thaniya_core", "--config", str(config), "serve"])
    try:
        server.users.add("alice", [], "bench")
        upload = server.allocator.allocate("alice", "web1", "nightly", 10**9, "203.0.113.7", "alice@203.0.113.7")
        file = server.accounts.directory(upload.slot) / "home.tar"
        file.write_bytes(bytes(STEP_BYTES))
        delays = asyncio.run(watch(config, file, arguments.times))
    finally:
        service.terminate()
        service.wait()
        shutil.rmtree(work)
    for name, value in (("median", statistics.median(delays)), ("longest", max(delays))):
        print(f"from slot to screen, {name} of {len(delays)}, s   {value:6.3f}  (limit {LIMIT_S:g})")
    if max(delays) > LIMIT_S:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
