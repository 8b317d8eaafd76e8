"""The audit log."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct


class Event(Struct, frozen=True):
    """A line of the audit log."""

    at: datetime
    actor: str
    """`alice@203.0.113.7` over SSH, `login:root` for a person at the server, `service`."""
    action: str
    """Noun and verb: `upload.open`, `user.disable`."""
    subject: str = ""
    """What it was done to: an id, a name."""
    ok: bool = True
    detail: str = ""
