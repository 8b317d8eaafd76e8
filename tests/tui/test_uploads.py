"""Live uploads on the screen: they appear, move and end; slots are reset, disabled and enabled."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaniya_core.model import Slot, SlotState, Upload, UploadState
from thaniya_core.testing import FixedClock
from thaniya_core.views import Live
from thaniya_tui.areas.uploads.rates import KEPT, Track, follow, sparkline
from thaniya_tui.areas.uploads.rows import SLOT_COLUMNS, ended_rows, slot_rows
from thaniya_tui.widgets import SyncedTable

NOW = FixedClock().now()
HOSTILE = ["[red]", "[/x]", "\x1b[2J", "a\nb", "\u202egnp.exe", "x" * 300, "[@click=app.quit]x[/]"]


def upload(number: int = 1, **changed) -> Upload:
    given = {
        "id": f"20261123T2100{number:02}Z-7f3a2c",
        "user": "alice",
        "host": "web1",
        "name": "nightly",
        "slot": f"thaniya_{number:02}",
        "created_at": NOW - timedelta(minutes=2),
        "last_activity_at": NOW,
    }
    return Upload(**{**given, **changed})


def live(*uploads: Upload) -> Live:
    slots = tuple(Slot(each.slot, SlotState.TAKEN, each.id) for each in uploads)
    return Live(NOW, True, NOW, slots=slots, uploads=uploads)


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_a_client_is_called_stands_in_its_cell_letter_by_letter(text):
    (row,) = slot_rows(live(upload(host=text, peer=text, reason=text)), {})
    shown = " ".join(cell.plain for cell in row.cells)
    assert "\n" not in shown and "\x1b" not in shown and "\u202e" not in shown
    if text.isprintable() and "[" in text:
        assert f"alice/{text}/nightly" in shown


def test_a_slot_shows_its_upload_with_what_is_left():
    one = upload(received_bytes=50 * 2**20, expected_bytes=200 * 2**20, bytes_per_s=10 * 2**20)
    (row,) = slot_rows(live(one), {})
    cells = dict(zip([column.key for column in SLOT_COLUMNS], [cell.plain for cell in row.cells], strict=True))
    assert cells["received"] == "50.0 MiB of 200.0 MiB"
    assert cells["rate"] == "10.0 MiB/s"
    assert cells["left"] == "15 s"
    assert cells["part"] == "██──────"


def test_an_upload_without_a_slot_has_a_row_of_its_own():
    failed = upload(state=UploadState.FAILED, reason="no space on any volume")
    rows = list(slot_rows(Live(NOW, True, NOW, slots=(Slot("thaniya_01"),), uploads=(failed,)), {}))
    assert [row.key for row in rows] == ["thaniya_01", failed.id]
    assert rows[1].cells[-1].plain == "no space on any volume"


def test_an_ended_upload_shows_its_reason():
    ended = upload(state=UploadState.REJECTED, reason="home.tar: the sum is another", ended_at=NOW)
    (row,) = ended_rows([ended], NOW)
    assert [cell.plain for cell in row.cells[1:6]] == [
        "✗ rejected",
        "alice/web1/nightly",
        "-",
        "2 min",
        "home.tar: the sum is another",
    ]


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=60))
def test_a_track_keeps_the_newest_rates_and_never_a_negative_one(sizes):
    tracks: dict[str, Track] = {}
    for second, size in enumerate(sizes):
        tracks = follow(tracks, [upload(received_bytes=size)], NOW + timedelta(seconds=second))
    (track,) = tracks.values()
    assert len(track.rates) == min(len(sizes) - 1, KEPT)
    assert all(rate >= 0 for rate in track.rates)
    assert sparkline(track.rates, 12).cell_len == 12 or not track.rates


def test_a_track_ends_with_its_upload():
    tracks = follow({}, [upload(1), upload(2)], NOW)
    assert list(follow(tracks, [upload(2)], NOW)) == [upload(2).id]


def test_an_upload_appears_moves_and_can_be_aborted(visit, server, give):
    async def abort(person):
        await person.press("2")
        one = give(size=1000)
        await person.see("alice/web1/nightly")
        server.watch_uploads(remembers=True)
        await person.see("1000 B of 3.9 KiB")
        await person.press("a")
        await person.see("Abort this upload?")
        assert person.console.focused.id == "leave"
        await person.press("shift+tab")
        await person.type("the disk is needed")
        await person.press("enter")
        await person.see("is aborted")
        await person.wait(lambda: not person.console.live.uploads)
        await person.see("the disk is needed")
        assert server.uploads.get(one.id).state is UploadState.ABORTED

    visit(abort)
    event = next(event for event in server.newest_events() if event.action == "upload.aborted")
    assert event.actor == "login:test"


def test_tables_without_rows_say_why_and_what_to_do(visit):
    async def look(person):
        await person.go("uploads")
        await person.see("no upload has ended yet")
        await person.press("slash", *"nobody", "enter")
        await person.see("nothing fits: esc takes the filter away")
        await person.go("jobs")
        await person.see("no job yet: each upload that is complete makes one")

    visit(look)


@pytest.mark.parametrize("button", ["#leave", "#agree"])
def test_each_button_of_the_question_does_what_it_says(visit, server, give, button):
    give()

    async def press(person):
        await person.press("2", "a")
        await person.see("Abort this upload?")
        await person.pilot.click(button)
        if button == "#agree":
            await person.wait(lambda: not person.console.live.uploads)
        else:
            await person.press("r")
            assert person.console.live.uploads

    visit(press)


def test_enter_tells_all_about_an_upload_or_a_slot(visit, server, give):
    one = give(size=1000)
    server.abort_upload(give(user="bob").id, "no more of [this]", "login:test")

    async def read(person):
        await person.go("uploads")
        await person.press("enter")
        await person.see("Upload of alice/web1/nightly")
        assert one.id in person.text
        await person.press("escape", "down", "enter")
        await person.see("last taken")
        await person.press("escape", "tab", "enter")
        await person.see("no more of [this]")
        assert "Upload of bob/web1/nightly" in person.text

    visit(read)


def test_marked_uploads_are_aborted_together(visit, server, give):
    for number in range(3):
        give(user=f"user{number}")

    async def abort(person):
        await person.press("2", "space", "space", "a")
        await person.see("Abort 2 uploads?")
        await person.pilot.click("#agree")
        await person.wait(lambda: len(person.console.live.uploads) == 1)
        assert person.console.screen.query_one("#slots", SyncedTable).marked == set()

    visit(abort)
    (left,) = server.store.read().uploads.all()
    assert left.user == "user2"


def test_a_slot_is_disabled_and_enabled_again(visit, server):
    async def toggle(person):
        await person.press("2", "d")
        await person.see("Take out of use?")
        await person.pilot.click("#leave")
        assert server.slots.get("thaniya_01").state is SlotState.READY
        await person.press("d")
        await person.pilot.click("#agree")
        await person.wait(lambda: person.console.live.slots[0].state is SlotState.DISABLED)
        await person.press("e")
        await person.wait(lambda: person.console.live.slots[0].state is SlotState.READY)

    visit(toggle)


def test_a_degraded_slot_is_reset_and_what_fails_is_told(visit, server, monkeypatch):
    with server.store.transaction() as state:
        state.slots.put(Slot("thaniya_01", SlotState.DEGRADED, reason="a file cannot be removed"))

    async def reset(person):
        await person.press("2")
        await person.see("degraded")
        await person.press("s")
        await person.wait(lambda: person.console.live.slots[0].state is SlotState.READY)

    visit(reset)


def test_the_filter_shows_what_fits_and_escape_shows_all_again(visit, give):
    give(user="alice")
    give(user="bob")

    async def look(person):
        await person.press("2", "slash")
        await person.type("bob")
        await person.wait(lambda: "alice/" not in person.text)
        assert "bob/web1/nightly" in person.text
        await person.press("enter", "escape")
        await person.see("alice/web1/nightly")

    visit(look)


def test_cursor_and_marks_stay_on_their_rows_when_others_come_and_go(visit, give, server):
    give(user="alice")

    async def look(person):
        await person.press("2", "j", "space")
        table = person.console.screen.query_one("#slots", SyncedTable)
        assert table.marked == {"thaniya_02"}
        give(user="bob")
        await person.see("bob/web1/nightly")
        assert table.marked == {"thaniya_02"}
        assert table.cursor_key == "thaniya_03"

    visit(look)
