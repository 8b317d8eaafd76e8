"""What the retention area shows, by values."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaniya_core.errors import WrongUsage
from thaniya_core.formats.names import Series
from thaniya_core.views import (
    POLICY_KEYS,
    Applied,
    Candidate,
    Decision,
    Plan,
    PlanSums,
    Policy,
    ScopeStatus,
    SeriesPlan,
    make_harmless,
    parse_policy,
)
from thaniya_tui.areas.retention import words
from thaniya_tui.areas.retention.applying import Outcome, SeriesOutcome, tell_outcome, tell_question, tell_shortly
from thaniya_tui.areas.retention.calendar import DayMark, draw_calendar, mark_days
from thaniya_tui.areas.retention.planning import Preview, Target
from thaniya_tui.areas.retention.rows import scope_rows, sums_rows
from thaniya_tui.areas.retention.showing import (
    Head,
    aim,
    draw_head,
    samples_of,
    status_or_new,
    why_not_apply,
    why_not_unset,
)

TODAY = date(2026, 11, 24)  # a Tuesday
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
NIGHTLY, SHOP = Series("alice", "web1", "nightly"), Series("alice", "db1", "shop")
NOTHING = Applied(Policy(), "")
GIB = 2**30


def plain(lines) -> list[str]:
    return [line.plain for line in lines]


def decision(days_ago: float, keep: bool = True, **changed) -> Decision:
    at = NOON - timedelta(days=days_ago)
    return Decision(Candidate(f"b{days_ago}", at, **changed), keep, ("daily 1",) if keep else ("no rule keeps it",))


def status(scope: str, policy: str | None = None, held: int = 1, where: str = "", **changed) -> ScopeStatus:
    applied = NOTHING if policy is None else Applied(parse_policy(policy), where or scope, **changed)
    return ScopeStatus(scope, applied, NOTHING, held)


# The calendar.


def test_a_year_of_days_fits_where_there_are_sixty_columns():
    days = {TODAY - timedelta(days=back): DayMark.KEPT for back in range(0, 371, 7)}
    lines = plain(draw_calendar(days, TODAY, 56))
    assert len(lines) == 9
    assert lines[0] == "■ kept 53  ✗ removed 0  · none  (days)"
    assert lines[1] == "    Dec '26 Feb Mar  Apr May  Jun Jul Aug  Sep Oct Nov"
    assert lines[3] == "Tu " + "■" * 53
    assert lines[4] == "We " + "·" * 52 + " ", "the days to come are empty"


def test_weeks_that_have_no_room_come_in_blocks_below():
    days = {TODAY: DayMark.KEPT, TODAY - timedelta(weeks=12): DayMark.REMOVED}
    lines = plain(draw_calendar(days, TODAY, 13))
    tuesdays = [line for line in lines if line.startswith("Tu")]
    assert tuesdays == ["Tu ·········■", "Tu ·······✗··"]
    assert max(len(line) for line in lines) <= 13


def test_a_gap_of_years_is_left_out():
    old = date(1999, 1, 4)
    lines = plain(draw_calendar({TODAY: DayMark.KEPT, old: DayMark.REMOVED}, TODAY, 56))
    assert [line for line in lines if line.startswith("Mo")][1] == "Mo " + "·" * 52 + "✗"


@pytest.mark.parametrize(
    ("decisions", "mark"),
    [
        ([decision(0)], DayMark.KEPT),
        ([decision(0, keep=False)], DayMark.REMOVED),
        ([decision(0), decision(0.1, keep=False)], DayMark.PARTLY),
        ([decision(0, is_broken=True)], DayMark.BROKEN),
        ([decision(0, is_broken=True), decision(0.1, keep=False)], DayMark.BROKEN),
        ([decision(0, is_broken=True), decision(0.1)], DayMark.KEPT),
    ],
)
def test_a_cell_says_the_strongest_of_its_day(decisions, mark):
    assert mark_days(Plan(tuple(decisions)), UTC) == {TODAY: mark}


@pytest.mark.parametrize("width", [0, 1, 5, 30, 56, 116])
@given(
    marks=st.dictionaries(st.dates(), st.sampled_from(DayMark), max_size=30),
    today=st.dates(),
)
def test_any_calendar_can_be_drawn_within_its_width(width, marks, today):
    lines = draw_calendar(marks, today, width)
    assert all(line.cell_len <= width for line in lines)
    assert len(lines) <= 8 * 40 + 10


@given(days=st.sets(st.dates(date(2025, 12, 1), TODAY)), width=st.integers(8, 80))
def test_each_day_with_a_backup_has_one_cell(days, width):
    lines = plain(draw_calendar(dict.fromkeys(days, DayMark.REMOVED), TODAY, width))
    assert sum(line.count("✗") for line in lines if line[:2] in ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")) == len(days)


# Words.


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("", "keeps every backup"),
        ("minimum=3", "keeps every backup"),
        ("keep-last=3", "keeps the newest 3"),
        ("keep-last=all", "keeps every backup"),
        ("keep-hourly=48 keep-daily=1", "keeps one an hour for 48 hours; one a day for 1 day"),
        ("keep-yearly=all", "keeps one a year without end"),
        ("keep-within=7d keep-within-monthly=1y", "keeps every backup of the last 7d; one a month of the last 1y"),
        ("keep-daily=7 minimum=5", "keeps one a day for 7 days; never fewer than 5 good ones"),
    ],
)
def test_a_policy_is_explained(policy, told):
    assert words.explain(parse_policy(policy)) == told


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("", None),
        ("k", "keep-last="),
        ("keep-d", "keep-daily="),
        ("keep-daily", "keep-daily="),
        ("keep-daily=7,keep-w", "keep-daily=7,keep-weekly="),
        ("keep-daily=7 mi", "keep-daily=7 minimum="),
        ("keep-daily=", None),
        ("nonsense", None),
    ],
)
def test_the_word_that_is_begun_is_completed(typed, completed):
    assert words.complete(typed) == completed


@given(text=st.text(max_size=50))
def test_what_is_completed_begins_with_what_was_typed_and_names_a_word(text):
    completed = words.complete(text)
    if completed is not None:
        assert completed.startswith(text)
        assert completed.endswith(tuple(f"{key}=" for key in POLICY_KEYS))


def test_sums_are_told_with_a_sign_and_words():
    assert words.tell_sums(PlanSums(NIGHTLY)).plain == "no backups"
    assert words.tell_sums(PlanSums(NIGHTLY, 31, GIB)).plain == "✓ keeps all 31, removes nothing"
    assert words.tell_sums(PlanSums(NIGHTLY, 24, GIB, 7, 4 * GIB)).plain == "✗ keeps 24 of 31, frees 4.0 GiB"


def test_sums_of_many_series_are_added_up():
    sums = [PlanSums(NIGHTLY, 3, 30, 2, 20), PlanSums(SHOP, 5, 50)]
    assert words.add_up(sums) == words.Totals(2, 1, 8, 80, 2, 20)
    assert words.tell_totals(words.add_up(sums)).plain == (
        "✗ keeps 8 of 10, frees 20 B · 2 series, 1 with something to remove"
    )


def test_where_a_policy_comes_from_is_told():
    assert words.tell_source(status("alice")) == "-"
    assert words.tell_source(status("alice", "keep-last=1")) == "set here"
    assert words.tell_source(status("alice", "keep-last=1", is_configured=True)) == "thaniya.toml"
    assert words.tell_source(status("alice", "keep-last=1", where="default")) == "← default"
    assert words.tell_applied(NOTHING, "alice") == "keeps everything: no policy is set"
    alice = Applied(parse_policy("keep-last=1"), "alice", is_configured=True)
    assert words.tell_applied(alice, "alice") == "keep-last=1, set for alice itself in thaniya.toml"
    assert words.tell_applied(alice, str(NIGHTLY)) == "keep-last=1, set for alice in thaniya.toml"
    assert words.tell_applied(Applied(Policy(), "default"), "default") == "keeps everything, set for all"


# Rows and heads.


def test_series_stand_under_their_user_and_say_when_they_keep_everything():
    rows = list(scope_rows([status("default", held=3), status("alice", "keep-last=2"), status(str(NIGHTLY), "")]))
    assert [[cell.plain for cell in row.cells] for row in rows] == [
        ["default", "keeps everything", "-", "3"],
        ["alice", "last=2", "set here", "1"],
        ["  alice/web1/nightly", "keeps everything", "set here", ""],
    ]


def test_what_frees_most_comes_first():
    sums = [PlanSums(SHOP, 5, 50), PlanSums(NIGHTLY, 3, 30, 2, 20)]
    assert [row.key for row in sums_rows(sums)] == [str(NIGHTLY), str(SHOP)]
    assert [row.key for row in sums_rows(sums, only_removals=True)] == [str(NIGHTLY)]


def is_harmless(text: str) -> bool:
    """Whether nothing in it could upset a terminal or end a line."""
    return make_harmless(text, 10**6) == text


@pytest.mark.parametrize("width", [1, 20, 56, 116])
@given(text=st.text(max_size=300))
def test_no_head_is_wider_than_its_place_whatever_stands_in_it(width, text):
    where = ScopeStatus(text, Applied(parse_policy("keep-last=1"), text), NOTHING, 1)
    preview = Preview(Target(text), NOON, sums=(PlanSums(Series(text, text, text), 1, 1, 1, 1),))
    for head in (
        Head(Target(text), where, None),
        Head(Target(text), where, preview),
        Head(Target(text), where, preview, progress=(1, 3)),
        Head(Target(text), where, None, failure=text),
        Head(Target(text, Policy()), None, preview),
    ):
        for line in draw_head(head, width):
            assert line.cell_len <= width
            assert is_harmless(line.plain)
    assert all(is_harmless(cell.plain) for cell in next(scope_rows([where])).cells)
    assert all(is_harmless(line) for line in tell_question(preview).plain.split("\n"))


def test_while_many_series_are_planned_it_is_told_how_far_it_is():
    first, _ = plain(draw_head(Head(Target("alice"), status("alice"), None, progress=(812, 2000)), 80))
    assert first == "alice  planning: 812 of 2,000 series …"


# Which scopes a policy reaches.


def tree(**own: str) -> dict[str, ScopeStatus]:
    names = ["default", "alice", str(SHOP), str(NIGHTLY), "bob", "bob/nas/photos"]
    return {name: status(name, own.get(name.split("/")[-1])) for name in names}


@pytest.mark.parametrize(
    ("tried", "own", "reached"),
    [
        ("default", {}, {"default", "alice", str(SHOP), str(NIGHTLY), "bob", "bob/nas/photos"}),
        ("default", {"alice": "keep-last=1"}, {"default", "bob", "bob/nas/photos"}),
        ("alice", {"shop": "keep-last=1"}, {"alice", str(NIGHTLY)}),
        (str(SHOP), {"shop": "keep-last=1"}, {str(SHOP)}),
    ],
)
def test_a_tried_policy_is_planned_with_wherever_it_would_hold(tried, own, reached):
    statuses = tree(**own)
    policy = parse_policy("keep-daily=3")
    assert {each for each in statuses if aim(each, (tried, policy), statuses).tried is policy} == reached
    assert aim("alice", None, statuses) == Target("alice")


def test_the_series_at_hand_is_the_first_sample():
    statuses = tree(photos="keep-last=1")
    assert samples_of(statuses["default"], statuses, str(NIGHTLY)) == [str(NIGHTLY), str(SHOP)]
    assert samples_of(statuses["bob"], statuses, str(NIGHTLY)) == []


def test_a_scope_that_is_not_listed_has_what_holds_above_it():
    statuses = {**tree(default="keep-last=9"), "alice": status("alice", "keep-last=4")}
    assert str(status_or_new("alice/new/one", statuses).applied.policy) == "keep-last=4"
    assert str(status_or_new("zoe", statuses).applied.policy) == "keep-last=9"
    assert status_or_new("zoe", {}).applied == NOTHING
    assert status_or_new("alice", statuses) is statuses["alice"]


def test_it_is_said_why_something_is_not_possible():
    assert "no scope" in why_not_unset(None)
    assert "nothing is set for it" in why_not_unset(status("alice", "keep-last=1", where="default"))
    assert "thaniya.toml" in why_not_unset(status("alice", "keep-last=1", is_configured=True))
    assert why_not_unset(status("alice", "keep-last=1")) == ""
    assert "tried" in why_not_apply(Target("alice", Policy()), None)
    assert "not made yet" in why_not_apply(Target("alice"), None)
    assert "removes nothing" in why_not_apply(Target("alice"), Preview(Target("alice"), NOON))


# Applying.

SHOWN = PlanSums(NIGHTLY, 3, 30, 2, 20)


def test_what_went_as_shown_is_a_line():
    outcome = Outcome((SeriesOutcome(SHOWN, 2, 20, 15),), 0)
    assert tell_shortly(outcome) == "2 backups removed, 15 B freed"


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (Outcome((SeriesOutcome(SHOWN, 1, 10, 10),), 0), "shown were 2 to remove, 20 B; removed are 1, 10 B"),
        (
            Outcome((SeriesOutcome(SHOWN, 1, 10, 10, absent=1),), 0),
            "1 backup to be removed too, but their volume",
        ),
        (Outcome((SeriesOutcome(SHOWN, failure="it is [red]broken[/]"),), 0), "it is [red]broken[/]"),
        (Outcome((SeriesOutcome(SHOWN, 2, 20, 15),), 4), "Stopped: 4 series not reached"),
    ],
)
def test_what_did_not_go_as_shown_is_told_series_by_series(outcome, told):
    assert tell_shortly(outcome) == ""
    assert told in tell_outcome(outcome).plain


def test_the_question_names_the_series_and_the_numbers():
    planned = SeriesPlan(NIGHTLY, Applied(parse_policy("keep-last=3"), "alice"), Plan(()), {})
    text = tell_question(Preview(Target(str(NIGHTLY)), NOON, planned, sums=(SHOWN,))).plain
    assert text.startswith(
        "alice/web1/nightly\nkeep-last=3, set for alice\n\nRemoves 2 backups of 5 and frees at most 20 B."
    )
    text = tell_question(Preview(Target("default"), NOON, sums=(SHOWN, PlanSums(SHOP, 5, 50)))).plain
    assert text.startswith("default: 1 of 2 series\n\nRemoves 2 backups of 10 and frees at most 20 B.")


def test_the_line_of_known_words_names_what_the_grammar_knows():
    told = words.known_words()
    for key in POLICY_KEYS:
        if not key.startswith("keep-within"):
            assert key.removeprefix("keep") in told
    with pytest.raises(WrongUsage):
        parse_policy(told)
