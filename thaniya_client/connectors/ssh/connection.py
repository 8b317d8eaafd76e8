"""Logs in to a server. Everything that can go wrong there is translated into errors of ours."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import paramiko
from msgspec import Struct

from thaniya_client.connectors.ssh.host_keys import HostKeyPolicy, check_host_key, known_types
from thaniya_client.connectors.ssh.keys import load_key
from thaniya_core.errors import ConnectionLost, NotAllowed, NotFound, ProtocolViolated

LOST: tuple[type[Exception], ...] = (paramiko.SSHException, OSError, EOFError)
"""What paramiko raises when a connection breaks; time-outs are OSErrors."""

_LOG = logging.getLogger("thaniya.ssh")
_LOG.addHandler(logging.NullHandler())  # what matters is raised, not printed

_FAST_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
_WINDOW_BYTES = 16 * 1024 * 1024
_PACKET_BYTES = 255 * 1024
_KEEPALIVE_S = 30


class Address(Struct, frozen=True):
    """Where the server is and how to log in."""

    host: str
    port: int
    key: Path
    host_keys: HostKeyPolicy
    timeout_s: float = 30.0
    """For connecting and logging in."""
    silence_s: float = 120.0
    """After so long without an answer that is due the connection counts as lost."""


def log_in(address: Address, account: str) -> paramiko.Transport:
    """Connect and log in to an account with the key.

    Raises:
        NotFound: the server's name is not known.
        ConnectionLost: there is no connection, or it broke.
        HostKeyUnknown, HostKeyChanged: it may not be the right server.
        IllegalKey: the key cannot be used.
        NotAllowed: the server refuses the key.
    """
    key = load_key(address.key)
    transport = _connect(address)
    try:
        _shake_hands(address, transport)
        check_host_key(address.host_keys, address.host, address.port, transport.get_remote_server_key())
        _authenticate(address, transport, account, key)
    except BaseException:
        transport.close()
        raise
    transport.set_keepalive(_KEEPALIVE_S)
    return transport


def _connect(address: Address) -> paramiko.Transport:
    where = f"{address.host}:{address.port}"
    try:
        connection = socket.create_connection((address.host, address.port), address.timeout_s)
    except socket.gaierror as exc:
        raise NotFound(f"the name {address.host} is not known: {exc.strerror}", hint="check the server's name") from exc
    except TimeoutError as exc:
        raise ConnectionLost(
            f"{where} did not answer within {address.timeout_s:g} s",
            hint="is it on, and does a firewall let you through?",
        ) from exc
    except ConnectionRefusedError as exc:
        raise ConnectionLost(f"{where} refuses connections", hint="is the server running, and the port right?") from exc
    except OSError as exc:
        raise ConnectionLost(f"there is no connection to {where}: {exc.strerror or exc}") from exc
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport = paramiko.Transport(connection, default_window_size=_WINDOW_BYTES, default_max_packet_size=_PACKET_BYTES)
    transport.set_log_channel(_LOG.name)
    return transport


def _shake_hands(address: Address, transport: paramiko.Transport) -> None:
    options = transport.get_security_options()
    options.ciphers = _preferring(_FAST_CIPHERS, options.ciphers)
    types = known_types(address.host_keys, address.host, address.port)
    options.key_types = _preferring(_signature_types(types), options.key_types)
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = address.timeout_s
    try:
        transport.start_client(timeout=address.timeout_s)
    except paramiko.IncompatiblePeer as exc:
        raise ProtocolViolated(f"{address.host}:{address.port} and this client share no SSH algorithms: {exc}") from exc
    except LOST as exc:
        raise ConnectionLost(
            f"{address.host}:{address.port} does not speak SSH, or the connection broke: {exc}"
        ) from exc


def _authenticate(address: Address, transport: paramiko.Transport, account: str, key: paramiko.PKey) -> None:
    try:
        left = transport.auth_publickey(account, key)
    except paramiko.AuthenticationException as exc:
        raise _refused(address, account, key) from exc
    except LOST as exc:
        raise ConnectionLost(f"the connection to {address.host}:{address.port} broke while logging in: {exc}") from exc
    if left:
        raise _refused(address, account, key)


def _refused(address: Address, account: str, key: paramiko.PKey) -> NotAllowed:
    return NotAllowed(
        f"{address.host} refuses the key {address.key} for {account} ({key.fingerprint})",
        hint="the administrator adds it with `thaniya user key add`, or the user is disabled",
    )


def _preferring(first: tuple[str, ...], possible: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in first if name in possible) + tuple(name for name in possible if name not in first)


def _signature_types(key_types: list[str]) -> tuple[str, ...]:
    """What is negotiated for keys of these types: an RSA key signs with SHA-2."""
    return tuple(
        signature
        for key_type in key_types
        for signature in (("rsa-sha2-512", "rsa-sha2-256") if key_type == "ssh-rsa" else (key_type,))
    )
