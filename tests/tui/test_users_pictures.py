"""What the area of users and its dialogs look like, at three sizes, dark and light."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from thaniya_core.cli.demo.past import make_past
from thaniya_core.server import open_server
from thaniya_core.testing import FixedClock
from thaniya_tui.areas.users.handout import Handout
from thaniya_tui.dialogs import Ask, Confirm, Pick

NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDR42mUIODuZu"


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of a server with a year behind it, which can be called from elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        file = make_past(tmp_path_factory.mktemp("past") / "server", NOW)
    text = file.read_text().replace('# address = "backup.example.org"', 'address = "backup.example.org:22"')
    file.write_text(text)
    (file.parent / "state" / "ssh_host_ed25519_key.pub").write_text(
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC8tFc9WeiD9Sre06bFOQr3RVWcP4JWVDDvkN9CTUxTq\n"
    )
    return file


@pytest.fixture
def server(past):
    return open_server(past, FixedClock(NOW))


async def to_users(person, *keys):
    await person.go("users")
    await person.see("bob")
    await person.wait(lambda: person.console.screen._uses is not None, "the uses of keys")
    await person.press(*keys)


def test_area(picture):
    picture(to_users)


def test_details_of_the_second(picture):
    async def look(person):
        await to_users(person, "j", "enter")

    picture(look)


def test_new_user(picture):
    async def ask(person):
        await to_users(person, "n")
        await person.wait(lambda: isinstance(person.console.screen, Ask))
        await person.type("bob")
        await person.press("tab")
        await person.paste(KEY)
        await person.see("exists already")
        await person.see("is damaged")

    picture(ask)


@pytest.mark.parametrize(
    ("keys", "dialog"), [("l", Ask), ("a", Ask), ("x", Pick), ("d", Confirm), ("jX", Confirm), ("i", Handout)]
)
def test_dialog(picture, keys, dialog):
    async def open_it(person):
        await to_users(person, "j", *keys)
        await person.wait(lambda: isinstance(person.console.screen, dialog))

    picture(open_it)
