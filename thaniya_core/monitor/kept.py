"""The survey that was made last, as a file: for those who would rather have it at once than afresh."""

from __future__ import annotations

from pathlib import Path

import msgspec

from thaniya_core.errors import ThaniyaError
from thaniya_core.monitor.survey import Survey
from thaniya_core.system.files import make_directories, os_errors, write_atomic


def keep_survey(file: Path, survey: Survey) -> None:
    """Keep a survey in place of the one before, for this account only.

    Raises:
        ThaniyaError: the file cannot be written, or a text in it is no UTF-8.
    """
    try:
        data = msgspec.json.encode(survey)
    except UnicodeError as exc:
        raise ThaniyaError(f"cannot keep the survey: {exc}") from exc
    with os_errors("keep the survey"):
        make_directories(file.parent)
        write_atomic(file, data, 0o600)


def read_survey(file: Path) -> Survey | None:
    """The survey that was kept; None where none can be read: another is made soon, and nothing rests on this one."""
    try:
        return decode_survey(file.read_bytes())
    except (OSError, ValueError):
        return None


def decode_survey(data: bytes) -> Survey:
    """A survey from JSON; what another version of Thaniya has added is passed over.

    Raises:
        ValueError: it is none.
    """
    return msgspec.json.decode(data, type=Survey)
