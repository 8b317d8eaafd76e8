"""`thaniya-client schedule`: profiles that run by themselves."""

from __future__ import annotations

import getpass
import shlex
from pathlib import Path
from typing import Annotated

import typer

from thaniya_client.cli.options import ConfigOption, JsonOption
from thaniya_client.cli.output import print_json, print_line
from thaniya_client.config import find_config, load_config
from thaniya_client.profiles.reading import check_profile_name, read_profile
from thaniya_client.scheduling.install import (
    CRONTAB,
    Entry,
    Scheduler,
    install,
    installed_entries,
    own_entries,
    planned_entries,
    remove,
    start_timer,
)
from thaniya_client.scheduling.places import has_systemd, is_root
from thaniya_client.scheduling.run import scheduled_run, unit_name
from thaniya_core.errors import NotFound, ThaniyaError, WrongUsage

app = typer.Typer(no_args_is_help=True, help="Have profiles run by themselves, by systemd or cron.")

ProfileArgument = Annotated[str, typer.Argument(metavar="PROFILE", help="As in [profile.PROFILE].")]


@app.command("install")
def install_schedule(
    name: ProfileArgument,
    by_cron: Annotated[bool, typer.Option("--cron", help="By cron.")] = False,
    by_systemd: Annotated[bool, typer.Option("--systemd", help="By a timer of systemd.")] = False,
    is_user: Annotated[
        bool, typer.Option("--user", help="As this user, without root. Default for all but root.")
    ] = False,
    now: Annotated[bool, typer.Option("--now", help="Start the timer too.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have a profile run when its `schedule` says, up to a random while later. What was installed of it is replaced.

    By a timer where systemd runs this machine, otherwise by cron.

    Example: thaniya-client schedule install nightly --now
    """
    if by_cron and by_systemd:
        raise WrongUsage("--cron and --systemd exclude each other", hint="choose one")
    scheduler = Scheduler.CRON if by_cron or not (by_systemd or has_systemd()) else Scheduler.SYSTEMD
    if now and scheduler is Scheduler.CRON:
        raise WrongUsage("--now is for timers of systemd: what cron reads counts at once", hint="leave --now out")
    is_user = is_user or not is_root()
    file = find_config(config).absolute()
    profile = read_profile(file, load_config(file), name)
    run = scheduled_run(name, profile, file)
    _refuse_twice(name, planned_entries(run, scheduler, is_user=is_user))
    entries = install(run, scheduler, is_user=is_user)
    if now:
        start_timer(name, is_user=is_user)
    if as_json:
        for entry in entries:
            print_json("schedule", _facts(name, entry))
        return
    for entry in entries:
        print_line(f"wrote {_place(entry)}")
    for line in _next_steps(name, scheduler, is_user=is_user, is_started=now):
        print_line(line)


def _refuse_twice(name: str, planned: list[Entry]) -> None:
    """A profile that is to be run by one scheduler must not be run by another as well."""
    places = {entry.place for entry in planned}
    others = [_place(entry) for entry in own_entries(name) if entry.place not in places]
    if others:
        raise WrongUsage(
            f"the profile {name} is run already, by {', '.join(others)}",
            hint=f"take that away first: thaniya-client schedule remove {name}",
        )


def _next_steps(name: str, scheduler: Scheduler, *, is_user: bool, is_started: bool) -> list[str]:
    if scheduler is Scheduler.CRON:
        return ["Cron reads it by itself. It makes up for nothing that was missed while the machine was off."]
    systemctl = "systemctl --user" if is_user else "systemctl"
    lines = [] if is_started else ["Start it:", f"  {systemctl} daemon-reload"]
    lines += [] if is_started else [f"  {systemctl} enable --now {unit_name(name)}.timer"]
    lines += ["See when it runs next, and what it has told:", f"  {systemctl} list-timers {unit_name(name)}.timer"]
    lines += [f"  journalctl {'--user ' if is_user else ''}--unit {unit_name(name)}.service"]
    if is_user:
        lines += ["It runs only while you are logged in, until an administrator says:"]
        lines += [f"  loginctl enable-linger {getpass.getuser()}"]
    return lines


@app.command("show")
def show_schedule(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="PROFILE", help="These. Default: all of the configuration.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is installed to run profiles, and whether it is what the configuration says now.

    Example: thaniya-client schedule show nightly
    """
    file = find_config(config).absolute()
    wanted = [check_profile_name(name) for name in names or list(load_config(file).profile)]
    for name in wanted:
        entries = installed_entries(name)
        if not entries and not as_json:
            print_line(f"{name}: nothing is installed")
        for entry in entries:
            outdated = _is_outdated(file, name, entry)
            if as_json:
                print_json("schedule", {**_facts(name, entry), "outdated": outdated, "text": entry.text})
                continue
            print_line(f"{name}: {_place(entry)}")
            if outdated:
                print_line(f"  is not what the configuration says now: thaniya-client schedule install {name}")
            for line in entry.text.splitlines():
                print_line(f"    {line}".rstrip())


def _is_outdated(file: Path, name: str, entry: Entry) -> bool:
    """Whether the entry would be written otherwise now; one whose profile cannot be read is."""
    try:
        run = scheduled_run(name, read_profile(file, load_config(file), name), file)
    except ThaniyaError:
        return True
    return entry not in planned_entries(run, entry.scheduler, is_user=entry.is_user)


@app.command("remove")
def remove_schedule(name: ProfileArgument, as_json: JsonOption = False) -> None:
    """Have a profile run by itself no longer. The profile stays, and a backup that runs goes on.

    Example: thaniya-client schedule remove nightly
    """
    entries = remove(check_profile_name(name))
    if not entries:
        raise NotFound(f"nothing is installed that runs {name}", hint="thaniya-client schedule show")
    for entry in entries:
        if as_json:
            print_json("removed", _facts(name, entry))
        else:
            print_line(f"removed {_place(entry)}")


def _facts(name: str, entry: Entry) -> dict[str, object]:
    return {"profile": name, "scheduler": entry.scheduler, "user": entry.is_user, "place": entry.place}


def _place(entry: Entry) -> str:
    return "an entry in your crontab" if entry.place == CRONTAB else shlex.quote(entry.place)
