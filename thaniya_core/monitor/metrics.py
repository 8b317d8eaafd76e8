"""What is measured, from a report: names, meaning and samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from thaniya_core.model import JobState, Severity, SlotState, UploadState
from thaniya_core.monitor.facts import VolumeFacts
from thaniya_core.monitor.health import Report
from thaniya_core.monitor.prometheus import Gauge, Value
from thaniya_core.monitor.summary import LastBackup
from thaniya_core.system.space import DiskSpace


def measure(report: Report) -> Iterator[Gauge]:
    """All metrics. A series' last success stays what it is while later attempts fail."""
    yield from _of_series(report)
    yield from _of_volumes(report)
    yield from _of_work(report)
    severities = Counter(finding.severity for finding in report.findings)
    yield Gauge(
        "thaniya_check_findings",
        "Findings of thaniya check by severity.",
        tuple(({"severity": str(severity)}, severities[severity]) for severity in Severity if severity != Severity.OK),
    )
    yield Gauge(
        "thaniya_check_status", "As a Nagios exit code: 0 ok, 1 warning, 2 critical.", (({}, report.status.exit_code),)
    )
    yield Gauge("thaniya_check_timestamp_seconds", "When these numbers were gathered.", (({}, report.checked_at),))


def _of_series(report: Report) -> Iterator[Gauge]:
    labels = {
        each.series: {"user": each.series.user, "host": each.series.host, "series": each.series.name}
        for each in report.series
    }

    def of_last(name: str, meaning: str, value: Callable[[LastBackup], Value]) -> Gauge:
        found = tuple((labels[each.series], value(each.last)) for each in report.series if each.last is not None)
        return Gauge(f"thaniya_backup_{name}", meaning, found)

    yield of_last(
        "last_success_timestamp_seconds", "When the last good backup was archived.", lambda last: last.archived_at
    )
    yield of_last("last_stored_bytes", "Bytes of the last good backup on its volume.", lambda last: last.stored_bytes)
    yield of_last(
        "last_original_bytes", "Bytes of the last good backup before compression.", lambda last: last.original_bytes
    )
    yield of_last("last_files", "Files of the last good backup.", lambda last: last.files)
    yield of_last("last_warnings", "Warnings of the client in the last good backup.", lambda last: last.warning_count)
    yield of_last(
        "last_duration_seconds",
        "From opening the upload of the last good backup until it was archived.",
        lambda last: (last.archived_at - last.created_at).total_seconds(),
    )
    yield Gauge(
        "thaniya_backup_expected_interval_seconds",
        "How often a backup is expected, set or learned.",
        tuple((labels[each.series], each.rhythm.every_s) for each in report.series if each.rhythm is not None),
    )
    yield Gauge(
        "thaniya_backups",
        "Backups in the catalog.",
        tuple((labels[each.series], each.backups) for each in report.series),
    )
    yield Gauge(
        "thaniya_backups_broken",
        "Backups that the last verification found broken.",
        tuple((labels[each.series], each.broken) for each in report.series),
    )
    yield Gauge(
        "thaniya_backups_stored_bytes",
        "Bytes of all backups on their volumes.",
        tuple((labels[each.series], each.stored_bytes) for each in report.series),
    )
    yield Gauge(
        "thaniya_uploads_ended_lately",
        "Uploads that ended in the last 35 days, by result.",
        tuple(
            ({**labels[each.series], "result": result}, count)
            for each in report.series
            for result, count in each.results.items()
        ),
    )


def _of_volumes(report: Report) -> Iterator[Gauge]:
    def of_each(name: str, meaning: str, value: Callable[[DiskSpace], Value]) -> Gauge:
        found = tuple(
            (_labels(facts), value(facts.space)) for facts in report.server.volumes if facts.space is not None
        )
        return Gauge(f"thaniya_volume_{name}", meaning, found)

    present = tuple((_labels(facts), facts.space is not None) for facts in report.server.volumes)
    yield Gauge("thaniya_volume_present", "1 while the volume is there.", present)
    yield of_each("size_bytes", "Size of the volume's file system.", lambda space: space.total_bytes)
    yield of_each("free_bytes", "What can still be written to the volume.", lambda space: space.free_bytes)


def _labels(facts: VolumeFacts) -> dict[str, str]:
    """With the id, because two volumes may bear one label."""
    return {"volume": facts.volume.label, "id": facts.volume.id}


def _of_work(report: Report) -> Iterator[Gauge]:
    server = report.server
    slots = Counter(slot.state for slot in server.slots)
    yield Gauge("thaniya_slots", "Slots by state.", tuple(({"state": str(state)}, slots[state]) for state in SlotState))
    uploads = Counter(upload.state for upload in server.uploads)
    on_their_way = (UploadState.OPEN, UploadState.CLOSING, UploadState.SPOOLED, UploadState.FAILED)
    yield Gauge(
        "thaniya_uploads",
        "Uploads on their way, and failed ones that wait for an administrator, by state.",
        tuple(({"state": str(state)}, uploads[state]) for state in on_their_way),
    )
    jobs = Counter(job.state for job in server.jobs)
    yield Gauge(
        "thaniya_jobs",
        "Jobs by state; done ones are not counted.",
        tuple(({"state": str(state)}, jobs[state]) for state in JobState if state != JobState.DONE),
    )
    yield Gauge(
        "thaniya_schedule_last_run_timestamp_seconds",
        "When each part of the schedule ran last to its end.",
        tuple(({"name": name}, run.ran_at) for name, run in server.runs.items() if run.ran_at is not None),
    )
    yield Gauge(
        "thaniya_schedule_last_run_failed",
        "1 while the last run of a part of the schedule failed.",
        tuple(({"name": name}, bool(run.failure_by(server.now))) for name, run in server.runs.items()),
    )
    seen = server.service_seen_at
    yield Gauge(
        "thaniya_service_last_seen_timestamp_seconds",
        "When the service or a tick last worked.",
        () if seen is None else (({}, seen),),
    )
