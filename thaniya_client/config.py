"""The command's configuration: where backups go, and profiles. A TOML file that only its owner may read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from thaniya_client.local_directory import LocalDirectory
from thaniya_client.settings.construct import construct
from thaniya_client.settings.kinds import TableReader
from thaniya_client.settings.where import Where, nearest
from thaniya_client.target import Target
from thaniya_client.thaniya_server import DEFAULT_KEY, DEFAULT_KNOWN_HOSTS, ThaniyaServer
from thaniya_core.errors import AlreadyExists, ConfigInvalid, NotFound, WrongUsage
from thaniya_core.formats.names import check_host
from thaniya_core.system.files import make_directories, os_errors, write_atomic

if TYPE_CHECKING:
    from thaniya_client.connectors.ssh.host_keys import AskHostKey

ENVIRONMENT_VARIABLE = "THANIYA_CLIENT_CONFIG"
TARGET_VARIABLE = "THANIYA_CLIENT_TARGET"
DEFAULT_FILE = Path("~/.config/thaniya/client.toml")
SYSTEM_FILE = Path("/etc/thaniya/client.toml")


class Place(Struct, frozen=True, omit_defaults=True):
    """Where backups go: either `server` or `directory` is set."""

    server: str = ""
    """A Thaniya server's name or address."""
    port: int = 22
    account: str = "thaniya"
    """The server's control account."""
    key: str = str(DEFAULT_KEY)
    known_hosts: str = str(DEFAULT_KNOWN_HOSTS)
    fingerprint: str = ""
    """`SHA256:…` of the server's host key, where it is known from elsewhere."""
    retry_s: float = 120.0
    """How long a lost connection is tried again."""
    directory: str = ""
    """A directory that keeps the backups, instead of a server."""


class ClientConfig(Place, frozen=True, omit_defaults=True):
    """What stands in the file: a place, more of them by name, and profiles."""

    host: str = ""
    """The middle part of the series; empty: this machine's name."""
    target: dict[str, Place] = msgspec.field(default_factory=dict)
    """Other places, which profiles name."""
    profile: dict[str, dict[str, object]] = msgspec.field(default_factory=dict)
    """As TOML has them; `profiles.reading.read_profile` reads one."""


def find_config(given: Path | None) -> Path:
    """The file to use: the one given, that of the environment, or the default.

    For root it is the system's, `/etc/thaniya/client.toml`, where that is there and the one in root's home is not.
    """
    if given is not None:
        return given.expanduser()
    if os.environ.get(ENVIRONMENT_VARIABLE):
        return Path(os.environ[ENVIRONMENT_VARIABLE]).expanduser()
    own = DEFAULT_FILE.expanduser()
    return SYSTEM_FILE if os.geteuid() == 0 and not own.exists() and SYSTEM_FILE.exists() else own


def load_config(file: Path) -> ClientConfig:
    """Read the configuration; profiles are only looked at when they are used.

    Raises:
        ConfigInvalid: the file is missing or wrong; the message names file, key and what was expected.
    """
    try:
        table = msgspec.toml.decode(file.read_bytes())
    except FileNotFoundError as exc:
        raise ConfigInvalid(f"{file} is not there", hint="make it with `thaniya-client init SERVER`") from exc
    except OSError as exc:
        raise ConfigInvalid(f"{file} cannot be read: {exc.strerror}") from exc
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise ConfigInvalid(f"{file}: {exc}") from exc
    config = construct(ClientConfig, table, Where(file), {Place: TableReader("a table", _read_place)})
    if not config.target or config.server or config.directory:
        _check_place(config, Where(file))
    if config.host:
        try:
            check_host(config.host)
        except WrongUsage as exc:
            raise ConfigInvalid(f"{file}: `host`: {exc.message}", hint=exc.hint) from exc
    return config


def _read_place(table: dict[str, object], where: Where) -> Place:
    place = construct(Place, table, where, {})
    _check_place(place, where)
    return place


def _check_place(place: Place, where: Where) -> None:
    if bool(place.server) == bool(place.directory):
        raise where.error("expected either `server` or `directory`, and not both")
    if not 1 <= place.port <= 65535:
        raise where.at("port").wrong(place.port, "1 to 65535")
    if place.retry_s < 0:
        raise where.at("retry_s").wrong(place.retry_s, "seconds, 0 or more")
    if place.fingerprint and not place.fingerprint.startswith("SHA256:"):
        raise where.at("fingerprint").wrong(place.fingerprint, "SHA256:… as ssh-keygen -l shows it")


def save_config(file: Path, config: ClientConfig, profiles: str = "") -> None:
    """Write a new configuration, readable by its owner only.

    Args:
        file: where.
        config: its values, without profiles.
        profiles: text of TOML that comes after them.

    Raises:
        AlreadyExists: there is one already; it is not touched.
    """
    if file.exists():
        raise AlreadyExists(f"{file} is there already and was not touched", hint="edit it, or remove it first")
    # Strings and numbers are written alike in JSON and in TOML.
    settings = {key: msgspec.json.encode(value).decode() for key, value in msgspec.to_builtins(config).items()}
    lines = ["# Configuration of thaniya-client.", *(f"{key} = {value}" for key, value in settings.items())]
    data = ("\n".join(lines) + "\n" + profiles).encode()
    with os_errors("write the configuration"):
        make_directories(file.parent, mode=0o700)
        write_atomic(file, data, mode=0o600)


def place_of(config: ClientConfig, target: str) -> Place:
    """The place that a name means; empty: the one that the file begins with.

    Raises:
        NotFound: the file has no such target; the message names those there are.
    """
    if not target:
        return config
    if target not in config.target:
        there_are = f"there are {', '.join(config.target)}" if config.target else "there is none"
        raise NotFound(f"there is no target {target!r}: {there_are}", hint=nearest(target, config.target))
    return config.target[target]


def at_target(config: ClientConfig, target: str) -> ClientConfig:
    """The configuration with one of its targets as the place that it begins with."""
    place = place_of(config, target)
    return replace(config, **{name: getattr(place, name) for name in Place.__struct_fields__})


def open_target(config: Place, *, accept_new: bool = False, ask_host_key: AskHostKey | None = None) -> Target:
    """The place that a configuration means.

    Raises:
        WrongUsage: it names none.
    """
    if config.directory:
        return LocalDirectory(config.directory)
    if not config.server:
        raise WrongUsage(
            "the configuration has several targets, and none is chosen", hint=f"set {TARGET_VARIABLE} to its name"
        )
    return ThaniyaServer(
        config.server,
        port=config.port,
        key=config.key,
        account=config.account,
        known_hosts=config.known_hosts,
        fingerprint=config.fingerprint,
        accept_new=accept_new,
        ask_host_key=ask_host_key,
        retry_s=config.retry_s,
    )
