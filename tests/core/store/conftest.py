"""Both stores, and builders of records."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from thaniya_core.formats.manifest import BackupDocument, BackupFile, SumsBy
from thaniya_core.model import Backup, Job, JobKind, Upload
from thaniya_core.store import MemoryStore, Store, TinyStore

NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)


def _id(number: int) -> str:
    return f"20261123T211500Z-{number:06x}"


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture(params=["tiny", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else TinyStore(tmp_path / "state")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def tiny(directory: Path) -> TinyStore:
    return TinyStore(directory)


@pytest.fixture
def make_upload() -> Callable[..., Upload]:
    def make(number: int, **changes: object) -> Upload:
        upload = Upload(_id(number), "alice", "web1", "nightly", "thaniya_01", NOW, NOW)
        return replace(upload, **changes)

    return make


@pytest.fixture
def make_job() -> Callable[..., Job]:
    def make(number: int, **changes: object) -> Job:
        return replace(Job(_id(number), JobKind.ARCHIVE, _id(number), NOW, NOW), **changes)

    return make


@pytest.fixture
def make_backup() -> Callable[..., Backup]:
    def make(number: int, **changes: object) -> Backup:
        document = BackupDocument(
            id=_id(number),
            user="alice",
            host="web1",
            name="nightly",
            created_at=NOW + timedelta(seconds=number),
            completed_at=NOW + timedelta(seconds=number),
            archived_at=NOW + timedelta(seconds=number),
            files=(BackupFile("home.tar.gz", "0" * 64, 10),),
            stored_bytes=10,
            original_bytes=20,
            sums_by=SumsBy.CLIENT,
        )
        return Backup(replace(document, **changes), "v1")

    return make
