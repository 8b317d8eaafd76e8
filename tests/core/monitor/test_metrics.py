"""Metrics, read by Prometheus' own parser."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from thaniya_core.config import CheckLimits
from thaniya_core.formats.names import Series
from thaniya_core.model import Job, JobKind, JobState, RunRecord, Slot, SlotState, UploadState, Volume
from thaniya_core.monitor import ServerFacts, VolumeFacts, examine, exposition, measure
from thaniya_core.monitor.prometheus import Gauge
from thaniya_core.system.space import DiskSpace

LABELS = {"user": "alice", "host": "web1", "series": "nightly"}


def read(text):
    """Each sample's value by name and labels, as Prometheus understands it."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def measured(make, *series, **fields):
    report = examine(series, ServerFacts(make.now, **fields), CheckLimits())
    return read(exposition(measure(report)))


def value(samples, metric, /, **labels):
    return samples[(f"thaniya_{metric}", *sorted(labels.items()))]


def test_series_are_measured_and_a_failure_does_not_touch_the_last_success(make):
    good = make.daily(3)
    before = measured(make, make.facts(*good))
    broken = make.backup(make.now, broken="damaged")
    failed = make.upload(make.now, UploadState.REJECTED)
    after = measured(make, make.facts(*good, broken, ended=(failed,)))
    for samples in (before, after):
        success = value(samples, "backup_last_success_timestamp_seconds", **LABELS)
        assert success == good[-1].document.archived_at.timestamp()
        assert value(samples, "backup_last_stored_bytes", **LABELS) == 10 * make.mib
        assert value(samples, "backup_last_duration_seconds", **LABELS) == 360
        assert value(samples, "backup_last_original_bytes", **LABELS) == good[-1].document.original_bytes > 0
        assert value(samples, "backup_last_files", **LABELS) == 1
        assert value(samples, "backup_last_warnings", **LABELS) == 0
    assert value(after, "backups", **LABELS) == 4
    assert value(after, "backups_broken", **LABELS) == 1
    assert value(after, "backups_stored_bytes", **LABELS) == 40 * make.mib
    assert value(after, "uploads_ended_lately", **LABELS, result="rejected") == 1


def test_expected_interval_is_measured_of_a_series_that_never_came_too(make):
    expected = measured(make, make.facts(expectation=make.expect(make.day)))
    assert value(expected, "backup_expected_interval_seconds", **LABELS) == 86400
    learned = measured(make, make.facts(*make.daily(20)))
    assert value(learned, "backup_expected_interval_seconds", **LABELS) == 86400


def test_everything_else_is_measured(make):
    job = Job("20261124T110000Z-00000a", JobKind.ARCHIVE, "x", make.now, make.now, JobState.FAILED)
    disk = VolumeFacts(Volume("d1", "first", Path("/d")), DiskSpace(1000, 250, 0, 0))
    samples = measured(
        make,
        slots=(Slot("thaniya_01"), Slot("thaniya_02", SlotState.DEGRADED)),
        jobs=(job,),
        uploads=(make.upload(make.now, UploadState.OPEN),),
        service_seen_at=make.now - make.day,
        volumes=(disk, VolumeFacts(Volume("d2", "first", Path("/e")))),
        runs={"retention": RunRecord("retention", make.now), "verify": RunRecord("verify", failure="no disk")},
    )
    assert value(samples, "slots", state="ready") == value(samples, "slots", state="degraded") == 1
    assert value(samples, "jobs", state="failed") == 1
    assert value(samples, "jobs", state="queued") == 0
    assert value(samples, "volume_size_bytes", volume="first", id="d1") == 1000
    assert value(samples, "volume_free_bytes", volume="first", id="d1") == 250
    assert [value(samples, "volume_present", volume="first", id=each) for each in ("d1", "d2")] == [1, 0]
    last_run = value(samples, "schedule_last_run_timestamp_seconds", name="retention")
    assert last_run == make.now.timestamp()
    assert value(samples, "schedule_last_run_failed", name="retention") == 0
    assert value(samples, "schedule_last_run_failed", name="verify") == 1
    assert value(samples, "uploads", state="open") == 1
    assert value(samples, "service_last_seen_timestamp_seconds") == (make.now - make.day).timestamp()
    assert value(samples, "check_timestamp_seconds") == make.now.timestamp()
    assert value(samples, "check_status") == 2
    assert value(samples, "check_findings", severity="critical") >= 2


def test_each_family_is_described_once_and_the_order_does_not_change(make):
    series = [make.facts(*make.daily(3), series=Series("alice", "web1", name)) for name in ("b", "a", "c")]
    one, other = (
        exposition(measure(examine(order, ServerFacts(make.now), CheckLimits()))) for order in (series, series[::-1])
    )
    assert one == other
    described = [line.split()[2] for line in one.splitlines() if line.startswith("# TYPE")]
    assert len(described) == len(set(described))
    assert one.endswith("\n")


@given(st.text(max_size=20), st.floats(allow_nan=False, allow_infinity=False))
def test_any_label_and_value_comes_out_as_it_went_in(label, number):
    label = label.encode("utf-8", "replace").decode()
    (name,) = read(exposition([Gauge("thaniya_x", "a \\ b\nc", (({"label": label}, number),))])).items()
    assert name == (("thaniya_x", ("label", label)), number)


def test_family_without_samples_is_left_out(make):
    assert exposition([Gauge("thaniya_x", "nothing", ())]) == ""
