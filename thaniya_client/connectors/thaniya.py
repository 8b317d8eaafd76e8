"""A Thaniya server as the place for backups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from thaniya_client.connectors.ssh.connection import Address
from thaniya_client.connectors.ssh.fetch import FetchReader
from thaniya_client.connectors.ssh.retry import Retry
from thaniya_client.connectors.ssh.session import ControlSession
from thaniya_client.connectors.ssh.sftp_upload import SftpWriter
from thaniya_client.connectors.ssh.slot_dialer import SlotDialer
from thaniya_client.values import Outcome
from thaniya_core.errors import (
    NoSpace,
    NotFound,
    ProtocolViolated,
    ThaniyaError,
)
from thaniya_core.formats import protocol
from thaniya_core.formats.manifest import BackupDocument, Manifest, check_document
from thaniya_core.formats.names import DOCUMENT_FILES, Series, check_id, is_legal_file
from thaniya_core.formats.protocol import UploadState

_WAIT_S = 60.0
_PAGE = 1000
_NEARLY_FULL_BYTES = 32 * 1024 * 1024
_GOES_ON = tuple(state for state in UploadState if not state.is_ended)


class ThaniyaConnector:
    """Speaks with one server as one user."""

    def __init__(self, address: Address, account: str, client: str, retry_s: float) -> None:
        self._address = address
        self._retry_s = retry_s
        self._session = ControlSession(address, account, client, self._make_retry)

    @property
    def welcome(self) -> protocol.Welcome:
        """What the server says of itself and of the user."""
        return self._session.welcome

    def place(self) -> str:
        """What this server and its user are told from others by."""
        return f"thaniya {self._session.welcome.user}@{self._address.host}:{self._address.port}"

    def begin(self, host: str, name: str, expected_bytes: int | None) -> ThaniyaUpload:
        return self.begin_on((), host, name, expected_bytes)

    def begin_on(self, parents: Sequence[str], host: str, name: str, expected_bytes: int | None) -> ThaniyaUpload:
        user = self._session.welcome.user
        reply = self._session.request(protocol.Allocate(host, name, expected_bytes, tuple(parents)))
        if not isinstance(reply, protocol.Allocated):
            raise _unexpected(reply)
        return ThaniyaUpload(self._session, self._address, reply, Series(user, host, name), self._make_retry)

    def backups(self, host: str = "", name: str = "") -> Iterator[protocol.BackupSummary]:
        before = ""
        while True:
            reply = self._session.request(protocol.Backups(host, name, _PAGE, before))
            if not isinstance(reply, protocol.BackupList):
                raise _unexpected(reply)
            yield from reply.backups
            if len(reply.backups) < _PAGE:
                return
            before = reply.backups[-1].id

    def document(self, backup_id: str) -> BackupDocument:
        reply = self._session.request(protocol.Contents(check_id(backup_id)))
        if not isinstance(reply, protocol.BackupContents):
            raise _unexpected(reply)
        return check_document(reply.document, f"what the server says of backup {backup_id}")

    def open_file(self, backup_id: str, name: str, size_bytes: int | None) -> FetchReader:
        if not is_legal_file(name) and name not in DOCUMENT_FILES:
            raise NotFound(f"backup {backup_id} has no file {name!r}")
        return FetchReader(self._session.open_command, check_id(backup_id), name, size_bytes, self._make_retry())

    def close(self) -> None:
        self._session.close()

    def _make_retry(self) -> Retry:
        return Retry(self._retry_s)


class ThaniyaUpload:
    """An upload into a slot."""

    def __init__(
        self,
        session: ControlSession,
        address: Address,
        allocated: protocol.Allocated,
        series: Series,
        make_retry: Callable[[], Retry],
    ) -> None:
        self._session = session
        self._allocated = allocated
        self._series = series
        self._make_retry = make_retry
        self._dialer = SlotDialer(address, allocated.slot)
        self._is_open = True

    @property
    def id(self) -> str:
        return self._allocated.upload

    @property
    def series(self) -> Series:
        return self._series

    @property
    def parent(self) -> str | None:
        return self._allocated.parent

    @property
    def parent_refused(self) -> str:
        return self._allocated.parent_refused

    def open(self, name: str) -> SftpWriter:
        path = f"{self._allocated.directory}/{name}"
        return SftpWriter(self._dialer, path, self._make_retry(), self._explain)

    def finish(self, manifest: Manifest, wait: bool, on_wait: Callable[[str], None]) -> Outcome:
        self._dialer.drop()
        status = self._ask(protocol.Complete(self.id, manifest))
        self._is_open = False
        while status.state == UploadState.CLOSING or (wait and status.state in _GOES_ON):
            on_wait(f"{status.state}: {status.reason}" if status.reason else status.state)
            status = self._ask(protocol.Status(self.id, status.state, _WAIT_S))
        if status.state not in (UploadState.SPOOLED, UploadState.ARCHIVED):
            raise _ended(status)
        return Outcome(UploadState(status.state), status.stored_bytes)

    def abort(self, reason: str) -> None:
        self._dialer.drop()
        if self._is_open:
            self._is_open = False
            self._ask(protocol.Abort(self.id, reason))

    def free_bytes(self) -> int | None:
        """What the server has room for; None where it does not say."""
        return self._ask(protocol.Status(self.id)).free_bytes

    def _ask(self, request: protocol.Message) -> protocol.UploadStatus:
        reply = self._session.request(request)
        if not isinstance(reply, protocol.UploadStatus):
            raise _unexpected(reply)
        return reply

    def _explain(self, error: ThaniyaError) -> ThaniyaError:
        """The server's reason for not taking a file any more; the error itself where it knows none."""
        try:
            status = self._ask(protocol.Status(self.id))
        except ThaniyaError:
            return error
        if status.state != UploadState.OPEN:
            return _ended(status)
        if status.free_bytes is not None and status.free_bytes < _NEARLY_FULL_BYTES:
            return NoSpace(f"upload {self.id}: the server's disk is full", hint="tell its administrator")
        return error


def _ended(status: protocol.UploadStatus) -> ThaniyaError:
    return protocol.ending_error(status.upload, status.state, status.reason)


def _unexpected(reply: protocol.Reply) -> ProtocolViolated:
    return ProtocolViolated(f"the server's answer does not fit: {type(reply).__name__}")
