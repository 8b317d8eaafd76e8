"""Tables of records in a file, by TinyDB. No other module knows TinyDB.

TinyDB by itself rewrites its file in place at each change and has no lock. Here it works on a storage that holds the
tables in memory; the file below is read once, and written at most once, atomically, at the end of a transaction. What
is only read is decoded straight into records: TinyDB's way over dictionaries takes several times as long. What a
transaction leaves alone goes through TinyDB undecoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import msgspec
from msgspec import Struct
from tinydb import TinyDB
from tinydb.storages import Storage
from tinydb.table import Document, Table

from thaniya_core.errors import StateUnreadable
from thaniya_core.store.cache import ContentCache
from thaniya_core.store.jsonfile import Identity, JsonFile, RawTables, Tables
from thaniya_core.store.records import AnyDraft, AnyKind, Content, merge


class _KeyedTable(Table):
    """A table whose documents are found by the keys of our records instead of by numbers."""

    document_id_class = str  # type: ignore[assignment]


class _Database(TinyDB):
    table_class = _KeyedTable


class _FileStorage(Storage):
    """What TinyDB works on: the tables of a file, in memory from the first reading until `commit`."""

    def __init__(self, file: JsonFile) -> None:
        self._file = file
        self._raw: RawTables | None = None
        self._tables: Tables | None = None
        self.identity: Identity | None = None
        """Of the file that the tables were read from; None when there was none."""

    def read_raw(self) -> RawTables:
        """The tables as they stand in the file."""
        if self._raw is None:
            self.identity, self._raw = self._file.read() or (None, {})
        return self._raw

    def read(self) -> Tables:
        if self._tables is None:
            self._tables = {name: {**self._file.split(name, raw)} for name, raw in self.read_raw().items()}
        return self._tables

    def write(self, data: Tables) -> None:
        self._tables = data

    def commit(self) -> Identity:
        """Write the tables to the file, each in the order of its keys."""
        return self._file.write({name: dict(sorted(table.items())) for name, table in self.read().items()})


class TinyFile:
    """One file of records. Open it anew for each reading and each transaction."""

    def __init__(self, file: JsonFile, kinds: Sequence[AnyKind], cache: ContentCache) -> None:
        self._file = file
        self._kinds = kinds
        self._cache = cache
        self._storage = _FileStorage(file)
        self._database = _Database(storage=lambda: self._storage)

    @property
    def identity(self) -> Identity | None:
        """Of the file that was parsed; None while none was."""
        return self._storage.identity

    def unreadable(self, what: str, hint: str = "") -> StateUnreadable:
        """The error for what is wrong with the file."""
        return self._file.unreadable(what, hint)

    def read(self) -> Content:
        """All records, none where there is no file; it is parsed only when it has changed."""
        identity = self._file.identity()
        content = self._cache.get(self._file.path, identity) if identity else {}
        if content is None:
            content = self.read_afresh()
            if self._storage.identity:
                self._cache.keep(self._file.path, self._storage.identity, content)
        return content

    def read_afresh(self) -> Content:
        """All records, parsed whatever is kept of the file."""
        return {kind.table: self._decode(kind) for kind in self._kinds}

    def _decode(self, kind: AnyKind) -> Mapping[str, Struct]:
        raw = self._storage.read_raw().get(kind.table)
        if raw is None:
            return {}
        try:
            records = kind.decode_table(raw)
        except (msgspec.MsgspecError, UnicodeError):
            records = self._decode_each(kind, raw)
        for key, record in records.items():
            if kind.key(record) != key:
                raise self._file.unreadable(f"{kind.table}/{key}: the record says it is {kind.key(record)!r}")
        return dict(sorted(records.items()))

    def _decode_each(self, kind: AnyKind, raw: msgspec.Raw) -> Mapping[str, Struct]:
        """Decode record by record, so that the error names the one that is wrong."""
        records: dict[str, Struct] = {}
        for key, record in self._file.split(kind.table, raw).items():
            try:
                records[key] = kind.decode(record)
            except (msgspec.MsgspecError, UnicodeError) as exc:
                raise self._file.unreadable(f"{kind.table}/{key}: {exc}") from exc
        return records

    def commit(self, content: Content, drafts: Iterable[AnyDraft]) -> None:
        """Write what the drafts changed in the content that was read. The caller holds the lock."""
        changed = [draft for draft in drafts if draft.changes]
        if not changed:
            return
        for draft in changed:
            table = self._database.table(draft.table)
            known = content.get(draft.table, {})
            table.remove(doc_ids=cast("list[int]", [key for key in draft.changes if key in known]))
            # TinyDB's types know numbers only, and are told so.
            table.insert_multiple(Document(fields, cast("int", key)) for key, fields in draft.encoded().items())
        self._cache.keep(self._file.path, self._storage.commit(), merge(content, changed))

    def replace(self, drafts: Iterable[AnyDraft]) -> None:
        """Write the drafts alone, without reading what is there. The caller holds the lock."""
        self._storage.write({})
        self.commit({}, drafts)

    def remove(self) -> None:
        """Remove the file. The caller holds the lock."""
        self._file.remove()
        self._cache.drop(self._file.path)
