"""thaniya.toml -> Config. An error names file, key and what was expected."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from thaniya_core.errors import ConfigInvalid, IllegalName, WrongUsage
from thaniya_core.formats.names import check_user
from thaniya_core.formats.quantities import parse_duration, parse_level, parse_size

_LONGEST_S = 3653 * 86400

Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=1, le=100_000)]
Share = Annotated[float, Meta(ge=0, le=1)]

_MAIL_ADDRESS = re.compile(r"[A-Za-z0-9._+=&'#~-]+(@[A-Za-z0-9.-]+)?")
_URL = re.compile(r"https?://[^\s/?#]+[^\s\x00-\x1f\x7f]*")


class Account(str):
    """An account's name; the rule is that of users' names."""


class Level(str):
    """Free space; in TOML `"5%"` of a disk, or a size."""

    def bytes_of(self, whole_bytes: int) -> int:
        """The level in bytes on a disk of some size."""
        return parse_level(self, whole_bytes)

    def part_of(self, whole: int) -> int:
        """The level of what is not counted in bytes; 0 where the level is a size."""
        return self.bytes_of(whole) if self.strip().endswith("%") else 0


class Size(int):
    """Bytes; in TOML a number or `"10G"`."""


class Seconds(int):
    """Seconds; in TOML a number or `"15m"`."""


class MailAddress(str):
    """`admin@example.org`, or a local account; no sign that makes a mail server see a program or a file in it."""


class Url(str):
    """An address that begins with http:// or https://."""


class UrlTemplate(str):
    """A Url with {user}, {host} and {name} in it."""


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
    listen: str = "127.0.0.1"
    """Address of the embedded server."""
    port: Port = 2222
    """Port of the embedded server; 0 takes a free one."""


class SlotLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """When an upload is let in and when it is ended."""

    silence: Seconds = Seconds(900)
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
    timeout: Seconds = Seconds(30)
    """Nobody waits longer for one of these."""
    remind: Seconds = Seconds(86400)
    """What is critical is told again so often; 0 tells it once."""


class Ping(Struct, frozen=True, forbid_unknown_fields=True):
    """Addresses to fetch when an upload starts and ends; {user}, {host} and {name} stand for its series."""

    start: UrlTemplate = UrlTemplate("")
    success: UrlTemplate = UrlTemplate("")
    fail: UrlTemplate = UrlTemplate("")
    timeout: Seconds = Seconds(10)


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
    schedule: ScheduleIntervals = ScheduleIntervals()


class Config(Settings, frozen=True):
    """The whole configuration: the settings, and where they were read."""

    file: Path = Path("thaniya.toml")


def find_config(given: Path | None) -> Path:
    """The configuration file to use: the one given, $THANIYA_CONFIG, ./thaniya.toml or /etc/thaniya/thaniya.toml.

    Raises:
        ConfigInvalid: there is none.
    """
    if given is not None:
        candidates = [given]
    elif os.environ.get("THANIYA_CONFIG"):
        candidates = [Path(os.environ["THANIYA_CONFIG"])]
    else:
        candidates = [Path("thaniya.toml"), Path("/etc/thaniya/thaniya.toml")]
    for candidate in candidates:
        if candidate.is_file():
            if given is None:
                _check_owner(candidate)
            return candidate.absolute()
    raise ConfigInvalid(
        f"no configuration file: looked for {', '.join(str(path) for path in candidates)}",
        hint="make one with `thaniya init DIRECTORY`, or name it with --config",
    )


def _check_owner(file: Path) -> None:
    """Root follows no configuration that somebody else may have laid in its way: it names programs to run."""
    if os.geteuid() == 0 and (file.stat().st_uid != 0 or file.stat().st_mode & 0o022):
        raise ConfigInvalid(
            f"{file.absolute()} can be changed by others than root, and root would do what it says",
            hint=f"if you trust it, name it: --config {file.absolute()}",
        )


def load_config(file: Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigInvalid: it cannot be read, is no TOML, or a key is unknown or of the wrong kind.
    """
    try:
        text = file.read_bytes()
        settings = msgspec.toml.decode(text, type=Settings, dec_hook=_decode_special)
    except OSError as exc:
        hint = "run this as root" if isinstance(exc, PermissionError) else ""
        raise ConfigInvalid(f"{file} cannot be read: {exc.strerror}", hint=hint) from exc
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise ConfigInvalid(f"{file}: {exc}", hint="see docs/configuration.md") from exc
    base = file.absolute().parent
    given = settings.paths
    paths = Paths(state=base / given.state, spool=base / given.spool, slots=base / given.slots)
    volumes = replace(settings.volumes, search=tuple(base / place for place in settings.volumes.search))
    textfile = settings.metrics.textfile
    metrics = Metrics(None if textfile is None else base / textfile)
    located = {"paths": paths, "volumes": volumes, "metrics": metrics, "file": file.absolute()}
    return Config(**{**msgspec.structs.asdict(settings), **located})


def _decode_special(kind: type, value: object) -> object:
    """msgspec's hook for the types it does not know. To a ValueError it adds which key it was."""
    if kind is Path:
        if not isinstance(value, str):
            raise ValueError(f"expected a path, got {value!r}")
        return Path(value)
    if kind is Account:
        return _decode_account(value)
    if kind is MailAddress or kind is Url or kind is UrlTemplate:
        return _decode_address(kind, value)
    if kind is Level:
        return _decode_level(value)
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ValueError(f'expected a number or text such as "10G", got {value!r}')
    try:
        number = parse_size(value) if kind is Size else parse_duration(value)
    except WrongUsage as exc:
        raise ValueError(str(exc)) from exc
    if number < 0:
        raise ValueError(f"expected no negative number, got {value!r}")
    if kind is Seconds and number > _LONGEST_S:
        raise ValueError(f"expected at most ten years, got {value!r}")
    return kind(number)


def _decode_level(value: object) -> Level:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f'expected text such as "5%" or "50G", got {value!r}')
    try:
        parse_level(str(value), 0)
    except WrongUsage as exc:
        raise ValueError(str(exc)) from exc
    return Level(value)


def _decode_account(value: object) -> Account:
    if not isinstance(value, str):
        raise ValueError(f"expected the name of an account, got {value!r}")
    try:
        return Account(check_user(value))
    except IllegalName as exc:
        raise ValueError(str(exc)) from exc


def _decode_address(kind: type[str], value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected text, got {value!r}")
    if kind is MailAddress:
        if value and (not _MAIL_ADDRESS.fullmatch(value) or value.startswith("-")):
            raise ValueError(f"expected an address such as admin@example.org, got {value!r}")
        return kind(value)
    if not (_is_url(value) or (kind is UrlTemplate and not value)):
        raise ValueError(f"expected an address that begins with http:// or https://, got {value!r}")
    if kind is UrlTemplate:
        fill_template(value, "user", "host", "name")
    return kind(value)


def _is_url(value: str) -> bool:
    try:
        return _URL.fullmatch(value) is not None and bool(urlsplit(value).hostname) and urlsplit(value).port != 0
    except ValueError:  # the port is no number, or brackets do not match
        return False


def fill_template(template: str, user: str, host: str, name: str) -> str:
    """The address for a series.

    Raises:
        ValueError: the template has braces that are none of {user}, {host} and {name}.
    """
    values = {"user": user, "host": host, "name": name}
    filled = re.sub(r"\{(user|host|name)\}", lambda match: quote(values[match[1]], safe=""), template)
    if re.search(r"[{}]", filled):
        raise ValueError(f"expected no braces but {{user}}, {{host}} and {{name}}, got {template!r}")
    return filled
