"""The service's passes: how soon it looks again."""

from __future__ import annotations

import threading

import pytest

from thaniya_core.errors import NoSpace
from thaniya_core.initialise import initialise
from thaniya_core.server import Server
from thaniya_core.service import FAILED_PASS_S, PASS_S, Service


class Pauses(threading.Event):
    """Where the service waits between two passes: notes how long it would, and lets three passes happen."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float | None] = []
        self.service: Service | None = None

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout)
        assert self.service is not None
        if len(self.seconds) == 3:
            self.service.stop_soon()
        return True


@pytest.fixture
def server(tmp_path) -> Server:
    return initialise(tmp_path / "served", "login:test", slots=1, port=0)


@pytest.fixture
def pauses(server) -> Pauses:
    server.work_waits = Pauses()
    server.work_waits.service = Service(server)
    return server.work_waits


def test_service_looks_again_soon(pauses):
    pauses.service.run()

    assert pauses.seconds == [PASS_S] * 3


def test_service_takes_its_time_while_something_fails_and_does_the_rest(server, pauses, monkeypatch, caplog):
    def fails() -> None:
        raise NoSpace("the disk is full")

    ran: list[str] = []
    monkeypatch.setattr(server, "close_slots", fails)
    monkeypatch.setattr(server.worker, "run_due", lambda: ran.append("jobs"))

    pauses.service.run()

    assert pauses.seconds == [FAILED_PASS_S] * 3
    assert ran == ["jobs"] * 3
    assert "cannot close slots: the disk is full" in caplog.text
