"""How clients reach this server: what its configuration and its host keys say."""

from __future__ import annotations

import base64
import binascii
import hashlib
import socket
from pathlib import Path

from thaniya_core.accounts import Entrance, HostKey
from thaniya_core.config import Config, GateKind
from thaniya_core.system.files import os_errors

EMBEDDED_HOST_KEY = "ssh_host_ed25519_key"
"""In the state; `.pub` is its public half."""

_SSHD_HOST_KEYS = tuple(Path(f"/etc/ssh/ssh_host_{kind}_key.pub") for kind in ("ed25519", "ecdsa", "rsa"))
_SSHD_PORT = 22
_ANY = ("0.0.0.0", "::", "")


def find_entrance(config: Config) -> Entrance:
    """How clients reach the server of a configuration, and what of that is only assumed.

    Raises:
        NotAllowed: a host key cannot be read.
    """
    host, port = config.gate.address.parts()
    if config.gate.kind is GateKind.OPENSSH:
        return _of_sshd(config, host, port)
    return _of_embedded(config, host, port)


def _of_sshd(config: Config, host: str, port: int | None) -> Entrance:
    keys = read_host_keys(_SSHD_HOST_KEYS)
    doubts = []
    if not host:
        doubts.append(
            f"clients are told to call {socket.gethostname()} port {_SSHD_PORT}: where another name or port is right, "
            f"set `address` in [gate] of {config.file}"
        )
    if not keys:
        doubts.append(f"no host key of sshd can be read in {_SSHD_HOST_KEYS[0].parent}: add its fingerprint by hand")
    return Entrance(host or socket.gethostname(), port or _SSHD_PORT, config.gate.control_account, keys, tuple(doubts))


def _of_embedded(config: Config, host: str, port: int | None) -> Entrance:
    gate = config.gate
    keys = read_host_keys((config.paths.state / f"{EMBEDDED_HOST_KEY}.pub",))
    doubts = []
    if not host:
        host = socket.gethostname() if gate.listen in _ANY else gate.listen
        if gate.listen in _ANY:
            doubts.append(
                f"clients are told to call {host}: where another name is right, set `address` in [gate] of "
                f"{config.file}"
            )
        elif gate.listen.startswith("127.") or gate.listen in ("::1", "localhost"):
            doubts.append(
                f"the server listens on {gate.listen}, where this machine alone can call it: set `listen` and "
                f"`address` in [gate] of {config.file}"
            )
    if not (port or gate.port):
        doubts.append(f"the server takes another port at each start: set `port` in [gate] of {config.file}")
    if not keys:
        doubts.append("there is no host key yet: `thaniya serve` makes it")
    return Entrance(host, port or gate.port, gate.control_account, keys, tuple(doubts))


def read_host_keys(files: tuple[Path, ...]) -> tuple[HostKey, ...]:
    """The public keys of those files that are there and hold one.

    Raises:
        NotAllowed: one cannot be read.
    """
    found: list[HostKey] = []
    for file in files:
        with os_errors(f"read the host key {file}"):
            try:
                words = file.read_text("utf-8", "replace").split()
            except FileNotFoundError:
                continue
        try:
            raw = base64.b64decode(words[1], validate=True)
        except (IndexError, binascii.Error, ValueError):
            continue  # no public key; sshd does not heed this file either
        digest = base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")
        found.append(HostKey(words[0], words[1], f"SHA256:{digest}"))
    return tuple(found)
