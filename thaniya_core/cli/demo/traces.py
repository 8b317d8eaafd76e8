"""What uploads of a past have left behind in history, jobs and audit log, as values."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from thaniya_core import __version__
from thaniya_core.cli.demo.year import HABITS, Habit, Run, last_verification, make_past_id, midnight, pruned_at
from thaniya_core.formats.manifest import BackupDocument, BackupFile, Manifest
from thaniya_core.model import Event, Job, JobKind, JobState, Upload, UploadState

SLOTS = 4
SERVICE = "service"


def slot_of(upload_id: str) -> str:
    """The slot that an upload held."""
    return f"thaniya_{1 + int(upload_id[-1], 16) % (SLOTS - 1):02}"


def caller(habit: Habit) -> str:
    """Who makes a series' uploads, as the audit log names it."""
    return f"{habit.series.user}@{habit.address}"


def archived_upload(run: Run, stored_bytes: int, files: int, volume: str) -> Upload:
    """An upload that became a backup."""
    series = run.habit.series
    return Upload(
        id=run.id,
        user=series.user,
        host=series.host,
        name=series.name,
        slot=slot_of(run.id),
        created_at=run.at,
        last_activity_at=run.ended_at,
        state=UploadState.ARCHIVED,
        received_bytes=stored_bytes,
        received_files=files,
        peer=run.habit.address,
        completed_at=run.ended_at,
        ended_at=run.archived_at,
        stored_bytes=stored_bytes,
        volume=volume,
    )


def archived_job(run: Run) -> Job:
    """The job that archived an upload."""
    at = run.ended_at + timedelta(seconds=1)
    job_id = make_past_id(at, f"job {run.id}")
    return Job(job_id, JobKind.ARCHIVE, run.id, at, at, JobState.DONE, attempts=1, ended_at=run.archived_at)


def archived_events(run: Run, stored_bytes: int) -> list[Event]:
    """What the audit log says of an upload that became a backup."""
    series, who = run.habit.series, caller(run.habit)
    return [
        Event(run.at, who, "upload.open", run.id, detail=f"{series} in {slot_of(run.id)}"),
        Event(run.ended_at, who, "upload.complete", run.id),
        Event(run.archived_at, SERVICE, "upload.archived", run.id, detail=f"{series}, {stored_bytes} bytes"),
    ]


def removal_event(run: Run, now: datetime) -> Event:
    """What the audit log says of a backup that retention has removed."""
    return Event(pruned_at(run, now), SERVICE, "backup.remove", f"{run.habit.series}/{run.id}")


def verified_at(document: BackupDocument, now: datetime) -> datetime | None:
    """When a backup was read again: once in the last four weeks, if it is older than that."""
    at = last_verification(now) - timedelta(days=Random(document.id).randrange(26), minutes=-7)
    return at if at - document.archived_at > timedelta(days=3) else None


class Mishap(Struct, frozen=True):
    """An upload that ended without a backup."""

    upload: Upload
    events: tuple[Event, ...]


def make_mishaps(now: datetime) -> list[Mishap]:
    """The uploads that ended without a backup."""
    today = midnight(now)
    habits = {str(habit.series): habit for habit in HABITS}
    web2, photos = habits["alice/web2/site"], habits["bob/lab-nas/photos"]
    measurements, home = habits["bob/lab-nas/measurements"], habits["carol/laptop/home"]
    sum_differs = "measurements.tar has another SHA-256 than promised"
    return [
        _mishap(measurements, today - timedelta(days=8, hours=22), UploadState.REJECTED, sum_differs, SERVICE, 0.7),
        _mishap(home, today - timedelta(days=2, hours=12), UploadState.EXPIRED, "nothing came for 15m", SERVICE, 0.3),
        _mishap(web2, today - timedelta(days=5, hours=8), UploadState.ABORTED, "by the client", caller(web2), 0.5),
        _mishap(photos, today - timedelta(days=39), UploadState.ABORTED, "the wrong directory", "login:root", 0.2),
    ]


def _mishap(habit: Habit, at: datetime, state: UploadState, reason: str, by: str, share: float) -> Mishap:
    series = habit.series
    upload_id = make_past_id(at, str(series))
    ended_at = at + timedelta(seconds=900 + round(habit.duration_s * share))
    received = round(habit.counts[1] * max(habit.file_bytes, 4096) * share)
    is_complete = state is UploadState.REJECTED
    upload = Upload(
        id=upload_id,
        user=series.user,
        host=series.host,
        name=series.name,
        slot=slot_of(upload_id),
        created_at=at,
        last_activity_at=at + timedelta(seconds=round(habit.duration_s * share)),
        state=state,
        expected_bytes=habit.counts[1] * max(habit.file_bytes, 4096),
        received_bytes=received,
        received_files=1,
        peer=habit.address,
        reason=reason,
        completed_at=ended_at if is_complete else None,
        ended_at=ended_at,
    )
    opened = Event(at, caller(habit), "upload.open", upload_id, detail=f"{series} in {upload.slot}")
    events = [opened]
    if is_complete:
        events.append(Event(ended_at - timedelta(seconds=1), caller(habit), "upload.complete", upload_id))
    events.append(Event(ended_at, by, f"upload.{state}", upload_id, not is_complete, reason))
    return Mishap(upload, tuple(events))


class Failed(Struct, frozen=True):
    """An upload that waits in the spool, and whose job was given up."""

    upload: Upload
    manifest: Manifest
    job: Job
    events: tuple[Event, ...]


def failed_upload(habit: Habit, files: Iterable[BackupFile], now: datetime) -> Failed:
    """An upload that could not be archived: the disk had an error, ten times."""
    at = midnight(now) - timedelta(days=1, hours=-7, minutes=-25)
    mishap = _mishap(habit, at, UploadState.FAILED, "", SERVICE, 1.0)
    upload_id, completed_at = mishap.upload.id, at + timedelta(seconds=habit.duration_s)
    reason = f"cannot archive {upload_id}: Input/output error"
    given_up_at = completed_at + timedelta(hours=3, minutes=42)
    manifest = Manifest(tuple(files), started_at=at, ended_at=completed_at, client=f"thaniya-client {__version__}")
    sizes = [file.size_bytes or 0 for file in manifest.files]
    upload = replace(
        mishap.upload,
        received_bytes=sum(sizes),
        expected_bytes=sum(sizes),
        received_files=len(sizes),
        reason=reason,
        completed_at=completed_at,
        ended_at=given_up_at,
    )
    job_id = make_past_id(completed_at, f"job {upload_id}")
    job = Job(
        job_id,
        JobKind.ARCHIVE,
        upload_id,
        completed_at,
        given_up_at,
        JobState.FAILED,
        attempts=10,
        reason=reason,
        ended_at=given_up_at,
    )
    events = (
        mishap.events[0],
        Event(completed_at, caller(habit), "upload.complete", upload_id),
        Event(given_up_at, SERVICE, "job.archive", upload_id, False, f"given up: {reason}"),
    )
    return Failed(upload, manifest, job, events)
