"""A profile as a value. Its fields are the keys of `[profile.NAME]`."""

from __future__ import annotations

from msgspec import Struct

from thaniya_client.around.actions import ReadyStep
from thaniya_client.incremental.policy import Incremental
from thaniya_client.settings.kinds import Duration, Size
from thaniya_client.tasks.interface import Task


class Profile(Struct, frozen=True, kw_only=True):
    """One backup, as the configuration describes it."""

    tasks: tuple[Task, ...]
    """What is backed up, in this order."""
    target: str = ""
    """Where to, as a `[target.NAME]` of the file; empty: what the file begins with."""
    series: str = ""
    """The series' last part; empty: the profile's name."""
    host: str = ""
    """The series' host; empty: that of the file, or this machine's name."""
    before: tuple[tuple[str, ...] | ReadyStep, ...] = ()
    """Steps before the backup: programs with their arguments, or ready-made ones."""
    after: tuple[tuple[str, ...], ...] = ()
    """Programs that are always run after it."""
    on_error: tuple[tuple[str, ...], ...] = ()
    """Programs that are run when something failed; they find it in THANIYA_ERROR."""
    tags: tuple[str, ...] = ()
    encrypt_to: tuple[str, ...] = ()
    """Public keys that everything is encrypted to, and files with a key in each line."""
    retries: int = 0
    """How often the whole run is tried again."""
    retry_pause: Duration = Duration(60)
    patience: Duration = Duration(600)
    """How long to try again while there is no free slot."""
    time_limit: Duration | None = None
    rate: Size | None = None
    """Bytes a second, as sent."""
    nice: int | None = None
    """Niceness, 0 to 19."""
    idle_disk: bool = False
    """Use the disk only while nobody else does."""
    incremental: bool | Incremental = False
    """For every directory among the tasks that does not say otherwise."""
    schedule: str = ""
    """When it should run, as `daily 02:30`: what `schedule install` sets up."""
    random_delay: Duration | None = None
    """Up to so much later, so that many machines do not come at once; by default it depends on the schedule."""
    policy: str = ""
    """What should be kept, as `keep-daily=7 keep-weekly=4`: for the server's administrator, who decides."""
