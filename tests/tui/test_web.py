"""The console in a browser: a real one shows it, and nobody gets in without the secret."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from thaniya_core.cli.demo.past import make_past
from thaniya_tui.web import Guard

DEADLINE_S = 60.0
TOKEN = "abcdefghijklmnopqrstuvwxyz012345"


@dataclass(frozen=True)
class Served:
    """A console that is served by a process of its own."""

    address: str
    config: Path
    process: subprocess.Popen[str]

    @property
    def host(self) -> str:
        return self.address.split("/")[2]

    @property
    def root(self) -> str:
        return f"http://{self.host}"

    @property
    def secret(self) -> str:
        return self.address.rpartition("/")[2]

    @property
    def cookie(self) -> str:
        return f"thaniya-{self.host.rpartition(':')[2]}={self.secret}"

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(DEADLINE_S) == 0
        assert self.consoles() == []

    def consoles(self) -> list[str]:
        """The command lines of consoles of this server, the one who serves them included."""
        lines = [_read(place / "cmdline") for place in Path("/proc").iterdir() if place.name.isdigit()]
        return [line for line in lines if str(self.config) in line and "thaniya_tui" in line]


def _read(file: Path) -> str:
    try:
        return file.read_bytes().decode(errors="replace")
    except OSError:
        return ""  # it has ended in this moment


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    config = make_past(tmp_path / "server", datetime.now(UTC))
    command = [sys.executable, "-m", "thaniya_tui", "--config", str(config), "--web", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process, process.stdout:
        made = Served(process.stdout.readline().strip(), config, process)
        try:
            yield made
        finally:
            if process.poll() is None:
                made.end()


class Page:
    """A page of a browser, spoken to by the DevTools protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self._session = ""
        self.received = b""
        """What came through the page's websocket."""

    async def open(self, address: str) -> None:
        target = (await self.call("Target.createTarget", url="about:blank"))["targetId"]
        self._session = (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        await self.call("Network.enable")
        await self.call("Page.enable")
        await self.call("Page.navigate", url=address)

    async def call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        await self._socket.send_json(message | ({"sessionId": self._session} if self._session else {}))
        while True:
            answer = await self.next_message()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    async def next_message(self) -> Any:
        message = json.loads((await self._socket.receive(DEADLINE_S)).data)
        if message.get("method") == "Network.webSocketFrameReceived":
            frame = message["params"]["response"]
            data = frame["payloadData"]
            self.received += base64.b64decode(data) if frame["opcode"] == 2 else data.encode()
        return message

    async def evaluate(self, expression: str) -> Any:
        result = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        return result["result"].get("value")

    async def picture(self) -> bytes:
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])

    async def colours(self, picture: bytes) -> dict[str, int]:
        """How many pixels of a picture have which colour."""
        return json.loads(await self.evaluate(COUNT_COLOURS % base64.b64encode(picture).decode()))


COUNT_COLOURS = """
(async () => {
  const image = await createImageBitmap(await new Promise((resolve) => {
    const bytes = Uint8Array.from(atob("%s"), (letter) => letter.charCodeAt(0));
    resolve(new Blob([bytes], {type: "image/png"}));
  }));
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const data = context.getImageData(0, 0, image.width, image.height).data;
  const counts = {};
  for (let place = 0; place < data.length; place += 4) {
    const colour = `${data[place]},${data[place + 1]},${data[place + 2]}`;
    counts[colour] = (counts[colour] || 0) + 1;
  }
  return JSON.stringify(counts);
})()
"""


def browse(tmp_path: Path, do: Callable[[Page], Awaitable[None]]) -> None:
    """Run a coroutine function with a page of a real browser."""

    place = tmp_path / "browser"
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    command += [f"--user-data-dir={place}", "--window-size=1200,800", "about:blank"]

    async def run() -> None:
        async with asyncio.timeout(2 * DEADLINE_S):
            while not (place / "DevToolsActivePort").exists() or len(told := told_by(place)) < 2:
                await asyncio.sleep(0.05)
            address = f"ws://127.0.0.1:{told[0]}{told[1]}"
            async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket:
                await do(Page(socket))

    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
        try:
            asyncio.run(run())
        finally:
            browser.terminate()


def told_by(place: Path) -> list[str]:
    """The port and the path where a browser listens for its developer tools."""
    return (place / "DevToolsActivePort").read_text().split()


def test_a_browser_shows_the_console(served: Served, tmp_path: Path) -> None:
    async def look(page: Page) -> None:
        await page.open(served.address)
        while b"bob/laptop/home" not in page.received:
            await page.next_message()
        while not await page.evaluate("document.body.classList.contains('-first-byte')"):
            await page.next_message()
        assert await page.evaluate("location.href") == f"{served.root}/"
        colours: dict[str, int] = {}
        # What the terminal has got is drawn a moment later.
        while len(colours) < 200 or max(colours.values()) > 0.95 * sum(colours.values()):
            picture = await page.picture()
            (tmp_path / "console.png").write_bytes(picture)
            colours = await page.colours(picture)
        await page.evaluate("document.querySelector('.xterm-helper-textarea').focus()")
        await page.call("Input.dispatchKeyEvent", type="keyDown", key="2", text="2")
        while b"thaniya_01" not in page.received:
            await page.next_message()

    browse(tmp_path, look)


def test_consoles_end_with_the_one_who_serves_them(served: Served) -> None:
    async def connect() -> None:
        headers = {"Cookie": served.cookie, "Origin": served.root}
        async with (
            asyncio.timeout(DEADLINE_S),
            aiohttp.ClientSession(headers=headers) as session,
            session.ws_connect(f"ws://{served.host}/ws?width=80&height=24") as socket,
        ):
            while (await socket.receive()).type is not aiohttp.WSMsgType.BINARY:
                pass
            assert len(served.consoles()) == 2
            ending = asyncio.create_task(asyncio.to_thread(served.end))
            while not (await socket.receive()).type.name.startswith("CLOS"):
                pass
        await ending

    asyncio.run(connect())


def status_of(address: str, **headers: str) -> int:
    request = urllib.request.Request(address, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_nothing_is_served_without_the_secret(served: Served) -> None:
    secret, script = served.secret, "/static/js/textual.js"
    paths = ("/", "/ws", script, "/static/", "/download/x", "/nothing", f"/{secret[:-1]}", f"/{secret}x")
    assert {path: status_of(served.root + path) for path in paths} == dict.fromkeys(paths, 403)
    assert status_of(served.root, Cookie=served.cookie[:-1]) == 403
    assert status_of(served.root, Cookie=served.cookie) == 200
    assert status_of(served.root + script, Cookie=served.cookie) == 200


def test_other_hosts_and_other_pages_are_refused(served: Served) -> None:
    root, cookie = served.root, served.cookie
    assert status_of(root, Cookie=cookie, Host="evil.example:80") == 403
    assert status_of(served.address, Host="evil.example") == 403
    assert status_of(root, Cookie=cookie, Origin="http://evil.example") == 403
    assert status_of(root, Cookie=cookie, Host="localhost:9999") == 200  # as through ssh -L 9999:…
    assert status_of(root + "/ws", Cookie=cookie, Origin="http://127.0.0.1:1", Upgrade="websocket") == 403


@pytest.mark.parametrize(
    ("host", "origin", "path", "cookies", "is_let_in"),
    [
        ("127.0.0.1:8383", None, f"/{TOKEN}", {}, True),
        ("localhost", None, "/", {"thaniya-8383": TOKEN}, True),
        ("localhost:1", "http://localhost:1", "/ws", {"thaniya-8383": TOKEN}, True),
        ("localhost:1", "http://localhost:2", "/ws", {"thaniya-8383": TOKEN}, False),
        ("localhost:1", "null", "/ws", {"thaniya-8383": TOKEN}, False),
        ("localhost.evil.example", None, "/", {"thaniya-8383": TOKEN}, False),
        ("evil.example:8383", None, f"/{TOKEN}", {}, False),
        ("", None, f"/{TOKEN}", {}, False),
        ("127.0.0.1:8383", None, "/", {"thaniya-8384": TOKEN}, False),
        ("127.0.0.1:8383", None, "/", {"thaniya-8383": ""}, False),
        ("127.0.0.1:8383", None, "/ünïcödé", {"thaniya-8383": "ünïcödé"}, False),
    ],
)
def test_who_is_let_in(host: str, origin: str | None, path: str, cookies: dict[str, str], is_let_in: bool) -> None:
    assert bool(Guard(TOKEN, 8383).refusal(host, origin, path, cookies)) is not is_let_in


def test_a_port_that_is_taken_is_told(served: Served) -> None:
    port = served.host.rpartition(":")[2]
    command = [sys.executable, "-m", "thaniya_tui", "--config", str(served.config), "--web", "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert (done.returncode, "--port 0" in done.stderr) == (1, True), done.stderr
