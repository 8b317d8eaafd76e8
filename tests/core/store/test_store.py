"""What every store does, on disk and in memory."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

import thaniya_core.store
from thaniya_core.errors import IllegalName, WrongUsage
from thaniya_core.formats.names import Series
from thaniya_core.model import (
    Alert,
    ChannelRecord,
    Event,
    Expectation,
    JobState,
    PingRecord,
    PublicKey,
    Role,
    RunRecord,
    Severity,
    Slot,
    SlotState,
    UploadState,
    User,
    Volume,
)
from thaniya_core.store import LogPlace, MemoryStore

NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)
SERIES = Series("alice", "web1", "nightly")


class Stopped(Exception):
    """What a test raises inside a transaction."""


def test_the_package_names_what_is_public():
    assert set(thaniya_core.store.__all__) == {
        "LogPlace",
        "LoggedEvent",
        "MemoryStore",
        "ReadTable",
        "StateTransaction",
        "StateView",
        "Store",
        "Table",
        "TinyStore",
    }


def test_the_last_use_of_a_key_is_remembered_until_it_is_forgotten(store):
    one, other = "SHA256:" + "a+/" * 14 + "A", "SHA256:" + "b" * 43
    assert store.key_uses() == {}
    store.forget_key_use(one)

    store.note_key_use(one, NOW)
    store.note_key_use(other, NOW)
    store.note_key_use(one, NOW + timedelta(seconds=90))
    assert store.key_uses() == {one: NOW + timedelta(seconds=90), other: NOW}

    store.forget_key_use(one)
    assert store.key_uses() == {other: NOW}


@pytest.mark.parametrize("text", ["", "SHA256:", "../state.json", "SHA256:../" + "a" * 40, "SHA256:" + "a" * 42 + "\n"])
def test_what_is_no_fingerprint_is_no_key_that_was_used(store, text):
    with pytest.raises(WrongUsage):
        store.note_key_use(text, NOW)
    assert store.key_uses() == {}


def test_a_fresh_store_is_empty(store):
    state = store.read()
    assert (
        state.users.all() == state.slots.all() == state.uploads.all() == state.volumes.all() == state.jobs.all() == []
    )
    assert state.users.get("alice") is None
    assert store.catalog_series() == []
    assert store.read_catalog(SERIES) == []
    assert list(store.read_upload_history()) == list(store.read_job_history()) == list(store.read_events()) == []


def test_records_of_every_kind_come_back_as_they_were_put(store, now, make_upload, make_job):
    key = PublicKey("ssh-ed25519", "AAAA", "alice@laptop", "SHA256:x", now)
    user = User("alice", now, Role.ADMIN, keys=(key,), quota_bytes=10**15)
    slot = Slot("thaniya_01", SlotState.DEGRADED, reason="größer als erlaubt")
    upload = make_upload(1, peer="203.0.113.7", expected_bytes=5)
    volume = Volume("v1", "first", Path("/srv/backup"))
    job = make_job(2, reason="disk\nfull")
    with store.transaction() as state:
        state.users.put(user)
        state.slots.put(slot)
        state.uploads.put(upload)
        state.volumes.put(volume)
        state.jobs.put(job)
    view = store.read()
    assert view.users.get("alice") == user
    assert view.slots.all() == [slot]
    assert view.uploads.get(upload.id) == upload
    assert view.volumes.get("v1") == volume
    assert view.jobs.all() == [job]


def test_records_come_in_the_order_of_their_keys(store, make_upload):
    with store.transaction() as state:
        for number in (3, 1, 2):
            state.uploads.put(make_upload(number))
        inside = state.uploads.all()
    assert inside == store.read().uploads.all() == [make_upload(1), make_upload(2), make_upload(3)]


def test_a_record_takes_the_place_of_the_one_with_its_key(store):
    with store.transaction() as state:
        state.slots.put(Slot("thaniya_01", reason="old"))
    with store.transaction() as state:
        state.slots.put(Slot("thaniya_01"))
    assert store.read().slots.all() == [Slot("thaniya_01")]


def test_removing_tells_whether_there_was_a_record(store):
    with store.transaction() as state:
        state.slots.put(Slot("thaniya_01"))
        state.slots.put(Slot("thaniya_02"))
    with store.transaction() as state:
        assert state.slots.remove("thaniya_01") is True
        assert state.slots.remove("thaniya_01") is False
        assert state.slots.get("thaniya_01") is None
    assert store.read().slots.all() == [Slot("thaniya_02")]


def test_a_record_put_and_removed_in_one_transaction_was_never_there(store):
    with store.transaction() as state:
        state.slots.put(Slot("thaniya_01"))
        assert state.slots.remove("thaniya_01") is True
    assert store.read().slots.all() == []


def test_changes_are_seen_inside_at_once_and_outside_at_the_end(store):
    with store.transaction() as state:
        state.slots.put(Slot("thaniya_01"))
        assert state.slots.get("thaniya_01") == Slot("thaniya_01")
        assert store.read().slots.all() == []
    assert store.read().slots.all() == [Slot("thaniya_01")]


def test_a_view_stays_as_it_was(store):
    before = store.read()
    with store.transaction() as state:
        state.slots.put(Slot("thaniya_01"))
    assert before.slots.all() == []


def test_a_list_that_was_handed_out_is_the_readers_own(store):
    with store.transaction() as state:
        state.slots.put(Slot("thaniya_01"))
    store.read().slots.all().clear()
    assert len(store.read().slots.all()) == 1


def test_an_exception_leaves_nothing_changed(store, make_upload):
    with store.transaction() as state:
        state.slots.put(Slot("thaniya_01"))
    with pytest.raises(Stopped), store.transaction() as state:
        state.slots.remove("thaniya_01")
        state.uploads.put(make_upload(1))
        raise Stopped
    assert store.read().slots.all() == [Slot("thaniya_01")]
    assert store.read().uploads.all() == []
    with store.transaction() as state:
        assert state.slots.get("thaniya_01") == Slot("thaniya_01")


@pytest.mark.parametrize("inner", ["transaction", "catalog_transaction"])
@pytest.mark.parametrize("outer", ["transaction", "catalog_transaction"])
def test_a_transaction_inside_another_is_refused(store, outer, inner):
    def begin(name):
        return store.transaction() if name == "transaction" else store.catalog_transaction(SERIES)

    with begin(outer), pytest.raises(RuntimeError, match="do not nest"), begin(inner):
        pass
    with begin(inner):
        pass


def test_transactions_of_two_stores_do_not_disturb_each_other(store):
    other = MemoryStore()
    with store.transaction() as state, other.transaction() as other_state:
        state.slots.put(Slot("thaniya_01"))
        other_state.slots.put(Slot("thaniya_02"))
    assert store.read().slots.all() == [Slot("thaniya_01")]
    assert other.read().slots.all() == [Slot("thaniya_02")]


def test_history_and_events_may_be_added_inside_a_transaction(store, now, make_upload):
    with store.transaction() as state:
        state.uploads.remove(make_upload(1).id)
        store.add_history(make_upload(1, ended_at=now))
        store.add_event(Event(now, "service", "upload.end"))
    assert len(list(store.read_upload_history())) == len(list(store.read_events())) == 1


def test_a_change_after_the_end_of_the_transaction_is_refused(store):
    with store.transaction() as state:
        pass
    with pytest.raises(RuntimeError, match="has ended"):
        state.slots.put(Slot("thaniya_01"))


def test_threads_lose_no_change(store):
    def count():
        for _ in range(25):
            with store.transaction() as state:
                slot = state.slots.get("thaniya_01") or Slot("thaniya_01", reason="0")
                state.slots.put(replace(slot, reason=str(int(slot.reason) + 1)))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.read().slots.all() == [Slot("thaniya_01", reason="100")]


def test_what_could_not_be_read_back_is_refused(store):
    with pytest.raises(WrongUsage, match="thaniya_01"), store.transaction() as state:
        state.slots.put(Slot("thaniya_01", reason="bytes that are no UTF-8: \udcff"))
    with pytest.raises(WrongUsage, match="thaniya_01"), store.transaction() as state:
        state.slots.put(Slot("thaniya_01", state="asleep"))
    assert store.read().slots.all() == []


def test_a_catalog_gives_the_oldest_backup_first(store, make_backup):
    with store.catalog_transaction(SERIES) as backups:
        for number in (2, 3, 1):
            backups.put(make_backup(number))
    assert store.read_catalog(SERIES) == [make_backup(1), make_backup(2), make_backup(3)]


def test_a_series_is_there_while_it_has_a_backup(store, make_backup):
    with store.catalog_transaction(SERIES) as backups:
        backups.put(make_backup(1))
    assert store.catalog_series() == [SERIES]
    with store.catalog_transaction(SERIES) as backups:
        assert backups.remove(make_backup(1).id)
    assert store.catalog_series() == []
    assert store.read_catalog(SERIES) == []


def test_looking_into_a_series_does_not_make_it(store):
    with store.catalog_transaction(SERIES) as backups:
        assert backups.all() == []
    assert store.catalog_series() == []


def test_series_are_sorted_and_apart(store, make_backup):
    wanted = [Series("alice", "web1", "daily"), SERIES, Series("bob", "a.b", "x.json")]
    for number, series in enumerate(reversed(wanted)):
        with store.catalog_transaction(series) as backups:
            backups.put(make_backup(number, user=series.user, host=series.host, name=series.name))
    assert store.catalog_series() == wanted
    assert [len(store.read_catalog(series)) for series in wanted] == [1, 1, 1]


def test_an_exception_leaves_a_catalog_unchanged(store, make_backup):
    with store.catalog_transaction(SERIES) as backups:
        backups.put(make_backup(1))
    with pytest.raises(Stopped), store.catalog_transaction(SERIES) as backups:
        backups.remove(make_backup(1).id)
        raise Stopped
    assert store.read_catalog(SERIES) == [make_backup(1)]


def test_a_backup_of_another_series_is_refused(store, make_backup):
    with pytest.raises(WrongUsage, match="alice/web2/nightly"), store.catalog_transaction(SERIES) as backups:
        backups.put(make_backup(1, host="web2"))
    assert store.catalog_series() == []


@pytest.mark.parametrize("series", [Series("..", "web1", "x"), Series("alice", "../web1", "x"), Series("a", "b", ".x")])
def test_a_series_that_is_no_legal_path_is_refused(store, series):
    with pytest.raises(IllegalName):
        store.read_catalog(series)
    with pytest.raises(IllegalName), store.catalog_transaction(series):
        pass
    with pytest.raises(IllegalName):
        store.replace_catalog(series, [])


def test_a_catalog_can_be_made_anew(store, make_backup):
    with store.catalog_transaction(SERIES) as backups:
        backups.put(make_backup(1))
        backups.put(make_backup(2))
    store.replace_catalog(SERIES, [make_backup(3), make_backup(2)])
    assert store.read_catalog(SERIES) == [make_backup(2), make_backup(3)]
    store.replace_catalog(SERIES, [])
    assert store.catalog_series() == []
    store.replace_catalog(SERIES, iter([make_backup(4)]))
    assert store.read_catalog(SERIES) == [make_backup(4)]


def test_history_gives_the_newest_end_first_over_months(store, now, make_upload):
    ends = {1: now - timedelta(days=70), 2: now, 3: now - timedelta(days=1), 4: now - timedelta(days=35)}
    for number, end in ends.items():
        store.add_history(make_upload(number, state=UploadState.ARCHIVED, created_at=end, ended_at=end))
    assert [int(upload.id[-6:], 16) for upload in store.read_upload_history()] == [2, 3, 4, 1]


def test_history_added_again_replaces_what_was_there(store, now, make_job):
    store.add_history(make_job(1, state=JobState.DONE, ended_at=now))
    store.add_history(make_job(1, state=JobState.FAILED, ended_at=now))
    assert [job.state for job in store.read_job_history()] == [JobState.FAILED]


def test_history_added_again_in_another_month_is_there_once(store, now, make_job):
    store.add_history(make_job(1, ended_at=now))
    later = make_job(1, ended_at=now + timedelta(days=40))
    store.add_history(later)
    assert list(store.read_job_history()) == [later]
    store.add_history(make_job(1, ended_at=now))
    assert list(store.read_job_history()) == [make_job(1, ended_at=now)]


def test_history_added_again_on_the_day_before_or_after_is_there_once(store, now, make_job):
    """The clock may have been put back between."""
    for hours in (0, 3, -22, 1):
        store.add_history(make_job(1, ended_at=now + timedelta(hours=hours)))
        assert list(store.read_job_history()) == [make_job(1, ended_at=now + timedelta(hours=hours))]


def test_ended_uploads_and_jobs_are_found_by_their_ids(store, now, make_upload, make_job):
    ends = {1: now, 2: now + timedelta(hours=3), 3: now + timedelta(days=100), 4: now - timedelta(days=40)}
    for number, end in ends.items():
        store.add_history(make_upload(number, ended_at=end))
        store.add_history(make_job(10 + number, ended_at=end))
    for number, end in ends.items():
        assert store.find_ended_upload(make_upload(number).id) == make_upload(number, ended_at=end)
        assert store.find_ended_job(make_job(10 + number).id) == make_job(10 + number, ended_at=end)
    assert store.find_ended_job(make_upload(1).id) is None
    assert store.find_ended_upload(make_upload(11).id) is None
    with pytest.raises(IllegalName):
        store.find_ended_upload("../state")


def test_uploads_and_jobs_of_one_id_are_apart_in_the_history(store, now, make_job, make_upload):
    store.add_history(make_job(1, ended_at=now))
    store.add_history(make_upload(1, ended_at=now))
    assert list(store.read_job_history()) == [make_job(1, ended_at=now)]
    assert list(store.read_upload_history()) == [make_upload(1, ended_at=now)]


def test_what_has_not_ended_is_refused_by_the_history(store, make_upload):
    with pytest.raises(WrongUsage, match="has not ended"):
        store.add_history(make_upload(1))
    assert list(store.read_upload_history()) == []


def test_events_come_the_oldest_first_over_months(store, now):
    events = [Event(now + timedelta(days=20 * number), "service", f"test.{number}") for number in range(4)]
    for event in (events[2], events[0], events[1], events[3]):
        store.add_event(event)
    assert sorted(store.read_events(), key=lambda event: event.at) == events
    assert [event.at.month for event in store.read_events()] == [11, 12, 1, 1]


def test_events_can_be_read_from_an_instant_on(store, now):
    events = [Event(now + timedelta(days=number), "service", f"test.{number}") for number in range(20)]
    for event in events:
        store.add_event(event)
    assert list(store.read_events(since=events[5].at)) == events[5:]
    assert list(store.read_events(since=events[10].at)) == events[10:]
    assert list(store.read_events(since=now + timedelta(days=99))) == []


def test_an_event_keeps_every_field(store, now):
    event = Event(now, "login:root", "user.disable", "alice", ok=False, detail='two\nlines and "quotes" – ü')
    store.add_event(event)
    assert list(store.read_events()) == [event]


def test_an_event_that_could_not_be_read_back_is_refused(store, now):
    with pytest.raises(WrongUsage, match=r"user\.disable"):
        store.add_event(Event(now, "service", "user.disable", detail="\udcff"))
    with pytest.raises(WrongUsage, match="no zone"):
        store.add_event(Event(now.replace(tzinfo=None), "service", "user.disable"))
    assert list(store.read_events()) == []


def test_what_people_are_told_and_expect_comes_back_as_it_was_put(store, now):
    expectation = Expectation("alice/web1/nightly", now, 86400, 3600)
    alert = Alert("series_late", "alice/web1/nightly", Severity.CRITICAL, now, now)
    channel = ChannelRecord("mail", (alert,), now, "größer als erlaubt")
    pings = PingRecord(now, ("a", "b"), {"alice/web1/nightly": "404"})
    with store.transaction() as state:
        state.expectations.put(expectation)
        state.channels.put(channel)
        state.pings.put(pings)
        state.runs.put(RunRecord("retention", now))
    view = store.read()
    assert view.expectations.get("alice/web1/nightly") == expectation
    assert view.channels.all() == [channel]
    assert view.pings.all() == [pings]
    assert view.runs.all() == [RunRecord("retention", now)]


def test_ended_uploads_are_read_in_few_words_from_an_instant_on(store, now, make_upload, make_job):
    ends = {1: now - timedelta(days=70), 2: now, 3: now - timedelta(days=1), 4: now - timedelta(days=35)}
    for number, end in ends.items():
        store.add_history(make_upload(number, state=UploadState.REJECTED, created_at=end, ended_at=end, reason="no"))
    store.add_history(make_job(9, ended_at=now))
    found = {int(upload.id[-6:], 16): upload for upload in store.read_ended_uploads(now - timedelta(days=35))}
    assert sorted(found) == [2, 3, 4]
    assert (
        found[3]
        == make_upload(3, state=UploadState.REJECTED, created_at=ends[3], ended_at=ends[3], reason="no").in_few_words()
    )
    assert (found[3].series, found[3].state, found[3].reason) == (SERIES, UploadState.REJECTED, "no")


def test_events_after_a_place_are_those_that_were_added_since(store, now):
    def add(subject, at=now):
        store.add_event(Event(at, "test", "act", subject))

    def after(place):
        events = list(store.read_events_after(place))
        return [event.subject for event, _ in events], events[-1][1] if events else place

    subjects, place = after(LogPlace.at_month(now))
    assert subjects == []
    add("an earlier month", now - timedelta(days=60))
    add("one")
    add("two")
    subjects, place = after(place)
    assert subjects == ["one", "two"]
    assert after(place)[0] == []
    add("three")
    add("a later month", now + timedelta(days=20))
    subjects, place = after(place)
    assert subjects == ["three", "a later month"]
    assert after(place) == ([], place)


def test_events_before_a_place_lead_back_to_the_beginning(store, now):
    assert store.end_of_events() == LogPlace("")
    assert list(store.read_events_before(store.end_of_events())) == []
    for subject, days in (("one", 60), ("two", 60), ("three", 0), ("four", 0)):
        store.add_event(Event(now - timedelta(days=days), "test", "act", subject))
    end = store.end_of_events()
    back = list(store.read_events_before(end))
    assert [each.event.subject for each in back] == ["four", "three", "two", "one"]
    assert [each.after for each in reversed(back)] == [place for _, place in store.read_events_after(LogPlace(""))]
    assert back[0].after == end
    assert [each.event.subject for each in store.read_events_before(back[1].before)] == ["two", "one"]
    assert list(store.read_events_before(back[-1].before)) == []
    assert list(store.read_events_after(end)) == []


def test_backups_are_found_by_the_beginning_of_their_id(store, make_backup):
    other = Series("alice", "web1", "other")
    bobs = Series("bob", "web1", "nightly")
    store.replace_catalog(SERIES, [make_backup(1), make_backup(0xABC001)])
    store.replace_catalog(other, [make_backup(2, name="other")])
    store.replace_catalog(bobs, [make_backup(0xABC002, user="bob")])

    def found(*arguments):
        return sorted(backup.id[-6:] for backup in store.find_backups(*arguments))

    assert found(make_backup(1).id) == ["000001"]
    assert found("20261123T211500Z-abc") == ["abc001", "abc002"]
    assert found("20261123T211500Z-abc", "bob") == ["abc002"]
    assert found("", "alice") == ["000001", "000002", "abc001"]
    assert found("alice") == found('"') == found("2027") == found("\n") == found("2026", "carol") == []


def test_what_a_user_stores_is_summed(store, make_backup):
    store.replace_catalog(SERIES, [make_backup(1), make_backup(2)])
    store.replace_catalog(Series("alice", "web2", "x"), [make_backup(3, host="web2", name="x", stored_bytes=7)])
    store.replace_catalog(Series("bob", "web1", "nightly"), [make_backup(4, user="bob")])
    assert (store.stored_bytes("alice"), store.stored_bytes("bob"), store.stored_bytes("carol")) == (27, 10, 0)
    with store.catalog_transaction(SERIES) as table:
        table.remove(make_backup(1).id)
    assert store.stored_bytes("alice") == 17
    store.replace_catalog(SERIES, [])
    assert store.stored_bytes("alice") == 7


@pytest.mark.parametrize("user", ["../alice", "*", "Alice"])
def test_a_name_that_is_no_users_is_refused(store, user):
    with pytest.raises(IllegalName):
        store.stored_bytes(user)
    with pytest.raises(IllegalName):
        list(store.find_backups("2026", user))


def test_old_days_of_the_history_are_forgotten_whole(store, now, make_upload, make_job):
    for days in range(5):
        store.add_history(make_upload(days, created_at=now - timedelta(days=days), ended_at=now - timedelta(days=days)))
    store.add_history(make_job(1, created_at=now - timedelta(days=9), ended_at=now - timedelta(days=9)))
    assert store.drop_history(now - timedelta(days=2, hours=-2)) == ["2026-11-14", "2026-11-19", "2026-11-20"]
    assert [int(upload.id[-6:], 16) for upload in store.read_upload_history()] == [0, 1, 2]
    assert list(store.read_job_history()) == []
    assert store.find_ended_upload(make_upload(3).id) is None
    assert store.drop_history(now - timedelta(days=2)) == []


def test_old_months_of_the_audit_log_are_forgotten_whole(store, now):
    for days in (70, 40, 20, 0):
        store.add_event(Event(now - timedelta(days=days), "service", f"test.{days}"))
    assert store.drop_events(now - timedelta(days=20)) == ["2026-09", "2026-10"]
    assert [event.action for event in store.read_events()] == ["test.20", "test.0"]
    assert [event.action for event, _ in store.read_events_after(LogPlace("2026-09", 40))] == ["test.20", "test.0"]
    assert store.drop_events(now) == []
