"""One client of the embedded server: who it is, and what it may ask for on which account."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Callable
from typing import BinaryIO, cast

import paramiko
from paramiko import common

from thaniya_core.errors import NotAllowed, ThaniyaError
from thaniya_core.gate.arguments import split_command
from thaniya_core.gate.broker import run_command
from thaniya_core.gate.byte_stream import ChannelReader, ChannelStream, ChannelWriter
from thaniya_core.gate.chunk_pipe import ChunkPipe
from thaniya_core.gate.login import Login, find_login
from thaniya_core.gate.scp import ScpSink, parse_scp
from thaniya_core.gate.services import Caller, Services, SlotSession, SlotSessions
from thaniya_core.gate.sftp import SftpServer
from thaniya_core.gate.slot_files import SlotFiles
from thaniya_core.gate.transport import WINDOW_BYTES, BufferedSocket, Transport
from thaniya_core.system.harmless import make_harmless

_CHANNELS_LIMIT = 10
logger = logging.getLogger(__name__)


class Connection(paramiko.ServerInterface):  # type: ignore[misc]
    """Answers paramiko's questions about one client."""

    def __init__(
        self,
        services: Services,
        sessions: SlotSessions,
        control_account: str,
        connection: BufferedSocket,
        peer: str,
        host_key: paramiko.PKey,
        may_enter: Callable[[str], bool],
    ) -> None:
        self._services = services
        self._sessions = sessions
        self._control_account = control_account
        self._peer = peer
        self._socket = connection
        self._may_enter = may_enter
        self._login: Login | None = None
        self._refused: tuple[str, str] | None = None
        self._slot_session: SlotSession | None = None
        self._entered = False
        self._idle_channels = 0
        self._pending: list[threading.Thread] = []
        self._workers: list[threading.Thread] = []
        self._transport = Transport(connection, host_key, self._start_pending, self._end)
        self.started_at = time.monotonic()
        self.key: bytes = b""
        """The key that the client logged in with."""
        self._fingerprint = ""

    @property
    def is_alive(self) -> bool:
        return bool(self._transport.is_alive())

    @property
    def is_authenticated(self) -> bool:
        return bool(self._transport.is_authenticated())

    @property
    def login(self) -> Login | None:
        """Who has logged in where; None until the first channel has been opened."""
        return self._login if self._entered else None

    @property
    def has_work(self) -> bool:
        """Whether a command, an upload or a download is running."""
        return any(worker.is_alive() for worker in self._workers)

    @property
    def heard_at(self) -> float:
        """When the client was last heard, in seconds of the monotonic clock."""
        return self._socket.received_at

    def start(self) -> None:
        """Begin the SSH session, in a thread of its own."""
        self._transport.start_server(event=threading.Event(), server=self)

    def close(self) -> None:
        """Disconnect the client; returns at once."""
        self._transport.close()
        self._socket.close()

    def join(self, timeout_s: float) -> None:
        """Wait until the connection's threads have ended."""
        self._transport.join(timeout_s)

    # What paramiko asks, in the connection's thread.

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        """Whether a key may log in. paramiko checks the signature afterwards, so nothing is entered here."""
        account = make_harmless(username, 64)
        self._login = None
        self._fingerprint = make_harmless(str(key.fingerprint), 80)
        why_not = f"no accepted key: {self._fingerprint}"
        try:
            self.key = key.asbytes() if isinstance(key, paramiko.PKey) else b""
            self._login = find_login(self._services, self._sessions, self._control_account, username, key)
        except ThaniyaError as error:
            logger.error("the keys of %s cannot be looked up: %s", account, error)
            why_not = f"the keys cannot be looked up: {error.message}"
        except Exception:
            logger.exception("internal error while looking up the keys of %s", account)
            why_not = "internal error while looking up the keys"
        if self._login is None:
            self._refused = (account, why_not)
            return int(common.AUTH_FAILED)
        return int(common.AUTH_SUCCESSFUL)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if kind != "session" or not self._enter():
            return int(common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED)
        if self._idle_channels + sum(worker.is_alive() for worker in self._workers) >= _CHANNELS_LIMIT:
            return int(common.OPEN_FAILED_RESOURCE_SHORTAGE)
        self._idle_channels += 1
        return int(common.OPEN_SUCCEEDED)

    def check_channel_shell_request(self, channel: paramiko.Channel) -> bool:
        return self.check_channel_exec_request(channel, b"")

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        text = command.decode("utf-8", "surrogateescape")
        if self._slot_session is None:
            return self._prepare(channel, lambda: self._run_command(channel, text))
        return self._prepare(channel, lambda: self._run_on_slot(channel, text))

    def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:
        if name != "sftp" or self._slot_session is None:
            return False
        return self._prepare(channel, lambda: self._serve_sftp(channel))

    def _enter(self) -> bool:
        """Note the login when the first channel opens: only now the client has proved that it holds the key."""
        login = self._login
        if login is None:
            return False
        if self._entered:
            return True
        if not self._may_enter(login.user):
            logger.warning("%s has too many connections: one from %s is refused", login.user, self._peer)
            return False
        try:
            if login.upload_id is not None:
                self._slot_session = self._sessions.begin(login.account, login.upload_id, self.close)
            self._entered = True
            self._services.note_login(login.account, login.user, self._peer, True, self._fingerprint)
            self._services.note_key_use(self._fingerprint)
        except ThaniyaError as exc:
            logger.info("login of %s to %s refused: %s", login.user, login.account, exc)
            return False
        except Exception:
            logger.exception("internal error at the login of %s to %s", login.user, login.account)
            return False
        return True

    def _end(self) -> None:
        """The connection is over: wait for its work, leave the slot, note a refusal."""
        for worker in self._workers:
            worker.join()
        try:
            if self._slot_session is not None:
                self._slot_session.end()
            if not self._entered and self._refused is not None:
                account, detail = self._refused
                self._services.note_login(account, "", self._peer, False, detail)
        except Exception:
            logger.exception("internal error at the end of a connection from %s", self._peer)
        problem = self._transport.get_exception()
        if problem is not None and not isinstance(problem, EOFError):
            logger.info("connection from %s ended: %s", self._peer, make_harmless(str(problem), 200))

    # Work, each in a thread of its own.

    def _prepare(self, channel: paramiko.Channel, work: Callable[[], int]) -> bool:
        """Set work up; it starts once the client has its answer, which must come before the work's end.

        Refused for a channel that has work already: RFC 4254, section 6.5.
        """
        if isinstance(channel.in_buffer, ChunkPipe):
            return False
        self._idle_channels -= 1
        self._transport.accept(0)  # it keeps each channel for a caller of accept(), and nobody else calls
        channel.in_buffer = ChunkPipe(2 * WINDOW_BYTES)
        self._pending.append(
            threading.Thread(target=self._work, args=(channel, work), name=f"gate {self._peer}", daemon=True)
        )
        return True

    def _start_pending(self) -> None:
        self._workers = [worker for worker in self._workers if worker.is_alive()]
        while self._pending:
            worker = self._pending.pop()
            self._workers.append(worker)
            worker.start()

    def _work(self, channel: paramiko.Channel, work: Callable[[], int]) -> None:
        try:
            exit_code = work()
        except (OSError, EOFError):
            exit_code = ThaniyaError.exit_code  # the client is gone
        except Exception:
            logger.exception("internal error in a session of %s", self._peer)
            exit_code = ThaniyaError.exit_code
        try:
            channel.send_exit_status(exit_code)
            channel.close()
        except (OSError, EOFError, paramiko.SSHException):
            pass  # nobody is there to hear it

    def _run_command(self, channel: paramiko.Channel, command: str) -> int:
        login = cast(Login, self._login)
        return run_command(
            self._services,
            Caller(login.user, self._peer),
            command,
            cast(BinaryIO, io.BufferedReader(ChannelReader(channel))),
            cast(BinaryIO, ChannelWriter(channel)),
            cast(BinaryIO, ChannelWriter(channel, is_stderr=True)),
        )

    def _serve_sftp(self, channel: paramiko.Channel) -> int:
        with self._slot_files() as files:
            SftpServer(files, ChannelStream(channel)).serve()
        return 0

    def _run_on_slot(self, channel: paramiko.Channel, command: str) -> int:
        """Old scp; everything else is refused with a line that says where it would go."""
        try:
            words = split_command(command)
            if words[:1] != ["scp"]:
                raise NotAllowed(
                    "a slot takes files by sftp or scp only", hint=f"commands go to the account {self._control_account}"
                )
            target = parse_scp(words)
            with self._slot_files() as files:
                return ScpSink(files, ChannelStream(channel), target).serve()
        except ThaniyaError as error:
            channel.sendall_stderr(f"thaniya: {make_harmless(str(error))}\n".encode())
            return error.exit_code

    def _slot_files(self) -> SlotFiles:
        session, login = cast(SlotSession, self._slot_session), cast(Login, self._login)
        return SlotFiles(self._sessions.directory(login.account), session)
