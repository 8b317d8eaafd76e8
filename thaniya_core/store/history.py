"""The history on disk: ended uploads and jobs, `<YYYY-MM-DD>.json` by the day they ended.

Earlier versions wrote a file a month, `<YYYY-MM>.json`; these are read as they are. A *period* is what a file stands
for: its name without the suffix.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from thaniya_core.formats.names import id_time
from thaniya_core.model import EndedUpload, Job, Upload
from thaniya_core.store.cache import ContentCache
from thaniya_core.store.jsonfile import JsonFile
from thaniya_core.store.records import Draft, Kind, records_of
from thaniya_core.store.rules import day_of, end_of, newest_last
from thaniya_core.store.tiny import TinyFile
from thaniya_core.store.views import HISTORY_KINDS

_Ended = TypeVar("_Ended", Upload, Job)

_FILE = re.compile(r"[0-9]{4}-[0-9]{2}(-[0-9]{2})?\.json")

_CLOCK_STEP = timedelta(days=1)
"""A clock that is put back by less than this hides no earlier record of the same id."""


class _Outline(Struct, frozen=True):
    """Of a file what `EndedUpload` needs."""

    uploads: dict[str, EndedUpload] = {}


class History:
    """Ended uploads and jobs in a directory. Whoever adds or drops holds the lock of the history."""

    def __init__(self, directory: Path, cache: ContentCache) -> None:
        self._directory = directory
        self._cache = cache

    def add(self, kind: Kind[_Ended], record: _Ended) -> None:
        """Keep a record under the day it ended on, and remove what there is of its id elsewhere."""
        day = day_of(end_of(record))
        self._change(day, kind, put=record)
        text, first = _as_text(record.id), day_of(record.created_at - _CLOCK_STEP)
        for period in self._periods():
            if period != day and _last_day(period) >= first and self._file(period).holds(text):
                self._change(period, kind, remove=record.id)

    def _change(self, period: str, kind: Kind[_Ended], put: _Ended | None = None, remove: str = "") -> None:
        file = self._records(period)
        content = file.read()
        draft = Draft(kind, content)
        if put is None:
            draft.remove(remove)
        else:
            draft.put(put)
        file.commit(content, [draft])

    def find(self, kind: Kind[_Ended], key: str) -> _Ended | None:
        """The record of an id; only files that hold the text of the id are decoded.

        Looked for first on the day the id was made, then on those after it. A file that is broken is told when nothing
        is found.
        """
        text, day = _as_text(key), day_of(id_time(key))
        periods = self._periods()
        earlier = [period for period in periods if _last_day(period) < day]
        for period in periods[len(earlier) :] + earlier[::-1]:
            if self._file(period).holds(text):
                record = records_of(kind, self._records(period).read()).get(key)
                if record is not None:
                    return record
        for period in periods:
            self._file(period).read()
        return None

    def read(self, kind: Kind[_Ended]) -> Iterator[_Ended]:
        """All records, the newest end first, read day by day; a month in one file is read when its time comes."""
        for _, periods in groupby(reversed(self._periods()), key=lambda period: period[:7]):
            days: list[str] = []
            months: list[str] = []
            for period in periods:
                (days if _is_day(period) else months).append(period)
            of_months = [self._read_all(kind, [month]) for month in months]
            yield from heapq.merge(self._read_all(kind, days), *of_months, key=newest_last, reverse=True)

    def _read_all(self, kind: Kind[_Ended], periods: list[str]) -> Iterator[_Ended]:
        for period in periods:
            records = records_of(kind, self._records(period).read())
            yield from sorted(records.values(), key=newest_last, reverse=True)

    def read_ended_uploads(self, since: datetime) -> Iterator[EndedUpload]:
        """Uploads that ended at or after an instant, in no order."""
        first = day_of(since)
        for period in self._periods():
            outline = self._file(period).read_as(_Outline) if _last_day(period) >= first else None
            if outline is not None:
                yield from (upload for upload in outline.uploads.values() if upload.ended_at >= since)

    def drop(self, before: datetime) -> list[str]:
        """Remove the files whose last day is before that of an instant; gives their periods, the oldest first."""
        dropped = [period for period in self._periods() if _last_day(period) < day_of(before)]
        for period in dropped:
            self._records(period).remove()
        return dropped

    def _file(self, period: str) -> JsonFile:
        return JsonFile(self._directory / f"{period}.json")

    def _records(self, period: str) -> TinyFile:
        return TinyFile(self._file(period), HISTORY_KINDS, self._cache)

    def _periods(self) -> list[str]:
        """Every period there is a file of, in the order of their last days."""
        files = self._directory.glob("*.json")
        return sorted((file.stem for file in files if _FILE.fullmatch(file.name)), key=_last_day)


def _as_text(key: str) -> bytes:
    """What stands in a file that has a record of this id."""
    return msgspec.json.encode(key)


def _is_day(period: str) -> bool:
    return len(period) == len("2026-11-23")


def _last_day(period: str) -> str:
    """The last day of a period, to be compared with days; a month counts as if it had 31."""
    return period if _is_day(period) else f"{period}-31"
