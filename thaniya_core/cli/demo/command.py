"""The command `thaniya demo`."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from thaniya_core.cli.demo.screen import Screen
from thaniya_core.cli.demo.sources import check_sources
from thaniya_core.cli.output import JsonOption
from thaniya_core.cli.tui import load_console
from thaniya_core.errors import AlreadyExists, WrongUsage
from thaniya_core.server import Server
from thaniya_core.system.files import make_directories, os_errors, remove_tree
from thaniya_core.system.terminal import show_json


def demo(
    source: Annotated[
        list[Path] | None,
        typer.Argument(help="What to back up. [default: Python's standard library and this repository]"),
    ] = None,
    directory: Annotated[
        Path | None, typer.Option(help="Where everything goes; empty or missing. [default: a new temporary directory]")
    ] = None,
    console: Annotated[
        bool, typer.Option("--console", help="Open the console on a server with a past, where uploads come in.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Let a backup travel the whole way: server, upload, archive, verify, restore, compare.

    Works on a copy of the source. No root, nothing is changed outside the directory, no process is left behind. With
    --console nothing is left behind when the console is left, unless a directory is given.

    Example: thaniya demo /usr/share/doc --directory /tmp/thaniya-demo
    """
    if console:
        if source or as_json:
            raise WrongUsage("--console takes no source and prints no JSON", hint="thaniya demo --console")
        raise typer.Exit(_show_console(directory))
    screen = Screen(as_json=as_json)
    sources = [path.absolute() for path in source or []]
    check_sources(sources)
    place = _prepare(directory)
    # Imported here: no other command needs the client, and cron starts them often.
    from thaniya_core.cli.demo.tour import Tour

    tour = Tour(place, screen)
    server = tour.run(sources)
    if as_json:
        show_json({"message_type": "done", "directory": str(place)})
        return
    screen.say("")
    screen.show_table(tour.steps)
    _say_what_next(screen, server, place)


def _show_console(directory: Path | None) -> int:
    show = load_console()
    from thaniya_core.cli.demo.living import living_server

    place = _prepare(directory)
    print("making a server with a year behind it ...", flush=True)
    try:
        with living_server(place) as config_file:
            exit_code = show(config_file, is_read_only=False, theme=None)
    finally:
        if directory is None:
            remove_tree(place)
    if directory is not None:
        print(f"what you have seen is in {place}: thaniya --config {config_file} serve")
    return exit_code


def _prepare(directory: Path | None) -> Path:
    if directory is None:
        return Path(tempfile.mkdtemp(prefix="thaniya-demo-"))
    directory = directory.absolute()
    with os_errors(f"use {directory}"):
        make_directories(directory)
        if any(directory.iterdir()):
            raise AlreadyExists(f"{directory} is not empty; nothing was changed", hint="give an empty directory")
    return directory


def _say_what_next(screen: Screen, server: Server, place: Path) -> None:
    last = server.catalog.find()[0]
    plain_files = server.catalog.directory(last)
    screen.say("")
    screen.say("The plain files of the last backup:")
    screen.say(f"  {plain_files}")
    for name in sorted(path.name for path in plain_files.iterdir()):
        screen.say(f"    {name}")
    screen.say("")
    screen.say("Try next:")
    program = "thaniya" if shutil.which("thaniya") else sys.argv[0]
    thaniya = f"{program} --config {server.config.file}"
    screen.say(f"  cat {plain_files}/RESTORE.txt")
    screen.say(f"  {thaniya} backup files {last.id} | less")
    screen.say(f"  {thaniya} log")
    screen.say(f"  {thaniya} serve          # then, as a client: thaniya-client --help")
    screen.say(f"  rm -rf {place}           # when you have seen enough")
