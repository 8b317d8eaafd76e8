"""The `session` verb: one JSON line a request, one JSON line an answer, in order (thaniya_core.formats.protocol)."""

from __future__ import annotations

import logging
import secrets
from typing import BinaryIO

from thaniya_core import __version__
from thaniya_core.errors import ProtocolViolated, ThaniyaError, WrongUsage
from thaniya_core.formats import protocol
from thaniya_core.formats.manifest import check_manifest
from thaniya_core.gate.answers import allocated, backup_summary, upload_status
from thaniya_core.gate.refusals import is_refusal, note_refusal
from thaniya_core.gate.services import Caller, Services
from thaniya_core.gate.waiting import wait_for_change
from thaniya_core.model import Upload
from thaniya_core.system.clock import SystemClock
from thaniya_core.system.harmless import make_harmless

REFUSALS_LIMIT = 20
"""After so many refused requests in a row the session is closed; each has made a line of the audit log."""

_SKIP_BYTES = 64 * 1024
logger = logging.getLogger(__name__)


def run_session(services: Services, caller: Caller, stdin: BinaryIO, stdout: BinaryIO) -> int:
    """Answer requests until the client closes its side; gives the exit code.

    A line that the client did not finish is no request. An answer to garbage is an error, and the session goes on.
    """
    session = _Session(services, caller, stdout)
    refusals = 0
    while line := stdin.readline(protocol.LINE_LIMIT + 1):
        if not line.endswith(b"\n") and not _skip_line(stdin):
            break
        reply, is_refused = session.answer(line)
        data = protocol.encode(reply)
        if len(data) > protocol.REPLY_LIMIT:
            data = protocol.encode(_error_reply(WrongUsage("the answer is too long", hint="ask for less")))
        stdout.write(data)
        stdout.flush()
        refusals = refusals + 1 if is_refused else 0
        if refusals >= REFUSALS_LIMIT:
            return ProtocolViolated.exit_code
    return 0


def _skip_line(stdin: BinaryIO) -> bool:
    """Read to the end of a line; False when the input ends before."""
    while part := stdin.readline(_SKIP_BYTES):
        if part.endswith(b"\n"):
            return True
    return False


def _error_reply(error: ThaniyaError) -> protocol.ErrorReply:
    return protocol.ErrorReply(error.code, make_harmless(error.message), make_harmless(error.hint))


class _Session:
    """What is known of a client while its session lasts."""

    def __init__(self, services: Services, caller: Caller, stdout: BinaryIO) -> None:
        self._services = services
        self._caller = caller
        self._stdout = stdout
        self._greeted = False

    def answer(self, line: bytes) -> tuple[protocol.Reply, bool]:
        """The answer to a line, whatever is in it, and whether it refuses."""
        try:
            request = protocol.decode_request(line)
            if not self._greeted and not isinstance(request, protocol.Hello):
                raise ProtocolViolated("the first request must be hello")
            return self._carry_out(request), False
        except ThaniyaError as error:
            note_refusal(self._services, self._caller, line.decode(errors="replace").strip(), error)
            return _error_reply(error), is_refusal(error)
        except Exception:  # noqa: BLE001 - one request must not end the session
            return _error_reply(report_internal_error(self._caller)), False

    def _carry_out(self, request: protocol.Request) -> protocol.Reply:
        services, caller = self._services, self._caller
        match request:
            case protocol.Hello():
                return self._greet(request)
            case protocol.Allocate():
                return allocated(
                    services.allocate(caller, request.host, request.name, request.expected_bytes, request.parents)
                )
            case protocol.Status():
                return upload_status(services, self._wait(request))
            case protocol.Complete():
                manifest = None if request.manifest is None else check_manifest(request.manifest)
                return upload_status(services, services.complete(caller, request.upload, manifest))
            case protocol.Abort():
                return upload_status(services, services.abort(caller, request.upload, request.reason))
            case protocol.Uploads():
                uploads = services.uploads(caller)
                return protocol.UploadList(tuple(upload_status(services, upload) for upload in uploads))
            case protocol.Backups():
                backups = services.backups(caller, request.host, request.name, request.limit, request.before)
                return protocol.BackupList(tuple(backup_summary(backup) for backup in backups))
            case protocol.Contents():
                return protocol.BackupContents(services.contents(caller, request.backup))

    def _greet(self, request: protocol.Hello) -> protocol.Welcome:
        version = protocol.agree_version(request.versions)
        self._greeted = True
        return protocol.Welcome(
            version=version, server=f"thaniya {__version__}", user=self._caller.user, now=SystemClock().now()
        )

    def _wait(self, request: protocol.Status) -> Upload:
        return wait_for_change(
            self._services,
            self._caller,
            request.upload,
            request.known_state,
            request.wait_s,
            lambda: self._stdout.closed,
        )


def report_internal_error(caller: Caller) -> ThaniyaError:
    """Log the exception that is being handled and give the error that a client may see: it says where to look."""
    reference = secrets.token_hex(4)
    logger.exception("internal error, reference %s, for %s", reference, caller.actor)
    return ThaniyaError(
        f"internal error, reference {reference}", hint="the server's log has the details under this reference"
    )
