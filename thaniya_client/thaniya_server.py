"""`ThaniyaServer`: backups on a Thaniya server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

import thaniya_core
from thaniya_client.driver import default_host
from thaniya_client.target import Target
from thaniya_core.system.clock import SystemClock

if TYPE_CHECKING:
    from thaniya_client.connectors.ssh.host_keys import AskHostKey

DEFAULT_KEY = Path("~/.config/thaniya/id_ed25519")
DEFAULT_KNOWN_HOSTS = Path("~/.config/thaniya/known_hosts")


class ServerCheck(Struct, frozen=True):
    """What `ThaniyaServer.check` found."""

    server: str
    """Program and version."""
    user: str
    clock_difference_s: float
    """The server's clock minus this machine's."""
    free_bytes: int | None
    """What the server has room for now; None where it does not say."""


class ThaniyaServer(Target):
    """A Thaniya server, reached by SSH with a key.

    with ThaniyaServer("backup.example.org") as server:
        server.backup(Directory("/home"), name="nightly")
    """

    def __init__(
        self,
        host: str,
        *,
        port: int = 22,
        key: str | Path = DEFAULT_KEY,
        account: str = "thaniya",
        known_hosts: str | Path = DEFAULT_KNOWN_HOSTS,
        fingerprint: str = "",
        accept_new: bool = False,
        ask_host_key: AskHostKey | None = None,
        retry_s: float = 120.0,
    ) -> None:
        """Describe the server; the connection is made when it is first needed.

        Args:
            host: its name or address.
            port: where its SSH server listens.
            key: a private key without a passphrase; the administrator knows its public half.
            account: the server's control account.
            known_hosts: where the server's host key is remembered, in OpenSSH's format.
            fingerprint: `SHA256:…`, when the host key is known from elsewhere.
            accept_new: take an unknown host key without asking. A changed one is refused all the same.
            ask_host_key: is called with name and fingerprint of an unknown host key; True accepts it.
            retry_s: how long a lost connection is tried again; 0: not at all.
        """
        # Imported here: paramiko takes longer to load than all the rest, and a directory or `--help` needs none.
        from thaniya_client.connectors.ssh.connection import Address
        from thaniya_client.connectors.ssh.host_keys import HostKeyPolicy
        from thaniya_client.connectors.thaniya import ThaniyaConnector

        self.host = host
        policy = HostKeyPolicy(Path(known_hosts).expanduser(), accept_new, fingerprint, ask_host_key)
        address = Address(host, port, Path(key).expanduser(), policy)
        self._server = ThaniyaConnector(address, account, f"thaniya-client {thaniya_core.__version__}", retry_s)
        super().__init__(self._server, f"{account}@{host}:{port} with {address.key}")

    def __repr__(self) -> str:
        return f"ThaniyaServer({self.host!r})"

    def _user(self) -> str:
        return self._server.welcome.user

    def check(self) -> ServerCheck:
        """Try everything that a backup needs, without one: connection, key, a slot, clock and space."""
        welcome = self._server.welcome
        difference = (welcome.now - SystemClock().now()).total_seconds()
        upload = self._server.begin(default_host(), "check", None)
        try:
            free_bytes = upload.free_bytes()
        finally:
            upload.abort("a check, no backup")
        return ServerCheck(welcome.server, welcome.user, round(difference, 1), free_bytes)
