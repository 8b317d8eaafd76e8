"""Puts a profile's schedule where systemd or cron find it, tells what is there, and takes it away again."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from thaniya_client.scheduling.crontab import cron_file, entry_of, with_entry, without_entry
from thaniya_client.scheduling.places import (
    CRON_DIRECTORY,
    has_systemd,
    is_root,
    read_crontab,
    systemctl,
    units_directory,
    write_crontab,
)
from thaniya_client.scheduling.run import ScheduledRun, unit_name
from thaniya_client.scheduling.units import service_text, timer_text
from thaniya_core.system.files import fsync_directory, make_directories, os_errors, write_atomic

CRONTAB = "crontab"
"""The place of an entry in the user's own crontab."""


class Scheduler(StrEnum):
    """Who starts a profile."""

    SYSTEMD = "systemd"
    CRON = "cron"


class Entry(Struct, frozen=True):
    """One place where a profile's schedule was found or put."""

    scheduler: Scheduler
    is_user: bool
    """A user's own, not the system's."""
    place: str
    """A file, or `crontab`."""
    text: str


def planned_entries(run: ScheduledRun, scheduler: Scheduler, *, is_user: bool) -> list[Entry]:
    """What has to be written for a run."""
    if scheduler is Scheduler.SYSTEMD:
        directory = units_directory(is_user=is_user)
        return [
            Entry(scheduler, is_user, str(directory / f"{run.unit}.service"), service_text(run, is_user=is_user)),
            Entry(scheduler, is_user, str(directory / f"{run.unit}.timer"), timer_text(run)),
        ]
    host = socket.gethostname()
    if is_user:
        return [Entry(scheduler, is_user, CRONTAB, entry_of(with_entry("", run, host), run.profile))]
    return [Entry(scheduler, is_user, str(CRON_DIRECTORY / run.unit), cron_file(run, host))]


def install(run: ScheduledRun, scheduler: Scheduler, *, is_user: bool) -> list[Entry]:
    """Write what has the profile run by itself; what was there of it is replaced.

    Raises:
        NotAllowed: this account may not write there.
        CommandFailed, SourceFailed: crontab failed or is not there.
    """
    entries = planned_entries(run, scheduler, is_user=is_user)
    for entry in entries:
        if entry.place == CRONTAB:
            write_crontab(with_entry(read_crontab(), run, socket.gethostname()))
            continue
        file = Path(entry.place)
        with os_errors(f"install the schedule of {run.profile}"):
            make_directories(file.parent, mode=0o755)
            write_atomic(file, entry.text.encode(), mode=0o644)
    return entries


def start_timer(profile: str, *, is_user: bool) -> None:
    """Have systemd read its units and start the profile's timer, now and from each start of the machine.

    Raises:
        CommandFailed, SourceFailed: systemctl failed or is not there.
    """
    systemctl("daemon-reload", is_user=is_user)
    systemctl("enable", "--now", f"{unit_name(profile)}.timer", is_user=is_user)


def installed_entries(profile: str) -> list[Entry]:
    """What is there of a profile's schedule, of the system's and of this user's own."""
    return list(_find(profile))


def own_entries(profile: str) -> list[Entry]:
    """Those of `installed_entries` that this account may change: root all, others their own."""
    return [entry for entry in installed_entries(profile) if entry.is_user or is_root()]


def _find(profile: str) -> Iterator[Entry]:
    name = unit_name(profile)
    files = [
        (Scheduler.SYSTEMD, is_user, units_directory(is_user=is_user) / f"{name}.{suffix}")
        for is_user in (False, True)
        for suffix in ("service", "timer")
    ]
    for scheduler, is_user, file in [*files, (Scheduler.CRON, False, CRON_DIRECTORY / name)]:
        with os_errors("read a schedule"):
            if file.exists():
                yield Entry(scheduler, is_user, str(file), file.read_text())
    line = entry_of(read_crontab(), profile)
    if line:
        yield Entry(Scheduler.CRON, True, CRONTAB, line)


def remove(profile: str) -> list[Entry]:
    """Take away what this account has of a profile's schedule, and give what it was. A backup that runs goes on.

    Raises:
        NotAllowed: this account may not remove it.
        CommandFailed: systemctl or crontab failed.
    """
    entries = own_entries(profile)
    scopes = {entry.is_user for entry in entries if entry.scheduler is Scheduler.SYSTEMD}
    if has_systemd():
        for is_user in scopes:
            systemctl("disable", "--now", f"{unit_name(profile)}.timer", is_user=is_user)
    for entry in entries:
        if entry.place == CRONTAB:
            write_crontab(without_entry(read_crontab(), profile))
            continue
        with os_errors(f"remove the schedule of {profile}"):
            Path(entry.place).unlink()
            fsync_directory(Path(entry.place).parent)
    if has_systemd():
        for is_user in scopes:
            systemctl("daemon-reload", is_user=is_user)
    return entries
