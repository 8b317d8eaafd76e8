"""What is shown of events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.text import Text

from thaniya_core.model import Event
from thaniya_core.views import LoggedEvent
from thaniya_tui import render
from thaniya_tui.areas.log.reading import Page
from thaniya_tui.widgets import Column, Row

LOG_COLUMNS = (
    Column("at", "when", 14),
    Column("result", "", 1),
    Column("action", "action", 16),
    Column("subject", "subject", 12, grows=True),
    Column("detail", "detail", 20, grows=True, from_width=96),
    Column("actor", "who", 17, from_width=70),
)


def key_of(logged: LoggedEvent) -> str:
    """What an event's row is known by."""
    return f"{logged.after.month}:{logged.after.offset}"


def log_rows(events: Iterable[LoggedEvent]) -> Iterator[Row]:
    """A row an event."""
    for logged in events:
        event = logged.event
        yield Row(
            key_of(logged),
            (
                Text(event.at.astimezone().strftime("%m-%d %H:%M:%S"), "faint"),
                Text("✓", "good") if event.ok else Text("✗", "bad"),
                render.foreign(event.action, "" if event.ok else "bad"),
                render.foreign(event.subject or "-"),
                render.foreign(event.detail or "-", "faint" if event.ok else "bad"),
                render.foreign(event.actor, "faint"),
            ),
        )


def describe_event(event: Event) -> Text:
    """Everything about an event."""
    facts = [
        ("when", Text(event.at.astimezone().isoformat(sep=" ", timespec="milliseconds"))),
        ("who", render.foreign(event.actor)),
        ("action", render.foreign(event.action)),
        ("subject", render.foreign(event.subject or "-")),
        ("result", Text("✓ ok", "good") if event.ok else Text("✗ FAILED", "bad")),
    ]
    text = Text("\n").join(Text.assemble((f"{name:<9}", "faint"), value) for name, value in facts)
    if event.detail:
        text.append("\n\n").append_text(render.paragraph(event.detail, "" if event.ok else "bad"))
    return text


def line_of(event: Event) -> str:
    """An event in one line, to be copied."""
    parts = (render.moment(event.at).plain, event.actor, event.action, "ok" if event.ok else "FAILED")
    return "  ".join(render.foreign(part).plain for part in (*parts, event.subject or "-", event.detail or "-"))


def title_of(page: Page, *, is_following: bool) -> Text:
    """Which events are shown, and whether new ones bring the end into view."""
    if page.until is not None:
        title = Text("Log: an older page", "caution")
    elif is_following:
        title = Text.assemble("Log: ", ("▼ following", "good"))
    else:
        title = Text.assemble("Log: ", ("- not following (f)", "caution"))
    return title.append(f" · {render.foreign(page.wanted.words).plain}", "accent") if page.wanted.words else title


def subtitle_of(page: Page) -> str:
    """How far the page reaches."""
    if not page.is_whole:
        back = f" … back at {page.seen_at.astimezone():%Y-%m-%d}" if page.seen_at is not None else " …"
        return f"reading{back}, {len(page.events):,} found"
    if not page.events:
        return "no event"
    since = page.events[0].event.at.astimezone()
    more = "the beginning of the log" if page.is_first else "o: older"
    return f"{len(page.events):,} since {since:%Y-%m-%d %H:%M}, {more}"
