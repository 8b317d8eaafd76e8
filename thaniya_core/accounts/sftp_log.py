"""What sshd and its internal-sftp tell syslog(3) of a session in a slot, and which of it is a refusal.

The lines are those of OpenSSH's `sftp-server.c` at log level VERBOSE and of its `session.c`: one for each request that
names a path, and after it `sent status …` where the answer is not success. Names in them are a client's: text that may
say anything, a line of another kind included. A line is cut at 500 characters.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from thaniya_core.formats.protocol import UPLOAD_DIRECTORY
from thaniya_core.model import Refusal
from thaniya_core.system.clock import Clock
from thaniya_core.system.harmless import make_harmless

DETAIL_CHARACTERS = 300
"""A longer detail is cut."""

_SESSIONS_KNOWN = 200
_SFTP = ("internal-sftp", "sftp-server")
_SSHD = ("sshd", "sshd-session")

# RFC 3164, as syslog(3) writes it: `<38>Nov 24 10:00:16 internal-sftp[255]: stat name "/x"`.
_DATAGRAM = re.compile(rb"<\d{1,3}>.{15} ([a-z-]{1,32})\[\d+\]: (.*)", re.DOTALL)
_OPENED = re.compile(r"session opened for local user \S+ from \[([0-9A-Za-z:.%-]*)\]")
_NO_SFTP = re.compile(r"(?:error: )?Connection from user \S+ (\S+) port \d+: refusing non-sftp session")
_DENIED_REQUEST = re.compile(r"Refusing (?:denylisted|blacklisted) (\S+) request")
_STATUS = "sent status "
_PERMISSION_DENIED = "Permission denied"
_NO_SUCH_FILE = "No such file"

_OPEN = re.compile(r'open "(.*)" flags ([A-Z,]*)(?: mode 0[0-7]*)?', re.DOTALL)
_TWO_NAMES = re.compile(r'[a-z-]+ old "(.*)" new "(.*)"', re.DOTALL)
_ONE_NAME = re.compile(r'([a-z-]+)(?: name)? "(.*?)"?(?: (?:mode|size|modtime|owner) [^"]*)?', re.DOTALL)
_LOOKS = ("stat", "lstat", "realpath", "readlink", "statvfs")


class LogLine(Struct, frozen=True):
    """A message to syslog."""

    program: str
    text: str


def parse_datagram(data: bytes) -> LogLine | None:
    """The message of a datagram; None for what is none."""
    found = _DATAGRAM.fullmatch(data.rstrip(b"\n\0"))
    if found is None:
        return None
    return LogLine(found[1].decode("ascii"), found[2].decode("utf-8", "replace"))


def judge(operation: str, status: str) -> str:
    """What was refused, for the audit log; empty for what clients do in good faith.

    Whatever is answered by `Permission denied` counts, except changing attributes in `upload/`: programs that copy
    times and owners try that. Of what fails otherwise counts what names a path outside of `upload/`; not, though,
    looking for a name at the top, where clients look for their own things.

    Args:
        operation: the line of the request, `open "/x" flags READ mode 0666`.
        status: the answer: `No such file`.
    """
    denied = _DENIED_REQUEST.fullmatch(operation)
    if denied is not None:
        return _tell(f"{denied[1]} request", status) if status == _PERMISSION_DENIED else ""
    paths = _paths(operation)
    if not paths or status not in (_PERMISSION_DENIED, _NO_SUCH_FILE, "Failure"):
        return ""
    verb = operation.split(" ", 1)[0]
    outside = [path for path in paths if not _is_upload(path)]
    if status == _PERMISSION_DENIED:
        counts = bool(outside) or verb != "set"
    elif verb in _LOOKS:
        counts = any(_is_far_outside(path) for path in outside)
    else:
        counts = bool(outside)
    return _tell(_describe(operation), status) if counts else ""


class SlotSessions:
    """Follows the sessions of one slot, line by line. Keeps one request a process, of a bounded number of processes."""

    def __init__(self, slot: str, clock: Clock) -> None:
        self._slot = slot
        self._clock = clock
        self._sftp_at: datetime | None = None
        self._peers: dict[int, str] = {}
        self._operations: dict[int, str] = {}

    def follow(self, pid: int, line: LogLine) -> Refusal | None:
        """Take the next line of a process; gives what was refused by it, if anything was."""
        if line.program in _SFTP:
            return self._follow_sftp(pid, line.text)
        if line.program in _SSHD and (found := _NO_SFTP.fullmatch(line.text)):
            told = "a session that is no SFTP: refused"
            return Refusal(self._slot, self._clock.now(), told, found[1], True, self._sftp_at)
        return None

    def _follow_sftp(self, pid: int, text: str) -> Refusal | None:
        if text.startswith(_STATUS):
            detail = judge(self._operations.pop(pid, ""), text.removeprefix(_STATUS))
            if not detail:
                return None
            return Refusal(self._slot, self._clock.now(), detail, self._peers.get(pid, ""), sftp_at=self._sftp_at)
        if text.startswith("session "):
            self._note_session(pid, text)
        else:
            _put(self._operations, pid, text)
        return None

    def _note_session(self, pid: int, text: str) -> None:
        self._operations.pop(pid, None)
        self._peers.pop(pid, None)
        if found := _OPENED.fullmatch(text):
            self._sftp_at = self._clock.now()
            _put(self._peers, pid, found[1])


def _put(known: dict[int, str], pid: int, text: str) -> None:
    """Remember a text; a process that was killed said no farewell, so the oldest go when there are many."""
    if pid not in known and len(known) >= _SESSIONS_KNOWN:
        del known[next(iter(known))]
    known[pid] = text


def _paths(operation: str) -> tuple[str, ...]:
    if found := _OPEN.fullmatch(operation):
        return (found[1],)
    if found := _TWO_NAMES.fullmatch(operation):
        return found[1], found[2]
    if found := _ONE_NAME.fullmatch(operation):
        return (found[2],)
    return ()


def _describe(operation: str) -> str:
    if found := _OPEN.fullmatch(operation):
        return f'open "{found[1]}" for {found[2]}'
    return operation.replace(' name "', ' "', 1)


def _tell(what: str, status: str) -> str:
    return f"{make_harmless(what, DETAIL_CHARACTERS)}: {status.lower()}"


def _parts(path: str) -> list[str]:
    """The parts of a path as the slot's root directory has it; `..` at the top stays there."""
    return [part for part in posixpath.normpath(f"/{path}").split("/") if part]


def _is_upload(path: str) -> bool:
    return _parts(path)[:1] == [UPLOAD_DIRECTORY]


def _is_far_outside(path: str) -> bool:
    return len(_parts(path)) > 1 or _climbs_out(path)


def _climbs_out(path: str) -> bool:
    return any(depth < 0 for depth in _depths(path))


def _depths(path: str) -> Iterator[int]:
    depth = 0
    for part in path.split("/"):
        depth += {"": 0, ".": 0, "..": -1}.get(part, 1)
        yield depth
