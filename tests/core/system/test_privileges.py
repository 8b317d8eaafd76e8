"""Root becomes another user."""

from __future__ import annotations

import json
import os
import pwd

import pytest

from thaniya_core.errors import NoFreeSlot, NotAllowed, NotFound, ThaniyaError
from thaniya_core.system.privileges import call_as, drop_to, owner_of, person

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="root is needed to become another user")
OTHER = "nobody"


def describe() -> str:
    facts = {"ids": [*os.getresuid(), *os.getresgid()], "groups": os.getgroups(), "home": os.environ["HOME"]}
    return json.dumps(facts | {"person": person(), "pid": os.getpid()})


@needs_root
def test_call_has_the_rights_of_the_user_and_the_caller_keeps_its_own():
    told = json.loads(call_as(OTHER, describe))
    entry = pwd.getpwnam(OTHER)
    assert told["ids"] == [entry.pw_uid] * 3 + [entry.pw_gid] * 3
    assert 0 not in told["groups"]
    assert told["home"] == entry.pw_dir
    assert told["pid"] != os.getpid()
    assert os.geteuid() == 0


@needs_root
def test_there_is_no_way_back_to_root():
    def try_to() -> str:
        os.setuid(0)
        return "root again"

    with pytest.raises(NotAllowed):
        call_as(OTHER, try_to)


@needs_root
@pytest.mark.parametrize("name", ["SUDO_USER", "LOGNAME"])
def test_person_is_known_afterwards(monkeypatch, name):
    for other in ("SUDO_USER", "LOGNAME", "USER"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "jane")
    assert json.loads(call_as(OTHER, describe))["person"] == "jane"


@needs_root
def test_person_is_root_where_nothing_else_tells(monkeypatch):
    for name in ("SUDO_USER", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    assert json.loads(call_as(OTHER, describe))["person"] == "root"


@needs_root
def test_error_of_the_call_is_raised_here_with_its_kind_and_hint():
    def fail() -> str:
        raise NoFreeSlot("none free", hint="later")

    with pytest.raises(NoFreeSlot, match="none free") as caught:
        call_as(OTHER, fail)
    assert caught.value.hint == "later"


@needs_root
@pytest.mark.parametrize(
    ("error", "kind"), [(PermissionError(13, "Permission denied"), NotAllowed), (KeyError("x"), ThaniyaError)]
)
def test_foreign_error_of_the_call_is_translated(error, kind):
    def fail() -> str:
        raise error

    with pytest.raises(kind):
        call_as(OTHER, fail)


@needs_root
def test_call_that_dies_is_told():
    with pytest.raises(ThaniyaError, match="told nothing"):
        call_as(OTHER, lambda: os._exit(7))


@pytest.mark.parametrize("user", ["root", "no-such-user"])
def test_root_and_nobody_at_all_are_refused(user):
    with pytest.raises((NotAllowed, NotFound)):
        drop_to(user)


def test_owner_of_a_directory(tmp_path):
    assert owner_of(tmp_path) == pwd.getpwuid(os.getuid()).pw_name
    with pytest.raises(NotFound):
        owner_of(tmp_path / "none")
