"""What `thaniya overview` says, from a survey."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from thaniya_core.cli.overview_text import MOST_FINDINGS, MOST_SERIES, Seen, overview_lines
from thaniya_core.formats.names import Series
from thaniya_core.model import Event, Severity, Upload, UploadState, VolumeCondition
from thaniya_core.monitor import DayState, Finding, Survey, SurveyedSeries, SurveyedVolume
from thaniya_core.system.harmless import make_harmless
from thaniya_core.system.terminal import text_width

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
GIB = 1024**3
DAYS = (
    *(DayState.NONE,) * 20,
    *(DayState.DONE,) * 5,
    DayState.FAILED,
    *(DayState.DONE,) * 2,
    *(DayState.LATE,) * 2,
)


def series(name="alice/web1/nightly", **fields):
    described = SurveyedSeries(
        series=Series(*name.split("/")),
        backups=7,
        broken=0,
        stored_bytes=7 * GIB,
        last_at=NOW - timedelta(hours=10),
        last_bytes=GIB,
        every_s=86400,
        allowed_s=108000,
        is_learned=True,
        is_retired=False,
        unverified=0,
        severity=Severity.OK,
        days=DAYS,
    )
    return replace(described, **fields)


def volume(label="first", free=30 * GIB, **fields):
    described = SurveyedVolume(
        id="disk",
        label=label,
        path="/disk",
        is_active=True,
        condition=VolumeCondition.OK,
        problem="",
        total_bytes=100 * GIB,
        free_bytes=free,
        low_bytes=5 * GIB,
        backups=7,
        stored_bytes=7 * GIB,
        full_in_days=None,
        growth=(0,) * 90,
    )
    return replace(described, **fields)


def seen(*described, uploads=(), events=(), findings=(), volumes=(), verdict="all 2 series are backed up"):
    status = findings[0].severity if findings else Severity.OK
    return Seen(
        Survey(
            made_at=NOW,
            today=date(2026, 11, 24),
            status=status,
            verdict=verdict,
            findings=findings,
            series=described,
            volumes=volumes,
            users=(),
            ended=(),
        ),
        uploads,
        events,
    )


def lines_of(shown, days=30, width=None):
    return ["".join(text for text, _ in line).rstrip() for line in overview_lines(shown, days, width)]


def upload(**fields):
    fields = {"received_bytes": GIB, "expected_bytes": 4 * GIB, "bytes_per_s": 10 * 1024**2, **fields}
    return Upload("20261124T115500Z-000000", "alice", "web1", "nightly", "thaniya_01", NOW, NOW, **fields)


def test_all_is_said_in_few_lines():
    finding = Finding("series_late", "bob/laptop/home", Severity.WARNING, "no good backup for 3 d", "look at it")
    shown = seen(
        series(),
        series("bob/laptop/home", severity=Severity.WARNING, last_at=None),
        findings=(finding,),
        verdict="1 series late",
        uploads=[upload()],
        volumes=(volume(),),
        events=[Event(NOW, "alice@peer", "upload.open", "20261124T115500Z-000000", ok=False, detail="no slot")],
    )
    told = lines_of(shown)
    at = NOW.astimezone().strftime("%d %b %H:%M")
    assert told == [
        "WARNING  1 series late",
        "  WARNING   bob/laptop/home: no good backup for 3 d",
        "  what to do: thaniya check",
        "",
        "Uploads",
        "  open      alice/web1/nightly  [=====               ]  1.0 GiB of 4.0 GiB  10.0 MiB/s",
        "",
        "Volumes",
        "  first  [==============      ]  70 %  30.0 GiB of 100.0 GiB free",
        "",
        "Backups",
        "                      26 Oct                   today  last",
        "  bob/laptop/home     ....................#####!##--  never",
        "  alice/web1/nightly  ....................#####!##--  10 h",
        "  # done   ! failed   - late   . none",
        "",
        "Events",
        f"  {at}  FAILED  alice@peer  upload.open  20261124T115500Z-000000  no slot",
    ]


def test_server_without_anything_says_what_to_do_next():
    told = "\n".join(lines_of(seen(verdict="nothing is backed up yet")))
    assert told.startswith("OK  nothing is backed up yet\n")
    assert "thaniya volume add" in told
    assert "thaniya user add" in told
    assert "Uploads" not in told and "Events" not in told


@pytest.mark.parametrize(
    ("described", "told"),
    [
        (
            volume(free=GIB, condition=VolumeCondition.LOW),
            "[=================== ]  99 %  1.0 GiB of 100.0 GiB free, nearly full",
        ),
        (volume(free=0), "[====================] 100 %"),
        (volume(free=100 * GIB), "[                    ]   0 %"),
        (volume(free=100 * GIB - 1), "[=                   ]   0 %"),
        (volume(total_bytes=0, free_bytes=0), "100 %"),
        (volume(full_in_days=12.0), "free, full in 12 d"),
        (volume(full_in_days=4000.0), "30.0 GiB of 100.0 GiB free\n"),
        (volume(is_active=False), "free, takes no new backups"),
        (
            volume(condition=VolumeCondition.MISSING, problem="it is not at /disk", total_bytes=None, free_bytes=None),
            "first  NOT THERE: it is not at /disk\n",
        ),
    ],
)
def test_volumes_are_drawn(described, told):
    assert told in "\n".join(lines_of(seen(volumes=(described,)))) + "\n"


def test_uploads_without_an_expected_size_have_no_bar_and_reasons_are_told():
    waiting = upload(state=UploadState.SPOOLED, expected_bytes=None, bytes_per_s=0, reason="no volume is there")
    told = lines_of(seen(uploads=[waiting, upload(received_bytes=9 * GIB)]))
    assert "  spooled   alice/web1/nightly  1.0 GiB  no volume is there" in told
    assert any("[====================]  9.0 GiB of 4.0 GiB" in line for line in told)


def test_worst_series_come_first_and_the_rest_is_counted():
    many = [series(f"alice/web1/n{number:04}") for number in range(2000)]
    many[1500] = replace(many[1500], severity=Severity.CRITICAL)
    many[3] = replace(many[3], is_retired=True)
    told = lines_of(seen(*many))
    begin = next(number for number, line in enumerate(told) if line.startswith("Backups")) + 2
    assert told[begin].startswith("  alice/web1/n1500 ")
    assert told[begin + 1].startswith("  alice/web1/n0000 ")
    assert f"  and {2000 - MOST_SERIES} more: thaniya series list" in told
    assert not any("n0003" in line for line in told)


def test_many_findings_are_counted():
    found = tuple(Finding("job_stuck", str(number), Severity.WARNING, "…", "…") for number in range(MOST_FINDINGS + 3))
    assert "  and 3 more: thaniya check" in lines_of(seen(findings=found))


def test_calendar_has_as_many_days_as_asked_for_and_as_there_is_room():
    one = seen(series())
    (strip,) = (line for line in lines_of(one, days=7) if line.startswith("  alice"))
    assert strip == "  alice/web1/nightly  ##!##--  10 h"
    (strip,) = (line for line in lines_of(one, width=34) if line.startswith("  alice"))
    assert strip == "  alice/…ghtly  #!##--  10 h"


def test_long_names_keep_both_ends():
    told = lines_of(seen(series("alice/db-primary.example.org/postgres-logical-dump")), width=80)
    (strip,) = (line for line in told if "…" in line)
    assert strip.startswith("  alice/db-pr")
    assert "gical-dump  ....................#####!##--  10 h" in strip


HOSTILE = ["[red]", "[/x]", "\x1b[31m", "\x07\r\n\t", "\u202eevil", "x" * 300, "größer", "日本" * 50, "\udcff"]


@settings(deadline=None)
@given(
    width=st.none() | st.integers(20, 200),
    days=st.integers(1, 30),
    texts=st.lists(st.sampled_from(HOSTILE) | st.text(), min_size=5, max_size=5),
)
def test_no_line_is_too_wide_and_none_upsets_a_terminal(width, days, texts):
    one, two, three, four, five = texts
    shown = seen(
        series(),
        series("a/b/" + "n" * 60),
        findings=(Finding("volume_gone", one, Severity.CRITICAL, two, "…"),),
        volumes=(volume(one), volume("second", problem=three, total_bytes=None, free_bytes=None)),
        uploads=[upload(reason=four)],
        events=[Event(NOW, five, "user.add", one, detail=two)],
        verdict="2 series late, 1 volume not there, the service does not run, 7 more findings",
    )
    told = lines_of(shown, days, width)
    assert [make_harmless(text, 10**6) for text in told] == told
    if width is not None:
        assert max(map(text_width, told)) <= max(width, 30)
