"""Users: each change is one transaction and one event."""

from __future__ import annotations

import pytest

from thaniya_core.errors import AlreadyExists, IllegalName, NotFound, WrongState, WrongUsage
from thaniya_core.model import Role


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
