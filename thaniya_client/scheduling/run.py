"""What is to be run when: the value from which units and cron lines are written."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from msgspec import Struct

from thaniya_client.profiles.profile import Profile
from thaniya_client.scheduling.hint import Schedule, parse_schedule
from thaniya_core.errors import NotFound, WrongUsage


class ScheduledRun(Struct, frozen=True):
    """A profile that runs by itself."""

    profile: str
    schedule: Schedule
    delay_s: int
    """Up to so many seconds later."""
    program: Path
    """`thaniya-client`, with its whole path."""
    config: Path

    @property
    def unit(self) -> str:
        """The name of units and cron files, without suffixes."""
        return unit_name(self.profile)

    @property
    def arguments(self) -> tuple[str, ...]:
        """The command line."""
        return (str(self.program), "backup", self.profile, "--config", str(self.config))

    def stable_delay_s(self, host: str) -> int:
        """The same delay each time for one machine and profile, another one for others."""
        digest = hashlib.sha256(f"{host}/{self.profile}".encode()).digest()
        return int.from_bytes(digest[:8]) % (self.delay_s + 1)


def unit_name(profile: str) -> str:
    """What units and cron files of a profile are called, without suffixes."""
    return f"thaniya-backup-{profile}"


def scheduled_run(name: str, profile: Profile, config: Path) -> ScheduledRun:
    """How a profile is to run.

    Args:
        name: the profile's.
        profile: its values.
        config: the file that it stands in.

    Raises:
        WrongUsage: it has no schedule, or a path that no unit can name.
        NotFound: the program `thaniya-client` is nowhere.
    """
    if not profile.schedule:
        raise WrongUsage(
            f"{config}: `profile.{name}.schedule` is missing", hint='say when it should run: schedule = "daily 02:30"'
        )
    schedule = parse_schedule(profile.schedule)
    delay_s = schedule.default_delay_s if profile.random_delay is None else profile.random_delay
    run = ScheduledRun(name, schedule, delay_s, find_program(), config.absolute())
    if not all(argument.isprintable() for argument in run.arguments):
        raise WrongUsage(f"{run.config} has a name that cannot stand in a unit", hint="move it elsewhere")
    return run


def find_program() -> Path:
    """The program `thaniya-client` that runs now, or that was installed with it, or that is on PATH.

    Raises:
        NotFound: there is none.
    """
    for candidate in (Path(sys.argv[0]), Path(sys.executable).with_name("thaniya-client")):
        if candidate.name == "thaniya-client" and candidate.is_file():
            return candidate.absolute()
    found = shutil.which("thaniya-client")
    if found is None:
        raise NotFound("the program thaniya-client is not there", hint="install it: pip install thaniya")
    return Path(found).absolute()
