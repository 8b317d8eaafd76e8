"""Small builders of what the rules look at, and real programs that are told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from thaniya_core.formats.manifest import BackupFile, FileKind, Manifest, SumsBy, make_document
from thaniya_core.formats.names import Series
from thaniya_core.model import Backup, Expectation, Upload, UploadState
from thaniya_core.monitor import SeriesFacts

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SERIES = Series("alice", "web1", "nightly")
DAY = timedelta(days=1)
MIB = 1024**2


def backup(at: datetime, size: int = 10 * MIB, *, series: Series = SERIES, number: int = 0, **fields: Any) -> Backup:
    """A backup that was opened at some time."""
    files = fields.pop("files", (BackupFile("home.tar.gz", "0" * 64, size, FileKind.TAR),))
    parent = fields.pop("parent", None)
    document = make_document(
        series,
        f"{at:%Y%m%dT%H%M%SZ}-{number:06x}",
        files,
        Manifest(files),
        sums_by=SumsBy.CLIENT,
        created_at=at,
        completed_at=at + timedelta(minutes=5),
        archived_at=at + timedelta(minutes=6),
    )
    return Backup(replace(document, parent=parent), fields.pop("volume", "disk"), **fields)


def daily(count: int, last: datetime = NOW - timedelta(hours=10), **fields: Any) -> tuple[Backup, ...]:
    """Backups on so many days, the oldest first."""
    return tuple(backup(last - DAY * ago, **fields) for ago in reversed(range(count)))


def upload(at: datetime, state: UploadState, *, series: Series = SERIES, number: int = 1, **fields: Any) -> Upload:
    """An upload, ended unless its state says otherwise."""
    return Upload(
        f"{at:%Y%m%dT%H%M%SZ}-{number:06x}",
        *(series.user, series.host, series.name),
        "thaniya_01",
        created_at=at,
        last_activity_at=at,
        state=state,
        ended_at=at + timedelta(minutes=6) if state.is_ended else None,
        stored_bytes=1 if state is UploadState.ARCHIVED else None,
        **fields,
    )


def facts(*backups: Backup, series: Series = SERIES, ended: tuple[Upload, ...] = (), **fields: Any) -> SeriesFacts:
    few_words = tuple(each for upload in ended if (each := upload.in_few_words()))
    return SeriesFacts(series, backups, few_words, **fields)


def expect(every: timedelta, grace: timedelta = timedelta(), since: datetime = NOW, series: Series = SERIES) -> Any:
    return Expectation(str(series), since, int(every.total_seconds()), int(grace.total_seconds()))


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """The builders; for the length of the session, because they keep nothing."""
    return SimpleNamespace(
        now=NOW,
        series=SERIES,
        day=DAY,
        mib=MIB,
        backup=backup,
        daily=daily,
        upload=upload,
        facts=facts,
        expect=expect,
    )


class Web:
    """A real HTTP server: what it got, and what it answers."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        self.location = ""
        self.release: threading.Event | None = None
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                web.requests.append((self.command, self.path, body))
                web.headers.append(dict(self.headers))
                if web.release is not None:
                    web.release.wait(60)
                self.send_response(web.status)
                if web.location:
                    self.send_header("Location", web.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def paths(self) -> list[str]:
        return [path for _, path, _ in self.requests]

    def json(self, number: int) -> Any:
        return json.loads(self.requests[number][2])

    def stop(self) -> None:
        if self.release is not None:
            self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    yield server
    server.stop()
