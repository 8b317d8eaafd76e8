"""Pings of the series: an address is fetched when an upload starts, succeeds or fails.

They are sent by a look at the state and the history, not by the upload itself: no client waits for them. A ping is
sent once, whether it comes through or not; who is not pinged raises the alarm, that is what pings are for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from msgspec import Struct

from thaniya_core.config import Ping, fill_template
from thaniya_core.errors import ThaniyaError
from thaniya_core.model import EndedUpload, Event, PingRecord, Upload, UploadState
from thaniya_core.store import Store
from thaniya_core.system.clock import Clock
from thaniya_core.system.deadline import LateCall

_KEY = "pings"
_AT_ONCE = 8

LIMIT_S = 60.0
"""So long one look sends pings: where nobody answers, what is found must not wait until all have been tried."""


class Due(Struct, frozen=True):
    """A ping to be sent."""

    series: str
    url: str


def due_pings(
    settings: Ping, record: PingRecord, on_their_way: Iterable[Upload], ended: Iterable[EndedUpload]
) -> list[Due]:
    """The pings that are due, in the order of what they tell.

    Args:
        settings: `[ping]`.
        record: how far they had come.
        on_their_way: uploads that have not ended.
        ended: uploads that have.
    """
    new = sorted(
        (upload for upload in ended if upload.ended_at > record.ended_until),
        key=lambda upload: (upload.ended_at, upload.id),
    )
    begun: list[Upload | EndedUpload] = [*new, *on_their_way]
    due = [
        _ping(settings.start, upload)
        for upload in sorted(begun, key=lambda upload: upload.id)
        if settings.start and upload.id not in record.started
    ]
    for upload in new:
        template = settings.success if upload.state is UploadState.ARCHIVED else settings.fail
        if template:
            due.append(_ping(template, upload))
    return due


def _ping(template: str, upload: Upload | EndedUpload) -> Due:
    return Due(str(upload.series), fill_template(template, upload.user, upload.host, upload.name))


class Pings:
    """Sends the pings that are due."""

    def __init__(self, store: Store, clock: Clock, settings: Ping) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings

    def send_due(self) -> int:
        """Send what is due; gives how many came through. Of what was before the first call nothing is sent."""
        settings = self._settings
        if not (settings.start or settings.success or settings.fail):
            return 0
        state, now = self._store.read(), self._clock.now()
        record = state.pings.get(_KEY)
        if record is None or record.ended_until > now:  # the clock was set back
            failed = {} if record is None else record.failed
            self._keep(PingRecord(now, tuple(upload.id for upload in state.uploads.all()), failed))
            return 0
        on_their_way = [upload for upload in state.uploads.all() if upload.ended_at is None]
        waiting = [each for upload in state.uploads.all() if (each := upload.in_few_words())]
        history = self._store.read_ended_uploads(record.ended_until)
        # One that moves into the history meanwhile is in both. What ended later than now ended before the clock was
        # set back, and was told then.
        ended = {each.id: each for each in [*waiting, *history] if each.ended_at <= now}
        due = due_pings(settings, record, (upload for upload in on_their_way if upload.id not in ended), ended.values())
        until = max([record.ended_until, *(each.ended_at for each in ended.values())])
        # Noted before they are sent: killed half way, none is sent twice.
        self._keep(PingRecord(until, tuple(upload.id for upload in on_their_way), record.failed))
        failed = dict(record.failed)
        came_through = 0
        for series, reasons in self._send(due):
            came_through += reasons.count("")
            if reasons[-1]:
                if series not in failed:
                    self._store.add_event(
                        Event(self._clock.now(), "service", "ping.failed", series, False, reasons[-1])
                    )
                failed[series] = reasons[-1]
            else:
                failed.pop(series, None)
        if failed != record.failed:
            self._keep(PingRecord(until, tuple(upload.id for upload in on_their_way), failed))
        return came_through

    def _send(self, due: list[Due]) -> Iterator[tuple[str, list[str]]]:
        """Send the pings, those of a series in their order; gives each series with what went wrong, ping by ping."""
        by_series: dict[str, list[str]] = {}
        for ping in due:
            by_series.setdefault(ping.series, []).append(ping.url)
        timeout_s = self._settings.timeout
        waiting = list(by_series.items())
        until = self._clock.monotonic() + LIMIT_S
        while waiting:
            if self._clock.monotonic() >= until:
                reason = f"not sent: the {len(due)} pings that were due took longer than {LIMIT_S:g} s"
                yield from ((series, [reason] * len(urls)) for series, urls in waiting)
                return
            some, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
            begun = [(series, urls, LateCall(partial(_fetch_all, urls, timeout_s))) for series, urls in some]
            for series, urls, call in begun:
                try:
                    yield series, call.result(2 * timeout_s * len(urls), "it")
                except ThaniyaError as error:
                    yield series, [str(error)] * len(urls)

    def _keep(self, record: PingRecord) -> None:
        with self._store.transaction() as state:
            state.pings.put(record)


def _fetch_all(urls: list[str], timeout_s: float) -> list[str]:
    from thaniya_core.system.http import send  # most commands ping nobody

    reasons = []
    for url in urls:
        try:
            send(url, timeout_s)
        except ThaniyaError as error:
            reasons.append(str(error))
        else:
            reasons.append("")
    return reasons
