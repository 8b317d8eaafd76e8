"""Tells every channel what has changed since it was told last, and remembers what came through.

What a channel was told is kept channel by channel. So one that fails holds up no other, and once it works again it is
told the difference to what it knows, no more and no less.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from thaniya_core.errors import ThaniyaError
from thaniya_core.model import ChannelRecord, Event
from thaniya_core.monitor.changes import Comparison, compare
from thaniya_core.monitor.channels import Channel
from thaniya_core.monitor.health import Report
from thaniya_core.monitor.message import Message, trial_message
from thaniya_core.store import Store
from thaniya_core.system.clock import Clock
from thaniya_core.system.deadline import LateCall

_SPARE_S = 5.0
"""How much longer than its own time limit a channel is waited for."""


class Sent(Struct, frozen=True):
    """What became of a channel's message."""

    channel: str
    changes: int
    reason: str = ""
    """Why it did not come through; empty when it did."""


class Notifier:
    """Tells people. What goes wrong with a channel is not raised: it is kept, logged and found by the next check."""

    def __init__(
        self, store: Store, clock: Clock, channels: Sequence[Channel], *, server: str, timeout_s: float, remind_s: int
    ) -> None:
        """
        Args:
            store, clock: what they say.
            channels: whom to tell.
            server: this host's name.
            timeout_s: how long a channel may take; all are told at the same time.
            remind_s: what is critical is told again after so long.
        """
        self._store = store
        self._clock = clock
        self._channels = channels
        self._server = server
        self._timeout_s = timeout_s
        self._remind_s = remind_s

    @property
    def channels(self) -> list[str]:
        """The names of the channels."""
        return [channel.name for channel in self._channels]

    def tell(self, report: Report) -> list[Sent]:
        """Tell each channel what is new to it; those without news get nothing."""
        known = {record.name: record for record in self._store.read().channels.all()}
        self._forget(set(known) - set(self.channels))
        now = self._clock.now()
        news: list[tuple[Channel, Comparison]] = []
        for channel in self._channels:
            told = known.get(channel.name, ChannelRecord(channel.name)).alerts
            comparison = compare(told, report.findings, now, self._remind_s)
            if comparison.changes:
                news.append((channel, comparison))
        messages = [
            (channel, Message(self._server, report.status, now, comparison.changes, len(report.findings)))
            for channel, comparison in news
        ]
        sent = self._send(messages)
        for (_, comparison), outcome in zip(news, sent, strict=True):
            self._note(outcome, now, comparison)
        return sent

    def try_out(self) -> list[Sent]:
        """Send a test through every channel. One that works again counts as mended."""
        now = self._clock.now()
        sent = self._send([(channel, trial_message(self._server, now)) for channel in self._channels])
        for outcome in sent:
            self._note(outcome, now, None)
        return sent

    def _send(self, messages: Sequence[tuple[Channel, Message]]) -> list[Sent]:
        begun = [(channel, message, LateCall(partial(channel.send, message))) for channel, message in messages]
        return [
            Sent(channel.name, len(message.changes), _outcome(call, self._timeout_s + _SPARE_S))
            for channel, message, call in begun
        ]

    def _note(self, sent: Sent, now: datetime, comparison: Comparison | None) -> None:
        """Keep what came through, or why it did not; a failure is logged when it begins and when it ends."""
        with self._store.transaction() as state:
            old = state.channels.get(sent.channel) or ChannelRecord(sent.channel)
            if sent.reason:
                new = replace(old, failed_at=old.failed_at or now, reason=sent.reason)
            else:
                alerts = old.alerts if comparison is None else comparison.alerts
                new = replace(old, alerts=alerts, failed_at=None, reason="")
            state.channels.put(new)
        if bool(old.reason) != bool(new.reason):
            action = "notify.failed" if new.reason else "notify.mended"
            self._store.add_event(Event(now, "service", action, sent.channel, not new.reason, new.reason))

    def _forget(self, gone: set[str]) -> None:
        """Channels that are no longer configured."""
        if gone:
            with self._store.transaction() as state:
                for name in gone:
                    state.channels.remove(name)


def _outcome(call: LateCall[None], timeout_s: float) -> str:
    try:
        call.result(timeout_s, "it")
    except ThaniyaError as error:
        return str(error)
    except OSError as error:
        return str(error.strerror or error)
    except Exception as error:  # noqa: BLE001 - a library of others must not stop the service
        return f"{type(error).__name__}: {error}"
    return ""
