"""The store in memory, for tests: it behaves as the store on disk does and forgets everything at the end."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from thaniya_core.formats.names import Series, check_id, check_user
from thaniya_core.model import Backup, EndedUpload, Event, Job, Upload
from thaniya_core.store.events import LoggedEvent, LogPlace, decode_event, encode_event
from thaniya_core.store.key_uses import check_fingerprint
from thaniya_core.store.records import BACKUPS, JOBS, UPLOADS, Content, merge, records_of
from thaniya_core.store.rules import TransactionGuard, check_series, day_of, end_of, month_of, newest_last
from thaniya_core.store.views import CatalogDraft, StateDraft, StateSnapshot


class MemoryStore:
    """A `Store` in memory. Safe between threads."""

    def __init__(self) -> None:
        self._guard = TransactionGuard()
        self._state_lock = threading.Lock()
        self._catalog_lock = threading.Lock()
        self._log_lock = threading.Lock()
        self._state: Content = {}
        self._catalog: dict[Series, Content] = {}
        self._uploads: dict[str, Upload] = {}
        self._jobs: dict[str, Job] = {}
        self._events: list[bytes] = []
        self._key_uses: dict[str, datetime] = {}

    def read(self) -> StateSnapshot:
        return StateSnapshot(self._state)

    @contextmanager
    def transaction(self) -> Iterator[StateDraft]:
        with self._guard.entered(), self._state_lock:
            draft = StateDraft(self._state)
            try:
                yield draft
            finally:
                draft.end()
            self._state = merge(self._state, draft.drafts)

    def catalog_series(self) -> list[Series]:
        with self._catalog_lock:
            return sorted(self._catalog)

    def read_catalog(self, series: Series) -> list[Backup]:
        return list(records_of(BACKUPS, self._catalog.get(check_series(series), {})).values())

    def find_backups(self, id_prefix: str, user: str = "") -> Iterator[Backup]:
        if user:
            check_user(user)
        for series in self.catalog_series():
            if not user or series.user == user:
                yield from (backup for backup in self.read_catalog(series) if backup.id.startswith(id_prefix))

    def stored_bytes(self, user: str) -> int:
        return sum(backup.document.stored_bytes for backup in self.find_backups("", check_user(user)))

    @contextmanager
    def catalog_transaction(self, series: Series) -> Iterator[CatalogDraft]:
        check_series(series)
        with self._guard.entered(), self._catalog_lock:
            draft = CatalogDraft(series, self._catalog.get(series, {}))
            try:
                yield draft
            finally:
                draft.end()
            self._set_catalog(series, draft)

    def replace_catalog(self, series: Series, backups: Iterable[Backup]) -> None:
        draft = CatalogDraft(check_series(series), {})
        for backup in backups:
            draft.put(backup)
        with self._guard.entered(), self._catalog_lock:
            self._set_catalog(series, draft)

    def _set_catalog(self, series: Series, draft: CatalogDraft) -> None:
        if draft.merged():
            self._catalog[series] = merge({}, [draft])
        else:
            self._catalog.pop(series, None)

    def add_history(self, record: Upload | Job) -> None:
        end_of(record)
        with self._log_lock:
            if isinstance(record, Upload):
                self._uploads[record.id] = UPLOADS.as_stored(record)
            else:
                self._jobs[record.id] = JOBS.as_stored(record)

    def find_ended_upload(self, upload_id: str) -> Upload | None:
        return self._uploads.get(check_id(upload_id))

    def find_ended_job(self, job_id: str) -> Job | None:
        return self._jobs.get(check_id(job_id))

    def read_upload_history(self) -> Iterator[Upload]:
        with self._log_lock:
            records = sorted(self._uploads.values(), key=newest_last, reverse=True)
        yield from records

    def read_ended_uploads(self, since: datetime) -> Iterator[EndedUpload]:
        for upload in self.read_upload_history():
            ended = upload.in_few_words()
            if ended is not None and ended.ended_at >= since:
                yield ended

    def read_job_history(self) -> Iterator[Job]:
        with self._log_lock:
            records = sorted(self._jobs.values(), key=newest_last, reverse=True)
        yield from records

    def drop_history(self, before: datetime) -> list[str]:
        with self._log_lock:
            days = {day_of(end_of(upload)) for upload in self._uploads.values()}
            days |= {day_of(end_of(job)) for job in self._jobs.values()}
            dropped = {day for day in days if day < day_of(before)}
            self._uploads = {key: each for key, each in self._uploads.items() if day_of(end_of(each)) not in dropped}
            self._jobs = {key: each for key, each in self._jobs.items() if day_of(end_of(each)) not in dropped}
        return sorted(dropped)

    def note_key_use(self, fingerprint: str, at: datetime) -> None:
        check_fingerprint(fingerprint)
        self._key_uses[fingerprint] = at

    def key_uses(self) -> dict[str, datetime]:
        return dict(self._key_uses)

    def forget_key_use(self, fingerprint: str) -> None:
        self._key_uses.pop(check_fingerprint(fingerprint), None)

    def add_event(self, event: Event) -> None:
        line = encode_event(event)
        with self._log_lock:
            self._events.append(line)

    def read_events(self, since: datetime | None = None) -> Iterator[Event]:
        with self._log_lock:
            events = [event for line in self._events if (event := decode_event(line))]
        for event in sorted(events, key=lambda event: month_of(event.at)):
            if since is None or event.at >= since:
                yield event

    def read_newest_events(self) -> Iterator[Event]:
        return reversed(list(self.read_events()))

    def read_events_after(self, place: LogPlace) -> Iterator[tuple[Event, LogPlace]]:
        for each in self._placed_events():
            if _order(each.after) > _order(place):
                yield each.event, each.after

    def read_events_before(self, place: LogPlace) -> Iterator[LoggedEvent]:
        for each in reversed(list(self._placed_events())):
            if _order(each.after) <= _order(place):
                yield each

    def end_of_events(self) -> LogPlace:
        return max((each.after for each in self._placed_events()), key=_order, default=LogPlace(""))

    def _placed_events(self) -> Iterator[LoggedEvent]:
        month, offset = "", 0
        for event in self.read_events():
            month, offset = month_of(event.at), (offset + 1 if month_of(event.at) == month else 1)
            yield LoggedEvent(event, LogPlace(month, offset - 1), LogPlace(month, offset))

    def drop_events(self, before: datetime) -> list[str]:
        first = month_of(before)
        months = {month_of(event.at) for event in self.read_events()}
        with self._log_lock:
            events = ((line, decode_event(line)) for line in self._events)
            self._events = [line for line, event in events if event is None or month_of(event.at) >= first]
        return sorted(month for month in months if month < first)


def _order(place: LogPlace) -> tuple[str, int]:
    return place.month, place.offset
