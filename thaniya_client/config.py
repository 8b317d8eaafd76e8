"""The command's configuration: where backups go. A TOML file that only its owner may read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from thaniya_client.local_directory import LocalDirectory
from thaniya_client.target import Target
from thaniya_client.thaniya_server import DEFAULT_KEY, DEFAULT_KNOWN_HOSTS, ThaniyaServer
from thaniya_core.errors import AlreadyExists, ConfigInvalid, WrongUsage
from thaniya_core.formats.names import check_host
from thaniya_core.system.files import make_directories, os_errors, write_atomic

if TYPE_CHECKING:
    from thaniya_client.connectors.ssh.host_keys import AskHostKey

ENVIRONMENT_VARIABLE = "THANIYA_CLIENT_CONFIG"
DEFAULT_FILE = Path("~/.config/thaniya/client.toml")


class ClientConfig(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What stands in the file. Either `server` or `directory` is set."""

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
    host: str = ""
    """The middle part of the series; empty: this machine's name."""


def find_config(given: Path | None) -> Path:
    """The file to use: the one given, that of the environment, or the default."""
    if given is not None:
        return given.expanduser()
    return Path(os.environ.get(ENVIRONMENT_VARIABLE) or DEFAULT_FILE).expanduser()


def load_config(file: Path) -> ClientConfig:
    """Read the configuration.

    Raises:
        ConfigInvalid: the file is missing or wrong; the message names file, key and what was expected.
    """
    try:
        config = msgspec.toml.decode(file.read_bytes(), type=ClientConfig)
    except FileNotFoundError as exc:
        raise ConfigInvalid(f"{file} is not there", hint="make it with `thaniya-client init SERVER`") from exc
    except OSError as exc:
        raise ConfigInvalid(f"{file} cannot be read: {exc.strerror}") from exc
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise ConfigInvalid(f"{file}: {exc}") from exc
    return _check(file, config)


def _check(file: Path, config: ClientConfig) -> ClientConfig:
    if bool(config.server) == bool(config.directory):
        raise ConfigInvalid(f"{file}: expected either `server` or `directory`, and not both")
    if not 1 <= config.port <= 65535:
        raise ConfigInvalid(f"{file}: `port` is {config.port}, expected 1 to 65535")
    if config.retry_s < 0:
        raise ConfigInvalid(f"{file}: `retry_s` is {config.retry_s:g}, expected seconds, 0 or more")
    if config.fingerprint and not config.fingerprint.startswith("SHA256:"):
        raise ConfigInvalid(
            f"{file}: `fingerprint` is {config.fingerprint!r}, expected SHA256:… as ssh-keygen -l shows it"
        )
    if config.host:
        try:
            check_host(config.host)
        except WrongUsage as exc:
            raise ConfigInvalid(f"{file}: `host`: {exc.message}", hint=exc.hint) from exc
    return config


def save_config(file: Path, config: ClientConfig) -> None:
    """Write a new configuration, readable by its owner only.

    Raises:
        AlreadyExists: there is one already; it is not touched.
    """
    if file.exists():
        raise AlreadyExists(f"{file} is there already and was not touched", hint="edit it, or remove it first")
    # Strings and numbers are written alike in JSON and in TOML.
    settings = {key: msgspec.json.encode(value).decode() for key, value in msgspec.to_builtins(config).items()}
    lines = ["# Configuration of thaniya-client.", *(f"{key} = {value}" for key, value in settings.items())]
    data = ("\n".join(lines) + "\n").encode()
    with os_errors("write the configuration"):
        make_directories(file.parent, mode=0o700)
        write_atomic(file, data, mode=0o600)


def open_target(config: ClientConfig, *, accept_new: bool = False, ask_host_key: AskHostKey | None = None) -> Target:
    """The place that a configuration means."""
    if config.directory:
        return LocalDirectory(config.directory)
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
