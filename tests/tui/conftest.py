"""A console on a real server with a clock that stands still, driven as a person drives it."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import os
import tarfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import textual._wait
from msgspec.structs import replace
from pytest_textual_snapshot import SVGImageExtension
from syrupy import SnapshotAssertion
from textual.events import Paste
from textual.pilot import Pilot
from textual.widgets import Input

from thaniya_core.formats.compression import Compression
from thaniya_core.formats.contents import ContentsEntry, encode_entry
from thaniya_core.formats.manifest import BackupFile, FileKind, Manifest, describe_file
from thaniya_core.initialise import initialise
from thaniya_core.model import Backup, Upload
from thaniya_core.server import Server, open_server
from thaniya_core.testing import FixedClock
from thaniya_tui import Console
from thaniya_tui.area import Area
from thaniya_tui.areas import AREAS

DEADLINE_S = 30.0
ACTOR = "login:test"

# A pilot takes a console for idle after 20 ms with little work, three times for each key. Tests wait for what they
# want to see anyway, so that shorter slices are enough.
textual._wait.SLEEP_GRANULARITY = 1 / 250
textual._wait.SLEEP_IDLE = textual._wait.SLEEP_GRANULARITY / 4


@pytest.fixture(autouse=True)
def _one_timezone() -> Iterator[None]:
    """Local times in pictures are those of one zone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    directory = tmp_path / "server"
    initialise(directory, ACTOR, slots=4)
    return directory


@pytest.fixture
def server(root: Path, clock: FixedClock) -> Server:
    return open_server(root / "thaniya.toml", clock)


class Person:
    """Somebody in front of a console."""

    def __init__(self, console: Console, pilot: Pilot[None]) -> None:
        self.console = console
        self.pilot = pilot

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def go(self, mode: str) -> None:
        """Go to an area."""
        await self.press(str([area.MODE for area in AREAS].index(mode) + 1))
        await self.wait(lambda: isinstance(area := self.console.screen, Area) and mode == area.MODE, mode)
        await self.pilot.pause()

    def field(self, name: str) -> Input:
        """A line of the dialog in front."""
        return self.console.screen.query_one(f"#field-{name}", Input)

    async def type(self, text: str) -> None:
        await self.pilot.press(*text)
        await self.pilot.pause()

    async def paste(self, text: str) -> None:
        """Paste into what has the keys."""
        focused = self.console.screen.focused
        assert focused is not None
        focused.post_message(Paste(text))
        await self.pilot.pause()

    async def wait(self, condition: Callable[[], Any], what: str = "") -> Any:
        """What the condition gives, as soon as it is true."""
        deadline = time.monotonic() + DEADLINE_S
        while not (value := condition()):
            assert time.monotonic() < deadline, f"waited in vain for {what or condition}\n{self.text}"
            await self.pilot.pause(0.02)
        return value

    async def see(self, text: str) -> None:
        """Wait until a text can be read on the screen."""
        await self.wait(lambda: text in self.text, f"the text {text!r}")

    async def wait_until_still(self) -> None:
        """Wait until what is on the screen stays the same for a while, also behind a dialog."""
        before, same = None, 0
        while same < 3:
            await self.pilot.pause(0.04)
            screens = [self.console.screen, *self.console._background_screens]
            strips = [screen._compositor.render_strips() for screen in screens]
            before, same = strips, same + 1 if strips == before else 0

    @property
    def text(self) -> str:
        """What is on the screen now."""
        screen = self.console.screen
        return "\n".join(strip.text for strip in screen._compositor.render_strips())

    @property
    def toasts(self) -> list[str]:
        return [notification.message for notification in self.console._notifications]


@asynccontextmanager
async def sitting_at(console: Console, size: tuple[int, int] = (120, 40), *, notifications: bool = True) -> Any:
    """Open a console, wait until it shows something, and leave it at the end."""
    async with console.run_test(size=size, notifications=notifications) as pilot:
        person = Person(console, pilot)
        await person.wait(lambda: console.live is not None and console.survey is not None, "the first picture")
        await pilot.pause()
        yield person


@pytest.fixture
def open_console(server: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Console]:
    """Makes a console of the server, or of another one."""

    def make(which: Server = server, **options: Any) -> Console:
        # Quicker than a process of its own; tests of surveys and of the real terminal have that.
        monkeypatch.setattr(which.surveys, "make_elsewhere", lambda timeout_s: which.surveys.make())
        return Console(which, ACTOR, stale_after_s=3600, **options)

    return make


@pytest.fixture
def visit(open_console: Callable[..., Console]) -> Callable[..., None]:
    """Runs a coroutine function with a person in front of a console."""

    def run(
        do: Callable[[Person], Awaitable[None]],
        *,
        size: tuple[int, int] = (120, 40),
        console: Console | None = None,
        **options: Any,
    ) -> None:
        async def sit() -> None:
            async with sitting_at(console or open_console(**options), size) as person:
                await do(person)

        asyncio.run(sit())

    return run


@pytest.fixture
def give(server: Server) -> Callable[..., Any]:
    """Opens an upload of a user who is made when there is none, with some bytes in its slot."""

    def make(user: str = "alice", host: str = "web1", name: str = "nightly", size: int = 1000, expected: int = 4000):
        if server.store.read().users.get(user) is None:
            server.users.add(user, [], ACTOR)
        upload = server.allocator.allocate(user, host, name, expected, "203.0.113.7", f"{user}@203.0.113.7")
        (server.accounts.directory(upload.slot) / "home.tar").write_bytes(os.urandom(size))
        return upload

    return make


@pytest.fixture
def complete(server: Server) -> Callable[[Any], None]:
    """Completes an upload as its client does; its job waits then."""

    def make(upload: Any) -> None:
        files = sorted(server.accounts.directory(upload.slot).iterdir())
        described = [
            describe_file(file.name, hashlib.sha256(data := file.read_bytes()).hexdigest(), len(data)) for file in files
        ]
        server.uploads.complete(upload.id, Manifest(tuple(described)), upload.user)
        server.close_slots()

    return make


@pytest.fixture
def work(server: Server) -> Callable[[], None]:
    """Does the jobs that are due, as the service does."""

    def run() -> None:
        while server.worker.run_due():
            assert server.worker.drain(DEADLINE_S)
        server.uploads.retire_all()

    return run


@pytest.fixture
def archived(give: Callable[..., Any], complete: Callable[[Any], None], work: Callable[[], None]) -> Callable[..., Any]:
    """Brings an upload into the archive; gives it as it was opened."""

    def make(series: str) -> Any:
        upload = give(*series.split("/"))
        complete(upload)
        work()
        return upload

    return make


@pytest.fixture
def same_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids are the same in every run: pictures show them."""
    numbers = iter(range(0x10000))
    monkeypatch.setattr("thaniya_core.formats.names.secrets.token_hex", lambda size: f"{next(numbers) * 4099:06x}"[-6:])


def pack(name: str, members: Mapping[str, bytes], listed: bool = True) -> dict[str, bytes]:
    """A tar archive of files, compressed by gzip, and its contents list: both the same in every run."""
    plain = io.BytesIO()
    lines = b""
    with tarfile.open(mode="w", fileobj=plain, format=tarfile.GNU_FORMAT) as tar:
        for path, data in members.items():
            member = tarfile.TarInfo(f"./{path}")
            member.size, member.mtime = len(data), 1_790_000_000
            tar.addfile(member, io.BytesIO(data))
            stored = f"./{path}".encode("utf-8", "surrogateescape")
            lines += encode_entry(ContentsEntry("-rw-r--r--", "0/0", len(data), "2026-09-21T14:13:20Z", stored))
    files = {f"{name}.tar.gz": gzip.compress(plain.getvalue(), mtime=0)}
    return files | ({f"{name}.files.gz": gzip.compress(lines, mtime=0)} if listed else {})


@pytest.fixture(name="pack")
def _pack() -> Callable[..., dict[str, bytes]]:
    return pack


def _describe(name: str, data: bytes) -> BackupFile:
    described = describe_file(name, hashlib.sha256(data).hexdigest(), len(data))
    if name.endswith(".tar.gz"):
        return replace(described, original_bytes=len(gzip.decompress(data)))
    if name.endswith(".files.gz"):
        of = name.replace(".files.gz", ".tar.gz")
        return replace(described, kind=FileKind.CONTENTS, compression=Compression.GZIP, describes=of)
    return described


@pytest.fixture
def finish(server: Server) -> Callable[..., Backup]:
    """Completes an upload as its client does, and gives the backup that becomes of it."""

    def make(upload: Upload, **said: Any) -> Backup:
        files = sorted(server.accounts.directory(upload.slot).iterdir())
        manifest = Manifest(tuple(_describe(file.name, file.read_bytes()) for file in files), **said)
        server.uploads.complete(upload.id, manifest, upload.user)
        server.close_slots()
        while server.worker.run_due():
            assert server.worker.drain(DEADLINE_S)
        return server.catalog.get(upload.id)

    return make


@pytest.fixture
def archive(server: Server, finish: Callable[..., Backup]) -> Callable[..., Backup]:
    """Brings files through slot and spool into the archive, as a client does, and gives the backup."""

    def make(series: str, files: Mapping[str, bytes], **said: Any) -> Backup:
        user, host, name = series.split("/")
        if server.store.read().users.get(user) is None:
            server.users.add(user, [], ACTOR)
        size = sum(map(len, files.values()))
        upload = server.allocator.allocate(user, host, name, size, "203.0.113.7", f"{user}@203.0.113.7")
        for file, data in files.items():
            (server.accounts.directory(upload.slot) / file).write_bytes(data)
        return finish(upload, **said)

    return make


LOOKS = [(*size, theme) for size in ((60, 20), (80, 24), (120, 40)) for theme in ("dark", "light")]
"""Width, height and theme of the pictures that are kept of each scene."""


def _settle_behind(person: Person) -> None:
    """Lay out what is behind a dialog, and hide what is behind a second one.

    Textual brings them up to date by chance only, until the dialogs go.
    """
    *below, behind, _ = person.console.screen_stack
    if below:
        behind.styles.background = "black"
    behind._refresh_layout()


@pytest.fixture
def compare_looks(snapshot: SnapshotAssertion, tmp_path: Path) -> Callable[[Person], Awaitable[None]]:
    """Compares what can be seen with the kept pictures: at each size, dark and light."""
    pictures = snapshot.use_extension(SVGImageExtension)

    async def compare(person: Person) -> None:
        other = []
        for width, height, theme in LOOKS:
            person.console.theme = f"thaniya-{theme}"
            await person.pilot.resize_terminal(width, height)
            for each in person.console.screen.query(Input):
                each.cursor_blink = False
            for _ in range(4):  # a busy machine may be still for a while, and not be done
                await person.pilot.pause()
                if len(person.console.screen_stack) > 1:
                    _settle_behind(person)
                await person.wait_until_still()
                seen = person.console.export_screenshot()
                if seen == pictures(name=f"{width}x{height}-{theme}"):
                    break
            else:
                file = tmp_path / f"{width}x{height}-{theme}.svg"
                file.write_text(seen)
                other.append(str(file))
        assert not other, f"looks otherwise than before: {', '.join(other)}"

    return compare


@pytest.fixture
def picture(
    open_console: Callable[..., Console], compare_looks: Callable[[Person], Awaitable[None]]
) -> Callable[..., None]:
    """Has a person do something in front of a small console, and compares what can be seen then."""

    def compare(do: Callable[[Person], Awaitable[None]], **options: Any) -> None:
        async def run() -> None:
            async with sitting_at(open_console(**options), (60, 20), notifications=False) as person:
                await do(person)
                await compare_looks(person)

        asyncio.run(run())

    return compare
