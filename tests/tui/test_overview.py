"""The overview's lines, by values."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaniya_core.formats.names import Series
from thaniya_core.model import Event, Severity, UploadState, VolumeCondition
from thaniya_core.testing import FixedClock
from thaniya_core.views import DayState, Finding, Survey, SurveyedSeries, SurveyedVolume
from thaniya_tui.areas.overview import draw

from .test_uploads import live, upload

NOW = FixedClock().now()


def series(name="nightly", severity=Severity.OK, **changed) -> SurveyedSeries:
    given = {
        "series": Series("alice", "web1", name),
        "backups": 30,
        "broken": 0,
        "stored_bytes": 10**9,
        "last_at": NOW - timedelta(hours=3),
        "last_bytes": 10**7,
        "every_s": 86400,
        "allowed_s": 90000,
        "is_learned": True,
        "is_retired": False,
        "unverified": 0,
        "severity": severity,
        "days": (DayState.NONE,) * 10 + (DayState.DONE,) * 18 + (DayState.FAILED, DayState.LATE),
    }
    return SurveyedSeries(**{**given, **changed})


def survey(*findings: Finding, **changed) -> Survey:
    given = {
        "made_at": NOW,
        "today": date(2026, 11, 23),
        "status": max((finding.severity for finding in findings), key=lambda each: each.rank, default=Severity.OK),
        "verdict": "1 series late" if findings else "all 14 series are backed up",
        "findings": findings,
        "series": (),
        "volumes": (),
        "users": (),
        "ended": (),
    }
    return Survey(**{**given, **changed})


def volume(**changed) -> SurveyedVolume:
    given = {
        "id": "v1",
        "label": "archive",
        "path": "/srv/archive",
        "is_active": True,
        "condition": VolumeCondition.OK,
        "problem": "",
        "total_bytes": 100 * 2**30,
        "free_bytes": 25 * 2**30,
        "low_bytes": 5 * 2**30,
        "backups": 10,
        "stored_bytes": 70 * 2**30,
        "full_in_days": 12.4,
        "growth": (0,) * 90,
    }
    return SurveyedVolume(**{**given, **changed})


LATE = Finding("series_late", "alice/web1/nightly", Severity.WARNING, "alice/web1/nightly is 3 h late", "look there")


def plain(lines):
    return [line.plain for line in lines]


def test_the_verdict_comes_first_and_its_reasons_under_it():
    assert plain(draw.draw_verdict(survey(LATE), None, 5, 80)) == [
        "! 1 series late",
        "  ! alice/web1/nightly is 3 h late",
    ]


def test_more_reasons_than_there_is_room_for_are_counted():
    many = [Finding("c", f"s{number}", Severity.WARNING, "is late", "") for number in range(9)]
    assert plain(draw.draw_verdict(survey(*many), None, 3, 80))[-1].strip() == "and 6 more (thaniya check)"


def test_without_a_survey_it_is_said_that_one_is_made():
    assert plain(draw.draw_verdict(None, None, 5, 80)) == ["looking at everything …"]


def test_a_volume_is_a_bar_with_what_is_free_and_when_it_is_full():
    (line,) = plain(draw.draw_volumes([volume()], 60))
    assert line.startswith("✓ archive ███")
    assert line.endswith(" 75%  25.0 GiB free, full in 12 d")


def test_a_volume_that_is_gone_says_why():
    gone = volume(condition=VolumeCondition.MISSING, problem="not mounted", total_bytes=None, free_bytes=None)
    assert plain(draw.draw_volumes([gone], 60)) == ["✗ archive not there: not mounted"]


def test_a_calendar_line_ends_today_and_the_worst_series_is_first():
    late = series("weekly", Severity.WARNING)
    first, second = plain(draw.draw_series(each, NOW, 80) for each in draw.worst_first([series(), late]))
    assert first.startswith("! alice/web1/weekly")
    assert second.startswith("✓ alice/web1/nightly")
    assert second.rstrip().endswith("■■✗-    3 h ago")


def test_an_upload_says_how_much_came_how_fast_and_what_is_left():
    one = upload(received_bytes=50 * 2**20, expected_bytes=200 * 2**20, bytes_per_s=10 * 2**20)
    (line,) = plain(draw.draw_uploads(live(one), 100))
    assert line.startswith("▶ alice/web1/nightly")
    assert line.endswith("██▊────────  50.0 MiB of 200.0 MiB   10.0 MiB/s      15 s")


def test_a_failed_upload_says_why():
    (line,) = plain(draw.draw_uploads(live(upload(state=UploadState.FAILED, reason="no space")), 80))
    assert line.startswith("✗ alice/web1/nightly") and line.endswith("no space")


@pytest.mark.parametrize("width", [16, 40, 56, 76, 116])
@given(text=st.text(max_size=300))
def test_no_line_is_wider_than_its_place_whatever_stands_in_it(width, text):
    finding = Finding("c", text, Severity.CRITICAL, text, text)
    lines = [
        *draw.draw_verdict(survey(finding, verdict=text), live(), 5, width),
        *draw.draw_uploads(live(upload(host=text, expected_bytes=10, reason=text)), width),
        *draw.draw_volumes([volume(label=text), volume(label=text, free_bytes=None, problem=text)], width),
        draw.draw_series(series(name=text), NOW, width),
        *draw.draw_events([Event(NOW, text, text, text, False, text)], width),
    ]
    assert all(line.cell_len <= width for line in lines)
    assert all("\n" not in line.plain and "\x1b" not in line.plain for line in lines)


def test_the_overview_of_a_server_tells_what_happens_on_it(visit, give):
    give()

    async def look(person):
        await person.see("nothing is backed up yet")
        await person.see("alice/web1/nightly")
        await person.see("upload.open")
        await person.see("first")

    visit(look)
