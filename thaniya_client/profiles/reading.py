"""Profiles are read out of the configuration one by one: what is wrong with one keeps no other from being used."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from thaniya_client.around.limits import Limits, check_limits
from thaniya_client.config import ClientConfig
from thaniya_client.profiles.kinds import readers_for
from thaniya_client.profiles.profile import Profile
from thaniya_client.profiles.trust import check_trusted
from thaniya_client.scheduling.hint import parse_schedule
from thaniya_client.settings.construct import construct
from thaniya_client.settings.where import Where, nearest
from thaniya_core.errors import ConfigInvalid, IllegalName, NotFound, WrongUsage
from thaniya_core.formats.names import check_host, check_series_name
from thaniya_core.formats.notes import check_tags

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def check_profile_name(name: str) -> str:
    """Give the name back when a profile may bear it: it becomes a part of the names of units and cron files.

    Raises:
        IllegalName: it is no such name.
    """
    if not _NAME.fullmatch(name):
        raise IllegalName(
            f"{name[:80]!r} is not the name of a profile",
            hint="up to 64 of A-Z a-z 0-9 _ - and no sign at the beginning; directories need --name SERIES",
        )
    return name


def read_profile(file: Path, config: ClientConfig, name: str) -> Profile:
    """One profile of a configuration, checked as far as that is possible without doing anything.

    Args:
        file: where the configuration was read from.
        config: what stands in it.
        name: the profile's.

    Raises:
        NotFound: there is no such profile; the message names those there are.
        ConfigInvalid: something in it is wrong; the message names file, key and what was expected.
        NotAllowed: others can write the file.
    """
    check_profile_name(name)
    if name not in config.profile:
        there_are = f"there are {', '.join(config.profile)}" if config.profile else "there is none"
        hint = nearest(name, config.profile) or f"a profile is a table [profile.{name}]; directories need --name SERIES"
        raise NotFound(f"{file} has no profile {name!r}: {there_are}", hint=hint)
    check_trusted(file)
    where = Where(file, f"profile.{name}")
    table = config.profile[name]
    # Checked first, without the tasks, so that it is not told as theirs.
    construct(Profile, {**table, "tasks": []}, where, readers_for(False))
    profile = construct(Profile, table, where, readers_for(table.get("incremental", False)))
    _check(profile, config, where)
    return replace(profile, series=profile.series or name, host=profile.host or config.host)


def _check(profile: Profile, config: ClientConfig, where: Where) -> None:
    if not profile.tasks:
        raise where.at("tasks").error("is empty", hint='give at least one, as {type = "directory", path = "/home"}')
    if profile.target and profile.target not in config.target:
        names = list(config.target)
        expected = f"one of {', '.join(names)}" if names else f"a [target.{profile.target}], of which there is none"
        raise where.at("target").wrong(profile.target, expected, nearest(profile.target, names))
    if not (profile.target or config.server or config.directory):
        raise where.at("target").error(f"is missing, expected one of {', '.join(config.target)}")
    for key in ("before", "after", "on_error"):
        for index, step in enumerate(getattr(profile, key)):
            if step == ():
                raise where.at(key).item(index).wrong(step, '["program", "argument", …]')
    if profile.series:
        _checked(check_series_name, profile.series, where.at("series"))
    if profile.host:
        _checked(check_host, profile.host, where.at("host"))
    if profile.schedule:
        _checked(parse_schedule, profile.schedule, where.at("schedule"))
    _checked(check_tags, profile.tags, where.at("tags"))
    _checked(check_limits, limits_of(profile), where)


def limits_of(profile: Profile) -> Limits:
    """What a run of the profile keeps to; the fields are arguments of `Target.backup`."""
    return Limits(
        retries=profile.retries,
        retry_pause_s=profile.retry_pause,
        time_limit_s=profile.time_limit,
        bytes_per_s=profile.rate,
        nice=profile.nice,
        idle_disk=profile.idle_disk,
    )


def _checked(check: Callable[..., object], value: object, where: Where) -> None:
    try:
        check(value)
    except WrongUsage as exc:
        raise ConfigInvalid(f"{where.file}: `{where.key}`: {exc.message}", hint=exc.hint) from exc
