"""What is sent: the changes, for programs and for people."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from msgspec import Struct

from thaniya_core.model import Severity
from thaniya_core.monitor.changes import Change, ChangeKind
from thaniya_core.system.harmless import make_harmless


class Message(Struct, frozen=True):
    """Changes, as one message for all of them; its JSON is what a command and a webhook get."""

    server: str
    """The host that Thaniya runs on."""
    status: Severity
    """Of everything, not of the changes alone."""
    sent_at: datetime
    changes: tuple[Change, ...]
    findings: int
    """How many there are now."""
    is_test: bool = False


_MOST_SHOWN = 100


def trial_message(server: str, now: datetime) -> Message:
    """What `thaniya notify test` sends."""
    change = Change(
        ChangeKind.NEW, "test", "notify test", Severity.OK, now, "this is a test: messages reach you this way"
    )
    return Message(server, Severity.OK, now, (change,), 0, is_test=True)


def title(message: Message) -> str:
    """The message in one line: `[thaniya web1] CRITICAL: 2 new, 1 resolved`."""
    if message.is_test:
        return f"[thaniya {message.server}] test"
    counts = Counter(change.kind for change in message.changes)
    told = ", ".join(f"{counts[kind]} {kind}" for kind in ChangeKind if counts[kind])
    return f"[thaniya {message.server}] {message.status.upper()}: {told}"


def body(message: Message) -> str:
    """The message as text, a paragraph a change. Foreign text in it can do no harm."""
    shown = message.changes[:_MOST_SHOWN]
    paragraphs = [_paragraph(change) for change in shown]
    if len(shown) < len(message.changes):
        paragraphs.append(f"and {len(message.changes) - len(shown)} more changes")
    if not message.is_test:
        paragraphs.append(_ending(message.findings))
    return "\n\n".join(paragraphs) + "\n"


def _paragraph(change: Change) -> str:
    what = change.kind.upper() if change.kind is ChangeKind.RESOLVED else f"{change.severity.upper()} ({change.kind})"
    lines = [make_harmless(f"{what}: {change.code} {change.subject}")]
    lines += [f"  {make_harmless(line)}" for line in (change.text, change.cure) if line]
    if change.kind is not ChangeKind.NEW:
        lines.append(f"  since {change.since:%Y-%m-%d %H:%M} UTC")
    return "\n".join(lines)


def _ending(findings: int) -> str:
    return f"{findings} findings now: thaniya check" if findings else "Nothing is wrong now."
