"""Records in memory: what kinds there are, a view of them, and the draft that a transaction works on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Generic, Protocol, TypeVar, cast

import msgspec
from msgspec import Struct

from thaniya_core.errors import WrongUsage
from thaniya_core.model import (
    Backup,
    ChannelRecord,
    Expectation,
    Job,
    PingRecord,
    RetentionSetting,
    RunRecord,
    Slot,
    Upload,
    User,
    Volume,
)

R = TypeVar("R", bound=Struct)

Content = Mapping[str, Mapping[str, Struct]]
"""Records by table and key, each table in the order of its keys. Never changed, only replaced."""


@dataclass(frozen=True)
class Kind(Generic[R]):
    """One kind of record: the table it lies in, its type, and what it is found by."""

    table: str
    type: type[R]
    key: Callable[[R], str]

    def decode_table(self, data: bytes | msgspec.Raw) -> dict[str, R]:
        """All records of a table, from its JSON.

        Raises:
            msgspec.MsgspecError, UnicodeError: one is not of this kind; `decode` tells which.
        """
        return self._table_decoder.decode(data)

    @cached_property
    def _table_decoder(self) -> msgspec.json.Decoder[dict[str, R]]:
        return msgspec.json.Decoder(dict[str, self.type], dec_hook=_decode_path)  # type: ignore[name-defined]

    def decode(self, data: bytes | msgspec.Raw) -> R:
        """A record from its JSON.

        Raises:
            msgspec.MsgspecError, UnicodeError: a field is missing or of a wrong type.
        """
        return msgspec.json.decode(data, type=self.type, dec_hook=_decode_path)

    def encode(self, record: R) -> dict[str, object]:
        """The record as dictionaries, lists, strings and numbers."""
        return cast("dict[str, object]", msgspec.to_builtins(record, enc_hook=_encode_path))

    def as_stored(self, record: R) -> R:
        """The record as it will be read back, so that nothing gets into a store that cannot come out again.

        Raises:
            WrongUsage: it cannot be stored; mostly a text with bytes that are no UTF-8.
        """
        try:
            return self.decode(msgspec.json.encode(record, enc_hook=_encode_path))
        except (msgspec.MsgspecError, UnicodeError) as exc:
            raise WrongUsage(f"{self.table}/{self.key(record)!r} cannot be stored: {exc}") from exc


USERS = Kind("users", User, lambda user: user.name)
SLOTS = Kind("slots", Slot, lambda slot: slot.name)
UPLOADS = Kind("uploads", Upload, lambda upload: upload.id)
VOLUMES = Kind("volumes", Volume, lambda volume: volume.id)
JOBS = Kind("jobs", Job, lambda job: job.id)
RETENTION = Kind("retention", RetentionSetting, lambda setting: setting.scope)
EXPECTATIONS = Kind("expectations", Expectation, lambda expectation: expectation.series)
CHANNELS = Kind("channels", ChannelRecord, lambda record: record.name)
PINGS = Kind("pings", PingRecord, lambda record: record.key)
RUNS = Kind("runs", RunRecord, lambda record: record.name)
BACKUPS = Kind("backups", Backup, lambda backup: backup.id)


class SizedDocument(Struct, frozen=True):
    """Of a backup's document what its size needs."""

    id: str
    stored_bytes: int


class SizedBackup(Struct, frozen=True):
    """Of a backup what its size needs: quick to read, however much there is of the rest."""

    document: SizedDocument


BACKUP_SIZES = Kind("backups", SizedBackup, lambda backup: backup.document.id)


class Records(Generic[R]):
    """The records of one kind as they were at one instant."""

    def __init__(self, kind: Kind[R], content: Content) -> None:
        self._records = records_of(kind, content)

    def get(self, key: str) -> R | None:
        return self._records.get(key)

    def all(self) -> list[R]:
        return list(self._records.values())


class Draft(Generic[R]):
    """The records of one kind inside a transaction: what was read, and what is to change."""

    def __init__(self, kind: Kind[R], content: Content) -> None:
        self._kind = kind
        self._read = records_of(kind, content)
        self._changes: dict[str, R | None] = {}
        self._merged: Mapping[str, R] | None = None
        """Known until the next change."""
        self._ended = False

    @property
    def table(self) -> str:
        return self._kind.table

    @property
    def changes(self) -> Mapping[str, R | None]:
        """What differs from what was read; None for a record that is removed."""
        return self._changes

    def get(self, key: str) -> R | None:
        return self._changes[key] if key in self._changes else self._read.get(key)

    def all(self) -> list[R]:
        return list(self.merged().values())

    def put(self, record: R) -> None:
        record = self._kind.as_stored(record)
        self._change(self._kind.key(record), record)

    def remove(self, key: str) -> bool:
        was_there = self.get(key) is not None
        self._change(key, None)
        return was_there

    def _change(self, key: str, record: R | None) -> None:
        if self._ended:
            raise RuntimeError(f"the transaction has ended: {self.table} can no longer be changed")
        self._merged = None
        if record == self._read.get(key):
            self._changes.pop(key, None)
        else:
            self._changes[key] = record

    def merged(self) -> Mapping[str, R]:
        """The records with the changes carried out, in the order of the keys."""
        if not self._changes:
            return self._read
        if self._merged is None:
            merged = {**self._read, **self._changes}
            self._merged = {key: record for key, record in sorted(merged.items()) if record is not None}
        return self._merged

    def encoded(self) -> dict[str, dict[str, object]]:
        """The records that were put, as the file holds them."""
        return {key: self._kind.encode(record) for key, record in self._changes.items() if record is not None}

    def end(self) -> None:
        """Refuse further changes: they would be lost."""
        self._ended = True


class AnyDraft(Protocol):
    """A draft of whatever kind."""

    @property
    def table(self) -> str: ...
    @property
    def changes(self) -> Mapping[str, Struct | None]: ...
    def merged(self) -> Mapping[str, Struct]: ...
    def encoded(self) -> dict[str, dict[str, object]]: ...
    def end(self) -> None: ...


class AnyKind(Protocol):
    """A kind whose records are of whatever type."""

    @property
    def table(self) -> str: ...
    @property
    def key(self) -> Callable[..., str]: ...
    def decode_table(self, data: bytes | msgspec.Raw) -> Mapping[str, Struct]: ...
    def decode(self, data: bytes | msgspec.Raw) -> Struct: ...


def records_of(kind: Kind[R], content: Content) -> Mapping[str, R]:
    """One table of a content, with its type."""
    return cast("Mapping[str, R]", content.get(kind.table, {}))


def merge(content: Content, drafts: Iterable[AnyDraft]) -> Content:
    """The content with the changes of the drafts carried out."""
    return {**content, **{draft.table: draft.merged() for draft in drafts}}


def _encode_path(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be stored")


def _decode_path(wanted: type, value: object) -> object:
    if wanted is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"expected {wanted.__name__}")
