"""What callers over SSH may do: their own, and no more."""

from __future__ import annotations

import pytest

from thaniya_core.callers import ENDED_SHOWN, CallerServices
from thaniya_core.errors import IllegalName, NoSpace, NotAllowed, NotFound, ThaniyaError, UserDisabled, WrongState
from thaniya_core.gate.services import Caller
from thaniya_core.model import UploadState
from thaniya_core.system.run import run

UNKNOWN = "20261123T211500Z-ffffff"


@pytest.fixture
def services(server) -> CallerServices:
    return CallerServices(server)


@pytest.fixture
def alice_calls(alice) -> Caller:
    return Caller("alice", "203.0.113.7")


@pytest.fixture
def bob_calls(make_user) -> Caller:
    make_user("bob")
    return Caller("bob")


@pytest.fixture
def key_line(tmp_path) -> str:
    run(["ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-f", str(tmp_path / "key")], timeout_s=60)
    return (tmp_path / "key.pub").read_text()


def test_whole_backup_is_made_by_calls(services, alice_calls, put_file, manifest_of, run_jobs):
    upload = services.allocate(alice_calls, "web1", "nightly", 10)
    put_file(upload, "a", b"12345")

    spooled = services.complete(alice_calls, upload.id, manifest_of(a=b"12345"))
    run_jobs()

    assert spooled.state is UploadState.SPOOLED
    assert services.upload(alice_calls, upload.id).state is UploadState.ARCHIVED
    assert [backup.id for backup in services.backups(alice_calls, "", "", 10, "")] == [upload.id]
    assert services.contents(alice_calls, upload.id).user == "alice"
    with services.open_file(alice_calls, upload.id, "a") as stream:
        assert stream.read() == b"12345"


CALLS = {
    "complete": lambda services, caller, upload_id: services.complete(caller, upload_id, None),
    "abort": lambda services, caller, upload_id: services.abort(caller, upload_id, ""),
    "upload": lambda services, caller, upload_id: services.upload(caller, upload_id),
    "contents": lambda services, caller, upload_id: services.contents(caller, upload_id),
    "open_file": lambda services, caller, upload_id: services.open_file(caller, upload_id, "a"),
    "uploads": lambda services, caller, upload_id: services.uploads(caller),
    "backups": lambda services, caller, upload_id: services.backups(caller, "", "", 1, ""),
    "allocate": lambda services, caller, upload_id: services.allocate(caller, "web1", "a", None),
}


@pytest.mark.parametrize("call", ["complete", "abort", "upload"])
@pytest.mark.parametrize("is_ended", [True, False])
def test_upload_of_another_user_is_not_there(services, bob_calls, server, open_upload, call, is_ended):
    upload = open_upload()
    if is_ended:
        server.abort_upload(upload.id, "", "alice")

    with pytest.raises(NotFound) as of_another:
        CALLS[call](services, bob_calls, upload.id)
    with pytest.raises(NotFound) as of_nobody:
        CALLS[call](services, bob_calls, UNKNOWN)

    assert str(of_another.value).replace(upload.id, UNKNOWN) == str(of_nobody.value)
    assert server.uploads.get(upload.id).state is (UploadState.ABORTED if is_ended else UploadState.OPEN)


@pytest.mark.parametrize("call", ["contents", "open_file"])
def test_backup_of_another_user_is_not_there(services, bob_calls, archived, call):
    backup = archived()

    with pytest.raises(NotFound) as of_another:
        CALLS[call](services, bob_calls, backup.id)
    with pytest.raises(NotFound) as of_nobody:
        CALLS[call](services, bob_calls, UNKNOWN)

    assert str(of_another.value).replace(backup.id, UNKNOWN) == str(of_nobody.value)


def test_lists_show_the_callers_own(services, alice_calls, bob_calls, archived, open_upload):
    archived()
    open_upload()

    assert len(services.uploads(alice_calls)) == 2
    assert services.uploads(bob_calls) == services.backups(bob_calls, "", "", 9, "") == []


@pytest.mark.parametrize("call", CALLS)
def test_disabled_user_may_do_nothing(services, server, alice_calls, archived, call):
    backup = archived()
    server.disable_user("alice", "login:root")

    with pytest.raises(UserDisabled, match="alice is disabled"):
        CALLS[call](services, alice_calls, backup.id)


@pytest.mark.parametrize("call", CALLS)
def test_removed_user_may_do_nothing(services, server, alice_calls, archived, call):
    backup = archived()
    server.users.remove("alice", "login:root")

    with pytest.raises(NotAllowed, match="there is no user 'alice'"):
        CALLS[call](services, alice_calls, backup.id)


@pytest.mark.parametrize("call", ["complete", "abort", "upload", "contents", "open_file"])
@pytest.mark.parametrize("identifier", ["", "2026", "../../etc", "20261123T211500Z-ffffff\n", "*"])
def test_malformed_id_is_refused(services, alice_calls, archived, call, identifier):
    archived()

    with pytest.raises((IllegalName, NotFound)):
        CALLS[call](services, alice_calls, identifier)


def test_backup_is_fetched_by_its_whole_id_only(services, alice_calls, archived):
    backup = archived()

    with pytest.raises(ThaniyaError):
        services.contents(alice_calls, backup.id[:-1])


def test_control_account_lets_every_enabled_user_in(services, server, key_line):
    server.users.add("alice", [key_line], "login:root")
    server.users.add("bob", [], "login:root")
    assert [entry.user for entry in services.authorized_keys("thaniya")] == ["alice"]

    server.disable_user("alice", "login:root")

    assert services.authorized_keys("thaniya") == []


def test_slot_lets_its_user_in_while_its_upload_is_open(services, server, open_upload, key_line, put_file):
    upload = open_upload()
    server.users.add_key("alice", key_line, "login:root")
    assert [entry.user for entry in services.authorized_keys(upload.slot)] == ["alice"]
    assert services.authorized_keys("thaniya_02") == []

    put_file(upload, "a", b"a")
    server.uploads.complete(upload.id, None, "alice")
    assert services.authorized_keys(upload.slot) == []
    server.close_slots()
    assert services.authorized_keys(upload.slot) == []


def test_slot_of_a_disabled_user_lets_nobody_in(services, server, open_upload, key_line):
    upload = open_upload()
    server.users.add_key("alice", key_line, "login:root")

    server.users.disable("alice", "login:root")

    assert services.authorized_keys(upload.slot) == []


@pytest.mark.parametrize("account", ["root", "", "thaniya_1", "thaniya_99", "../thaniya_01", "thaniya_01\n"])
def test_no_other_account_lets_anybody_in(services, server, open_upload, key_line, account):
    open_upload()
    server.users.add_key("alice", key_line, "login:root")

    assert services.authorized_keys(account) == []


@pytest.mark.parametrize("verb", ["disable", "degrade"])
def test_slot_out_of_use_lets_nobody_in(services, server, alice, key_line, verb):
    server.users.add_key("alice", key_line, "login:root")
    server.slots.disable("thaniya_01", "login:root")

    assert services.authorized_keys("thaniya_01") == []


def test_aborting_twice_gives_the_same_answer(services, alice_calls, open_upload):
    upload = open_upload()

    answers = [services.abort(alice_calls, upload.id, "no").state for _ in range(2)]

    assert answers == [UploadState.ABORTED] * 2


def test_upload_that_ends_while_it_is_listed_is_listed_once(services, server, alice_calls, open_upload, monkeypatch):
    upload = open_upload()
    real = server.uploads.list_on_their_way

    def ends() -> object:
        found = real()
        server.abort_upload(upload.id, "", "alice")
        return found

    monkeypatch.setattr(server.uploads, "list_on_their_way", ends)

    assert [(found.id, found.state) for found in services.uploads(alice_calls)] == [(upload.id, UploadState.ABORTED)]


def test_newest_ended_uploads_are_listed(services, server, alice_calls, open_upload, clock):
    ids = []
    for _ in range(ENDED_SHOWN + 2):
        upload = open_upload()
        ids.append(upload.id)
        server.abort_upload(upload.id, "", "alice")
        clock.advance(1)

    assert [upload.id for upload in services.uploads(alice_calls)] == ids[: -ENDED_SHOWN - 1 : -1]


def test_backups_are_listed_in_pages(services, alice_calls, archived, clock):
    ids = []
    for _ in range(4):
        ids.append(archived().id)
        clock.advance(1)

    first = services.backups(alice_calls, "web1", "nightly", 2, "")
    second = services.backups(alice_calls, "", "", 2, first[-1].id)

    assert [backup.id for backup in first + second] == ids[::-1]
    assert services.backups(alice_calls, "web2", "", 2, "") == []


def test_free_space_is_what_the_upload_may_bring_still(services, alice_calls, server, put_file):
    upload = services.allocate(alice_calls, "web1", "nightly", 1000)
    put_file(upload, "a", b"x" * 500)
    server.watch_uploads(remembers=True)

    assert services.free_bytes(server.uploads.get(upload.id)) == upload.allowed_bytes - 500


def test_logins_are_written_to_the_audit_log(services, server):
    services.note_login("thaniya", "", "192.0.2.1", False, "unknown key")

    event = list(server.store.read_events())[-1]
    assert (event.actor, event.action, event.subject) == ("unknown@192.0.2.1", "login", "thaniya")
    assert (event.ok, event.detail) == (False, "unknown key")


def test_refused_commands_are_written_to_the_audit_log(services, alice_calls, server):
    services.note_refusal(alice_calls, "shell", "unknown command 'shell'")

    event = list(server.store.read_events())[-1]
    assert (event.actor, event.action, event.subject) == (alice_calls.actor, "command.refused", "shell")
    assert (event.ok, event.detail) == (False, "unknown command 'shell'")


def test_complete_without_sums_is_refused_while_somebody_is_logged_in(services, alice_calls, server, put_file):
    upload = services.allocate(alice_calls, "web1", "nightly", 10)
    put_file(upload, "a", b"half of")
    session = server.accounts.begin(upload.slot, upload.id, lambda: None)

    with pytest.raises(WrongState, match="still open, and may be writing"):
        services.complete(alice_calls, upload.id, None)
    session.end()

    assert server.uploads.get(upload.id).state is UploadState.OPEN
    assert services.complete(alice_calls, upload.id, None).state is UploadState.SPOOLED


def test_log_that_cannot_be_written_keeps_nobody_out(services, server, monkeypatch):
    def fails(event: object) -> None:
        raise NoSpace("the disk is full")

    monkeypatch.setattr(server.store, "add_event", fails)

    services.note_login("thaniya", "alice", "203.0.113.7", True)
