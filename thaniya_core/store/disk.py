"""The store on disk: which file holds what, and which lock guards it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from thaniya_core.errors import IllegalName
from thaniya_core.formats.names import Series, check_user, parse_series
from thaniya_core.model import Backup, EndedUpload, Event, Job, Upload
from thaniya_core.store.cache import ContentCache
from thaniya_core.store.events import EventLog, LoggedEvent, LogPlace
from thaniya_core.store.history import History
from thaniya_core.store.jsonfile import Identity, JsonFile
from thaniya_core.store.key_uses import KeyUses
from thaniya_core.store.records import BACKUP_SIZES, BACKUPS, JOBS, UPLOADS, Content, records_of
from thaniya_core.store.rules import TransactionGuard, check_series, end_of
from thaniya_core.store.tiny import TinyFile
from thaniya_core.store.views import CATALOG_KINDS, STATE_KINDS, CatalogDraft, StateDraft, StateSnapshot
from thaniya_core.system.files import make_directories, os_errors
from thaniya_core.system.locks import locked


class TinyStore:
    """A `Store` in a directory: `state.json` and directories beside it. Safe between threads and processes."""

    def __init__(self, directory: Path) -> None:
        """Do nothing yet; the directory is made when something is written."""
        self._directory = directory
        self._cache = ContentCache()
        self._sums: dict[Path, tuple[Identity, int]] = {}
        """What the backups of a catalog file take together, and which state of the file says so."""
        self._has_state = False
        """Whether this process has seen a state."""
        self._guard = TransactionGuard()
        self._history = History(directory / "history", self._cache)
        self._events = EventLog(directory / "log")
        self._key_uses = KeyUses(directory / "keys")

    def read(self) -> StateSnapshot:
        return StateSnapshot(self._read_state(self._state()))

    def _read_state(self, file: TinyFile) -> Content:
        content = file.read()
        if content:
            self._has_state = True
        elif self._has_state:
            # The directory may be a disk that is not mounted any more; what is written now would lie below it.
            raise file.unreadable("it was there and is gone", hint="see whether its disk is mounted")
        return content

    @contextmanager
    def transaction(self) -> Iterator[StateDraft]:
        with self._guard.entered(), self._locked("state"):
            file = self._state()
            content = self._read_state(file)
            draft = StateDraft(content)
            try:
                yield draft
            finally:
                draft.end()
            file.commit(content, draft.drafts)

    def catalog_series(self) -> list[Series]:
        return self._series_of("*")

    def _series_of(self, user: str) -> list[Series]:
        found: list[Series] = []
        for path in (self._directory / "catalog").glob(f"{user}/*/*.json"):
            try:
                found.append(parse_series("/".join((*path.parts[-3:-1], path.stem))))
            except IllegalName:
                continue  # not a file of ours
        return sorted(found)

    def read_catalog(self, series: Series) -> list[Backup]:
        return list(records_of(BACKUPS, self._catalog(series).read()).values())

    def find_backups(self, id_prefix: str, user: str = "") -> Iterator[Backup]:
        # Each record stands in its file under its id: files that do not hold the text need not be decoded.
        text = msgspec.json.encode(id_prefix)[:-1]
        some = False
        series = self._series_of(check_user(user) if user else "*")
        for each in series:
            if self._catalog_file(each).holds(text):
                for backup in self.read_catalog(each):
                    if backup.id.startswith(id_prefix):
                        some = True
                        yield backup
        if not some:
            for each in series:
                self.read_catalog(each)  # one that is broken is told, and not passed over

    def stored_bytes(self, user: str) -> int:
        return sum(self._stored_bytes(series) for series in self._series_of(check_user(user)))

    def _stored_bytes(self, series: Series) -> int:
        json_file = self._catalog_file(series)
        identity = json_file.identity()
        known = self._sums.get(json_file.path)
        if known is not None and known[0] == identity:
            return known[1]
        file = TinyFile(json_file, (BACKUP_SIZES,), self._cache)
        total = sum(backup.document.stored_bytes for backup in records_of(BACKUP_SIZES, file.read_afresh()).values())
        if file.identity is not None:
            self._sums[json_file.path] = file.identity, total
        return total

    @contextmanager
    def catalog_transaction(self, series: Series) -> Iterator[CatalogDraft]:
        with self._guard.entered(), self._locked("catalog"):
            file = self._catalog(series)
            content = file.read()
            draft = CatalogDraft(series, content)
            try:
                yield draft
            finally:
                draft.end()
            if draft.changes and not draft.merged():
                file.remove()
            else:
                file.commit(content, [draft])

    def replace_catalog(self, series: Series, backups: Iterable[Backup]) -> None:
        draft = CatalogDraft(series, {})
        for backup in backups:
            draft.put(backup)
        with self._guard.entered(), self._locked("catalog"):
            file = self._catalog(series)
            if draft.changes:
                file.replace([draft])
            else:
                file.remove()

    def add_history(self, record: Upload | Job) -> None:
        end_of(record)
        with self._locked("history"):
            if isinstance(record, Upload):
                self._history.add(UPLOADS, record)
            else:
                self._history.add(JOBS, record)

    def find_ended_upload(self, upload_id: str) -> Upload | None:
        return self._history.find(UPLOADS, upload_id)

    def find_ended_job(self, job_id: str) -> Job | None:
        return self._history.find(JOBS, job_id)

    def read_upload_history(self) -> Iterator[Upload]:
        return self._history.read(UPLOADS)

    def read_ended_uploads(self, since: datetime) -> Iterator[EndedUpload]:
        return self._history.read_ended_uploads(since)

    def read_job_history(self) -> Iterator[Job]:
        return self._history.read(JOBS)

    def drop_history(self, before: datetime) -> list[str]:
        with self._locked("history"):
            return self._history.drop(before)

    def note_key_use(self, fingerprint: str, at: datetime) -> None:
        self._key_uses.note(fingerprint, at)

    def key_uses(self) -> dict[str, datetime]:
        return self._key_uses.read()

    def forget_key_use(self, fingerprint: str) -> None:
        self._key_uses.forget(fingerprint)

    def add_event(self, event: Event) -> None:
        self._events.add(event)

    def read_events(self, since: datetime | None = None) -> Iterator[Event]:
        return self._events.read(since)

    def read_newest_events(self) -> Iterator[Event]:
        return self._events.newest()

    def read_events_after(self, place: LogPlace) -> Iterator[tuple[Event, LogPlace]]:
        return self._events.read_after(place)

    def read_events_before(self, place: LogPlace) -> Iterator[LoggedEvent]:
        return self._events.read_before(place)

    def end_of_events(self) -> LogPlace:
        return self._events.end()

    def drop_events(self, before: datetime) -> list[str]:
        return self._events.drop(before)

    def _state(self) -> TinyFile:
        return TinyFile(JsonFile(self._directory / "state.json"), STATE_KINDS, self._cache)

    def _catalog(self, series: Series) -> TinyFile:
        return TinyFile(self._catalog_file(series), CATALOG_KINDS, self._cache)

    def _catalog_file(self, series: Series) -> JsonFile:
        check_series(series)
        path = self._directory / "catalog" / series.user / series.host / f"{series.name}.json"
        return JsonFile(path, rebuilt_by="thaniya catalog rebuild")

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        # A file of its own: the data file is renamed over, and a lock on what was renamed over excludes nobody.
        with ExitStack() as stack:
            with os_errors(f"lock the {name}"):
                make_directories(self._directory)
                stack.enter_context(locked(self._directory / f"{name}.lock"))
            yield
