"""Pictures of the retention area and its dialogs, on a server with a year behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
from textual.widgets import Input

from thaniya_core.cli.demo.past import make_past
from thaniya_core.retention import parse_policy
from thaniya_core.server import Server, open_server
from thaniya_core.testing import FixedClock
from thaniya_tui import Console
from thaniya_tui.areas.retention.editing import PolicyDialog
from thaniya_tui.areas.retention.screen import RetentionArea

from .conftest import ACTOR, Person, sitting_at


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a year behind it whose default policy has become stricter; nobody changes it here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        clock = FixedClock()
        server = open_server(make_past(tmp_path_factory.mktemp("past") / "server", clock.now()), clock)
        server.retention_settings.set("default", parse_policy("keep-daily=20 keep-weekly=4 keep-monthly=6"), ACTOR)
        patch.setattr(server.surveys, "make_elsewhere", lambda timeout_s: server.surveys.make())
        yield server
    time.tzset()


@pytest.fixture
def picture(past: Server, compare_looks: Callable[[Person], Awaitable[None]]) -> Callable[..., None]:
    """Compares the area with its pictures after somebody has done something."""

    def compare(scope: str, do: Callable[[Person, RetentionArea], Awaitable[None]] | None = None) -> None:
        console = Console(past, ACTOR, stale_after_s=3600)
        console.animation_level = "none"

        async def look() -> None:
            async with sitting_at(console, (60, 20), notifications=False) as person:
                await person.go("retention")
                area = console.screen
                assert isinstance(area, RetentionArea), person.text
                await person.wait(lambda: scope in area.statuses)
                area.go_to(scope)
                await person.wait(lambda: area.plans.preview and area.plans.preview.target.scope == scope)
                if do is not None:
                    await do(person, area)
                await person.wait(lambda: area.plans.progress is None, "the plan")
                await compare_looks(person)

        asyncio.run(look())

    return compare


async def write(person: Person, text: str) -> None:
    await person.press("e")
    await person.wait(lambda: isinstance(person.console.screen, PolicyDialog))
    person.console.screen.query_one(Input).value = text
    await person.pilot.pause()


def test_a_scope_that_holds_for_many_series(picture):
    picture("default")


def test_a_series_as_a_list(picture):
    picture("alice/web1/site")


def test_a_series_as_a_calendar(picture):
    async def do(person, area):
        await person.press("c")

    picture("alice/db1/shop", do)


def test_a_policy_that_is_tried(picture):
    async def do(person, area):
        await write(person, "keep-daily=7 keep-within-weekly=1y")
        await person.press("f2")
        await person.wait(lambda: area.plans.tried is not None and area.plans.preview is not None)

    picture("carol/web2/mail", do)


def test_the_dialog_of_a_policy(picture):
    async def do(person, area):
        await write(person, "keep-daily=7 keep-weekly=8 keep-monthly=12")
        dialog = person.console.screen
        await person.wait(lambda: dialog._sample is not None and dialog._sums is not None)

    picture("default", do)


def test_the_dialog_of_a_policy_that_is_wrong(picture):
    async def do(person, area):
        await write(person, "keep-daily=7 keep-fortnightly=3")

    picture("alice/web2/site", do)


def test_the_dialog_for_a_new_scope(picture):
    async def do(person, area):
        await person.press("a")
        person.console.screen.query_one(Input).value = "Carol"
        await person.pilot.pause()

    picture("default", do)


def test_the_question_before_a_policy_is_taken_back(picture):
    async def do(person, area):
        await person.press("u")

    picture("bob", do)


def test_the_question_before_a_policy_is_applied(picture):
    async def do(person, area):
        await person.press("A")

    picture("default", do)


def test_all_that_is_said_of_a_backup(picture):
    async def do(person, area):
        await person.press("tab", "enter")

    picture("alice/web1/site", do)
