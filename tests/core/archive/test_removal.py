"""Removing backups by retention, pinning and tagging, on a whole server."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from thaniya_core.archive import removal
from thaniya_core.errors import IllegalName, NotFound, WrongState
from thaniya_core.formats.names import Series
from thaniya_core.formats.notes import Notes, decode_notes
from thaniya_core.retention import parse_policy
from thaniya_core.store.tiny import TinyFile
from thaniya_core.system.run import run

SERIES = Series("alice", "web1", "nightly")


@pytest.fixture
def three(archived, clock):
    """Backups of three days, the oldest first."""
    made = []
    for _ in range(3):
        made.append(archived())
        clock.advance(86400)
    return made


@pytest.fixture
def apply(server):
    def apply_policy(policy: str = "keep-last=1"):
        server.retention_settings.set("default", parse_policy(policy), "login:root")
        return server.retention.apply(SERIES, "login:root")

    return apply_policy


def ids(backups):
    return [backup.id for backup in backups]


def test_what_the_policy_does_not_keep_is_removed_for_good(server, three, apply, volume):
    pruned = apply()

    assert ids(pruned.removed) == ids(three[1::-1])
    assert pruned.freed_bytes == 0  # the backup that stays has the same file
    assert server.catalog.find() == [three[2]]
    assert server.catalog.rebuild().found == 1
    assert list(volume.glob(".*/*")) == []
    removals = [event for event in server.events() if event.action == "backup.remove"]
    assert [(event.actor, event.subject) for event in removals] == [
        ("login:root", f"{SERIES}/{backup.id}") for backup in three[1::-1]
    ]


def test_what_became_free_is_what_no_backup_that_stays_has(server, archived, clock, apply):
    for contents in (b"old " * 100, b"old " * 100, b"new"):
        archived(notes__txt=contents)
        clock.advance(86400)

    assert apply().freed_bytes == 400


@pytest.mark.parametrize("by_restart", [False, True])
def test_every_removal_is_in_the_audit_log_whatever_fails_on_the_way(server, three, apply, failing, reopen, by_restart):
    with failing(TinyFile, "commit", call=2), pytest.raises(OSError, match="Input/output"):
        apply()  # the first writes the policy, the second the catalog: both backups have left their place
    if by_restart:
        reopen().recover()
    else:
        assert apply().removed == ()

    told = [event.subject for event in server.events() if event.action == "backup.remove"]
    assert set(told) == {f"{SERIES}/{backup.id}" for backup in three[:2]}
    assert server.catalog.find() == [three[2]]


def test_removal_that_fails_half_way_is_told_as_far_as_it_came(server, three, apply, failing):
    with failing(removal, "_put_aside", call=2), pytest.raises(OSError, match="Input/output"):
        apply()

    assert len([event for event in server.events() if event.action == "backup.remove"]) == 1


def test_policy_that_is_set_while_a_removal_waits_for_its_turn_holds(server, three, apply, monkeypatch):
    waits = server.volumes.hold_present

    def others_are_quicker():
        server.retention_settings.set("default", parse_policy(""), "login:root")
        return waits()

    monkeypatch.setattr(server.volumes, "hold_present", others_are_quicker)

    assert apply("keep-last=1").removed == ()


def test_without_a_policy_nothing_is_removed(server, three):
    assert server.retention.apply(SERIES, "login:root").removed == ()
    assert len(server.catalog.find()) == 3


def test_plan_changes_nothing_and_is_what_apply_does(server, three, apply):
    server.retention_settings.set("alice", parse_policy("keep-last=2"), "login:root")
    (planned,) = server.retention.plan([SERIES])

    assert [decision.candidate.id for decision in planned.plan.removed] == [three[0].id]
    assert planned.removed_bytes == three[0].document.stored_bytes
    assert planned.kept_bytes == three[0].document.stored_bytes * 2
    assert planned.applied.scope == "alice"
    assert len(server.catalog.find()) == 3
    assert ids(apply("keep-last=1").removed) == [three[0].id]  # the user's policy goes before


def test_pinned_backup_stays_until_it_is_unpinned(server, three, apply):
    server.backups.pin(three[0], True, "login:root")

    assert ids(apply().removed) == [three[1].id]
    with pytest.raises(WrongState, match="is pinned"):
        server.backups.remove(three[0], "login:root")
    server.backups.pin(three[0], False, "login:root")
    assert ids(apply().removed) == [three[0].id]
    assert [event.action for event in server.events() if "pin" in event.action] == ["backup.pin", "backup.unpin"]


def test_notes_lie_beside_the_backup_and_outlive_the_catalog(server, three, root):
    server.backups.pin(three[0], True, "login:root")
    server.backups.tag(three[0], ["before-upgrade", "v=1.2"], [], "login:root")
    shutil.rmtree(root / "state" / "catalog")

    server.catalog.rebuild()

    found = server.catalog.get(three[0].id)
    assert found.notes == Notes(True, ("before-upgrade", "v=1.2"))
    directory = server.catalog.directory(found)
    assert decode_notes((directory / "backup.notes.json").read_bytes(), "") == found.notes
    assert server.backups.verify(found, "login:root").broken == ""
    assert run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], timeout_s=30, cwd=directory).exit_code == 0


def test_tags_are_added_and_taken_away(server, archived):
    backup = server.backups.tag(archived(), ["b", "a", "a"], [], "login:root")
    assert backup.notes.tags == ("a", "b")
    backup = server.backups.tag(backup, ["c"], ["a", "b"], "login:root")
    assert backup.notes.tags == ("c",)
    backup = server.backups.tag(backup, [], ["c"], "login:root")
    assert not (server.catalog.directory(backup) / "backup.notes.json").exists()
    with pytest.raises(IllegalName):
        server.backups.tag(backup, ["a b"], [], "login:root")
    assert server.catalog.get(backup.id).notes == Notes()


@pytest.mark.parametrize("content", [b"", b"{", b'{"pinned": 7}', b'{"format": 9}', b'{"tags": ["a b"]}'])
def test_notes_that_cannot_be_read_count_as_pinned(server, archived, content):
    backup = archived()
    (server.catalog.directory(backup) / "backup.notes.json").write_bytes(content)

    report = server.catalog.rebuild()

    assert ["counts as pinned" in told for told in report.unreadable] == [True]
    assert server.catalog.get(backup.id).notes.pinned
    server.backups.pin(backup, False, "login:root")
    assert server.catalog.rebuild().unreadable == ()


def test_broken_backup_is_not_removed_and_the_good_one_before_it_stays(server, three, apply):
    file = server.catalog.directory(three[2]) / "notes.txt"
    file.chmod(0o640)
    file.write_bytes(b"damaged")
    server.backups.verify(three[2], "login:root")

    assert ids(apply().removed) == [three[0].id]


@pytest.mark.parametrize("what", ["only on the volume", "only in the catalog"])
def test_disagreement_of_catalog_and_volume_removes_nothing(server, three, apply, what):
    place = server.catalog.directory(three[0])
    if what == "only on the volume":
        shutil.copytree(place, place.with_name("20200101T000000Z-000000"))
    else:
        shutil.rmtree(place)

    with pytest.raises(WrongState, match="disagree") as caught:
        apply()

    assert "catalog rebuild" in caught.value.hint
    assert len(server.catalog.find()) == 3
    assert all(server.catalog.directory(backup).is_dir() for backup in three[1:])


def test_backup_that_is_just_being_archived_is_no_disagreement(server, three, apply, spooled, run_jobs):
    upload = spooled()
    run_jobs()
    server.catalog.remove(server.catalog.get(upload.id))
    with server.store.transaction() as state:
        # As between the rename into its place and the entry in the catalog; its spool is gone already here.
        state.uploads.put(replace(upload, volume=three[0].volume, manifest_digest=""))

    assert ids(apply().removed) == ids(three[1::-1])

    server.recover()
    run_jobs()
    assert ids(server.catalog.find()) == [upload.id, three[2].id]


def test_backup_on_a_volume_that_is_not_there_waits(server, three, apply, volume: Path):
    away = volume.rename(volume.with_name("unmounted"))

    pruned = apply()

    assert pruned.removed == ()
    assert ids(pruned.absent) == ids(three[1::-1])
    assert len(server.catalog.find()) == 3
    away.rename(volume)
    assert len(apply().removed) == 2


def test_removal_that_was_killed_is_finished_by_the_next(server, three, apply, volume):
    grave = volume / ".removing" / three[1].id
    grave.parent.mkdir(exist_ok=True)
    server.catalog.directory(three[1]).rename(grave)

    assert ids(apply("keep-last=2").removed) == []
    assert ids(server.catalog.find()) == [three[2].id, three[0].id]
    assert not grave.exists()


def test_backup_is_removed_one_at_a_time_too(server, three):
    server.backups.remove(three[1], "login:root")
    assert ids(server.catalog.find()) == [three[2].id, three[0].id]
    with pytest.raises(NotFound):
        server.backups.remove(three[1], "login:root")
