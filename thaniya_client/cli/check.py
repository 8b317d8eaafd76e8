"""`thaniya-client check`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import typer

from thaniya_client.cli.options import AcceptNewOption, ConfigOption, JsonOption, connect
from thaniya_client.cli.output import print_json, print_line
from thaniya_client.config import ClientConfig, Place, find_config, load_config
from thaniya_client.profiles.checking import problems_of
from thaniya_client.profiles.reading import read_profile
from thaniya_client.target import Target
from thaniya_client.thaniya_server import ServerCheck, ThaniyaServer
from thaniya_core.errors import ExitCode, ThaniyaError
from thaniya_core.formats.quantities import format_size
from thaniya_core.system.terminal import show_error

_CLOCK_TOLERANCE_S = 60.0


def check(config: ConfigOption = None, accept_new: AcceptNewOption = False, as_json: JsonOption = False) -> None:
    """Try everything that a backup needs: connection, key, a free slot, clock and space; and look at the profiles.

    Of each profile its settings are checked, whether its programs are there, and its sources. Every target is tried
    that is the default or that a profile names.

    Example: thaniya-client check
    """
    file = find_config(config)
    settings = load_config(file)
    codes: list[ExitCode] = []
    for name, place in _places(settings):
        try:
            _check_place(name, place, accept_new, as_json)
        except ThaniyaError as error:
            show_error("thaniya-client", error, as_json=as_json)
            codes.append(error.exit_code)
    codes += [_check_profile(file, settings, name, as_json) for name in settings.profile]
    failed = [code for code in codes if code is not ExitCode.DONE]
    if failed:
        raise typer.Exit(failed[0])


def _places(settings: ClientConfig) -> Iterator[tuple[str, Place]]:
    """The targets to try, each once, by name."""
    if settings.server or settings.directory:
        yield "", settings
    named = [table.get("target") for table in settings.profile.values()]
    yield from ((name, place) for name, place in settings.target.items() if name in named)


def _check_place(name: str, place: Place, accept_new: bool, as_json: bool) -> None:
    with connect(place, accept_new) as target:
        if isinstance(target, ThaniyaServer):
            _show_server(name, target.check(), as_json)
        else:
            _check_directory(name, place, target, as_json)


def _check_directory(name: str, place: Place, target: Target, as_json: bool) -> None:
    newest = next(iter(target.backups()), None)
    space = os.statvfs(place.directory)
    free_bytes = space.f_bavail * space.f_frsize
    if as_json:
        facts = {"directory": place.directory, "free_bytes": free_bytes, "newest": newest and newest.id}
        print_json("check", {**({"target": name} if name else {}), **facts})
        return
    print_line(f"directory {place.directory}")
    print_line(f"newest   {newest.id if newest else 'there is no backup yet'}")
    print_line(f"space    {format_size(free_bytes)} free for a backup")


def _show_server(name: str, found: ServerCheck, as_json: bool) -> None:
    if as_json:
        print_json("check", {**({"target": name} if name else {}), **msgspec.structs.asdict(found)})
        return
    print_line(f"server   {found.server}")
    print_line(f"user     {found.user}")
    warning = " - set one of the clocks right" if abs(found.clock_difference_s) > _CLOCK_TOLERANCE_S else ""
    print_line(f"clock    {round(found.clock_difference_s, 1) + 0.0:+.1f} s against this machine's{warning}")
    print_line(f"space    {format_size(found.free_bytes)} free for a backup")


def _check_profile(file: Path, settings: ClientConfig, name: str, as_json: bool) -> ExitCode:
    code = ExitCode.DONE
    try:
        problems = problems_of(read_profile(file, settings, name))
    except ThaniyaError as error:
        problems, code = [str(error)], error.exit_code
    if problems and code is ExitCode.DONE:
        code = ExitCode.FAILED
    if as_json:
        print_json("profile", {"profile": name, "good": not problems, "problems": problems})
        return code
    print_line(f"profile  {name}: {'good' if not problems else f'{len(problems)} in the way'}")
    for problem in problems:
        print_line(f"  {problem}")
    return code
