"""Makes docs/pictures/*.svg: each area of the console, on the demo's server with its past, at a time that stands still.

    python docs/render_console.py [DIRECTORY]

The same bytes each time: the clock, the zone and what is free on the disks are given, and what runs is not asked.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

from msgspec.structs import replace

from thaniya_core.cli.demo.past import make_past
from thaniya_core.cli.demo.year import make_past_id
from thaniya_core.model import SlotState, Upload
from thaniya_core.server import Server, open_server
from thaniya_core.system.files import remove_tree
from thaniya_core.system.space import DiskSpace
from thaniya_core.testing import FixedClock
from thaniya_tui import Console
from thaniya_tui.areas import AREAS

NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)
SIZE = (120, 38)
PLACE = Path(tempfile.gettempdir()) / "thaniya-pictures"
"""Paths are shown, so this one is always the same."""
_TIMEOUT_S = 60.0
_MB = 1000**2
_GB = 1000**3
_FONTS = re.compile(r"@font-face \{.*?\}", re.DOTALL)
_ID = re.compile(r"terminal-[0-9a-f-]+")


def disk_space(path: Path) -> DiskSpace:
    """What the demo's disks have."""
    free_bytes = (31 if "disk-1" in str(path) else 402) * _GB
    return DiskSpace(500 * _GB, free_bytes, 30_000_000, 29_000_000)


async def take_picture(server: Server, mode: str, theme: str) -> str:
    """An area as the console draws it, once it has read everything."""
    server.surveys.make_elsewhere = lambda timeout_s: server.surveys.make()  # type: ignore[method-assign]
    console = Console(server, "login:root", theme=theme, stale_after_s=86400)
    async with console.run_test(size=SIZE) as pilot:
        deadline = time.monotonic() + _TIMEOUT_S
        while console.live is None or console.survey is None:
            if time.monotonic() > deadline:
                raise TimeoutError("the console shows nothing")
            await pilot.pause(0.02)
        await console.action_switch_mode(mode)
        before = ""
        while before != (picture := _settle(console.export_screenshot(title="thaniya-tui"))):
            before = picture
            for _ in range(25):
                await pilot.pause(0.02)
    return picture


def _settle(svg: str) -> str:
    """Without the fonts that the picture would load from elsewhere, and with a name that is always the same."""
    return _ID.sub("terminal", _FONTS.sub("", svg))


async def take_pictures(config_file: Path, target: Path) -> None:
    """Make all pictures."""
    target.mkdir(exist_ok=True)
    for mode, theme, name in _wanted():
        server = open_server(config_file, FixedClock(NOW))
        (target / f"{name}.svg").write_text(await take_picture(server, mode, theme))
        print(target / f"{name}.svg")


def let_uploads_come_in(server: Server) -> None:
    """Have two uploads on their way, one of a size that nobody knows."""
    known = _upload("web1", "videos", "thaniya_01", 61 * _MB, 3_210_000, 100 * _MB)
    unknown = _upload("db1", "visits", "thaniya_02", 27 * _MB, 1_840_000, None)
    with server.store.transaction() as state:
        for upload in (known, unknown):
            slot = state.slots.get(upload.slot)
            assert slot is not None
            state.uploads.put(upload)
            state.slots.put(replace(slot, state=SlotState.TAKEN, upload_id=upload.id, taken_at=upload.created_at))


def _upload(host: str, name: str, slot: str, received: int, rate: int, expected: int | None) -> Upload:
    begun = NOW - timedelta(seconds=received // rate)
    return Upload(
        make_past_id(begun, name),
        "alice",
        host,
        name,
        slot,
        begun,
        NOW,
        expected_bytes=expected,
        received_bytes=received,
        received_files=1,
        bytes_per_s=rate,
        sessions=1,
        peer="203.0.113.11",
    )


def _wanted() -> list[tuple[str, str, str]]:
    dark = [(area.MODE, "thaniya-dark", area.MODE) for area in AREAS]
    return [*dark, (AREAS[0].MODE, "thaniya-light", f"{AREAS[0].MODE}-light")]


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("pictures")
    os.environ.update(TZ="UTC", COLORTERM="truecolor", TERM="xterm-256color")
    os.environ.pop("NO_COLOR", None)
    time.tzset()
    remove_tree(PLACE)
    try:
        config_file = make_past(PLACE, NOW)
        let_uploads_come_in(open_server(config_file, FixedClock(NOW)))
        with (
            patch("thaniya_core.archive.condition.disk_space", disk_space),
            patch("thaniya_core.monitoring.disk_space", disk_space),
        ):
            asyncio.run(take_pictures(config_file, target))
    finally:
        remove_tree(PLACE)


if __name__ == "__main__":
    main()
