"""Everything at a glance: what is made of the facts."""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thaniya_core.monitor
from thaniya_core.config import CheckLimits
from thaniya_core.errors import ThaniyaError
from thaniya_core.formats.names import Series
from thaniya_core.model import Expectation, Severity, UploadState, User, Volume, VolumeCondition
from thaniya_core.monitor import (
    Finding,
    ServerFacts,
    Surveyor,
    VolumeFacts,
    decode_survey,
    examine,
    keep_survey,
    read_survey,
)
from thaniya_core.monitor.survey import CALENDAR_DAYS, ENDED_UPLOADS, GROWTH_DAYS
from thaniya_core.monitor.verdict import SAYS, verdict
from thaniya_core.system.space import DiskSpace

GIB = 1024**3
DISK = Volume("disk", "first", Path("/disk"))
WEEKLY = Series("bob", "laptop", "weekly")


@pytest.fixture
def survey(make):
    """Makes a survey of series."""

    def survey(*series, ended=(), **server):
        facts = ServerFacts(make.now, **server)
        surveyor = Surveyor(make.now, UTC)
        report = examine(series, facts, CheckLimits(service_within=0), surveyor.look)
        assert report == examine(series, facts, CheckLimits(service_within=0))  # it finds what the check alone finds
        return surveyor.finish(report, ended)

    return survey


def test_series_are_described(make, survey):
    series = make.facts(*make.daily(40, size=100))
    made = survey(series, make.facts(series=WEEKLY, expectation=Expectation(str(WEEKLY), make.now)))
    nightly, weekly = made.series
    assert (nightly.series, nightly.backups, nightly.broken, nightly.stored_bytes) == (make.series, 40, 0, 4000)
    assert (nightly.last_at, nightly.last_bytes) == (make.now - timedelta(hours=10), 100)
    assert (nightly.every_s, nightly.allowed_s, nightly.is_learned) == (86400, 108000, True)
    assert (nightly.severity, len(nightly.days), set(nightly.days)) == (Severity.OK, CALENDAR_DAYS, {"done"})
    assert (weekly.is_retired, weekly.every_s, weekly.last_at, set(weekly.days)) == (True, None, None, {"none"})
    assert (made.made_at, made.today, made.status) == (make.now, make.now.date(), Severity.CRITICAL)


def test_severity_of_a_series_is_its_worst_finding_those_of_its_uploads_included(make, survey):
    late = make.facts(*make.daily(20, last=make.now - timedelta(hours=31)))
    other = make.facts(make.backup(make.now, series=WEEKLY), series=WEEKLY)
    failed = make.upload(make.now, UploadState.FAILED, series=WEEKLY)
    made = survey(late, other, uploads=(failed,))
    assert [each.severity for each in made.series] == [Severity.WARNING, Severity.CRITICAL]


def test_volumes_show_what_lies_on_them_by_the_day_it_came(make, survey):
    old = make.backup(make.now - make.day * 200, 1000)
    recent = [make.backup(make.now - make.day * ago, 10) for ago in (2, 1, 0)]
    elsewhere = make.backup(make.now - make.day * 5, 7, volume="other")
    volumes = (
        VolumeFacts(DISK, DiskSpace(100 * GIB, 3 * GIB, 0, 0), low_bytes=5 * GIB),
        VolumeFacts(Volume("other", "second", Path("/other"), active=False)),
        VolumeFacts(Volume("third", "third", Path("/third")), problem="it did not answer"),
    )
    first, second, third = survey(make.facts(old, *recent, elsewhere), volumes=volumes).volumes
    assert (first.condition, first.problem, first.free_bytes) == (VolumeCondition.LOW, "", 3 * GIB)
    assert (first.backups, first.stored_bytes, len(first.growth)) == (4, 1030, GROWTH_DAYS)
    assert first.growth[0] == first.growth[-4] == 1000
    assert first.growth[-3:] == (1010, 1020, 1030)
    assert (second.condition, second.problem, second.is_active) == (
        *(VolumeCondition.MISSING, "it is not at /other", False),
    )
    assert (second.total_bytes, second.backups, second.growth[-7:]) == (None, 1, (0, 7, 7, 7, 7, 7, 7))
    assert (third.condition, third.problem, third.backups) == (VolumeCondition.DAMAGED, "it did not answer", 0)


def test_volume_tells_when_it_is_full(make, survey):
    volume = VolumeFacts(DISK, DiskSpace(100 * GIB, 20 * GIB, 0, 0))
    (filling,) = survey(make.facts(*make.daily(40, size=GIB)), volumes=(volume,)).volumes
    assert filling.full_in_days == pytest.approx(20)
    (steady,) = survey(make.facts(*make.daily(40, size=GIB), is_pruned=True), volumes=(volume,)).volumes
    assert steady.full_in_days is None


def test_users_are_those_of_the_server_and_those_whose_backups_are_left(make, survey):
    other = make.facts(make.backup(make.now, 50, series=WEEKLY), series=WEEKLY)
    made = survey(make.facts(*make.daily(3, size=100)), other, users=(User("alice", make.now), User("carol", make.now)))
    assert [(user.name, user.backups, user.stored_bytes) for user in made.users] == [
        *(("alice", 3, 300), ("bob", 1, 50), ("carol", 0, 0))
    ]


def test_only_the_newest_ended_uploads_are_kept(make, survey):
    ended = [
        make.upload(make.now - timedelta(minutes=number), UploadState.EXPIRED).in_few_words() for number in range(250)
    ]
    assert survey(ended=reversed(ended)).ended == tuple(ended[:ENDED_UPLOADS])


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-3 * 24, 200 * 24), st.integers(0, 10**12)), max_size=30))
def test_growth_ends_with_all_that_is_there_and_never_falls(make, came):
    facts = make.facts(*(make.backup(make.now - timedelta(hours=ago), size) for ago, size in came))
    surveyor = Surveyor(make.now, UTC)
    report = examine([facts], ServerFacts(make.now, volumes=(VolumeFacts(DISK),)), CheckLimits(), surveyor.look)
    (volume,) = surveyor.finish(report, ()).volumes
    assert volume.growth[-1] == volume.stored_bytes == sum(size for _, size in came)
    assert list(volume.growth) == sorted(volume.growth)


def test_survey_is_kept_for_its_own_account_and_read_again(make, survey, tmp_path):
    ended = (make.upload(make.now, UploadState.EXPIRED).in_few_words(),)
    made = survey(make.facts(*make.daily(3)), volumes=(VolumeFacts(DISK),), ended=ended)
    file = tmp_path / "state" / "survey.json"
    keep_survey(file, made)
    keep_survey(file, made)
    assert read_survey(file) == made
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_survey_that_cannot_be_written_is_an_error_of_ours(survey, tmp_path):
    with pytest.raises(ThaniyaError, match="cannot keep the survey"):
        keep_survey(tmp_path / "survey.json", survey(volumes=(VolumeFacts(DISK, problem="no a\udcff"),)))
    (tmp_path / "file").touch()
    with pytest.raises(ThaniyaError, match="cannot keep the survey"):
        keep_survey(tmp_path / "file" / "survey.json", survey())
    assert {path.name for path in tmp_path.iterdir()} == {"file"}


def test_survey_that_cannot_be_read_counts_as_none(make, survey, tmp_path):
    file = tmp_path / "survey.json"
    assert read_survey(file) is None
    data = msgspec.json.encode(survey(make.facts(*make.daily(1))))
    older = msgspec.json.decode(data)
    del older["volumes"]
    for content in (b"", b"{", b"\xff\xfe", data[:-20], data.replace(b'"done"', b'"splendid"'), b"[]", b"null"):
        file.write_bytes(content)
        assert read_survey(file) is None
    file.write_bytes(msgspec.json.encode(older))
    assert read_survey(file) is None
    file.unlink()
    file.mkdir()
    assert read_survey(file) is None


def test_what_a_later_version_has_added_is_passed_over(survey):
    made = survey()
    newer = {**msgspec.json.decode(msgspec.json.encode(made)), "mood": "splendid"}
    assert decode_survey(msgspec.json.encode(newer)) == made


def finding(code, subject="alice/web1/nightly", severity=Severity.WARNING):
    return Finding(code, subject, severity, "…", "…")


@pytest.fixture
def summaries(make, survey):
    """Summaries of so many series; of those in `never` nothing was archived."""

    def summaries(count, never=0, retired=0):
        made = []
        for number in range(count):
            series = Series("alice", "web1", f"n{number}")
            backups = () if number < never else (make.backup(make.now, series=series),)
            expectation = Expectation(str(series), make.now) if number >= count - retired else None
            made.append(make.facts(*backups, series=series, expectation=expectation))
        return examine(made, ServerFacts(make.now), CheckLimits()).series

    return summaries


def test_verdict_says_that_all_is_backed_up(summaries):
    assert verdict([], summaries(14), ()) == "all 14 series are backed up"
    assert verdict([], summaries(1), ()) == "the one series is backed up"
    assert verdict([], summaries(0), ()) == "nothing is backed up yet"
    assert verdict([], summaries(3, never=3), ()) == "nothing is backed up yet"
    assert verdict([], summaries(3, never=1), ()) == "2 of 3 series are backed up"
    assert verdict([], summaries(3, retired=1), ()) == "all 2 series are backed up"
    assert verdict([], summaries(3, retired=3), ()) == "every series is retired"


def test_verdict_names_the_worst_first_and_says_how_full_a_volume_is(summaries):
    full = finding("volume_full", "first")
    nearly = VolumeFacts(DISK, DiskSpace(1000, 84, 1000, 500))
    late = [finding("series_late", "a/b/c"), finding("series_late", "a/b/d")]
    assert verdict([full, *late], summaries(5), (nearly,)) == "2 series late, 1 volume at 91 %"
    assert verdict([full], summaries(5), (nearly,)) == "all 5 series are backed up, 1 volume at 91 %"
    no_inodes = VolumeFacts(DISK, DiskSpace(1000, 84, 1000, 5))
    assert verdict([*late, full], (), (no_inodes,)) == "2 series late, 1 volume nearly full"
    assert verdict([*late, full, finding("volume_full", "second")], (), ()).endswith("2 volumes nearly full")
    critical = finding("backup_broken", severity=Severity.CRITICAL)
    assert verdict([*late, critical], (), ()) == "1 series with broken backups, 2 series late"


def test_verdict_stays_short(summaries):
    codes = ["series_late", "series_failing", "slot_degraded", "job_stuck", "new_one", "new_one"]
    said = verdict([finding(code, str(number)) for number, code in enumerate(codes)], (), ())
    assert said == "1 job stuck, 2 new_one, 1 series failing, 2 more findings"


def test_every_finding_has_words():
    """A code of the rules that is missing here would be shown as it is."""
    (directory,) = thaniya_core.monitor.__path__
    rules = "".join((Path(directory) / name).read_text() for name in ("series.py", "volumes.py", "work.py"))
    codes = set(
        re.findall(
            r'"((?:series|backups?|user|upload|job|volume|slot|no|service|retention|schedule|clock|'
            r'notification|ping)_[a-z_]+)"',
            rules,
        )
    )
    assert codes == set(SAYS)
