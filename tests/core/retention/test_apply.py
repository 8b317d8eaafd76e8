"""Policies carried out on a real archive, series by series."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from thaniya_core.errors import ThaniyaError
from thaniya_core.formats.names import Series
from thaniya_core.retention import NotPruned, PlanSums, Pruned, parse_policy
from thaniya_core.scheduling import apply_retention
from thaniya_core.server import Server

NIGHTLY, WEEKLY = (Series("alice", "web1", name) for name in ("nightly", "weekly"))


@pytest.fixture
def two_series(server: Server, open_upload, put_file, run_jobs, clock) -> Callable[[Series], int]:
    """Two backups in each of two series, and a policy that keeps one; counts the backups of a series."""
    for series in (NIGHTLY, WEEKLY) * 2:
        upload = open_upload(name=series.name)
        put_file(upload, "notes.txt", b"some notes")
        server.uploads.complete(upload.id, None, "alice")
        server.close_slots()
        run_jobs()
        clock.advance(60)
    server.retention_settings.set("default", parse_policy("keep-last=1"), "login:test")
    return lambda series: len(server.catalog.of_series(series))


def test_what_came_of_each_series_is_given(server, two_series):
    results = list(server.retention.apply_each([NIGHTLY, WEEKLY], "login:test"))

    assert [(type(result), result.series) for result in results] == [(Pruned, NIGHTLY), (Pruned, WEEKLY)]
    assert two_series(NIGHTLY) == two_series(WEEKLY) == 1


def test_series_is_touched_only_when_its_turn_has_come(server, two_series):
    results = server.retention.apply_each([NIGHTLY, WEEKLY], "login:test")
    next(results)

    assert (two_series(NIGHTLY), two_series(WEEKLY)) == (1, 2)


def test_series_that_disagrees_with_its_volume_stops_no_other(server, two_series, volume):
    (volume / "archive/alice/web1/nightly/20200101T000000Z-000000").mkdir()

    failed, pruned = server.retention.apply_each([NIGHTLY, WEEKLY], "login:test")

    assert isinstance(failed, NotPruned)
    assert failed.error.message.startswith("alice/web1/nightly: catalog and volume disagree")
    assert (two_series(NIGHTLY), len(pruned.removed), two_series(WEEKLY)) == (2, 1, 1)


def test_disk_that_fails_at_one_series_stops_no_other(server, two_series, failing):
    with failing(server.backups, "remove_chosen"):
        failed, pruned = server.retention.apply_each([NIGHTLY, WEEKLY], "login:test")

    assert failed.error.message == "cannot apply the policy of alice/web1/nightly: Input/output error"
    assert (two_series(NIGHTLY), two_series(WEEKLY), pruned.series) == (2, 1, WEEKLY)


def test_schedule_names_the_series_that_failed_and_does_the_others(server, two_series, failing):
    with failing(server.backups, "remove_chosen"), pytest.raises(ThaniyaError) as caught:
        apply_retention(server.store, server.retention_settings, server.retention, lambda: False)

    assert caught.value.message.startswith("1 of 2 series failed, alice/web1/nightly: cannot apply the policy")
    assert (two_series(NIGHTLY), two_series(WEEKLY)) == (2, 1)


def test_policy_that_is_tried_decides_as_it_would_if_it_were_set_and_changes_nothing(server, two_series):
    every = [NIGHTLY, WEEKLY]
    events = list(server.events())
    tried = {
        text: [planned.plan for planned in server.retention.preview(every, parse_policy(text))]
        for text in ("", "keep-last=2", "keep-daily=1", "keep-within=1m minimum=2")
    }

    assert (two_series(NIGHTLY), two_series(WEEKLY)) == (2, 2)
    assert list(server.events()) == events
    for text, plans in tried.items():
        server.retention_settings.set("default", parse_policy(text), "login:test")
        assert [planned.plan for planned in server.retention.plan(every)] == plans
    assert len(tried["keep-daily=1"][0].removed) == 1


def test_sums_of_a_plan_are_those_of_its_decisions(server, two_series):
    (planned,) = server.retention.plan([NIGHTLY])

    assert planned.sums == PlanSums(NIGHTLY, 1, planned.kept_bytes, 1, planned.removed_bytes)
    assert planned.kept_bytes > 0 < planned.removed_bytes
