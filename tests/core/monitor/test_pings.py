"""Pings of the series, to a real HTTP server."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from thaniya_core.config import Ping, UrlTemplate
from thaniya_core.formats.names import Series
from thaniya_core.model import UploadState
from thaniya_core.monitor import Pings
from thaniya_core.monitor import pings as pings_module
from thaniya_core.monitor.pings import LIMIT_S
from thaniya_core.store import MemoryStore
from thaniya_core.testing import FixedClock


@pytest.fixture
def clock(make) -> FixedClock:
    return FixedClock(make.now)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def pings(store, clock, web):
    settings = Ping(
        start=UrlTemplate(f"{web.url}/{{user}}-{{host}}-{{name}}/start"),
        success=UrlTemplate(f"{web.url}/{{user}}-{{host}}-{{name}}"),
        fail=UrlTemplate(f"{web.url}/{{user}}-{{host}}-{{name}}/fail"),
    )
    pings = Pings(store, clock, settings)
    pings.send_due()
    return pings


def put(store, *uploads):
    with store.transaction() as state:
        for upload in uploads:
            state.uploads.put(upload)


def retire(store, upload, state, at, **fields):
    ended = replace(upload, state=state, ended_at=at, **fields)
    store.add_history(ended)
    with store.transaction() as records:
        records.uploads.remove(upload.id)


def test_start_and_success_are_told_once_each(pings, store, clock, web, make):
    clock.advance(60)
    upload = make.upload(clock.now(), UploadState.OPEN)
    put(store, upload)
    assert pings.send_due() == 1
    assert pings.send_due() == 0
    clock.advance(60)
    retire(store, upload, UploadState.ARCHIVED, clock.now())
    assert pings.send_due() == 1
    assert pings.send_due() == 0
    assert [request[:2] for request in web.requests] == [
        ("GET", "/alice-web1-nightly/start"),
        ("GET", "/alice-web1-nightly"),
    ]


@pytest.mark.parametrize("state", [UploadState.EXPIRED, UploadState.REJECTED, UploadState.ABORTED])
def test_upload_that_came_and_failed_between_two_looks_is_told_in_order(pings, store, clock, web, make, state):
    clock.advance(60)
    upload = make.upload(clock.now(), UploadState.OPEN)
    retire(store, upload, state, clock.now())
    assert pings.send_due() == 2
    assert web.paths == ["/alice-web1-nightly/start", "/alice-web1-nightly/fail"]


def test_failed_upload_that_waits_for_an_administrator_is_told_once(pings, store, clock, web, make):
    clock.advance(60)
    put(store, replace(make.upload(clock.now(), UploadState.FAILED), ended_at=clock.now()))
    assert pings.send_due() == 2
    assert pings.send_due() == 0
    assert web.paths[-1] == "/alice-web1-nightly/fail"


def test_nothing_of_the_past_is_told(store, clock, web, make):
    put(store, make.upload(clock.now() - make.day, UploadState.OPEN))
    store.add_history(make.upload(clock.now() - make.day, UploadState.ARCHIVED, number=2))
    pings = Pings(store, clock, Ping(start=UrlTemplate(f"{web.url}/s"), success=UrlTemplate(f"{web.url}/e")))
    assert (pings.send_due(), pings.send_due()) == (0, 0)
    assert web.requests == []


def test_clock_that_was_set_back_does_not_silence_pings_for_ever(pings, store, clock, web, make):
    clock.advance(60)
    retire(store, make.upload(clock.now(), UploadState.OPEN), UploadState.ARCHIVED, clock.now())
    pings.send_due()
    with store.transaction() as state:
        state.pings.put(replace(state.pings.all()[0], failed={"alice/web1/weekly": "no answer"}))
    clock.set_wall_clock(timedelta(days=-100))
    pings.send_due()
    assert store.read().pings.all()[0].failed == {"alice/web1/weekly": "no answer"}
    clock.advance(60)
    retire(store, make.upload(clock.now(), UploadState.OPEN, number=5), UploadState.ARCHIVED, clock.now())
    assert pings.send_due() == 2


def test_ping_that_fails_is_kept_until_one_of_its_series_comes_through(pings, store, clock, web, make):
    web.status = 404
    clock.advance(60)
    put(store, make.upload(clock.now(), UploadState.OPEN))
    assert pings.send_due() == 0
    record = store.read().pings.all()[0]
    assert record.failed == {"alice/web1/nightly": "127.0.0.1 answered 404 Not Found"}
    assert [(event.action, event.subject, event.ok) for event in store.read_events()] == [
        ("ping.failed", "alice/web1/nightly", False)
    ]
    web.status = 200
    other = Series("alice", "web1", "weekly")
    clock.advance(60)
    put(store, make.upload(clock.now(), UploadState.OPEN, series=other, number=2))
    pings.send_due()
    assert store.read().pings.all()[0].failed == record.failed
    put(store, make.upload(clock.now(), UploadState.OPEN, number=3))
    assert pings.send_due() == 1
    assert store.read().pings.all()[0].failed == {}


def test_pings_that_nobody_answers_do_not_hold_the_check_up(pings, store, clock, web, make, monkeypatch):
    fetch = pings_module._fetch_all

    def slowly(urls, timeout_s):
        clock.advance(LIMIT_S)
        return fetch(urls, timeout_s)

    monkeypatch.setattr(pings_module, "_fetch_all", slowly)
    many = [Series("alice", "web1", f"series-{number:02}") for number in range(30)]
    put(store, *(make.upload(clock.now(), UploadState.OPEN, series=each, number=n) for n, each in enumerate(many)))

    assert pings.send_due() == 8
    assert len(web.requests) == 8
    failed = store.read().pings.all()[0].failed
    assert set(failed) == set(map(str, many[8:]))
    assert set(failed.values()) == {"not sent: the 30 pings that were due took longer than 60 s"}


def test_without_addresses_nothing_is_kept(store, clock):
    assert Pings(store, clock, Ping()).send_due() == 0
    assert store.read().pings.all() == []
