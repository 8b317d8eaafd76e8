"""Looks whether a profile could run: programs, keys and sources are there. Nothing is changed or sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from thaniya_client.encryption.recipients import read_recipients
from thaniya_client.profiles.profile import Profile
from thaniya_client.tasks.interface import check_source, check_tools
from thaniya_client.tasks.tools import Tool, find_tool
from thaniya_core.errors import ThaniyaError

_PERHAPS = "; after the steps before the backup it may be otherwise"


def problems_of(profile: Profile) -> list[str]:
    """What is in the way of a profile, one line each; empty: nothing that can be seen from here."""
    return list(dict.fromkeys(_problems(profile)))


def _problems(profile: Profile) -> Iterator[str]:
    for step in (*profile.before, *profile.after, *profile.on_error):
        look = partial(find_tool, Tool(step[0])) if isinstance(step, tuple) else partial(check_tools, [step])
        yield from _failure(look)
    yield from _failure(partial(read_recipients, profile.encrypt_to))
    for task in profile.tasks:
        yield from _failure(partial(check_tools, [task]))
        for text in _failure(partial(check_source, task)):
            yield text + _PERHAPS if profile.before else text


def _failure(look: Callable[[], object]) -> Iterator[str]:
    try:
        look()
    except ThaniyaError as exc:
        yield str(exc)
