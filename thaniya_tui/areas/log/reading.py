"""Pages of the audit log: read bit by bit, so that a long log neither takes long at once nor much memory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from thaniya_core.model import Event
from thaniya_core.views import LoggedEvent, LogPlace

PAGE = 1000
"""So many events has a page at most."""

BIT = 20_000
"""So many events are looked at before what was found is shown."""


class Log(Protocol):
    """What a server gives of its audit log."""

    def events_before(self, place: LogPlace) -> Iterator[LoggedEvent]: ...
    def events_after(self, place: LogPlace) -> Iterator[tuple[Event, LogPlace]]: ...
    def end_of_events(self) -> LogPlace: ...


class Wanted(Struct, frozen=True):
    """Which events are to be shown."""

    who: str = ""
    """A part of the actor, or the user whose something it was done to; in any case of letters."""
    action: str = ""
    """What the action begins with: `upload.`."""
    text: str = ""
    """Stands anywhere in it; in lower case."""
    failures_only: bool = False

    def fits(self, event: Event) -> bool:
        """Whether an event is to be shown."""
        if self.failures_only and event.ok:
            return False
        if not event.action.startswith(self.action):
            return False
        if self.who and not _is_about(event, self.who.lower()):
            return False
        return not self.text or any(
            self.text in part.lower() for part in (event.actor, event.action, event.subject, event.detail)
        )

    @property
    def words(self) -> str:
        """What is left out, for people; empty when nothing is."""
        parts = [
            "failures only" if self.failures_only else "",
            f"by or about {self.who}" if self.who else "",
            f"{self.action}…" if self.action else "",
            f"with “{self.text}”" if self.text else "",
        ]
        return ", ".join(part for part in parts if part)


def _is_about(event: Event, who: str) -> bool:
    subject = event.subject.lower()
    return who in event.actor.lower() or subject == who or subject.startswith(f"{who}/")


class Page(Struct, frozen=True):
    """Events in a row, as far as they have been read."""

    wanted: Wanted = Wanted()
    until: LogPlace | None = None
    """Where the page ends; None for the newest page, which goes on growing."""
    events: tuple[LoggedEvent, ...] = ()
    """Those that are wanted, the oldest first."""
    begin: LogPlace | None = None
    """It has been read back to here; None when nothing has been read."""
    end: LogPlace | None = None
    seen_at: datetime | None = None
    """When the oldest happened that was looked at."""
    is_whole: bool = False
    """It is full, or the beginning of the log is reached."""
    is_first: bool = False
    """The beginning of the log is reached."""

    @property
    def before(self) -> LogPlace | None:
        """Where the next older page ends; None when there is none, or it is not known yet."""
        if not self.is_whole or self.is_first:
            return None
        return self.events[0].before if self.events else self.begin


def read_on(log: Log, page: Page) -> Page:
    """The page with what has come since, and read further back where it is not whole.

    Raises:
        StateUnreadable: the log cannot be read.
    """
    if page.begin is None or page.end is None:
        place = log.end_of_events() if page.until is None else page.until
        page = replace(page, begin=place, end=place)
    if page.until is None:
        page = _read_forward(log, page)
    return page if page.is_whole else _read_back(log, page)


def _read_forward(log: Log, page: Page) -> Page:
    end = page.end or LogPlace("")
    come: list[LoggedEvent] = []
    for event, after in islice(log.events_after(end), BIT):
        if page.wanted.fits(event):
            come.append(LoggedEvent(event, end, after))
        end = after
    if end == page.end:
        return page
    events = (*page.events, *come)
    if len(events) <= PAGE:
        return replace(page, events=events, end=end)
    events = events[-PAGE:]
    return replace(page, events=events, end=end, begin=events[0].before, is_whole=True, is_first=False)


def _read_back(log: Log, page: Page) -> Page:
    begin, seen_at, room = page.begin or LogPlace(""), page.seen_at, PAGE - len(page.events)
    if room <= 0:  # what has come since has filled it
        return replace(page, is_whole=True)
    found: list[LoggedEvent] = []
    looked = 0
    for logged in islice(log.events_before(begin), BIT):
        looked += 1
        begin, seen_at = logged.before, logged.event.at
        if page.wanted.fits(logged.event):
            found.append(logged)
            if len(found) == room:
                break
    is_full, is_first = len(found) == room, looked < BIT and len(found) < room
    return replace(
        page,
        events=(*reversed(found), *page.events),
        begin=begin,
        seen_at=seen_at,
        is_whole=is_full or is_first,
        is_first=is_first,
    )
