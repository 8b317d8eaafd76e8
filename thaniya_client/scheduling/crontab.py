"""The texts of cron (crontab(5)): a file of /etc/cron.d, or two lines of a user's own crontab."""

from __future__ import annotations

import shlex

from thaniya_client.scheduling.run import ScheduledRun, unit_name


def cron_command(run: ScheduledRun, host: str) -> str:
    """What cron runs: a while later, the same on this machine each time. It prints only what somebody should read."""
    command = f"sleep {run.stable_delay_s(host)}; exec {shlex.join((*run.arguments, '--quiet'))}"
    return command.replace("%", "\\%")  # a plain one would begin what the command reads


def cron_file(run: ScheduledRun, host: str) -> str:
    """A file of /etc/cron.d."""
    return f"""\
# Written by `thaniya-client schedule install {run.profile}`, which writes it anew when it is run again.
SHELL=/bin/sh
{run.schedule.cron} root {cron_command(run, host)}
"""


def mark_of(profile: str) -> str:
    """The line before a profile's in a crontab, by which it is found again."""
    return f"# {unit_name(profile)}: written by `thaniya-client schedule install {profile}`"


def with_entry(crontab: str, run: ScheduledRun, host: str) -> str:
    """A crontab in which the profile runs; an entry that it had is replaced."""
    before = without_entry(crontab, run.profile)
    separator = "" if not before or before.endswith("\n") else "\n"
    return f"{before}{separator}{mark_of(run.profile)}\n{run.schedule.cron} {cron_command(run, host)}\n"


def without_entry(crontab: str, profile: str) -> str:
    """A crontab without the profile's entry; all other lines are as they were."""
    kept: list[str] = []
    lines = iter(crontab.splitlines(keepends=True))
    for line in lines:
        if line.rstrip("\n") == mark_of(profile):
            next(lines, None)
        else:
            kept.append(line)
    return "".join(kept)


def entry_of(crontab: str, profile: str) -> str:
    """The profile's line in a crontab; empty where it has none."""
    lines = crontab.splitlines()
    mark = mark_of(profile)
    return lines[lines.index(mark) + 1] if mark in lines[:-1] else ""
