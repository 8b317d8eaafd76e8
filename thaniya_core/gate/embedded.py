"""An SSH server in the process, for those who cannot or do not want to set up sshd: same broker, same slots."""

from __future__ import annotations

import logging
import os
import resource
import selectors
import socket
import threading
import time
from pathlib import Path

from thaniya_core.config import Gate
from thaniya_core.gate.connection import Connection
from thaniya_core.gate.host_key import load_host_key
from thaniya_core.gate.login import list_keys
from thaniya_core.gate.services import Services, SlotSessions
from thaniya_core.gate.transport import PARAMIKO_LOG, BufferedSocket
from thaniya_core.system.files import os_errors

LOGIN_GRACE_S = 30.0
IDLE_S = 600.0
"""A client with nothing running may be silent so long."""
WORKING_IDLE_S = 12 * 3600.0
"""A client whose command is running: it may wait for the archiving of a very large backup."""
CONNECTIONS_LIMIT = 256
USER_CONNECTIONS_LIMIT = 48
UNAUTHENTICATED_LIMIT = 128

DESCRIPTORS_RESERVE = 128

_SWEEP_S = 1.0
_STOP_S = 5.0
logger = logging.getLogger(__name__)


class EmbeddedServer:
    """Listens and holds the connections. `start` and `stop` are called once each."""

    def __init__(self, services: Services, sessions: SlotSessions, config: Gate, host_key_file: Path) -> None:
        """Load or make the host key.

        Args:
            services: the server behind the broker.
            sessions: the slots' doors.
            config: the control account and where to listen.
            host_key_file: the private key; made when missing.

        Raises:
            StateUnreadable, NotAllowed, NoSpace: the host key cannot be read or made.
        """
        self._services = services
        self._sessions = sessions
        self._config = config
        self._host_key = load_host_key(host_key_file)
        self._connections: list[Connection] = []
        self._listener: socket.socket | None = None
        self._waker, self._wake = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="gate listener", daemon=True)
        self._is_stopping = False

    @property
    def fingerprint(self) -> str:
        """The host key's fingerprint as `ssh` shows it: `SHA256:…`."""
        return str(self._host_key.fingerprint)

    @property
    def address(self) -> str:
        """Where it listens."""
        return self._config.listen

    @property
    def port(self) -> int:
        """The port it listens on, also when the configuration leaves the choice to the system."""
        if self._listener is None:
            raise ValueError("the server has not been started")
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Listen.

        Raises:
            ThaniyaError: the address cannot be listened on.
        """
        # paramiko reports each stranger's garbage as an error with a traceback; what matters of it is logged here.
        paramiko_log = logging.getLogger(PARAMIKO_LOG)
        if paramiko_log.level == logging.NOTSET:
            paramiko_log.setLevel(logging.CRITICAL)
        family = socket.AF_INET6 if ":" in self._config.listen else socket.AF_INET
        with os_errors(f"listen on {self._config.listen} port {self._config.port}"):
            self._listener = socket.create_server((self._config.listen, self._config.port), family=family, backlog=128)
        self._listener.setblocking(False)
        self._thread.start()
        logger.info("listening on %s port %d, host key %s", self.address, self.port, self.fingerprint)

    def stop(self) -> None:
        """Stop listening and disconnect everyone; waits some seconds for their threads."""
        self._is_stopping = True
        self._wake.send(b"\0")
        if self._listener is not None:
            self._thread.join()
            self._listener.close()
        deadline = time.monotonic() + _STOP_S
        for connection in self._connections:
            connection.close()
        for connection in self._connections:
            connection.join(max(0.0, deadline - time.monotonic()))
        self._wake.close()
        self._waker.close()

    def _run(self) -> None:
        listener = self._listener
        with selectors.DefaultSelector() as selector:
            selector.register(self._waker, selectors.EVENT_READ)
            if listener is not None:
                selector.register(listener, selectors.EVENT_READ, listener)
            while not self._is_stopping:
                for key, _ in selector.select(_SWEEP_S):
                    if isinstance(key.data, socket.socket):
                        self._accept(key.data)
                self._sweep()

    def _accept(self, listener: socket.socket) -> None:
        try:
            accepted, address = listener.accept()
        except BlockingIOError:
            return  # the client has gone again
        except OSError as exc:
            logger.warning("a connection cannot be accepted: %s", exc)
            time.sleep(_SWEEP_S)  # out of descriptors: some must come back first
            return
        peer = str(address[0])
        strangers = [connection for connection in self._connections if not connection.is_authenticated]
        if len(strangers) >= UNAUTHENTICATED_LIMIT:
            # The oldest has had its time; turning the newest away would let silent ones keep everybody out.
            strangers[0].close()
        if len(self._connections) >= CONNECTIONS_LIMIT or not has_descriptors():
            logger.warning("too many connections: one from %s is turned away", peer)
            accepted.close()
            return
        try:
            _tune(accepted)
            connection = Connection(
                self._services,
                self._sessions,
                self._config.control_account,
                BufferedSocket(accepted),
                peer,
                self._host_key,
                self._may_enter,
            )
            connection.start()
        except Exception:
            logger.exception("a connection from %s cannot be served", peer)
            accepted.close()
            return
        self._connections.append(connection)

    def _may_enter(self, user: str) -> bool:
        """Whether a user may open one more connection; asked in the threads of connections."""
        logins = [connection.login for connection in list(self._connections)]
        return sum(login is not None and login.user == user for login in logins) < USER_CONNECTIONS_LIMIT

    def _sweep(self) -> None:
        """Forget connections that have ended; end those that do not log in, fell silent, or whose key is gone."""
        now = time.monotonic()
        self._connections = [connection for connection in self._connections if connection.is_alive]
        for connection in self._connections:
            is_late = not connection.is_authenticated and now - connection.started_at > LOGIN_GRACE_S
            idle_s = WORKING_IDLE_S if connection.has_work else IDLE_S
            if is_late or now - connection.heard_at > idle_s:
                connection.close()
        try:
            self._end_unwelcome()
        except Exception:
            logger.exception("it cannot be looked up whose keys are gone")

    def _end_unwelcome(self) -> None:
        """End the connections whose user or key has been removed or disabled since the login."""
        keys: dict[str, set[tuple[str, bytes]]] = {}
        for connection in self._connections:
            login = connection.login
            if login is None:
                continue
            if login.account not in keys:
                keys[login.account] = list_keys(self._services, login.account)
            if (login.user, connection.key) not in keys[login.account]:
                logger.info("the key of %s is gone: its connection to %s is ended", login.user, login.account)
                connection.close()


def has_descriptors() -> bool:
    """Whether enough file descriptors are left for the state, the archive and those who are here."""
    soft_limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return len(os.listdir("/proc/self/fd")) + DESCRIPTORS_RESERVE < soft_limit  # noqa: PTH208 - only their number


def _tune(accepted: socket.socket) -> None:
    """Answer at once, and notice within about two minutes that a peer is gone."""
    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
