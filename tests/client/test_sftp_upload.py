"""The upload of one file over SFTP, against a session in memory that can be cut."""

from __future__ import annotations

from collections import deque

import pytest

from thaniya_client.connectors.ssh import sftp_upload
from thaniya_client.connectors.ssh.retry import Retry
from thaniya_client.connectors.ssh.sftp_channel import REQUEST_BYTES, Status
from thaniya_client.connectors.ssh.sftp_upload import SftpWriter
from thaniya_core.errors import ConnectionLost, NoSpace, ThaniyaError


class FakeServer:
    """Keeps the file, and cuts sessions: each session ends after so many requests, the last `lost` unanswered."""

    def __init__(self, session_lengths: list[int], lost: int = 3) -> None:
        self.data = bytearray()
        self.sessions: list[list[int]] = []
        self.refuse_at: int | None = None
        self.opened = 0
        self._lengths = deque(session_lengths)
        self._lost = lost
        self._session: FakeSession | None = None

    def channel(self) -> FakeSession:
        if self._session is None:
            if not self._lengths:
                raise ConnectionLost("the server is gone")
            self._session = FakeSession(self, self._lengths.popleft(), self._lost)
            self.sessions.append(self._session.offsets)
        return self._session

    def drop(self) -> None:
        self._session = None


class FakeSession:
    def __init__(self, server: FakeServer, length: int, lost: int) -> None:
        self.offsets: list[int] = []
        self._server = server
        self._left = length
        self._lost = lost
        self._answers: deque[Status] = deque()
        self._next_id = 0

    def open_file(self, path: str) -> bytes | Status:
        assert path == "upload/home.tar.gz"
        self._server.opened += 1
        return b"handle"

    def request_write(self, handle: bytes, offset: int, data: bytes) -> int:
        self._spend()
        self._next_id += 1
        self.offsets.append(offset)
        code = 4 if self._server.refuse_at is not None and offset >= self._server.refuse_at else 0
        if self._left >= self._lost:
            self._server.data[offset : offset + len(data)] = data
            self._answers.append(Status(self._next_id, code, "Failure" if code else ""))
        return self._next_id

    def request_close(self, handle: bytes) -> int:
        self._spend()
        self._next_id += 1
        self._answers.append(Status(self._next_id, 0, ""))
        return self._next_id

    def has_answer(self) -> bool:
        return bool(self._answers)

    def next_answer(self) -> Status:
        if not self._answers:
            raise ConnectionLost("the connection was lost")
        return self._answers.popleft()

    def _spend(self) -> None:
        if self._left == 0:
            raise ConnectionLost("the connection was lost")
        self._left -= 1


DATA = bytes(range(256)) * 4 * 1024 * 10
"""10 MiB, which is 41 requests."""


def upload(server: FakeServer, limit_s: float = 60, wait: list[float] | None = None) -> None:
    waits = wait if wait is not None else []
    writer = SftpWriter(server, "upload/home.tar.gz", Retry(limit_s, waits.append), lambda error: error)
    for begin in range(0, len(DATA), 1_000_000):
        writer.write(DATA[begin : begin + 1_000_000])
    writer.close()


def test_file_arrives_whole() -> None:
    server = FakeServer([1000], lost=0)
    upload(server)
    assert server.data == DATA
    assert max(server.sessions[0]) == len(DATA) // REQUEST_BYTES * REQUEST_BYTES


def test_only_what_was_not_confirmed_is_sent_again() -> None:
    server = FakeServer([20, 1000], lost=3)
    waits: list[float] = []
    upload(server, wait=waits)

    assert server.data == DATA
    assert server.opened == 2
    first, second = server.sessions
    assert len(first) == 20
    assert min(second) == first[-3]
    assert waits == [1.0]


def test_many_cuts_are_survived_while_bytes_arrive() -> None:
    server = FakeServer([6] * 40, lost=1)
    upload(server, limit_s=1)
    assert server.data == DATA


def test_connection_that_stays_lost_is_an_error() -> None:
    server = FakeServer([20], lost=3)
    waits: list[float] = []
    with pytest.raises(ConnectionLost, match="gone"):
        upload(server, limit_s=20, wait=waits)
    assert waits == [1, 2, 4, 8]


def test_no_retry_when_none_is_wanted() -> None:
    server = FakeServer([20, 1000])
    with pytest.raises(ConnectionLost):
        upload(server, limit_s=0)
    assert server.opened == 1


def test_refusal_is_explained() -> None:
    server = FakeServer([1000], lost=0)
    server.refuse_at = 3_000_000
    reasons: list[ThaniyaError] = []

    def explain(error: ThaniyaError) -> ThaniyaError:
        reasons.append(error)
        return NoSpace("the server's disk is full")

    writer = SftpWriter(server, "upload/home.tar.gz", Retry(60, lambda _: None), explain)
    with pytest.raises(NoSpace):
        for begin in range(0, len(DATA), 1_000_000):
            writer.write(DATA[begin : begin + 1_000_000])
    assert "Failure" in reasons[0].message


def test_little_is_kept_unconfirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sftp_upload, "UNCONFIRMED_BYTES", 4 * REQUEST_BYTES)
    server = FakeServer([1000], lost=0)
    writer = SftpWriter(server, "upload/home.tar.gz", Retry(0), lambda error: error)
    session = server.channel()
    monkeypatch.setattr(session, "has_answer", lambda: False)
    for begin in range(0, len(DATA), REQUEST_BYTES):
        writer.write(DATA[begin : begin + REQUEST_BYTES])
        assert writer._unconfirmed_bytes <= 4 * REQUEST_BYTES
    writer.close()
    assert server.data == DATA


def test_an_abandoned_file_is_not_tried_again() -> None:
    server = FakeServer([20, 1000])
    writer = SftpWriter(server, "upload/home.tar.gz", Retry(60), lambda error: error)
    writer.abandon()
    with pytest.raises(ConnectionLost):
        for _ in range(30):
            writer.write(bytes(REQUEST_BYTES))
