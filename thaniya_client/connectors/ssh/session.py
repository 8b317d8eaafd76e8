"""The control session: requests and replies as JSON lines. A lost connection is made anew."""

from __future__ import annotations

import threading
from collections.abc import Callable

import paramiko

from thaniya_client.connectors.ssh.connection import LOST, Address, log_in
from thaniya_client.connectors.ssh.retry import Retry
from thaniya_core.errors import ConnectionLost, ProtocolViolated
from thaniya_core.formats import protocol

_RECEIVE_BYTES = 256 * 1024


class ControlSession:
    """Logs in when it is first needed, and again when the connection was lost.

    A request whose answer was lost is asked again: all requests but `allocate` may be repeated, and an upload that was
    allocated twice ends by its silence.
    """

    def __init__(self, address: Address, account: str, client: str, make_retry: Callable[[], Retry]) -> None:
        self._address = address
        self._account = account
        self._client = client
        self._make_retry = make_retry
        self._lock = threading.RLock()
        self._transport: paramiko.Transport | None = None
        self._channel: paramiko.Channel | None = None
        self._received = bytearray()
        self._welcome: protocol.Welcome | None = None

    @property
    def welcome(self) -> protocol.Welcome:
        """What the server said of itself; logs in when that has not been done."""
        with self._lock:
            if self._welcome is None or self._channel is None:
                self._keep_trying(self._log_in)
            if self._welcome is None:
                raise ProtocolViolated("the server did not greet")
            return self._welcome

    def request(self, message: protocol.Message) -> protocol.Reply:
        """Ask, and give the answer.

        Raises:
            ThaniyaError: the error that the server answers with.
            ConnectionLost: there is no connection, and it could not be made anew.
        """
        with self._lock:
            try:
                reply = self._keep_trying(lambda: self._ask(message))
            except BaseException:
                self.close()  # an answer may still be on its way, and must not be taken for the next one's
                raise
        if isinstance(reply, protocol.ErrorReply):
            raise reply.to_error()
        return reply

    def open_command(self, command: str) -> paramiko.Channel:
        """Start a one-shot command on the control account; its stdout is read from the channel.

        Raises:
            ConnectionLost: the connection was lost; the next call makes it anew.
        """
        with self._lock:
            self._log_in()
            if self._transport is None:
                raise ConnectionLost(f"there is no connection to {self._address.host}")
            try:
                channel = self._transport.open_session(timeout=self._address.timeout_s)
                channel.settimeout(self._address.silence_s)
                channel.exec_command(command)
            except LOST as exc:
                self.close()
                raise ConnectionLost(f"the connection to {self._address.host} was lost: {exc}") from exc
            return channel

    def close(self) -> None:
        """Log out. Harmless when repeated."""
        if self._transport is not None:
            self._transport.close()
        self._transport = self._channel = None
        self._received.clear()

    def _keep_trying(self, step: Callable[[], protocol.Reply]) -> protocol.Reply:
        retry = self._make_retry()
        while True:
            try:
                return step()
            except ConnectionLost as exc:
                self.close()
                if self._welcome is None:
                    raise  # the first connection: more likely a mistake than a disturbance
                retry.pause(exc)

    def _log_in(self) -> protocol.Reply:
        if self._channel is not None and self._welcome is not None and not self._channel.closed:
            return self._welcome
        self.close()
        self._transport = log_in(self._address, self._account)
        try:
            self._channel = self._transport.open_session(timeout=self._address.timeout_s)
            self._channel.settimeout(self._address.silence_s)
            self._channel.exec_command("session")
        except LOST as exc:
            self.close()
            raise ConnectionLost(f"the session on {self._address.host} broke while it began: {exc}") from exc
        reply = self._exchange(self._channel, protocol.Hello(protocol.VERSIONS, self._client))
        if isinstance(reply, protocol.ErrorReply):
            raise reply.to_error()
        if not isinstance(reply, protocol.Welcome):
            raise ProtocolViolated(f"the server answers hello with {type(reply).__name__}")
        self._welcome = reply
        return reply

    def _ask(self, message: protocol.Message) -> protocol.Reply:
        self._log_in()
        if self._channel is None:
            raise ConnectionLost(f"there is no session on {self._address.host}")
        return self._exchange(self._channel, message)

    def _exchange(self, channel: paramiko.Channel, message: protocol.Message) -> protocol.Reply:
        try:
            channel.sendall(protocol.encode(message))
            while b"\n" not in self._received:
                part = channel.recv(_RECEIVE_BYTES)
                if not part:
                    raise ConnectionLost(f"{self._address.host} ended the session{self._last_words(channel)}")
                self._received += part
                if len(self._received) > protocol.REPLY_LIMIT:
                    raise ProtocolViolated(f"the answer of {self._address.host} is too long")
        except LOST as exc:
            raise ConnectionLost(f"the connection to {self._address.host} was lost: {exc or 'time-out'}") from exc
        line, _, rest = bytes(self._received).partition(b"\n")
        self._received[:] = rest
        return protocol.decode_reply(line)

    def _last_words(self, channel: paramiko.Channel) -> str:
        """What the server wrote to stderr before it ended the session."""
        if not channel.recv_stderr_ready():
            return ""
        words: bytes = channel.recv_stderr(1000)
        return ": " + words.decode("utf-8", "replace").strip()
