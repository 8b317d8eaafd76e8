"""The servers' host keys, in a file of our own in the format of OpenSSH's known_hosts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import paramiko
from msgspec import Struct

from thaniya_core.errors import HostKeyChanged, HostKeyUnknown
from thaniya_core.system.files import make_directories, os_errors, write_atomic
from thaniya_core.system.locks import locked

AskHostKey = Callable[[str, str], bool]
"""Is asked about an unknown host key, with the server's name and the fingerprint; True accepts and remembers it."""

_SSH_PORT = 22


class HostKeyPolicy(Struct, frozen=True):
    """Which unknown host keys are accepted. A changed one never is."""

    known_hosts: Path
    accept_new: bool = False
    fingerprint: str = ""
    """`SHA256:…`: accept this key only."""
    ask: AskHostKey | None = None


def known_types(policy: HostKeyPolicy, host: str, port: int) -> list[str]:
    """The types of the keys that are known of a server, so that one of those is asked for."""
    entries = _load(policy.known_hosts).lookup(_entry_name(host, port))
    return [] if entries is None else list(entries.keys())


def check_host_key(policy: HostKeyPolicy, host: str, port: int, key: paramiko.PKey) -> None:
    """Make sure that the server is the one it should be, and remember a new one that is accepted.

    Raises:
        HostKeyChanged: another key is known of this server, or another was expected.
        HostKeyUnknown: no key is known, and nothing says that this one is right.
    """
    name = _entry_name(host, port)
    if policy.fingerprint and policy.fingerprint != key.fingerprint:
        raise HostKeyChanged(
            f"the host key of {name} is {key.fingerprint}, not {policy.fingerprint} as expected",
            hint="ask the server's administrator; nothing was sent",
        )
    known = _load(policy.known_hosts).lookup(name)
    if known is not None and len(known):
        if any(entry.get_base64() == key.get_base64() for entry in known.values()):
            return
        raise HostKeyChanged(
            f"the host key of {name} has changed: it is now {key.fingerprint}",
            hint=f"somebody may be listening; if the server was set up anew, remove its line from {policy.known_hosts}",
        )
    accepted = policy.accept_new or bool(policy.fingerprint)
    if not accepted and policy.ask is not None:
        accepted = policy.ask(name, key.fingerprint)
    if not accepted:
        raise HostKeyUnknown(
            f"the host key of {name} is not known yet: {key.fingerprint}",
            hint="compare it with what the administrator says, then give it as fingerprint, or --accept-new",
        )
    _remember(policy.known_hosts, name, key)


def _entry_name(host: str, port: int) -> str:
    return host if port == _SSH_PORT else f"[{host}]:{port}"


def _load(path: Path) -> paramiko.HostKeys:
    with os_errors("read the known host keys"):
        return paramiko.HostKeys(str(path)) if path.exists() else paramiko.HostKeys()


def _remember(path: Path, name: str, key: paramiko.PKey) -> None:
    line = f"{name} {key.get_name()} {key.get_base64()}\n".encode()
    with os_errors("remember the host key"):
        make_directories(path.parent, mode=0o700)
        with locked(path.with_name(path.name + ".lock")):
            before = path.read_bytes() if path.exists() else b""
            write_atomic(path, before + line, mode=0o600)
