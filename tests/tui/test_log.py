"""The audit log: pages by values, and on the screen of a real server."""

from __future__ import annotations

import itertools
import sys
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from textual.events import MouseScrollUp

from thaniya_core.model import Event
from thaniya_core.store import MemoryStore
from thaniya_core.store.filling import fill_log
from thaniya_core.system.run import run
from thaniya_core.testing import FixedClock
from thaniya_tui.areas.log import reading
from thaniya_tui.areas.log.reading import Page, Wanted, read_on
from thaniya_tui.areas.log.rows import LOG_COLUMNS, describe_event, key_of, line_of, log_rows, subtitle_of, title_of
from thaniya_tui.areas.log.table import FollowTable
from thaniya_tui.dialogs import Reading

from .test_uploads import HOSTILE

NOW = FixedClock().now()


def event(number: int = 0, **changed) -> Event:
    given = {"at": NOW, "actor": "alice@203.0.113.7", "action": "upload.open", "subject": f"subject {number}"}
    return Event(**{**given, **changed})


class Log:
    """An audit log in memory, as a server gives it."""

    def __init__(self, *events: Event) -> None:
        self.store = MemoryStore()
        self.add(*events)
        self.events_before = self.store.read_events_before
        self.events_after = self.store.read_events_after
        self.end_of_events = self.store.end_of_events

    def add(self, *events: Event) -> None:
        for each in events:
            self.store.add_event(each)


def read_all(log: Log, page: Page) -> Page:
    for _ in range(1000):
        page = read_on(log, page)
        if page.is_whole:
            return page
    raise AssertionError("it never ends")


def subjects(page: Page) -> list[str]:
    return [each.event.subject for each in page.events]


@pytest.fixture
def small(monkeypatch):
    """Pages and bits so small that there are many."""
    monkeypatch.setattr(reading, "PAGE", 5)
    monkeypatch.setattr(reading, "BIT", 3)


def test_the_newest_page_is_full_of_the_newest_and_grows(small):
    log = Log(*(event(number) for number in range(12)))
    page = read_all(log, Page())
    assert subjects(page) == [f"subject {number}" for number in range(7, 12)]
    assert not page.is_first
    log.add(event(12), event(13))
    page = read_on(log, page)
    assert subjects(page) == [f"subject {number}" for number in range(9, 14)]


def test_older_pages_lead_to_the_beginning_without_a_gap(small):
    log = Log(*(event(number, at=NOW + timedelta(days=9 * number)) for number in range(12)))
    page, seen = read_all(log, Page()), []
    while True:
        seen = subjects(page) + seen
        if page.before is None:
            break
        page = read_all(log, Page(page.wanted, page.before))
    assert page.is_first
    assert seen == [f"subject {number}" for number in range(12)]


@settings(deadline=None)
@given(kinds=st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=60), later=st.integers(0, 60))
@example(kinds=[(False, 0)] * 13 + [(True, 0)] * 6 + [(False, 0)], later=15)
def test_a_page_shows_what_is_wanted_in_order_whenever_it_comes(kinds, later):
    wanted = Wanted(failures_only=True)
    events = [event(number, ok=ok, at=NOW + timedelta(days=20 * gap)) for number, (ok, gap) in enumerate(kinds)]
    events.sort(key=lambda each: each.at)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "PAGE", 7)
        patch.setattr(reading, "BIT", 4)
        log = Log(*events[:later])
        page = read_on(log, Page(wanted))
        log.add(*events[later:])
        for _ in range(len(events) // 4 + 2):
            page = read_on(log, page)
    expected = [each.subject for each in events if not each.ok][-7:]
    assert subjects(page) == expected
    assert len({key_of(each) for each in page.events}) == len(page.events)


def test_an_empty_log_is_at_its_beginning():
    page = read_on(Log(), Page())
    assert (page.events, page.is_whole, page.is_first, page.before) == ((), True, True, None)
    assert subtitle_of(page) == "no event"


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (Wanted(), True),
        (Wanted(who="ALICE"), True),
        (Wanted(who="bob"), False),
        (Wanted(action="upload."), True),
        (Wanted(action="open"), False),
        (Wanted(text="subject 0"), True),
        (Wanted(text="upload.op"), True),
        (Wanted(text="none"), False),
        (Wanted(failures_only=True), False),
        (Wanted(who="alice", action="upload.open", text="203"), True),
    ],
)
def test_what_is_wanted_fits(wanted, fits):
    assert wanted.fits(event()) is fits


def test_what_was_done_to_what_a_user_has_is_about_the_user():
    done = event(actor="service", action="backup.verify", subject="alice/web1/nightly/x")
    assert Wanted(who="alice").fits(done)
    assert Wanted(who="alice").fits(event(actor="login:root", subject="alice"))
    assert not Wanted(who="ali").fits(done)


def test_titles_say_what_is_shown():
    page = Page(Wanted("alice", "upload.", "x", True))
    assert title_of(page, is_following=True).plain == (
        "Log: ▼ following · failures only, by or about alice, upload.…, with “x”"
    )
    assert title_of(Page(), is_following=False).plain == "Log: - not following (f)"
    log = Log(event())
    place = log.end_of_events()
    assert title_of(Page(until=place), is_following=True).plain == "Log: an older page"
    assert subtitle_of(read_on(log, Page())) == "1 since 2026-11-23 21:15, the beginning of the log"
    assert subtitle_of(Page()) == "reading …, 0 found"
    assert subtitle_of(Page(seen_at=NOW)) == "reading … back at 2026-11-23, 0 found"


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_words_stand_letter_by_letter(text):
    odd = event(actor=text, action=text, subject=text, detail=text, ok=False)
    page = read_on(Log(odd), Page(Wanted(), None))
    (row,) = log_rows(page.events)
    told = " ".join((*(cell.plain for cell in row.cells), line_of(odd)))
    assert not {"\n", "\x1b", "\u202e"} & set(told)
    assert not {"\x1b", "\u202e"} & set(describe_event(odd).plain)
    assert not {"\n", "\x1b"} & set(title_of(Page(Wanted(who=text, text=text)), is_following=True).plain)


def test_all_about_an_event_is_told():
    told = describe_event(event(ok=False, detail="because\nof this")).plain
    assert "alice@203.0.113.7" in told and "✗ FAILED" in told and "because\nof this" in told


# On a real server.


@pytest.fixture
def add(server):
    def make(*numbers: int, **changed) -> None:
        for number in numbers:
            server.store.add_event(event(number, **changed))

    return make


def table_of(person) -> FollowTable:
    return person.console.screen.query_one(FollowTable)


def test_what_another_process_adds_appears_and_is_followed(visit, server, add):
    add(*range(60))

    async def follow(person):
        await person.go("log")
        await person.see("subject 59")
        await person.see("▼ following")
        line = f'{{"at":"{NOW.isoformat()}","actor":"login:bob","action":"test.other","subject":"from elsewhere"}}'
        file = next((server.config.paths.state / "log").iterdir())
        program = "import sys; open(sys.argv[1], 'a').write(sys.argv[2] + '\\n')"
        run([sys.executable, "-c", program, str(file), line], timeout_s=30)
        await person.see("from elsewhere")
        assert table_of(person).cursor_row == table_of(person).row_count - 1

    visit(follow)


def test_going_up_ends_following_and_f_takes_it_up_again(visit, add):
    add(*range(60))

    async def follow(person):
        await person.go("log")
        await person.see("subject 59")
        await person.press("k")
        await person.see("not following")
        key = table_of(person).cursor_key
        add(60)
        await person.wait(lambda: len(person.console.screen._page.events) > 60 and table_of(person).row_count > 60)
        assert table_of(person).cursor_key == key
        await person.press("f")
        await person.see("▼ following")
        await person.see("subject 60")
        await person.press("f")
        await person.see("not following")

    visit(follow)


def test_the_wheel_ends_following(visit, add):
    add(*range(60))

    async def turn(person):
        await person.go("log")
        await person.see("subject 59")
        person.console.screen.query_one(FollowTable).post_message(
            MouseScrollUp(None, 20, 10, 0, 0, 0, shift=False, meta=False, ctrl=False)
        )
        await person.see("not following")

    visit(turn)


def test_failures_can_be_shown_alone(visit, add):
    add(1)
    add(2, ok=False, detail="it broke")

    async def look(person):
        await person.go("log")
        await person.see("subject 1")
        await person.press("x")
        await person.wait(lambda: "subject 1" not in person.text)
        await person.see("it broke")
        await person.see("failures only")
        await person.press("x")
        await person.see("subject 1")

    visit(look)


def test_a_text_filters_and_escape_shows_all(visit, add):
    add(1, 2)

    async def look(person):
        await person.go("log")
        await person.see("subject 2")
        await person.press("slash")
        await person.type("subject 2")
        await person.wait(lambda: "subject 1" not in person.text)
        await person.press("enter", "escape")
        await person.see("subject 1")

    visit(look)


@pytest.mark.parametrize(("key", "title", "text"), [("u", "whom", "bob"), ("a", "Which kind", "backup.")])
def test_one_kind_or_one_person_can_be_shown_alone(visit, add, key, title, text):
    add(1)
    add(2, actor="bob@203.0.113.9", action="backup.verify")

    async def look(person):
        await person.go("log")
        await person.see("subject 1")
        await person.press(key)
        await person.see(title)
        assert person.console.screen.query("Input").first().value == text  # of the row under the cursor
        await person.pilot.click("#leave")
        await person.press(key)
        await person.see(title)
        await person.pilot.click("#agree")
        await person.wait(lambda: "subject 1" not in person.text)
        await person.see("subject 2")
        await person.press("escape")
        await person.see("subject 1")

    visit(look)


def test_what_nothing_fits_says_so(visit, add):
    add(1)

    async def look(person):
        await person.go("log")
        await person.press("slash")
        await person.type("no such thing")
        await person.see("no event fits: press esc")
        await person.press("escape")
        await person.see("subject 1")

    visit(look)


def test_pages_lead_to_the_beginning_and_back(visit, add, monkeypatch):
    monkeypatch.setattr(reading, "PAGE", 20)
    add(*range(50))

    async def go(person):
        await person.go("log")
        await person.see("subject 49")
        await person.press("n")
        await person.wait(lambda: any("this is the newest page" in toast for toast in person.toasts))
        await person.press("o")
        await person.see("an older page")
        await person.see("subject 29")
        await person.press("o")
        await person.see("subject 9")
        await person.see("the beginning of the log")
        await person.press("o")
        await person.wait(lambda: any("this is the beginning" in toast for toast in person.toasts))
        await person.press("n")
        await person.see("subject 10")
        await person.wait(lambda: table_of(person).cursor_row == 0)
        await person.press("f")
        await person.see("▼ following")
        await person.see("subject 49")

    visit(go)


def test_an_event_can_be_read_and_copied(visit, add):
    add(1, detail="[red]all[/red] of it")

    async def read(person):
        await person.go("log")
        await person.see("subject 1")
        await person.press("y")
        assert person.console.clipboard == (
            "2026-11-23 21:15:00  alice@203.0.113.7  upload.open  ok  subject 1  [red]all[/red] of it"
        )
        await person.press("enter")
        await person.see("[red]all[/red] of it")
        assert isinstance(person.console.screen, Reading)
        await person.pilot.click("#copy")
        assert "alice@203.0.113.7" in person.console.clipboard
        await person.pilot.click("#leave")
        assert not isinstance(person.console.screen, Reading)

    visit(read)


def test_a_long_log_is_read_in_bits_and_only_what_is_shown_is_kept(visit, server, monkeypatch):
    fill_log(
        server.config.paths.state,
        [event(number, at=NOW - timedelta(seconds=30_000 - number), ok=number > 0) for number in range(30_000)],
    )
    bits = itertools.count()
    read = reading.read_on

    def count(log, page):
        next(bits)
        return read(log, page)

    monkeypatch.setattr("thaniya_tui.areas.log.screen.read_on", count)

    async def look(person):
        await person.go("log")
        await person.see("1,000 since")
        assert next(bits) <= 3
        await person.press("x")
        await person.see("subject 0")
        await person.see("1 since")
        assert len(person.console.screen._page.events) == 1

    visit(look)


def test_a_log_that_cannot_be_read_is_told_and_read_again_when_it_can_be(visit, server, add, monkeypatch):
    add(1)

    async def look(person):
        await person.go("log")
        await person.see("subject 1")

        def fail(place):
            raise OSError("the disk is gone")

        monkeypatch.setattr(server, "events_after", fail)
        await person.press("r")
        await person.wait(lambda: any("the disk is gone" in toast for toast in person.toasts))
        monkeypatch.undo()
        add(2)
        await person.see("subject 2")

    visit(look)


def test_a_paused_log_stays_and_shows_all_afterwards(visit, add):
    add(1)

    async def look(person):
        await person.go("log")
        await person.see("subject 1")
        await person.press("p")
        add(2)
        await person.wait(lambda: len(person.console.screen._page.events) > table_of(person).row_count)
        assert "subject 2" not in person.text
        await person.press("p")
        await person.see("subject 2")

    visit(look)


def test_columns_fit_a_narrow_window():
    assert sum(column.width + 2 for column in LOG_COLUMNS if not column.from_width) <= 55


def test_a_log_in_which_nothing_stands_yet_does_not_speak_of_a_filter(visit, root):
    for file in root.rglob("log/*.jsonl"):
        file.unlink()

    async def look(person):
        await person.go("log")
        await person.see("nothing has happened yet")

    visit(look)
