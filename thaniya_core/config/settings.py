"""The settings as values, with what holds where the file says nothing."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from thaniya_core.config.kinds import (
    Account,
    Count,
    Level,
    MailAddress,
    Port,
    PublicAddress,
    Seconds,
    Share,
    Size,
    Timeout,
    Url,
    UrlTemplate,
)


class Paths(Struct, frozen=True, forbid_unknown_fields=True):
    """Where things lie. Relative paths count from the directory of the configuration file."""

    state: Path = Path("state")
    spool: Path = Path("spool")
    """Uploads on their way from the slot to the volume; on the file system of slots and volume nothing is copied."""
    slots: Path = Path("slots")
    """Directories of the slot accounts."""


class GateKind(StrEnum):
    """Who receives: sshd into accounts of the system, or an SSH server in the process."""

    OPENSSH = "openssh"
    EMBEDDED = "embedded"


class Gate(Struct, frozen=True, forbid_unknown_fields=True):
    """How clients come in."""

    kind: GateKind = GateKind.EMBEDDED
    control_account: Account = Account("thaniya")
    root_helper: Path = Path("/usr/local/lib/thaniya/thaniya-root")
    """The program that does what needs root, for the openssh kind."""
    legacy_scp: bool = False
    """With the openssh kind: slots take the old SCP protocol too, confined by bwrap instead of sshd's chroot."""
    address: PublicAddress = PublicAddress("")
    """What clients call, as users are told it; empty: the name of this machine."""
    listen: str = "127.0.0.1"
    """Address of the embedded server."""
    port: Port = 2222
    """Port of the embedded server; 0 takes a free one."""


class SlotLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """When an upload is let in and when it is ended."""

    silence: Timeout = Timeout(900)
    """An upload that gets no byte for so long expires."""
    margin: Size = Size(256 * 1024**2)
    """What allocation leaves free on the disk of the slots."""
    assumed: Size = Size(1024**3)
    """What is kept free for an upload that does not say how large it will be."""
    files: Count = 10_000
    """More files than this in one upload are rejected."""


class JobLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """How work is retried."""

    workers: Annotated[int, Meta(ge=1, le=64)] = 2
    attempts: Count = 10
    first_delay: Seconds = Seconds(5)
    """The first retry waits so long, each further one twice as long as the one before."""
    longest_delay: Seconds = Seconds(3600)


class VerifyLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """How the archive is read again."""

    every: Seconds = Seconds(30 * 86400)
    """Each backup is read again within this time; 0: only when somebody asks."""
    limit_rate: Size = Size(50 * 1024**2)
    """Bytes a second; 0: no limit."""
    most_per_run: Size = Size(500 * 1024**3)
    """Bytes of one run; a larger backup is read alone."""


class CheckLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """When `thaniya check` finds something worth telling."""

    learn: bool = True
    """Expect of a series without a setting what its own rhythm shows."""
    first_backup: Seconds = Seconds(7 * 86400)
    """A user is to have a backup so long after it was added."""
    shrunk_to: Share = 0.5
    """A backup of less than this share of the usual size is told; 0 tells none."""
    grown_to: Annotated[float, Meta(ge=0, le=1000)] = 3.0
    """A backup of more than so many times the usual size is told; 0 tells none."""
    stuck: Seconds = Seconds(6 * 3600)
    """An upload or job that has not got on for so long is stuck."""
    verified_within: Seconds = Seconds(90 * 86400)
    """A backup is to be verified so often; 0 asks for nothing."""
    free_critical: Share = 0.03
    """A volume with less than this share free is critical; it is told from `low` of [volumes] on."""
    full_within: Seconds = Seconds(14 * 86400)
    """A volume that will be full within this time is told; 0 for none."""
    retention_within: Seconds = Seconds(7 * 86400)
    """Where a policy is set it is to be applied so often; 0 asks for nothing."""
    service_within: Seconds = Seconds(3600)
    """While no service runs, a tick is to come so often; 0 asks for nothing."""


class Notify(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is told when the state changes."""

    mail: tuple[MailAddress, ...] = ()
    mail_from: MailAddress = MailAddress("")
    """Empty: the account that runs Thaniya, at this host."""
    sendmail: Path = Path("/usr/sbin/sendmail")
    command: tuple[str, ...] = ()
    """A program and its arguments."""
    webhooks: tuple[Url, ...] = ()
    apprise: tuple[str, ...] = ()
    """Addresses as Apprise writes them."""
    timeout: Timeout = Timeout(30)
    """Nobody waits longer for one of these."""
    remind: Seconds = Seconds(86400)
    """What is critical is told again so often; 0 tells it once."""


class Ping(Struct, frozen=True, forbid_unknown_fields=True):
    """Addresses to fetch when an upload starts and ends; {user}, {host} and {name} stand for its series."""

    start: UrlTemplate = UrlTemplate("")
    success: UrlTemplate = UrlTemplate("")
    fail: UrlTemplate = UrlTemplate("")
    timeout: Timeout = Timeout(10)


class VolumeSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How volumes are looked at."""

    low: Level = Level("5%")
    """With less than this free a volume counts as nearly full, which is told before uploads have to be refused."""
    search: tuple[Path, ...] = ()
    """Below these `volume rescan` looks for volumes that are mounted elsewhere now."""


class Metrics(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the service writes what `thaniya metrics` prints."""

    textfile: Path | None = None
    """A file of node_exporter's textfile collector."""


class ConsoleTheme(StrEnum):
    """The colours of the console; `ansi` are the terminal's own sixteen."""

    DARK = "dark"
    LIGHT = "light"
    ANSI = "ansi"


class ConsoleSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How the console looks and what its keys are."""

    theme: ConsoleTheme = ConsoleTheme.DARK
    keys: dict[str, str] = {}
    """Other keys for bindings, by the bindings' ids: `"uploads.abort" = "A"`."""


class History(Struct, frozen=True, forbid_unknown_fields=True):
    """How long what has ended is remembered."""

    keep: Seconds = Seconds(400 * 86400)
    """Ended uploads and jobs; 0: for good."""
    keep_log: Seconds = Seconds(0)
    """The audit log; 0: for good."""


class ScheduleIntervals(Struct, frozen=True, forbid_unknown_fields=True):
    """How often the parts of the schedule run; 0 switches one off. The names are those of the parts."""

    volumes: Seconds = Seconds(60)
    """Look whether volumes are there and have room."""
    health: Seconds = Seconds(300)
    """Check, tell people what has changed, send pings."""
    metrics: Seconds = Seconds(300)
    """Write the metrics' file."""
    retention: Seconds = Seconds(86400)
    """Remove what policies do not keep."""
    verify: Seconds = Seconds(86400)
    """Read again what is due."""
    history: Seconds = Seconds(86400)
    """Forget what `[history]` does not keep."""


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """What the file may hold."""

    paths: Paths = Paths()
    gate: Gate = Gate()
    slots: SlotLimits = SlotLimits()
    jobs: JobLimits = JobLimits()
    volumes: VolumeSettings = VolumeSettings()
    retention: dict[str, str | dict[str, str | int]] = msgspec.field(default_factory=dict)
    """By scope, a policy each; read by `retention.settings.read_configured`."""
    compression: dict[str, str | dict[str, str | int]] = msgspec.field(default_factory=dict)
    """By pattern, how such files are compressed; read by `archive.rules.read_rules`."""
    verify: VerifyLimits = VerifyLimits()
    check: CheckLimits = CheckLimits()
    notify: Notify = Notify()
    ping: Ping = Ping()
    metrics: Metrics = Metrics()
    console: ConsoleSettings = ConsoleSettings()
    history: History = History()
    schedule: ScheduleIntervals = ScheduleIntervals()


class Config(Settings, frozen=True):
    """The whole configuration: the settings, and where they were read."""

    file: Path = Path("thaniya.toml")
