"""`thaniya-client profiles`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from thaniya_client.cli.options import ConfigOption, JsonOption
from thaniya_client.cli.output import print_json, print_line
from thaniya_client.config import ClientConfig, Place, find_config, load_config, place_of
from thaniya_client.driver import default_host
from thaniya_client.local_directory import default_user
from thaniya_client.profiles.kinds import STEP_TYPES, TASK_TYPES, readers_for
from thaniya_client.profiles.profile import Profile
from thaniya_client.profiles.reading import read_profile
from thaniya_client.settings.construct import arguments_of
from thaniya_client.settings.kinds import expected_of
from thaniya_client.tasks.interface import describe_task
from thaniya_core.errors import ThaniyaError
from thaniya_core.system.terminal import show_table


def profiles(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="PROFILE", help="Tell all about these. Default: a list of all.")
    ] = None,
    types: Annotated[
        bool, typer.Option("--types", help="List the tasks and steps that a profile may have, each with its keys.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the profiles of the configuration, tell all about one, or what one may hold.

    Example: thaniya-client profiles nightly

    Example: thaniya-client profiles --types
    """
    if types:
        _show_types(as_json)
        return
    file = find_config(config)
    settings = load_config(file)
    if names:
        for name in names:
            profile = read_profile(file, settings, name)
            if as_json:
                print_json("profile", _facts(settings, name, profile))
            else:
                _print_profile(settings, name, profile)
        return
    rows = (_look(file, settings, name) for name in settings.profile)
    if as_json:
        for row in rows:
            print_json("profile", row)
        return
    keys = ("profile", "series", "target", "schedule", "error")
    shown = show_table(
        ["PROFILE", "SERIES", "TARGET", "SCHEDULE", "WRONG"], ([str(row.get(key, "")) for key in keys] for row in rows)
    )
    if not shown:
        print_line(f"{file} has no profile yet: see docs/profiles.md")


def _look(file: Path, settings: ClientConfig, name: str) -> dict[str, object]:
    """What is known of a profile; of a wrong one, why it cannot be used."""
    try:
        return _facts(settings, name, read_profile(file, settings, name))
    except ThaniyaError as error:
        return {"profile": name, "error": str(error)}


def _facts(settings: ClientConfig, name: str, profile: Profile) -> dict[str, object]:
    return {
        "profile": name,
        "series": f"{profile.host or default_host()}/{profile.series}",
        "target": _shown(place_of(settings, profile.target)),
        "schedule": profile.schedule,
        "policy": profile.policy,
        "tags": profile.tags,
        "tasks": [describe_task(task) for task in profile.tasks],
    }


def _shown(place: Place) -> str:
    return place.directory or place.server


def _print_profile(settings: ClientConfig, name: str, profile: Profile) -> None:
    facts = _facts(settings, name, profile)
    for key in ("profile", "series", "target", "schedule", "policy"):
        if facts[key]:
            print_line(f"{key:9}{facts[key]}")
    for task in profile.tasks:
        print_line(f"task     {describe_task(task)}")
    if profile.policy and not place_of(settings, profile.target).directory:
        series = f"{default_user()}/{facts['series']}"
        print_line("The server's administrator may have that kept, by your name there:")
        print_line(f"  thaniya retention set {series} {shlex.quote(profile.policy)}")
    print_line(f"What a run would do: thaniya-client backup {name} --simulate")


def _show_types(as_json: bool) -> None:
    for what, types in (("task", TASK_TYPES), ("step", STEP_TYPES)):
        for name, cls in types.items():
            title = (cls.__doc__ or "").strip().splitlines()[0]
            keys = dict(_keys(cls))
            if as_json:
                print_json("type", {"kind": what, "type": name, "title": title, "keys": keys})
                continue
            print_line(f'{what} type = "{name}": {title}')
            for key, expected in keys.items():
                print_line(f"    {key:18}{expected}")


def _keys(cls: type) -> Iterator[tuple[str, str]]:
    readers = readers_for(False)
    for argument in arguments_of(cls):
        needed = ", must be there" if argument.is_required else ""
        yield argument.name, expected_of(argument.expected, readers) + needed
