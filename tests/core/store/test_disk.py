"""The files of the store on disk."""

from __future__ import annotations

import errno
import json
import os
from datetime import timedelta

import msgspec
import pytest
from msgspec.structs import replace

from thaniya_core.errors import NoSpace, StateUnreadable
from thaniya_core.formats.names import Series
from thaniya_core.model import Event, Slot, UploadState, User
from thaniya_core.store import LogPlace, TinyStore, jsonfile
from thaniya_core.store.events import encode_event
from thaniya_core.store.jsonfile import JsonFile
from thaniya_core.store.records import UPLOADS, Kind

SERIES = Series("alice", "web1", "nightly")

BROKEN = {
    "no JSON": (b'{"format": 1, "users": {', "truncated"),
    "no UTF-8": (b'{"format": 1, "users": {"\xff": {}}}', "utf-8"),
    "empty": (b"", "empty"),
    "blank": (b"\n\n", "empty"),
    "a list": (b"[]", "Expected `object`"),
    "no format": (b'{"users": {}}', "no `format`"),
    "a word for a format": (b'{"format": "1", "users": {}}', "no `format`"),
    "a newer format": (b'{"format": 2, "people": {}}', "format 2"),
    "a table that is none": (b'{"format": 1, "users": []}', "users is no table"),
    "a record that is none": (b'{"format": 1, "slots": {"thaniya_01": 7}}', "slots/thaniya_01 is no record"),
    "a field of a wrong type": (
        b'{"format": 1, "slots": {"thaniya_01": {"name": 1}}}',
        "slots/thaniya_01: Expected `str`",
    ),
    "a missing field": (b'{"format": 1, "users": {"alice": {"name": "alice"}}}', "users/alice: .*created_at"),
    "an unknown state": (b'{"format": 1, "slots": {"thaniya_01": {"name": "thaniya_01", "state": "x"}}}', "state"),
    "a wrong key": (b'{"format": 1, "slots": {"thaniya_01": {"name": "thaniya_02"}}}', "it is 'thaniya_02'"),
}


def names_in(directory):
    return sorted(path.name for path in directory.iterdir() if path.suffix == ".json")


def write_month(directory, uploads):
    """The history of a month as earlier versions wrote it."""
    file = JsonFile(directory / "history/2026-11.json")
    file.write({"uploads": {upload.id: UPLOADS.encode(upload) for upload in uploads}})
    return file.path


def put_slot(store, name="thaniya_01", reason=""):
    with store.transaction() as state:
        state.slots.put(Slot(name, reason=reason))


def test_a_person_can_read_the_state(tiny, directory, now):
    with tiny.transaction() as state:
        state.users.put(User("bob", now))
        state.users.put(User("alice", now))
    text = (directory / "state.json").read_text()
    assert '\n  "users": {\n    "alice": {\n      "name": "alice",\n' in text
    assert text.endswith("}\n")
    document = json.loads(text)
    assert document["format"] == 1
    assert list(document["users"]) == ["alice", "bob"]


def test_every_change_leaves_the_same_text_as_writing_all_anew(tiny, directory, make_backup, now):
    with tiny.transaction() as state:
        state.users.put(User("bob", now, keys=()))
        state.slots.put(Slot("thaniya_01", reason='two\nlines, a "quote", {braces} and ünïcode'))
    put_slot(tiny, "thaniya_02")
    with tiny.transaction() as state:
        state.users.remove("bob")
        state.slots.remove("thaniya_02")
        state.users.put(User("alice", now))
        state.users.remove("alice")
    tiny.replace_catalog(SERIES, [make_backup(1), make_backup(3)])
    with tiny.catalog_transaction(SERIES) as table:
        table.put(make_backup(2))
        table.remove(make_backup(1).id)

    for file in (directory / "state.json", directory / "catalog/alice/web1/nightly.json"):
        data = file.read_bytes()
        assert data == msgspec.json.format(data, indent=2) + b"\n"
        assert data == msgspec.json.format(msgspec.json.encode(json.loads(data)), indent=2) + b"\n"


def test_file_that_a_person_has_edited_stays_readable(tiny, directory):
    put_slot(tiny)
    file = directory / "state.json"
    file.write_text(json.dumps(json.loads(file.read_text())))
    put_slot(tiny, "thaniya_02")
    assert TinyStore(directory).read().slots.all() == [Slot("thaniya_01"), Slot("thaniya_02")]


def test_records_that_do_not_change_are_neither_decoded_nor_encoded(tiny, directory, make_backup, monkeypatch):
    tiny.replace_catalog(SERIES, [make_backup(number) for number in range(1, 50)])
    tiny.read_catalog(SERIES)
    encoded: list[object] = []
    encode = Kind.encode
    monkeypatch.setattr(Kind, "encode", lambda kind, record: encoded.append(record) or encode(kind, record))
    monkeypatch.setattr(Kind, "decode_table", lambda kind, data: pytest.fail("the table is decoded"))

    with tiny.catalog_transaction(SERIES) as table:
        table.put(make_backup(50))

    assert encoded == [make_backup(50)]


def test_reading_makes_no_file(tiny, directory):
    tiny.read()
    assert list(tiny.read_events()) == tiny.catalog_series() == list(tiny.read_job_history()) == []
    assert not directory.exists()


def test_another_process_may_read_what_was_written(tiny, directory, make_backup, make_upload, now):
    put_slot(tiny)
    tiny.replace_catalog(SERIES, [make_backup(1)])
    tiny.add_history(make_upload(1, ended_at=now))
    other = TinyStore(directory)
    assert other.read().slots.all() == [Slot("thaniya_01")]
    assert other.read_catalog(SERIES) == [make_backup(1)]
    assert list(other.read_upload_history()) == [make_upload(1, ended_at=now)]


def test_a_change_by_another_process_is_seen(tiny, directory):
    put_slot(tiny, reason="a")
    assert tiny.read().slots.get("thaniya_01").reason == "a"
    put_slot(TinyStore(directory), reason="b")
    assert tiny.read().slots.get("thaniya_01").reason == "b"
    with tiny.transaction() as state:
        assert state.slots.get("thaniya_01").reason == "b"


def test_an_unchanged_file_is_parsed_once(directory, monkeypatch):
    put_slot(TinyStore(directory))
    tiny = TinyStore(directory)
    readings = []
    read = JsonFile.read
    monkeypatch.setattr(JsonFile, "read", lambda self: readings.append(self.path.name) or read(self))
    for _ in range(3):
        tiny.read()
    with tiny.transaction() as state:
        state.slots.get("thaniya_01")
    assert readings == ["state.json"]


def test_a_transaction_reads_once_and_writes_once(directory, monkeypatch, make_upload):
    put_slot(TinyStore(directory))
    calls = []
    read, write = JsonFile.read, JsonFile.write
    monkeypatch.setattr(JsonFile, "read", lambda self: calls.append("read") or read(self))
    monkeypatch.setattr(JsonFile, "write", lambda self, tables: calls.append("write") or write(self, tables))
    tiny = TinyStore(directory)
    with tiny.transaction() as state:
        for number in range(20):
            state.uploads.put(make_upload(number))
            state.slots.put(Slot(f"thaniya_{number + 10}"))
        state.slots.remove("thaniya_01")
    assert len(tiny.read().uploads.all()) == 20
    assert calls == ["read", "write"]


def test_a_transaction_that_changes_nothing_does_not_write(tiny, directory):
    put_slot(tiny)
    before = (directory / "state.json").stat()
    put_slot(tiny)
    with tiny.transaction() as state:
        state.slots.remove("thaniya_99")
        state.slots.put(Slot("thaniya_01", reason="x"))
        state.slots.put(Slot("thaniya_01"))
    assert (directory / "state.json").stat() == before


def test_the_time_of_the_file_moves_with_each_change(tiny, directory):
    file = directory / "state.json"
    put_slot(tiny, reason="a")
    ahead = file.stat().st_mtime_ns + 3600 * 10**9
    os.utime(file, ns=(ahead, ahead))
    put_slot(tiny, reason="b")
    assert file.stat().st_mtime_ns > ahead
    assert tiny.read().slots.get("thaniya_01").reason == "b"


def test_fast_changes_of_equal_size_are_all_seen(tiny, directory):
    reader = TinyStore(directory)
    for number in range(100, 160):
        put_slot(tiny, reason=str(number))
        assert reader.read().slots.get("thaniya_01").reason == str(number)


@pytest.mark.parametrize("broken", BROKEN)
def test_an_unreadable_state_is_reported_and_left_as_it_is(tiny, directory, broken):
    data, what = BROKEN[broken]
    put_slot(tiny, reason="a")
    put_slot(tiny, reason="b")
    file = directory / "state.json"
    file.write_bytes(data)
    with pytest.raises(StateUnreadable, match=what) as reading:
        tiny.read()
    with pytest.raises(StateUnreadable, match=what), tiny.transaction() as state:
        state.slots.put(Slot("thaniya_01"))
    with pytest.raises(StateUnreadable):
        TinyStore(directory).read()
    assert str(file) in reading.value.message
    assert "state.json.previous" in reading.value.hint or broken == "a newer format"
    assert file.read_bytes() == data


def test_the_state_before_the_last_change_is_a_way_back(tiny, directory):
    put_slot(tiny, reason="a")
    put_slot(tiny, reason="b")
    (directory / "state.json").write_bytes(b"broken")
    (directory / "state.json").write_bytes((directory / "state.json.previous").read_bytes())
    assert tiny.read().slots.get("thaniya_01").reason == "a"
    put_slot(tiny, reason="c")
    assert TinyStore(directory).read().slots.get("thaniya_01").reason == "c"


def test_a_state_without_a_previous_one_is_reported_too(tiny, directory):
    directory.mkdir()
    (directory / "state.json").write_bytes(b"broken")
    with pytest.raises(StateUnreadable, match=r"there is no state\.json\.previous"):
        tiny.read()


def test_a_state_that_vanished_is_not_taken_for_a_fresh_one(tiny, directory):
    put_slot(tiny, reason="a")
    put_slot(tiny, reason="b")
    (directory / "state.json").unlink()
    with pytest.raises(StateUnreadable, match="it is missing"):
        tiny.read()
    with pytest.raises(StateUnreadable, match="it is missing"):
        put_slot(tiny)
    (directory / "state.json.previous").rename(directory / "state.json")
    assert tiny.read().slots.get("thaniya_01").reason == "a"


def test_a_state_whose_disk_is_gone_is_not_taken_for_a_fresh_one(tiny, directory):
    put_slot(tiny)
    assert tiny.read().slots.all()
    directory.rename(directory.with_name("away"))
    directory.mkdir()
    with pytest.raises(StateUnreadable, match="it was there and is gone"):
        tiny.read()
    with pytest.raises(StateUnreadable, match="it was there and is gone"):
        put_slot(tiny, "thaniya_02")
    assert not (directory / "state.json").exists()


def test_a_state_that_cannot_be_opened_is_reported(tiny, directory):
    (directory / "state.json").mkdir(parents=True)
    with pytest.raises(StateUnreadable, match=r"state\.json: Is a directory") as caught:
        tiny.read()
    assert "must be able to read it" in caught.value.hint


def test_a_full_disk_leaves_the_old_state(tiny, directory, monkeypatch):
    put_slot(tiny, reason="a")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(NoSpace, match="cannot write the state"):
            put_slot(tiny, reason="b")
    assert tiny.read().slots.get("thaniya_01").reason == "a"
    assert TinyStore(directory).read().slots.get("thaniya_01").reason == "a"
    put_slot(tiny, reason="c")
    assert tiny.read().slots.get("thaniya_01").reason == "c"


def test_what_killed_writers_left_is_removed(tiny, directory):
    put_slot(tiny, reason="a")
    (directory / ".state.json.4711.0badcafe.tmp").write_bytes(b"torn")
    (directory / ".state.json.previous.tmp").hardlink_to(directory / "state.json")
    (directory / "state.json.previous").hardlink_to(directory / "state.json")
    put_slot(tiny, reason="b")
    assert sorted(path.name for path in directory.iterdir()) == ["state.json", "state.json.previous", "state.lock"]


def test_what_a_newer_version_added_to_a_record_is_kept_until_the_record_changes(tiny, directory):
    directory.mkdir()
    slots = {name: {"name": name, "colour": "blue"} for name in ("thaniya_01", "thaniya_02")}
    (directory / "state.json").write_text(json.dumps({"format": 1, "slots": slots, "flags": {"x": {}}}))
    put_slot(tiny, "thaniya_01", reason="a")
    document = json.loads((directory / "state.json").read_text())
    assert document["slots"]["thaniya_02"] == slots["thaniya_02"]
    assert "colour" not in document["slots"]["thaniya_01"]
    assert document["flags"] == {"x": {}}


def test_a_catalog_is_one_file_a_series(tiny, directory, make_backup):
    tiny.replace_catalog(SERIES, [make_backup(1)])
    file = directory / "catalog/alice/web1/nightly.json"
    assert list(json.loads(file.read_text())["backups"]) == [make_backup(1).id]
    tiny.replace_catalog(SERIES, [])
    assert not file.exists()


def test_an_unreadable_catalog_is_reported_and_can_be_made_anew(tiny, directory, make_backup):
    tiny.replace_catalog(SERIES, [make_backup(1)])
    file = directory / "catalog/alice/web1/nightly.json"
    file.write_bytes(b"{")
    with pytest.raises(StateUnreadable, match="nightly") as caught:
        tiny.read_catalog(SERIES)
    with pytest.raises(StateUnreadable), tiny.catalog_transaction(SERIES) as backups:
        backups.put(make_backup(2))
    assert "thaniya catalog rebuild" in caught.value.hint
    assert file.read_bytes() == b"{"
    tiny.replace_catalog(SERIES, [make_backup(2)])
    assert TinyStore(directory).read_catalog(SERIES) == [make_backup(2)]


def test_foreign_files_in_the_catalog_are_passed_over(tiny, directory, make_backup):
    tiny.replace_catalog(SERIES, [make_backup(1)])
    host = directory / "catalog/alice/web1"
    for name in ("nightly.json~", ".nightly.json.swp", ".nightly.json.1.ab.tmp", ".hidden.json", "README"):
        (host / name).write_text("foreign")
    assert tiny.catalog_series() == [SERIES]


def test_an_unreadable_history_is_reported_and_left_as_it_is(tiny, directory, make_upload, now):
    tiny.add_history(make_upload(1, ended_at=now))
    tiny.add_history(make_upload(2, ended_at=now))
    file = directory / "history/2026-11-23.json"
    file.write_bytes(b"")
    with pytest.raises(StateUnreadable, match="2026-11-23") as caught:
        list(tiny.read_upload_history())
    with pytest.raises(StateUnreadable):
        tiny.add_history(make_upload(3, ended_at=now))
    assert "2026-11-23.json.previous" in caught.value.hint
    assert file.read_bytes() == b""


def test_history_is_one_file_a_day(tiny, directory, make_upload, make_job, now):
    tiny.add_history(make_upload(1, ended_at=now))
    tiny.add_history(make_job(1, ended_at=now))
    tiny.add_history(make_upload(2, ended_at=now + timedelta(hours=3)))
    assert names_in(directory / "history") == ["2026-11-23.json", "2026-11-24.json"]
    assert list(json.loads((directory / "history/2026-11-24.json").read_text())["uploads"]) == [make_upload(2).id]


def test_history_reads_no_older_day_than_is_asked_for(tiny, directory, make_upload, now):
    tiny.add_history(make_upload(1, ended_at=now))
    (directory / "history/2026-11-22.json").write_bytes(b"broken")
    history = tiny.read_upload_history()
    assert next(history) == make_upload(1, ended_at=now)
    with pytest.raises(StateUnreadable, match="2026-11-22"):
        next(history)
    assert len(list(tiny.read_ended_uploads(now - timedelta(hours=1)))) == 1


def test_a_month_that_an_earlier_version_wrote_is_read_between_the_days_and_left_as_it_is(
    tiny, directory, make_upload, now
):
    ended = [make_upload(number, ended_at=now + timedelta(hours=number)) for number in range(6)]
    month = write_month(directory, [ended[0], ended[2], ended[3]])
    before = month.read_bytes()
    for upload in (ended[1], ended[4], ended[5]):
        tiny.add_history(upload)
    assert list(tiny.read_upload_history()) == ended[::-1]
    assert {upload.id for upload in tiny.read_ended_uploads(ended[2].ended_at)} == {upload.id for upload in ended[2:]}
    assert [tiny.find_ended_upload(upload.id) for upload in ended] == ended
    assert (month.read_bytes(), names_in(directory / "history")) == (
        before,
        ["2026-11-23.json", "2026-11-24.json", "2026-11.json"],
    )


def test_a_record_of_a_month_that_is_added_again_leaves_it(tiny, directory, make_upload, now):
    month = write_month(directory, [make_upload(1, ended_at=now), make_upload(2, ended_at=now)])
    again = make_upload(1, ended_at=now, reason="once more")
    tiny.add_history(again)
    assert list(tiny.read_upload_history()) == [make_upload(2, ended_at=now), again]
    assert list(json.loads(month.read_text())["uploads"]) == [make_upload(2).id]


def test_looking_into_the_history_decodes_only_the_file_that_holds_the_id(tiny, directory, make_upload, make_job, now):
    late = make_upload(1, ended_at=now + timedelta(days=40))
    tiny.add_history(late)
    tiny.add_history(make_job(2, ended_at=now))
    for day in ("2026-11-22", "2026-11-24", "2027-01-03"):
        (directory / f"history/{day}.json").write_bytes(b"broken")
    assert tiny.find_ended_upload(late.id) == late
    assert tiny.find_ended_job(make_job(2).id) == make_job(2, ended_at=now)
    with pytest.raises(StateUnreadable, match="2026-11-22"):  # what is missing may be in there
        tiny.find_ended_upload(make_upload(3).id)


def test_adding_to_the_history_reads_no_file_of_an_earlier_time(tiny, directory, make_upload, now):
    (directory / "history").mkdir(parents=True)
    (directory / "history/2026-11-21.json").mkdir()
    (directory / "history/2026-10.json").mkdir()
    tiny.add_history(make_upload(1, ended_at=now))
    assert tiny.find_ended_upload(make_upload(1).id) == make_upload(1, ended_at=now)


def test_old_days_are_dropped_with_what_was_before_their_last_change_and_months_as_a_whole(
    tiny, directory, make_upload, now
):
    month = write_month(directory, [make_upload(9, ended_at=now)])
    month.with_name("2026-11.json.previous").write_bytes(month.read_bytes())
    for number in range(3):
        tiny.add_history(make_upload(number, ended_at=now + timedelta(days=number // 2)))
    assert tiny.drop_history(now + timedelta(days=1)) == ["2026-11-23"]
    assert names_in(directory / "history") == ["2026-11-24.json", "2026-11.json"]
    assert tiny.drop_history(now + timedelta(days=8)) == ["2026-11-24", "2026-11"]
    assert list((directory / "history").iterdir()) == []


def test_what_is_dropped_while_it_is_read_is_passed_over(tiny, make_upload, now):
    for days in (0, 1, 50, 51):
        at = now - timedelta(days=days)
        tiny.add_history(make_upload(days, created_at=at, ended_at=at))
        tiny.add_event(Event(at, "service", f"test.{days}"))
    history, events, after = tiny.read_upload_history(), tiny.read_events(), tiny.read_events_after(LogPlace("2026-09"))
    read = [next(history).ended_at, next(events).action, next(after)[0].action]
    tiny.drop_history(now)
    tiny.drop_events(now + timedelta(days=30))
    assert read == [now, "test.50", "test.50"]
    assert list(history) == []
    assert [event.action for event in events] == [event.action for event, _ in after] == ["test.51"]


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 30, 31, 100])
def test_a_text_is_found_wherever_it_stands_in_a_file(tmp_path, monkeypatch, size):
    monkeypatch.setattr(jsonfile, "_PART_BYTES", size)
    file = JsonFile(tmp_path / "file.json")
    text = b'"20261123T211500Z-000001"'
    for before in range(32):
        file.path.write_bytes(b" " * before + text + b" ")
        assert file.holds(text)
        assert not file.holds(text[:-2] + b'2"')


def test_events_are_lines_of_json_in_a_file_a_month(tiny, directory, now):
    tiny.add_event(Event(now, "service", "a.b"))
    tiny.add_event(Event(now + timedelta(days=20), "service", "a.c", detail="x\ny"))
    assert sorted(path.name for path in (directory / "log").iterdir()) == ["2026-11.jsonl", "2026-12.jsonl"]
    lines = (directory / "log/2026-12.jsonl").read_text().splitlines()
    assert [json.loads(line)["action"] for line in lines] == ["a.c"]


def test_a_torn_line_harms_no_other_event(tiny, directory, now):
    events = [Event(now, "service", f"test.{number}") for number in range(3)]
    tiny.add_event(events[0])
    file = directory / "log/2026-11.jsonl"
    whole = file.read_bytes()
    for length in range(1, len(whole)):
        file.write_bytes(whole + whole[:length])
        tiny.add_event(events[1])
        read = list(tiny.read_events())
        torn_is_whole = length == len(whole) - 1
        assert read == [events[0], *([events[0]] if torn_is_whole else []), events[1]]


def test_lines_that_cannot_be_read_are_passed_over(tiny, directory, now):
    event = Event(now, "service", "a.b")
    tiny.add_event(event)
    with (directory / "log/2026-11.jsonl").open("ab") as log:
        log.write(b'\n\xff\xff\n{"at": 1}\n[]\n{"at": "2026-11-23T00:00:00", "actor": "a", "action": "a.b"}\n')
    tiny.add_event(event)
    assert list(tiny.read_events()) == [event, event]


def test_reading_events_begins_at_the_right_month(tiny, directory, now):
    event = Event(now, "service", "a.b")
    tiny.add_event(event)
    (directory / "log/2026-10.jsonl").mkdir()
    assert list(tiny.read_events(since=now)) == [event]
    with pytest.raises(StateUnreadable, match="2026-10"):
        list(tiny.read_events())


def test_a_record_of_the_cache_is_what_the_file_says(tiny, directory, now):
    user = User("alice", now, keys=[])
    with tiny.transaction() as state:
        state.users.put(user)
    assert tiny.read().users.get("alice") == TinyStore(directory).read().users.get("alice") == replace(user, keys=())


@pytest.mark.parametrize("count", [0, 1, 700])
def test_newest_events_are_the_events_backwards(tiny, directory, now, count):
    for number in range(count):
        line = encode_event(Event(now, "test", "act", str(number), detail="x" * (number * 37 % 400)))
        with make_file(directory / "log" / f"2026-{9 + number // 300:02}.jsonl").open("ab") as log:
            log.write(line + b"\n")
    assert list(tiny.read_newest_events()) == list(tiny.read_events())[::-1]
    assert len(list(tiny.read_events())) == count


@pytest.mark.parametrize("count", [0, 1, 700])
def test_events_before_a_place_are_those_that_do_not_come_after_it(tiny, directory, now, count):
    for number in range(count):
        line = encode_event(Event(now, "test", "act", str(number), detail="x" * (number * 37 % 400)))
        with make_file(directory / "log" / f"2026-{9 + number // 300:02}.jsonl").open("ab") as log:
            log.write(line + b"\n" + b"torn\n" * (number % 7 == 0))
    forward = [(event, after) for event, after in tiny.read_events_after(LogPlace(""))]
    back = list(tiny.read_events_before(tiny.end_of_events()))[::-1]
    assert [(each.event, each.after) for each in back] == forward
    for each in back[:: max(count // 5, 1)]:
        before = len(list(tiny.read_events_before(each.before)))
        assert before + len(list(tiny.read_events_after(each.before))) == count


def test_line_that_is_being_written_is_not_before_the_end(tiny, directory, now):
    tiny.add_event(Event(now, "test", "act", "one"))
    end = tiny.end_of_events()
    with (directory / "log" / "2026-11.jsonl").open("ab") as log:
        log.write(b"x" * 200_000)
    assert tiny.end_of_events() == end
    assert [each.event.subject for each in tiny.read_events_before(end)] == ["one"]


def make_file(file):
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def test_line_that_is_being_written_is_left_for_the_next_look(tiny, directory, now):
    tiny.add_event(Event(now, "test", "act", "one"))
    ((_, place),) = tiny.read_events_after(LogPlace.at_month(now))
    whole = encode_event(Event(now, "test", "act", "two")) + b"\n"
    with (directory / "log" / "2026-11.jsonl").open("ab") as log:
        log.write(whole[:20])
        log.flush()
        assert list(tiny.read_events_after(place)) == []
        log.write(whole[20:])
    assert [event.subject for event, _ in tiny.read_events_after(place)] == ["two"]


def test_a_broken_history_is_told_to_who_reads_it_in_few_words(tiny, directory, make_upload, now):
    tiny.add_history(make_upload(1, state=UploadState.EXPIRED, ended_at=now))
    (directory / "history" / "2026-11-23.json").write_text("{")
    with pytest.raises(StateUnreadable, match=r"2026-11-23\.json"):
        list(tiny.read_ended_uploads(now))


def test_looking_for_an_id_decodes_only_the_file_that_holds_it(tiny, directory, make_backup):
    tiny.replace_catalog(SERIES, [make_backup(1)])
    tiny.replace_catalog(Series("alice", "web1", "other"), [make_backup(2, name="other")])
    (directory / "catalog/alice/web1/other.json").write_bytes(b"broken")

    assert [backup.id for backup in TinyStore(directory).find_backups(make_backup(1).id)] == [make_backup(1).id]
    with pytest.raises(StateUnreadable, match="other"):  # the one that is missing may be in there
        list(tiny.find_backups(make_backup(2).id))
    with pytest.raises(StateUnreadable, match="other"):
        tiny.stored_bytes("alice")


def test_sums_are_read_anew_only_from_files_that_changed(tiny, directory, make_backup, monkeypatch):
    other = Series("alice", "web1", "other")
    tiny.replace_catalog(SERIES, [make_backup(1)])
    tiny.replace_catalog(other, [make_backup(2, name="other")])
    reader = TinyStore(directory)
    readings = []
    read = JsonFile.read
    monkeypatch.setattr(JsonFile, "read", lambda self: readings.append(self.path.stem) or read(self))
    assert (reader.stored_bytes("alice"), sorted(readings)) == (20, ["nightly", "other"])
    tiny.replace_catalog(other, [make_backup(2, name="other", stored_bytes=5)])
    readings.clear()
    assert (reader.stored_bytes("alice"), readings) == (15, ["other"])
