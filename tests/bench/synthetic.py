"""Makes a volume full of small backups, quickly: real directories with real documents, sums that fit and a real tar.

    python tests/bench/synthetic.py VOLUME [--backups 100000] [--series 2000]

Each backup can be listed, verified and restored. The data files of a series are hard links to one copy.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice, product
from pathlib import Path

from thaniya_core.cli.demo.made import Content, Tree, made_file, write_backup
from thaniya_core.formats.manifest import BackupDocument, BackupFile, FileKind, Manifest, SumsBy, make_document
from thaniya_core.formats.names import Series
from thaniya_core.formats.volume import VOLUME_FILE, VolumeDocument, backup_directory, encode_volume, series_directory
from thaniya_core.model import Job, JobKind, JobState, Upload, UploadState
from thaniya_core.store.jsonfile import JsonFile
from thaniya_core.store.records import JOBS, UPLOADS
from thaniya_core.store.rules import day_of

VOLUME_ID = "20200101T000000Z-000001"
END = datetime(2026, 11, 23, 2, tzinfo=UTC)
"""When the newest backups were made; the others a day apart before it."""
_CONTENT = b"what was backed up\n"


def name_series(count: int) -> list[Series]:
    """So many series: twenty users with as many hosts each as it takes, and ten series a host."""
    hosts = -(-count // 200)
    users = (f"user{number:02}" for number in range(20))
    names = (f"series-{number}" for number in range(10))
    each = product(list(users), range(hosts), list(names))
    return [Series(user, f"host{host:02}.example.org", name) for user, host, name in islice(each, count)]


def make_files() -> dict[BackupFile, Content]:
    """The files of a backup, each with its content: a tar archive, the list of what is in it, a log."""
    tree = Tree("home", ["notes.txt"], len(_CONTENT), _CONTENT, END)
    log = made_file(BackupFile("client.log", "", kind=FileKind.LOG), b"2026-11-23 02:00:00 packing home\n" * 20)
    return {**tree.files(1), **dict([log])}


def make_documents(
    series: Series, number: int, backups: int, files: tuple[BackupFile, ...]
) -> Iterator[BackupDocument]:
    """backup.json of each backup of a series, the oldest first.

    Args:
        series: whose.
        number: of the series; no two backups get the same id.
        backups: how many.
        files: of each.
    """
    manifest = Manifest(files, started_at=END, ended_at=END, client="thaniya-client 0.1.0")
    for age in range(backups - 1, -1, -1):
        at = END - timedelta(days=age, seconds=number)
        done = at + timedelta(seconds=20)
        yield make_document(
            series,
            f"{at:%Y%m%dT%H%M%SZ}-{number:06x}",
            files,
            manifest,
            sums_by=SumsBy.CLIENT,
            created_at=at,
            completed_at=done,
            archived_at=done,
            server="thaniya 0.1.0",
        )


def _make_series(root: Path, backups: int, numbered: tuple[int, Series]) -> None:
    number, series = numbered
    contents = make_files()
    series_directory(root, series).mkdir(parents=True)
    links: dict[str, Path] = {}
    for document in make_documents(series, number, backups, tuple(contents)):
        directory = backup_directory(root, series, document.id)
        write_backup(directory, document, contents, links)
        links = links or {file.name: directory / file.name for file in contents}


def make_volume(root: Path, backups: int, series: int) -> None:
    """Fill a new volume.

    Args:
        root: made when missing; must not be a volume.
        backups: how many in all, spread evenly.
        series: in how many series.
    """
    root.mkdir(parents=True, exist_ok=True)
    (root / VOLUME_FILE).write_bytes(encode_volume(VolumeDocument(VOLUME_ID, "synthetic")))
    with ProcessPoolExecutor() as pool:
        for _ in pool.map(partial(_make_series, root, backups // series), enumerate(name_series(series)), chunksize=20):
            pass


def make_history(state: Path, series: list[Series], now: datetime, days: int) -> None:
    """Write the history of a server to which each series was backed up once a day: an upload and a job each.

    Args:
        state: the directory of the state; must have no history.
        series: which.
        now: when those of the last day have ended.
        days: how many; each is full, also the last.
    """
    for age in range(days):
        ended_at = now - timedelta(days=age)
        uploads, jobs = {}, {}
        for number, each in enumerate(series):
            upload, job = make_ended(each, f"{ended_at:%Y%m%dT%H%M%SZ}-{number:06x}", ended_at)
            uploads[upload.id], jobs[job.id] = UPLOADS.encode(upload), JOBS.encode(job)
        JsonFile(state / "history" / f"{day_of(ended_at)}.json").write({"uploads": uploads, "jobs": jobs})


def make_ended(series: Series, identifier: str, at: datetime) -> tuple[Upload, Job]:
    """An upload that was archived, and the job that did it."""
    upload = Upload(
        identifier,
        *(series.user, series.host, series.name),
        slot="thaniya_01",
        created_at=at,
        last_activity_at=at,
        state=UploadState.ARCHIVED,
        expected_bytes=10**9,
        reserved_bytes=11 * 10**8,
        allowed_bytes=11 * 10**8 + 2**20,
        received_bytes=10**9,
        received_files=3,
        peer="203.0.113.7",
        completed_at=at,
        manifest_digest=hashlib.sha256(identifier.encode()).hexdigest(),
        ended_at=at,
        stored_bytes=10**9,
        volume=VOLUME_ID,
    )
    job = Job(identifier, JobKind.ARCHIVE, identifier, created_at=at, not_before=at, state=JobState.DONE, ended_at=at)
    return upload, job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("volume", type=Path)
    parser.add_argument("--backups", type=int, default=100_000)
    parser.add_argument("--series", type=int, default=2_000)
    arguments = parser.parse_args()
    begun = time.perf_counter()
    make_volume(arguments.volume, arguments.backups, arguments.series)
    print(f"{arguments.backups:,} backups in {time.perf_counter() - begun:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
