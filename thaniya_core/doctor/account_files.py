"""Locks on the files of accounts, /etc/shadow above all, that keep chage and usermod from locking slots."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from thaniya_core.doctor.examination import Subject
from thaniya_core.doctor.finding import Finding, fail, or_ok

ETC = Path("/etc")
FILES = ("passwd", "shadow", "group", "gshadow", "subuid", "subgid")
"""What the programs of shadow-utils lock, each by a file beside it: /etc/shadow.lock."""

LONG = timedelta(minutes=10)
"""These programs hold a lock for an instant; `vipw` does for as long as somebody edits."""

_MEANS = "slots can be neither locked nor unlocked"


def check_account_locks(subject: Subject, etc: Path = ETC) -> Iterator[Finding]:
    """No lock was left behind.

    A lock file holds the number of the process that made it. Where that process is gone, the next program takes the
    lock over; without a number, or with one that another process has meanwhile, every program gives up.
    """
    name = "locks of /etc/passwd, shadow, group"
    found = (_judge(subject, name, etc / f"{file}.lock") for file in FILES)
    yield from or_ok((finding for finding in found if finding), name, "none was left behind")


def _judge(subject: Subject, name: str, lock: Path) -> Finding | None:
    content = subject.machine.read(lock)
    if content is None:
        return None
    holder = content.partition(b"\0")[0]
    if not re.fullmatch(rb"[0-9]+", holder):
        return fail(name, f"{lock} was left behind and names no process: {_MEANS}", f"rm {lock}")
    pid = int(holder)
    program = subject.machine.read(Path(f"/proc/{pid}/comm"))
    try:
        age = subject.clock.now() - datetime.fromtimestamp(lock.stat().st_mtime, UTC)
    except FileNotFoundError:
        return None  # it was let go meanwhile
    if program is None or age < LONG:
        return None
    running = f"process {pid} ({program.decode('utf-8', 'replace').strip()})"
    held = f"{lock} is held for {age // timedelta(minutes=1)} min by {running}"
    return fail(name, f"{held}: {_MEANS}", f"end that process, or, where it changes no accounts: rm {lock}")
