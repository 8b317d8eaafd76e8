"""A server with a past: users, a year of backups that can be verified and restored, and what went wrong on the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from thaniya_core import __version__
from thaniya_core.cli.demo.deeds import Deeds
from thaniya_core.cli.demo.made import Dump, Files, Tree, made_file, write_backup
from thaniya_core.cli.demo.materials import client_log, make_material
from thaniya_core.cli.demo.traces import (
    SERVICE,
    SLOTS,
    archived_events,
    archived_job,
    archived_upload,
    failed_upload,
    make_mishaps,
    removal_event,
    verified_at,
)
from thaniya_core.cli.demo.year import (
    DAYS,
    HABITS,
    Habit,
    Run,
    all_runs,
    kept_runs,
    last_pruning,
    last_verification,
    make_past_id,
    midnight,
)
from thaniya_core.formats.manifest import BackupDocument, BackupFile, FileKind, Manifest, SumsBy, make_document
from thaniya_core.formats.notes import Notes
from thaniya_core.formats.volume import VOLUME_FILE, VolumeDocument, backup_directory, encode_volume
from thaniya_core.initialise import CONFIG_FILE, initialise
from thaniya_core.model import Backup, Event, Job, Upload
from thaniya_core.server import Server
from thaniya_core.store.filling import fill_history, fill_log
from thaniya_core.system.files import make_directories
from thaniya_core.testing import FixedClock

_FIRST_VOLUME_DAYS = 150
"""So many days ago the second volume was added, and the first took no more backups."""

_MARKS = {
    "alice/web1/site": (203, Notes(pinned=True, tags=("before-upgrade",))),
    "alice/db1/shop": (31, Notes(pinned=True, tags=("before-upgrade", "schema-4"))),
    "bob/lab-nas/measurements": (96, Notes(pinned=True, tags=("paper-2",))),
    "carol/web2/mail": (12, Notes(tags=("checked",))),
}
"""By series: the backup that was made so many days ago, and what people said of it."""

_EMPTY = "carol/db1/ledger"
"""The last backup of this series holds nothing."""

_BROKEN = "alice/web2/site"
"""A backup of this series is broken."""


class _Series(Struct, frozen=True):
    """What came of a series, and what is there still."""

    habit: Habit
    runs: list[Run]
    kept: set[str]
    material: Tree | Dump


def make_past(directory: Path, now: datetime, *, port: int = 2222) -> Path:
    """Make an embedded server with a year behind it; the same for the same `now`, whatever the machine.

    Args:
        directory: made when missing; must be empty.
        now: the last moment of that year, aware.
        port: where its SSH server will listen.

    Returns:
        Its thaniya.toml.

    Raises:
        AlreadyExists: there is a server in the directory.
    """
    return _Past(directory.absolute(), now, port).make()


class _Past:
    def __init__(self, directory: Path, now: datetime, port: int) -> None:
        self._directory = directory
        self._now = now
        self._port = port
        self._begin = midnight(now) - timedelta(days=DAYS + 4)
        self._volumes = (directory / "disk-1", directory / "disk-2")
        self._ids = tuple(make_past_id(self._volume_since(number), f"volume {number}") for number in (0, 1))
        self._uploads: list[Upload] = []
        self._jobs: list[Job] = []
        self._events: list[Event] = []
        self._verified: list[Event] = []
        self._freed_bytes: list[int] = []
        """Of each backup that retention removed when it ran last."""

    def _volume_since(self, number: int) -> datetime:
        return midnight(self._now) - timedelta(days=_FIRST_VOLUME_DAYS) if number else self._begin

    def make(self) -> Path:
        for path, volume_id in zip(self._volumes, self._ids, strict=True):
            make_directories(path)
            (path / VOLUME_FILE).write_bytes(encode_volume(VolumeDocument(volume_id, path.name)))
        clock = FixedClock(self._begin)
        server = initialise(
            self._directory, "login:root", slots=SLOTS, volume=self._volumes[0], port=self._port, clock=clock
        )
        deeds = Deeds(server, clock, self._now)
        deeds.set_up()
        deeds.add_volume(self._volumes[1], self._volume_since(1))
        every = [self._gather(habit) for habit in HABITS]
        for series in every:
            server.store.replace_catalog(series.habit.series, self._write(series))
        self._note_mishaps(server, every)
        self._note_key_uses(server, every)
        deeds.decide(self._marked(server, every))
        deeds.find_broken(self._find_broken(server))
        deeds.run_schedule(self._freed_bytes, sum(event.at > last_verification(self._now) for event in self._verified))
        fill_history(server.config.paths.state, self._uploads, self._jobs)
        fill_log(server.config.paths.state, [*server.events(), *self._events, *self._verified])
        return self._directory / CONFIG_FILE

    def _note_key_uses(self, server: Server, every: list[_Series]) -> None:
        """Note when each key was used last: that of a host for its series, and that of a laptop for the other hosts."""
        for user in server.users.all():
            of_host = {key.comment.partition("@")[2]: key for key in user.keys}
            for series in every:
                name, host = series.habit.series.user, series.habit.series.host
                if name == user.name and series.runs:
                    key = of_host.get(host, user.keys[-1])
                    known = server.store.key_uses().get(key.fingerprint, series.runs[-1].at)
                    server.store.note_key_use(key.fingerprint, max(known, series.runs[-1].at))

    def _gather(self, habit: Habit) -> _Series:
        runs = all_runs(habit, self._now)
        if str(habit.series) == _EMPTY:
            runs[-1] = replace(runs[-1], count=0)
        marked = self._marked_run(habit, runs)
        pinned = frozenset({marked[0].id} if marked and marked[1].pinned else ())
        return _Series(habit, runs, kept_runs(runs, self._now, pinned), make_material(habit, self._begin))

    def _marked_run(self, habit: Habit, runs: list[Run]) -> tuple[Run, Notes] | None:
        mark = _MARKS.get(str(habit.series))
        if mark is None:
            return None
        wanted = midnight(self._now) - timedelta(days=mark[0])
        return min(runs, key=lambda run: (abs(run.at - wanted), run.id)), mark[1]

    def _marked(self, server: Server, every: list[_Series]) -> Iterator[tuple[Backup, Notes]]:
        for series in every:
            if marked := self._marked_run(series.habit, series.runs):
                yield server.catalog.get(marked[0].id), marked[1]

    def _write(self, series: _Series) -> Iterator[Backup]:
        """Write the backups that are there still, and note all that there were; gives those that are there."""
        earlier: tuple[Path, BackupDocument] | None = None
        made: dict[int, Files] = {}
        for run in series.runs:
            files = made.setdefault(run.count, series.material.files(run.count))
            log = made_file(BackupFile("client.log", "", kind=FileKind.LOG), client_log(run, tuple(files)))
            number = 0 if run.at < self._volume_since(1) else 1
            document = self._document(run, {**files, **dict([log])}, earlier, number)
            self._note(run, document, self._ids[number])
            if run.id not in series.kept:
                removal = removal_event(run, self._now)
                self._events.append(removal)
                if removal.at == last_pruning(self._now):
                    self._freed_bytes.append(document.stored_bytes)
                continue
            directory = backup_directory(self._volumes[number], run.habit.series, run.id)
            make_directories(directory.parent)
            contents = {file.name: content for file, content in {**files, **dict([log])}.items()}
            place = earlier[0] if earlier is not None else directory
            links = {file.name: place / file.name for file in document.files if file.shared_with is not None}
            write_backup(directory, document, {file: contents[file.name] for file in document.files}, links)
            earlier = directory, document
            read_at = verified_at(document, self._now)
            if read_at is not None:
                self._verified.append(Event(read_at, SERVICE, "backup.verify", f"{run.habit.series}/{run.id}"))
            yield Backup(document, self._ids[number], verified_at=read_at)

    def _document(
        self, run: Run, files: Files, earlier: tuple[Path, BackupDocument] | None, number: int
    ) -> BackupDocument:
        on_same_volume = earlier is not None and self._volumes[number] in earlier[0].parents
        known = {(file.name, file.sha256) for file in earlier[1].files} if earlier is not None else set()
        described = tuple(
            replace(file, shared_with=earlier[1].id)
            if earlier is not None and on_same_volume and (file.name, file.sha256) in known
            else file
            for file in sorted(files, key=lambda file: file.name)
        )
        return make_document(
            run.habit.series,
            run.id,
            described,
            Manifest(described, started_at=run.at, ended_at=run.ended_at, client=f"thaniya-client {__version__}"),
            sums_by=SumsBy.CLIENT,
            created_at=run.at,
            completed_at=run.ended_at,
            archived_at=run.archived_at,
            server=f"thaniya {__version__}",
        )

    def _note(self, run: Run, document: BackupDocument, volume: str) -> None:
        self._uploads.append(archived_upload(run, document.stored_bytes, len(document.files), volume))
        self._jobs.append(archived_job(run))
        self._events += archived_events(run, document.stored_bytes)

    def _note_mishaps(self, server: Server, every: list[_Series]) -> None:
        """Note the uploads that ended without a backup, and leave one in the spool whose job was given up."""
        for mishap in make_mishaps(self._now):
            self._uploads.append(mishap.upload)
            self._events += mishap.events
        series = next(each for each in every if each.habit.series.name == "photos")
        files = series.material.files(series.habit.counts[1])
        failed = failed_upload(series.habit, files, self._now)
        directory = server.spool.data(failed.upload.id)
        make_directories(directory)
        for file, content in files.items():
            content.write(directory / file.name)
        digest = server.spool.keep_manifest(failed.upload.id, failed.manifest)
        with server.store.transaction() as state:
            state.uploads.put(replace(failed.upload, manifest_digest=digest))
            state.jobs.put(failed.job)
        self._events += failed.events

    def _find_broken(self, server: Server) -> Backup:
        """A backup of some weeks ago."""
        user, host, name = _BROKEN.split("/")
        wanted = midnight(self._now) - timedelta(days=19)
        return min(
            server.catalog.find(user, host, name), key=lambda each: (abs(each.document.created_at - wanted), each.id)
        )
