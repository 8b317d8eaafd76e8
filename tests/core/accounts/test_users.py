"""Users: each change is one transaction and one event."""

from __future__ import annotations

from datetime import timedelta

import pytest

from thaniya_core.accounts import UNLIMITED, parse_max_uploads, parse_quota
from thaniya_core.errors import (
    AlreadyExists,
    IllegalKey,
    IllegalName,
    NotFound,
    ThaniyaError,
    WrongState,
    WrongUsage,
)
from thaniya_core.model import Role

KEY_LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDR42mUIODuZu+H7KOANoMyjObyc0Dtt6Lyocz1m8yYl alice@laptop"
OTHER_LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPylyyFJTZG99mwaN1mDWWxlxqtjdxJDMj4Jj2hGSVMQ bob"
TAKEN_LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINVGBynf7wtSFvLiInn8GhyCZD4TgbK19idqAvX0YcDB carol"
FINGERPRINT = "SHA256:t65ygcyb9r4t4raBvMIfWKVaxVxACns/5u0MgYLMg/M"


def _actions(server) -> list[tuple[str, str, str]]:
    return [(event.actor, event.action, event.subject) for event in server.store.read_events()]


def test_user_is_added_with_limits(server, clock):
    user = server.users.add("alice", [], "login:root", role=Role.OPERATOR, quota_bytes=5, max_uploads=3)

    assert server.users.get("alice") == user
    assert (user.role, user.quota_bytes, user.max_uploads, user.created_at) == (Role.OPERATOR, 5, 3, clock.now())
    assert _actions(server)[-1] == ("login:root", "user.add", "alice")


def test_user_that_exists_is_not_overwritten(server, alice):
    with pytest.raises(AlreadyExists, match="alice exists already"):
        server.users.add("alice", [], "login:root", max_uploads=1)
    assert server.users.get("alice") == alice


def test_illegal_name_makes_no_user(server):
    with pytest.raises(IllegalName):
        server.users.add("../root", [], "login:root")
    assert server.users.all() == []


@pytest.mark.parametrize("limits", [{"quota_bytes": -1}, {"max_uploads": 0}])
def test_impossible_limit_is_refused(server, limits):
    with pytest.raises(WrongUsage):
        server.users.add("alice", [], "login:root", **limits)


@pytest.mark.parametrize("verb", ["get", "enable", "disable", "remove"])
def test_unknown_user_is_told(server, verb):
    arguments = [] if verb == "get" else ["login:root"]

    with pytest.raises(NotFound, match="there is no user 'bob'"):
        getattr(server.users, verb)("bob", *arguments)


def test_user_is_disabled_and_enabled(server, alice):
    assert not server.users.disable("alice", "login:root").enabled
    assert server.users.enable("alice", "login:root") == alice
    assert [action for _, action, _ in _actions(server)[-2:]] == ["user.disable", "user.enable"]


def test_user_with_an_upload_on_its_way_is_not_removed(server, open_upload):
    upload = open_upload()

    with pytest.raises(WrongState, match=upload.id):
        server.users.remove("alice", "login:root")
    assert server.users.get("alice")


def test_removed_user_leaves_its_backups(server, archived):
    backup = archived()

    server.users.remove("alice", "login:root")

    assert server.users.all() == []
    assert server.catalog.get(backup.id) == backup


def test_last_use_of_a_key_goes_with_the_key(server, clock):
    alice = server.users.add("alice", [KEY_LINE], "login:root")
    fingerprint = alice.keys[0].fingerprint
    server.store.note_key_use(fingerprint, clock.now() - timedelta(days=1))
    assert server.users.key_uses() == {}  # that was before it was added

    server.store.note_key_use(fingerprint, clock.now())
    assert server.users.key_uses() == {fingerprint: clock.now()}

    server.users.remove_key("alice", fingerprint, "login:root")
    assert server.store.key_uses() == {}

    server.users.add_key("alice", KEY_LINE, "login:root")
    server.store.note_key_use(fingerprint, clock.now())
    server.users.remove("alice", "login:root")
    assert server.store.key_uses() == {}


def test_keys_are_looked_at_before_they_are_taken(server, tmp_path):
    file = tmp_path / "alice.pub"
    file.write_text(f"# two of them\n{KEY_LINE}\n\n{OTHER_LINE}\n")

    (pasted,) = server.users.look_at_keys(f" {KEY_LINE}\n")
    assert (pasted.fingerprint, pasted.comment) == (FINGERPRINT, "alice@laptop")
    assert [key.comment for key in server.users.look_at_keys(str(file))] == ["alice@laptop", "bob"]
    assert server.users.all() == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "no such file"),
        (b"", "holds no key"),
        (b"\xff\xfe", "is not a public key file"),
        (b"#too long\n" * 30_000, "is too large"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\n", "this is a private key"),
        (f"{KEY_LINE}\n{KEY_LINE}".encode(), "is given twice"),
        (f"{TAKEN_LINE}".encode(), "belongs to carol already"),
    ],
    ids=["none", "empty", "binary", "large", "private", "twice", "taken"],
)
def test_file_whose_keys_cannot_be_added_says_why(server, tmp_path, content, told):
    server.users.add("carol", [TAKEN_LINE], "login:root")
    file = tmp_path / "key.pub"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(ThaniyaError, match=f"(?i){told}"):
        server.users.look_at_keys(str(file))


def test_directory_is_no_key_file(server, tmp_path):
    with pytest.raises(IllegalKey, match="is a directory"):
        server.users.look_at_keys(str(tmp_path))


@pytest.mark.parametrize(("text", "quota"), [("10G", 10 * 2**30), ("unlimited", UNLIMITED), (" None ", UNLIMITED)])
def test_quota_is_read_as_people_write_it(text, quota):
    assert parse_quota(text) == quota


@pytest.mark.parametrize("text", ["", "-1", "lots", "10 X", "1e9"])
def test_what_is_no_quota_is_told(text):
    with pytest.raises(WrongUsage, match="no quota"):
        parse_quota(text)


@pytest.mark.parametrize("text", ["", "0", "-1", "2.5", "two", "²", "1" * 10])
def test_what_is_no_number_of_uploads_is_told(text):
    with pytest.raises(WrongUsage):
        parse_max_uploads(text)


def test_inherited_backups_are_counted_for_a_name_that_is_free(server, alice, archived):
    archived()
    assert server.count_inherited_backups("alice") == 0

    server.users.remove("alice", "login:root")
    assert server.count_inherited_backups("alice") == 1
