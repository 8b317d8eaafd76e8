"""The console in a browser of this machine, by textual-serve: each page gets a console in a process of its own.

textual-serve lets in whoever reaches its port, and loopback is open to every account of the machine. So the address
holds a secret of this run, which becomes a cookie; nothing is served without it, the websocket least of all. Requests
that name another host come from a page that had its name point here (DNS rebinding) and are refused, and so are those
that another page sends.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import shlex
import socket
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiohttp_jinja2
from aiohttp import WSCloseCode, web
from textual_serve.app_service import AppService
from textual_serve.server import Server as TextualServer
from textual_serve.server import to_int

from thaniya_core.errors import ThaniyaError

HOST = "127.0.0.1"
"""Nothing else is ever listened on; who is elsewhere comes through `ssh -L`."""

_HOSTS = (HOST, "localhost")
_QUIT_S = 3.0
"""A console that was asked to end is killed after this."""
_SHUTDOWN_S = 5.0
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # The page of textual-serve has scripts in it, and would load a font from elsewhere.
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; font-src 'self'; connect-src 'self'; frame-ancestors 'none'",
}

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Guard:
    """Lets in who knows the secret, and only under a name of this machine."""

    def __init__(self, token: str, port: int) -> None:
        self._token = token
        self._cookie = f"thaniya-{port}"  # a browser has the same cookies for all ports of a host

    def refusal(self, host: str, origin: str | None, path: str, cookies: dict[str, str]) -> str:
        """Why a request is refused; empty when it is let in."""
        if host.rpartition(":")[0] not in _HOSTS and host not in _HOSTS:
            return "this name is not one of this machine"
        if origin is not None and origin != f"http://{host}":
            return "the request comes from another page"
        if not self._is_token(cookies.get(self._cookie, "")) and not self.is_entrance(path):
            return "the address lacks its secret: use the one that thaniya-tui printed"
        return ""

    def is_entrance(self, path: str) -> bool:
        """Whether a path is the address that was printed."""
        return self._is_token(path.strip("/"))

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode("utf-8", "replace"), self._token.encode())

    def let_in(self) -> web.Response:
        """Give the secret as a cookie, and take it out of the address."""
        response = web.Response(status=303, headers={"Location": "/"})
        response.set_cookie(self._cookie, self._token, httponly=True, samesite="Strict", path="/")
        return response

    @property
    def middleware(self) -> Any:
        """For aiohttp."""

        @web.middleware
        async def guard(request: web.Request, handler: _Handler) -> web.StreamResponse:
            refusal = self.refusal(
                request.host, request.headers.get("Origin"), request.path, dict(request.cookies.items())
            )
            if refusal:
                return web.Response(status=403, text=refusal + "\n", headers=_HEADERS)
            if self.is_entrance(request.path):
                return self.let_in()
            return await handler(request)

        return guard


class ConsoleServer(TextualServer):
    """Serves the page and the consoles, under whatever name of this machine it is asked for."""

    def __init__(self, command: Sequence[str], guard: Guard) -> None:
        """
        Args:
            command: the console's program and arguments.
            guard: who is let in.
        """
        super().__init__(shlex.join(command), host=HOST, title="Thaniya")
        self._guard = guard
        self._open: dict[web.WebSocketResponse, asyncio.Task[Any]] = {}

    async def make_app(self) -> web.Application:
        """The application, guarded."""
        app = await self._make_app()
        app.middlewares.append(self._guard.middleware)
        app.on_response_prepare.append(_add_headers)
        return app

    async def on_startup(self, app: web.Application) -> None:
        """Print nothing: the address is told by who starts this."""

    async def on_shutdown(self, app: web.Application) -> None:
        """End the consoles that are open."""
        handlers = list(self._open.values())
        for websocket in list(self._open):
            await websocket.close(code=WSCloseCode.GOING_AWAY)
        await asyncio.gather(*handlers, return_exceptions=True)

    @aiohttp_jinja2.template("app_index.html")
    async def handle_index(self, request: web.Request) -> dict[str, Any]:
        """The page. All its addresses are those that it was asked for by, which `ssh -L` may have changed."""
        return {
            "font_size": to_int(request.query.get("fontsize", "16"), 16),
            "app_websocket_url": f"ws://{request.host}/ws",
            "config": {"static": {"url": "/static/"}},
            "application": {"name": self.title},
        }

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """One console, for as long as its page is open."""
        websocket = web.WebSocketResponse(heartbeat=15)
        await websocket.prepare(request)

        async def close() -> None:
            await websocket.close()

        console = _ConsoleProcess(
            self.command,
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=close,
            download_manager=self.download_manager,
        )
        task = asyncio.current_task()
        assert task is not None
        self._open[websocket] = task
        try:
            await console.start(to_int(request.query.get("width", ""), 80), to_int(request.query.get("height", ""), 24))
            await self._process_messages(websocket, console)
        finally:
            del self._open[websocket]
            await console.stop()
        return websocket


class _ConsoleProcess(AppService):
    """A console without a shell around it, which has ended when `stop` returns."""

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        pipe = asyncio.subprocess.PIPE
        environment = self._build_environment(width, height)
        process = await asyncio.create_subprocess_exec(
            *shlex.split(self.command), stdin=pipe, stdout=pipe, stderr=pipe, env=environment
        )
        self._process, self._stdin = process, process.stdin
        return process

    async def stop(self) -> None:
        process = self._process
        try:
            async with asyncio.timeout(_QUIT_S):
                await super().stop()
                if process is not None:
                    await process.wait()
        except TimeoutError:
            pass  # it is killed
        finally:
            if process is not None and process.returncode is None:
                process.kill()
                await process.wait()


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)


def serve(command: Sequence[str], port: int, tell: Callable[[str], None]) -> None:
    """Serve until the process is asked to end (SIGINT, SIGTERM).

    Args:
        command: opens a console; its program and arguments.
        port: where to listen; 0 takes a free one.
        tell: is told the address, secret included.

    Raises:
        ThaniyaError: the port is taken.
    """
    logging.getLogger("textual-serve").setLevel(logging.CRITICAL)
    try:
        listening = socket.create_server((HOST, port))
    except OSError as exc:
        raise ThaniyaError(
            f"cannot listen on {HOST} port {port}: {exc.strerror}", hint="give another one: --port 0 takes a free one"
        ) from exc
    with listening:
        taken = listening.getsockname()[1]
        token = secrets.token_urlsafe(24)
        server = ConsoleServer(command, Guard(token, taken))
        tell(f"http://{HOST}:{taken}/{token}")
        app = server.make_app()
        web.run_app(app, sock=listening, print=None, access_log=None, shutdown_timeout=_SHUTDOWN_S)
