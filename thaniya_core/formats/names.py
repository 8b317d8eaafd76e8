"""Ids, and the names that users, series and uploaded files may bear.

Every name here is safe in a path, in a shell command and in a line of SHA256SUMS without quoting: that is why
RESTORE.txt can be plain.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime

from msgspec import Struct

from thaniya_core.errors import IllegalName

_USER = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@=,%-]{0,199}")
_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}")
_SLOT = re.compile(r"thaniya_[0-9]{2,3}")

BACKUP_FILE = "backup.json"
SUMS_FILE = "SHA256SUMS"
RESTORE_FILE = "RESTORE.txt"
NOTES_FILE = "backup.notes.json"
DOCUMENT_FILES = frozenset({BACKUP_FILE, SUMS_FILE, RESTORE_FILE})
"""Every backup has them; they never change."""
RESERVED_FILES = DOCUMENT_FILES | {NOTES_FILE}
"""Written by the archive itself; an upload may not bring files of these names."""


class Series(Struct, frozen=True, order=True):
    """The line of backups that belong together, written `alice/web1/nightly`."""

    user: str
    host: str
    name: str

    def __str__(self) -> str:
        return f"{self.user}/{self.host}/{self.name}"


def parse_series(text: str) -> Series:
    """Read `user/host/name`.

    Raises:
        IllegalName: there are not three legal parts.
    """
    parts = text.split("/")
    if len(parts) != 3:
        raise IllegalName(f"{text!r} is not a series", hint="a series is written user/host/name")
    return Series(check_user(parts[0]), check_host(parts[1]), check_series_name(parts[2]))


def check_user(name: str) -> str:
    """Give the name back when it may be a user's: a lower-case letter, then up to 31 of a-z 0-9 _ -."""
    if not _USER.fullmatch(name):
        raise IllegalName(
            f"{_shown(name)} is not a legal user name",
            hint="a lower-case letter, then up to 31 of a-z 0-9 _ -",
        )
    return name


def check_host(name: str) -> str:
    """Give the name back when it may be a host's in a series: up to 64 of A-Z a-z 0-9 . _ -, first no sign."""
    return _check_label(name, "host")


def check_series_name(name: str) -> str:
    """Give the name back when it may be a series' last part; the rule is that of `check_host`."""
    return _check_label(name, "series")


def _check_label(name: str, what: str) -> str:
    if not _LABEL.fullmatch(name):
        raise IllegalName(
            f"{_shown(name)} is not a legal {what} name",
            hint="up to 64 of A-Z a-z 0-9 . _ - and no sign at the beginning",
        )
    return name


def check_file(name: str) -> str:
    """Give the name back when an uploaded file may bear it.

    Up to 200 of A-Z a-z 0-9 . _ + @ = , % -, beginning with a letter, a digit or _, and none of the names that the
    archive writes itself.
    """
    if name in RESERVED_FILES:
        raise IllegalName(f"{name!r} is written by the archive itself", hint="upload the file under another name")
    if not _FILE.fullmatch(name):
        raise IllegalName(
            f"{_shown(name)} is not a legal file name",
            hint="one name without a directory: up to 200 of A-Z a-z 0-9 . _ + @ = , % - and no sign at the beginning",
        )
    return name


def is_legal_file(name: str) -> bool:
    """Whether `check_file` lets the name pass."""
    return name not in RESERVED_FILES and _FILE.fullmatch(name) is not None


def check_slot(name: str) -> str:
    """Give the name back when it is a slot account's: thaniya_01 to thaniya_999."""
    if not _SLOT.fullmatch(name):
        raise IllegalName(f"{_shown(name)} is not a slot", hint="slots are called thaniya_01, thaniya_02 and so on")
    return name


def slot_name(number: int) -> str:
    """The name of slot `number`, counted from 1."""
    return check_slot(f"thaniya_{number:02d}")


def check_id(text: str) -> str:
    """Give the text back when it is the id of an upload, backup or job."""
    if not _ID.fullmatch(text):
        raise IllegalName(f"{_shown(text)} is not an id", hint="ids look like 20261123T211500Z-7f3a2c")
    return text


def make_id(now: datetime) -> str:
    """A new id: the time in UTC and six random hex digits. Ids sort by time."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def id_time(identifier: str) -> datetime:
    """The time an id was made, to the second."""
    return datetime.strptime(check_id(identifier)[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def _shown(text: str) -> str:
    """A foreign text in a message: quoted, control characters escaped, never long."""
    return repr(text if len(text) <= 80 else text[:77] + "...")
