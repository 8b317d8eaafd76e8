"""Channels are told what is new to them; one that fails is told about, and catches up."""

from __future__ import annotations

import json
import threading

import pytest

from thaniya_core.errors import ThaniyaError
from thaniya_core.model import Severity, Slot
from thaniya_core.monitor import Finding, Notifier, Report, ServerFacts
from thaniya_core.monitor.channels import Channel
from thaniya_core.store import MemoryStore
from thaniya_core.testing import FixedClock

LATE = Finding("series_late", "alice/web1/nightly", Severity.WARNING, "no good backup for 2 d", "look")
GONE = Finding("volume_gone", "first", Severity.CRITICAL, "it is not at /disk", "mount it")


class Listener:
    """Whom a channel reaches, until it fails."""

    def __init__(self) -> None:
        self.messages = []
        self.failure: Exception | None = None

    def take(self, message) -> None:
        if self.failure is not None:
            raise self.failure
        self.messages.append(message)

    def last(self):
        return [(str(change.kind), change.code) for change in self.messages[-1].changes]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def notifier(store, clock):
    def make(**listeners):
        channels = [
            Channel(name, listener if callable(listener) else listener.take) for name, listener in listeners.items()
        ]
        return Notifier(store, clock, channels, server="web1", timeout_s=0.2, remind_s=86400)

    return make


@pytest.fixture
def report(clock):
    def make(*findings):
        return Report(clock.now(), findings, ServerFacts(clock.now(), slots=(Slot("thaniya_01"),)), ())

    return make


def events(store):
    return [(event.action, event.subject, event.ok) for event in store.read_events()]


def test_changes_are_told_once_in_one_message(notifier, report):
    mail = Listener()
    told = notifier(mail=mail)
    assert told.tell(report()) == []
    (sent,) = told.tell(report(GONE, LATE))
    assert (sent.channel, sent.changes, sent.reason) == ("mail", 2, "")
    assert mail.last() == [("new", "volume_gone"), ("new", "series_late")]
    assert told.tell(report(GONE, LATE)) == []
    told.tell(report(LATE))
    assert mail.last() == [("resolved", "volume_gone")]
    assert mail.messages[-1].status is Severity.WARNING
    assert len(mail.messages) == 2


def test_another_process_knows_what_was_told(notifier, report):
    notifier(mail=Listener()).tell(report(LATE))
    again = Listener()
    assert notifier(mail=again).tell(report(LATE)) == []


def test_channel_that_fails_stops_no_other_and_catches_up(notifier, report, store, clock):
    mail, hook = Listener(), Listener()
    hook.failure = ThaniyaError("it answered 500", hint="look there")
    told = notifier(hook=hook, mail=mail)
    reasons = {sent.channel: sent.reason for sent in told.tell(report(LATE))}
    assert reasons == {"hook": "it answered 500 (look there)", "mail": ""}
    record = store.read().channels.get("hook")
    assert (record.failed_at, record.reason) == (clock.now(), "it answered 500 (look there)")
    began = clock.now()
    clock.advance(60)
    told.tell(report(LATE, GONE))
    assert mail.last() == [("new", "volume_gone")]
    assert store.read().channels.get("hook").failed_at == began
    hook.failure = None
    told.tell(report(GONE))
    assert hook.last() == [("new", "volume_gone")]  # what came and went meanwhile is not told
    assert store.read().channels.get("hook").failed_at is None
    assert events(store) == [("notify.failed", "hook", False), ("notify.mended", "hook", True)]


@pytest.mark.parametrize("failure", [OSError(5, "Input/output error"), RuntimeError("a library of others")])
def test_whatever_a_channel_raises_is_kept(notifier, report, store, failure):
    hook = Listener()
    hook.failure = failure
    (sent,) = notifier(hook=hook).tell(report(LATE))
    assert sent.reason
    assert store.read().channels.get("hook").reason == sent.reason


def test_channel_that_never_returns_is_left_alone(notifier, report, monkeypatch):
    monkeypatch.setattr("thaniya_core.monitor.notifier._SPARE_S", 0.0)
    release = threading.Event()
    mail = Listener()
    reasons = {
        sent.channel: sent.reason for sent in notifier(hung=lambda _: release.wait(60), mail=mail).tell(report(LATE))
    }
    release.set()
    assert reasons == {"hung": "it did not answer within 0.2 s", "mail": ""}


def test_channel_that_is_no_longer_configured_is_forgotten(notifier, report, store):
    notifier(mail=Listener(), hook=Listener()).tell(report(LATE))
    notifier(mail=Listener()).tell(report(LATE))
    assert [record.name for record in store.read().channels.all()] == ["mail"]


def test_trial_reaches_every_channel_and_changes_nothing_that_was_told(notifier, report, store):
    mail, hook = Listener(), Listener()
    told = notifier(mail=mail, hook=hook)
    told.tell(report(LATE))
    hook.failure = ThaniyaError("no")
    assert [bool(sent.reason) for sent in told.try_out()] == [False, True]
    assert mail.messages[-1].is_test
    hook.failure = None
    told.try_out()
    assert store.read().channels.get("hook").reason == ""
    assert told.tell(report(LATE)) == []
    assert json.dumps(events(store)) == json.dumps([("notify.failed", "hook", False), ("notify.mended", "hook", True)])
