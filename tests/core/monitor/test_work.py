"""The rules about uploads, jobs, slots, users, the service, retention, the clock and those who are told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from thaniya_core.config import CheckLimits
from thaniya_core.formats.names import Series
from thaniya_core.model import (
    ChannelRecord,
    Expectation,
    Job,
    JobKind,
    JobState,
    PingRecord,
    RunRecord,
    Severity,
    Slot,
    SlotState,
    UploadState,
    User,
    Volume,
)
from thaniya_core.monitor import ServerFacts, VolumeFacts, examine
from thaniya_core.system.space import DiskSpace

LIMITS = CheckLimits()
HOUR = timedelta(hours=1)
READY = Slot("thaniya_01")
DISK = VolumeFacts(Volume("v1", "disk", Path("/disk"), True), DiskSpace(100, 50, 0, 0))


@pytest.fixture
def check(make):
    """Examines a server that is well but for what is given; gives the findings by code."""

    def examine_all(*series, limits=LIMITS, **fields):
        facts = ServerFacts(make.now, **({"slots": (READY,), "volumes": (DISK,)} | fields))
        return {finding.code: finding for finding in examine(series, facts, limits).findings}

    return examine_all


def test_server_without_anything_to_do_is_well(check):
    assert check() == {}


@pytest.mark.parametrize(
    ("state", "hours", "is_stuck"),
    [
        (UploadState.OPEN, 6, False),
        (UploadState.OPEN, 7, True),
        (UploadState.CLOSING, 7, True),
        (UploadState.SPOOLED, 5, False),
        (UploadState.SPOOLED, 7, True),
    ],
)
def test_upload_that_does_not_get_on_is_stuck(check, make, state, hours, is_stuck):
    upload = make.upload(make.now - hours * HOUR, state, reason="the disk is gone")
    codes = check(uploads=(upload,))
    assert ("upload_stuck" in codes) is is_stuck
    if is_stuck:
        assert f"it has been {state} for {hours} h: the disk is gone" in codes["upload_stuck"].text


def job(make, state, **fields):
    return Job(
        "20261124T110000Z-00000a", JobKind.ARCHIVE, "20261124T100000Z-000001", make.now, make.now, state, **fields
    )


def test_failed_upload_is_told_once_with_its_job(check, make):
    upload = make.upload(make.now - 2 * HOUR, UploadState.FAILED, reason="no space")
    given_up = replace(job(make, JobState.FAILED, reason="no space"), subject=upload.id)
    codes = check(uploads=(upload,), jobs=(given_up,))
    assert set(codes) == {"upload_failed"}
    assert (codes["upload_failed"].severity, "no space" in codes["upload_failed"].text) == (Severity.CRITICAL, True)


def test_jobs_that_failed_or_do_not_get_on_are_told(check, make):
    assert check(jobs=(job(make, JobState.QUEUED), job(make, JobState.RUNNING, claim_until=make.now))) == {}
    assert check(jobs=(job(make, JobState.FAILED, reason="no space"),))["job_failed"].severity is Severity.CRITICAL
    killed = job(make, JobState.RUNNING, claim_until=make.now - 7 * HOUR, claimed_by="web1:77")
    assert "web1:77 began it" in check(jobs=(killed,))["job_stuck"].text
    waiting = replace(job(make, JobState.QUEUED), not_before=make.now - 7 * HOUR)
    assert "it has waited for 7 h" in check(jobs=(waiting,))["job_stuck"].text
    failing = job(make, JobState.QUEUED, attempts=3, reason="no space")
    assert "failed 3 times: no space" in check(jobs=(failing,))["job_failing"].text


def test_unusable_slots_are_told_and_worst_when_none_is_left(check):
    degraded = Slot("thaniya_02", SlotState.DEGRADED, reason="a process holds it")
    disabled = Slot("thaniya_03", SlotState.DISABLED)
    codes = check(slots=(READY, degraded, disabled))
    assert {code: finding.severity for code, finding in codes.items()} == {
        "slot_degraded": Severity.WARNING,
        "slot_disabled": Severity.WARNING,
    }
    assert "a process holds it" in codes["slot_degraded"].text
    assert check(slots=(degraded, disabled))["no_usable_slot"].severity is Severity.CRITICAL
    assert check(slots=())["no_usable_slot"].text == "there is no slot"
    assert check(slots=())["no_usable_slot"].cure == "thaniya slot add 1"


def test_user_who_never_backed_up_is_told_after_a_while(check, make):
    alice, new = User("alice", make.now - make.day * 8), User("bob", make.now - make.day * 6)
    assert check(users=(alice, new))["user_without_backup"].subject == "alice"
    assert check(users=(replace(alice, enabled=False), new)) == {}
    assert check(make.facts(*make.daily(3)), users=(alice, new)) == {}
    assert check(users=(alice, new), limits=CheckLimits(first_backup=0)) == {}


def test_backups_that_nobody_read_for_long_are_told_together(check, make):
    old = make.daily(3, last=make.now - make.day * 91)
    codes = check(make.facts(*old, *make.daily(2)))
    assert codes["backups_unverified"].text.startswith("3 backups of 1 series, alice/web1/nightly for one, were not")
    assert codes["backups_unverified"].cure == "thaniya backup verify --older-than 90d"
    odd = check(make.facts(*old), limits=CheckLimits(verified_within=5400))["backups_unverified"]
    assert odd.cure == "thaniya backup verify --older-than 5400s"
    verified = [replace(each, verified_at=make.now) for each in old]
    assert check(make.facts(*verified, *make.daily(2))) == {}
    assert check(make.facts(*old, *make.daily(2)), limits=CheckLimits(verified_within=0)) == {}
    broken = [replace(each, broken="damaged") for each in old]  # is told to be that
    assert set(check(make.facts(*broken, *make.daily(2)))) == {"backup_broken"}


def test_service_that_does_not_run_is_told(check, make):
    assert check(service_runs=False, service_seen_at=make.now - HOUR / 2) == {}
    silent = check(service_runs=False, service_seen_at=make.now - 2 * HOUR)["service_not_running"]
    assert (silent.severity, "ran for 2 h" in silent.text) == (Severity.CRITICAL, True)
    assert "ever ran" in check(service_runs=False)["service_not_running"].text
    assert check(service_runs=False, limits=CheckLimits(service_within=0)) == {}
    assert check(service_runs=True, service_seen_at=make.now - 9 * HOUR) == {}  # a long pass


def test_part_of_the_schedule_that_failed_or_died_is_told_unless_it_is_switched_off(check, make):
    failed = RunRecord("verify", failure="no disk")
    died = RunRecord("verify", began_at=make.now - HOUR, claimed_by="host:1", claim_until=make.now - HOUR / 2)
    on = {"verify": 86400}
    found = check(runs={"verify": failed}, every_s=on)["schedule_failed"]
    assert (found.subject, found.severity) == ("verify", Severity.WARNING)
    assert found.text == "the last run failed: no disk"
    assert "host:1 began it and died" in check(runs={"verify": died}, every_s=on)["schedule_failed"].text
    assert check(runs={"verify": failed}, every_s={"verify": 0}) == {}
    assert check(runs={"verify": RunRecord("verify", make.now)}, every_s=on) == {}
    again = replace(failed, began_at=make.now, claimed_by="host:2", claim_until=make.now + HOUR / 60)
    assert set(check(runs={"verify": again}, every_s=on)) == {"schedule_failed"}  # till a good end


def test_part_of_the_schedule_that_does_not_come_to_its_end_is_stuck(check, make):
    def running(hours, every_s):
        run = RunRecord("x", began_at=make.now - hours * HOUR, claimed_by="host:1", claim_until=make.now)
        return check(runs={"x": run}, every_s={"x": every_s})

    assert running(6, 60) == {}
    assert "host:1 has been at it for 7 h" in running(7, 60)["schedule_stuck"].text
    assert running(23, 86400) == {}
    assert set(running(25, 86400)) == {"schedule_stuck"}


def test_policy_that_nobody_applies_is_told(check, make):
    pruned = make.facts(*make.daily(9), is_pruned=True)
    assert "never applied in 8 d" in check(pruned)["retention_not_applied"].text
    assert (
        "not applied for 9 d"
        in check(pruned, runs={"retention": RunRecord("retention", make.now - make.day * 9)})[
            "retention_not_applied"
        ].text
    )
    assert check(pruned, runs={"retention": RunRecord("retention", make.now - make.day)}) == {}
    assert check(make.facts(*make.daily(9))) == {}
    assert check(make.facts(*make.daily(3), is_pruned=True)) == {}


def test_clock_that_was_set_back_is_told(check, make):
    future = make.backup(make.now + timedelta(minutes=30))
    back = check(make.facts(future))["clock_set_back"]
    assert back.severity is Severity.CRITICAL
    assert "the newest backup of alice/web1/nightly is 36 min in the future" in back.text
    assert "clock_set_back" in check(uploads=(make.upload(make.now + HOUR, UploadState.OPEN),))
    assert "clock_set_back" in check(service_seen_at=make.now + HOUR)
    assert check(service_seen_at=make.now + timedelta(minutes=1)) == {}


def test_who_cannot_be_told_is_told(check, make):
    record = ChannelRecord("mail", failed_at=make.now - 2 * HOUR, reason="sendmail ended with exit code 75")
    pings = PingRecord(make.now, failed={"alice/web1/nightly": "hc.example.org answered 404 Not Found"})
    series = make.facts(*make.daily(3))
    codes = check(series, channels=(record, ChannelRecord("command")), pings=pings)
    assert codes["notification_failed"].subject == "mail"
    assert "nothing came through for 2 h: sendmail ended" in codes["notification_failed"].text
    assert codes["ping_failed"].subject == "alice/web1/nightly"
    retired = replace(series, expectation=Expectation(str(make.series), make.now))
    assert check(retired, pings=pings) == check(pings=pings) == {}


def test_what_may_have_caused_the_rest_comes_first(check, make):
    late = make.facts(*make.daily(20, last=make.now - 9 * make.day))
    codes = check(late, service_runs=False, users=(User("bob", make.now - make.day * 8),))
    assert list(codes) == ["service_not_running", "series_late", "user_without_backup"]


def test_success_of_one_series_hides_no_failure_of_another(check, make):
    good = make.facts(*make.daily(20))
    other = Series("alice", "web1", "weekly")
    failed = make.upload(make.now, UploadState.REJECTED, series=other)
    codes = check(good, make.facts(series=other, ended=(failed,)))
    assert codes["series_failing"].subject == "alice/web1/weekly"


@given(st.data())
def test_report_does_not_depend_on_the_order_of_what_is_known(make, data):
    series = [
        make.facts(
            *make.daily(
                data.draw(st.integers(0, 12)),
                last=make.now - make.day * data.draw(st.integers(-1, 9)),
                series=Series("alice", "web1", f"n{number}"),
                broken=data.draw(st.sampled_from(["", "damaged"])),
            ),
            series=Series("alice", "web1", f"n{number}"),
            is_pruned=data.draw(st.booleans()),
        )
        for number in range(4)
    ]
    states = st.sampled_from(SlotState)
    slots = tuple(Slot(f"thaniya_{number:02}", data.draw(states)) for number in range(1, 4))
    uploads = tuple(
        make.upload(make.now - HOUR * data.draw(st.integers(0, 20)), state, number=number)
        for number, state in enumerate(data.draw(st.lists(st.sampled_from(UploadState), max_size=4)))
    )
    facts = ServerFacts(make.now, slots=slots, uploads=uploads)
    shuffled = replace(
        facts,
        slots=tuple(data.draw(st.permutations(slots))),
        uploads=tuple(data.draw(st.permutations(uploads))),
    )
    once = examine(series, facts, LIMITS)
    again = examine(data.draw(st.permutations(series)), shuffled, LIMITS)
    assert (once.findings, once.series, once.status) == (again.findings, again.series, again.status)
