"""What a caller was refused, for the audit log: who tries what is not his, or speaks what is no command."""

from __future__ import annotations

from thaniya_core.errors import IllegalName, NotAllowed, NotFound, ProtocolViolated, ThaniyaError, WrongUsage
from thaniya_core.gate.services import Caller, Services
from thaniya_core.system.harmless import make_harmless

_REFUSALS = (IllegalName, NotAllowed, NotFound, ProtocolViolated, WrongUsage)
"""Not among them: what is only for now, or is told as the end of an upload."""

_SHOWN = 200
"""Characters of a command or a message in the log."""


def is_refusal(error: ThaniyaError) -> bool:
    """Whether the caller asked for what it may not have, or for what does not exist."""
    return isinstance(error, _REFUSALS)


def note_refusal(services: Services, caller: Caller, command: str, error: ThaniyaError) -> None:
    """Write it to the audit log when the error is a refusal."""
    if is_refusal(error):
        services.note_refusal(caller, make_harmless(command, _SHOWN), make_harmless(error.message, _SHOWN))
