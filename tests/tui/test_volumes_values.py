"""What is shown of volumes, by values: rows, facts, and the plot of growth."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaniya_core.errors import WrongUsage
from thaniya_core.model import Volume, VolumeCondition
from thaniya_core.system.space import DiskSpace
from thaniya_core.views import Rescanned, VolumeStatus
from thaniya_tui.areas.volumes.dialogs import check_path, check_places, told_of, typed_name_of
from thaniya_tui.areas.volumes.looking import DEADLINE_S, Look
from thaniya_tui.areas.volumes.plot import day_of_column, draw_growth, top_of_axis
from thaniya_tui.areas.volumes.rows import VOLUME_COLUMNS, Shown, draw_facts, facts_of, volume_rows

from .test_overview import volume as surveyed
from .test_uploads import HOSTILE

TODAY = date(2026, 11, 23)
GIB = 2**30
VOLUME = Volume("v1", "archive", Path("/srv/archive"))
SPACE = DiskSpace(100 * GIB, 25 * GIB, 1000, 900)
STATUS = VolumeStatus(VOLUME, VolumeCondition.OK, "25 GiB are free", SPACE)
BLOCKS = " ▁▂▃▄▅▆▇█"


def plain(lines):
    return [line.plain for line in lines]


def cells(shown):
    (row,) = volume_rows([shown])
    return dict(zip([column.key for column in VOLUME_COLUMNS], [cell.plain for cell in row.cells], strict=True))


def facts(shown):
    return {name: value.plain for name, value in facts_of(shown)}


# The plot.


@given(
    sizes=st.lists(st.integers(0, 2**60), max_size=200),
    width=st.integers(0, 200),
    height=st.integers(0, 60),
)
def test_plot_never_takes_more_room_than_it_has(sizes, width, height):
    lines = draw_growth(sizes, TODAY, width, height)
    assert len(lines) <= max(height, 0)
    if any(sizes):
        assert all(line.cell_len <= width for line in lines)
    assert all("\n" not in line.plain for line in lines)


@given(
    sizes=st.lists(st.integers(0, 2**50), min_size=90, max_size=90),
    width=st.integers(40, 160),
    height=st.integers(6, 40),
)
def test_plot_of_what_only_grows_never_falls_and_ends_at_today(sizes, width, height):
    sizes = sorted(sizes)
    if not sizes[-1]:
        return
    lines = plain(draw_growth(sizes, TODAY, width, height))
    area = [line[max(line.find("┤"), line.find("│")) + 1 :] for line in lines[:-2]]
    heights = [sum(BLOCKS.index(row[column]) for row in area) for column in range(len(area[0]))]
    assert heights == sorted(heights)
    assert heights[-1] == max(round(sizes[-1] / top_of_axis(sizes[-1]) * len(area) * 8), 1)
    assert lines[-1].endswith("2026-11-23")


@given(st.integers(0, 2**62))
def test_axis_ends_above_what_it_shows_and_not_far_above(largest):
    top = top_of_axis(largest)
    assert largest <= top <= max(largest * 2.1, 1024)


@given(columns=st.integers(1, 300), days=st.integers(1, 200))
def test_columns_show_days_in_their_order_and_the_last_one_today(columns, days):
    shown = [day_of_column(column, columns, days) for column in range(columns)]
    assert shown == sorted(shown)
    assert shown[-1] == days - 1
    assert all(0 <= day < days for day in shown)


def test_plot_has_sizes_on_one_axis_and_dates_on_the_other():
    lines = plain(draw_growth([day * GIB for day in range(90)], TODAY, 50, 8))
    assert [line[:9] for line in lines] == [
        "100 GiB ┤",
        "        │",
        "        │",
        " 50 GiB ┤",
        "        │",
        "        │",
        "    0 B └",
        "         ",
    ]
    assert lines[-1].split() == ["2026-08-26", "2026-10-10", "2026-11-23"]
    assert lines[0].endswith("  ▁▃")


def test_plot_without_room_for_axes_is_the_area_alone():
    (line,) = plain(draw_growth([1, 2, 4, 8], TODAY, 8, 1))
    assert line == "▁▁▂▂▄▄██"


@pytest.mark.parametrize("sizes", [[], [0] * 90])
def test_plot_of_nothing_says_so(sizes):
    assert plain(draw_growth(sizes, TODAY, 60, 10)) == ["nothing lies there"]


# Rows and facts.


def test_a_volume_shows_how_full_it_is_and_what_lies_there():
    shown = Shown(VOLUME, Look(STATUS), surveyed())
    assert cells(shown) == {
        "label": "archive",
        "state": "✓ all right",
        "active": "yes",
        "bar": "███████▌──",
        "part": "75%",
        "free": "25.0 GiB",
        "backups": "10",
        "stored": "70.0 GiB",
        "full": "12 d",
    }
    assert facts(shown)["lies there"] == "10 backups, 70.0 GiB; other things 5.0 GiB"
    assert facts(shown)["inodes"] == "900 of 1,000 free"
    assert facts(shown)["nearly full"] == "below 5.0 GiB"


def test_a_look_counts_more_than_an_older_survey():
    gone = VolumeStatus(VOLUME, VolumeCondition.MISSING, "it is not at /srv/archive")
    shown = Shown(VOLUME, Look(gone), surveyed())
    assert cells(shown)["state"] == "✗ not there"
    assert cells(shown)["free"] == "-"
    assert facts(shown)["state"] == "✗ not there: it is not at /srv/archive"
    assert "press s" in facts(shown)["what next"]


@pytest.mark.parametrize(
    ("condition", "told"), [(VolumeCondition.LOW, "enlarge it"), (VolumeCondition.DAMAGED, "thaniya doctor")]
)
def test_what_is_wrong_comes_with_what_to_do(condition, told):
    shown = Shown(VOLUME, Look(VolumeStatus(VOLUME, condition, "why", SPACE)))
    assert facts(shown)["state"].endswith(": why")
    assert told in facts(shown)["what next"]


def test_a_disk_that_does_not_answer_is_told_and_what_was_known_stays():
    shown = Shown(VOLUME, Look(STATUS, asked_at=0.0), surveyed(), silent_s=12)
    assert cells(shown)["state"] == "✗ no answer"
    assert "has not answered for 12 s" in facts(shown)["state"]
    assert cells(shown)["free"] == "25.0 GiB"


def test_an_answer_is_overdue_after_the_deadline_and_not_before():
    assert Look(asked_at=100.0).silent_s(100 + DEADLINE_S - 0.1) == 0
    assert Look(asked_at=100.0).silent_s(100 + DEADLINE_S) == DEADLINE_S
    assert Look().silent_s(1e9) == 0


def test_before_anything_was_seen_nothing_is_made_up():
    shown = Shown(VOLUME)
    assert (cells(shown)["part"], cells(shown)["free"], cells(shown)["backups"]) == ("-", "-", "-")
    assert facts(shown)["lies there"] == "looking at everything …"


def test_without_a_volume_it_is_said_how_to_make_one():
    assert plain(draw_facts(None, 60)) == ["no volume yet: press a, and name a directory"]


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_words_stand_letter_by_letter(text):
    volume = Volume("v1", text, Path("/srv") / text)
    status = VolumeStatus(volume, VolumeCondition.DAMAGED, text)
    shown = Shown(volume, Look(status))
    told = " ".join([*cells(shown).values(), *facts(shown).values(), *plain(draw_facts(shown, 56))])
    assert not {"\n", "\x1b", "\u202e"} & set(told)
    assert all(line.cell_len <= 56 for line in draw_facts(shown, 56))


# What is typed.


@pytest.mark.parametrize("text", ["", "backup2", "~/backup", "./x", "/a\0b"])
def test_a_directory_that_is_not_given_whole_is_refused(text):
    with pytest.raises(WrongUsage, match="whole path"):
        check_path(text)


def test_places_are_read_as_a_shell_reads_them():
    assert check_places("/media '/mnt/my disk'") == [Path("/media"), Path("/mnt/my disk")]
    assert check_places("") == []
    with pytest.raises(WrongUsage, match="cannot be told apart"):
        check_places("/media '/mnt")


@pytest.mark.parametrize(("label", "typed"), [("archive", "archive"), (" a", "v1"), ("", "v1"), ("a\tb", "v1")])
def test_what_has_to_be_typed_can_be_typed(label, typed):
    assert typed_name_of(Volume("v1", label, Path("/srv"))) == typed


def test_what_was_found_is_told_with_what_to_do():
    found = Rescanned(moved=(VOLUME,), added=(VOLUME,), missing=(VOLUME,), copies=("x: /a, /b",))
    told = told_of(found).plain
    assert told.startswith("moved          archive, now at /srv/archive\nadded ")
    assert "NOT FOUND      archive, which was at /srv/archive" in told
    assert "catalog rebuild" in told and "Mount its disk" in told and "Unmount all but one" in told
