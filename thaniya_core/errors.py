"""What can go wrong, as one tree.

    ThaniyaError                     exit code
    ├── WrongUsage                   2   an argument, a name, a key or the configuration
    │   ├── IllegalName
    │   ├── IllegalKey
    │   └── ConfigInvalid
    ├── NotFound                     4
    ├── NotAllowed                   5
    │   ├── UserDisabled
    │   ├── IdentityNeeded           what is encrypted, without the key that opens it
    │   ├── HostKeyUnknown
    │   └── HostKeyChanged
    ├── Busy                         6   try again later
    │   ├── NoFreeSlot
    │   └── TooManyUploads
    ├── NoSpace                      7
    │   └── OverQuota
    ├── IntegrityFailed              8   a sum, a size or a file kind is not as promised
    │   └── UploadRejected
    ├── WrongState                   1   the object is not in a state that allows this
    │   └── AlreadyExists
    ├── ProtocolViolated             1   a message could not be understood
    │   └── VersionsDiffer
    ├── ConnectionLost               1
    ├── CommandFailed                1   a program ended badly or ran out of time
    ├── SourceFailed                 1   what is to be backed up cannot be packed
    ├── StepFailed                   1   what was to be done before or after a backup
    ├── OutOfTime                    1   a backup was not done within its time limit
    └── StateUnreadable              1   a state file is broken

Each class carries a wire code (stable, used between client and server), a title for people and an exit code.
Each instance carries a message (what and where), a hint (what next) and the facts as named values.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

Fact = str | int | float | bool | None


class ExitCode(IntEnum):
    """What a command ends with; `thaniya check` alone uses those of Nagios."""

    DONE = 0
    FAILED = 1
    WRONG_USAGE = 2
    WARNINGS = 3
    """Done, but something could not be read or was out of order."""
    NOT_FOUND = 4
    NOT_ALLOWED = 5
    BUSY = 6
    """Try again later."""
    NO_SPACE = 7
    INTEGRITY = 8
    """A sum does not match."""
    INTERRUPTED = 130


class ThaniyaError(Exception):
    """The root of all errors that Thaniya raises on purpose."""

    code: ClassVar[str] = "failed"
    title: ClassVar[str] = "Failed"
    exit_code: ClassVar[ExitCode] = ExitCode.FAILED

    def __init__(self, message: str, *, hint: str = "", **facts: Fact) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.facts: dict[str, Fact] = facts

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class WrongUsage(ThaniyaError):
    code = "wrong_usage"
    title = "Wrong usage"
    exit_code = ExitCode.WRONG_USAGE


class IllegalName(WrongUsage):
    code = "illegal_name"
    title = "Illegal name"


class IllegalKey(WrongUsage):
    code = "illegal_key"
    title = "SSH key cannot be used"


class ConfigInvalid(WrongUsage):
    code = "config_invalid"
    title = "Invalid configuration"


class NotFound(ThaniyaError):
    code = "not_found"
    title = "Not found"
    exit_code = ExitCode.NOT_FOUND


class NotAllowed(ThaniyaError):
    code = "not_allowed"
    title = "Not allowed"
    exit_code = ExitCode.NOT_ALLOWED


class UserDisabled(NotAllowed):
    code = "user_disabled"
    title = "User is disabled"


class IdentityNeeded(NotAllowed):
    code = "identity_needed"
    title = "Encrypted"


class HostKeyUnknown(NotAllowed):
    code = "host_key_unknown"
    title = "Unknown host key"


class HostKeyChanged(NotAllowed):
    code = "host_key_changed"
    title = "Host key has changed"


class Busy(ThaniyaError):
    code = "busy"
    title = "Busy, try again later"
    exit_code = ExitCode.BUSY


class NoFreeSlot(Busy):
    code = "no_free_slot"
    title = "No free slot"


class TooManyUploads(Busy):
    code = "too_many_uploads"
    title = "Too many uploads at the same time"


class NoSpace(ThaniyaError):
    code = "no_space"
    title = "Not enough space"
    exit_code = ExitCode.NO_SPACE


class OverQuota(NoSpace):
    code = "over_quota"
    title = "Over quota"


class IntegrityFailed(ThaniyaError):
    code = "integrity_failed"
    title = "Integrity check failed"
    exit_code = ExitCode.INTEGRITY


class UploadRejected(IntegrityFailed):
    code = "upload_rejected"
    title = "Upload rejected"


class WrongState(ThaniyaError):
    code = "wrong_state"
    title = "Not possible in this state"


class AlreadyExists(WrongState):
    code = "already_exists"
    title = "Exists already"


class ProtocolViolated(ThaniyaError):
    code = "protocol_violated"
    title = "Message not understood"


class VersionsDiffer(ProtocolViolated):
    code = "versions_differ"
    title = "No common protocol version"


class ConnectionLost(ThaniyaError):
    code = "connection_lost"
    title = "Connection lost"


class CommandFailed(ThaniyaError):
    code = "command_failed"
    title = "A program failed"


class SourceFailed(ThaniyaError):
    code = "source_failed"
    title = "The source cannot be backed up"


class StepFailed(ThaniyaError):
    code = "step_failed"
    title = "A step before or after the backup failed"


class OutOfTime(ThaniyaError):
    code = "out_of_time"
    title = "Not done in time"


class StateUnreadable(ThaniyaError):
    code = "state_unreadable"
    title = "State file cannot be read"


def all_errors() -> list[type[ThaniyaError]]:
    """Every class of the tree, the root first."""
    found: list[type[ThaniyaError]] = []
    waiting: list[type[ThaniyaError]] = [ThaniyaError]
    while waiting:
        cls = waiting.pop(0)
        found.append(cls)
        waiting.extend(cls.__subclasses__())
    return found


def from_wire(code: str, message: str, hint: str = "") -> ThaniyaError:
    """Make the error a peer reported.

    A code that this version does not know becomes a plain ThaniyaError, so that newer servers may add codes.
    """
    by_code = {cls.code: cls for cls in all_errors()}
    return by_code.get(code, ThaniyaError)(message, hint=hint)
