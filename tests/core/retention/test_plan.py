"""What a policy keeps and removes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from thaniya_core.retention import Candidate, Plan, Policy, make_plan, parse_policy

BERLIN = ZoneInfo("Europe/Berlin")
END = datetime(2026, 3, 31, 2, tzinfo=UTC)


def dailies(number: int, end: datetime = END) -> list[Candidate]:
    return [Candidate(f"b{number - back:04}", end - timedelta(days=back)) for back in range(number)]


def plan(candidates: Sequence[Candidate], policy: str, zone: ZoneInfo | None = None) -> Plan:
    return make_plan(candidates, parse_policy(policy), zone or ZoneInfo("UTC"))


def kept(candidates: Sequence[Candidate], policy: str, zone: ZoneInfo | None = None) -> set[str]:
    return {decision.candidate.id for decision in plan(candidates, policy, zone).kept}


def reasons(made: Plan) -> dict[str, tuple[str, ...]]:
    return {decision.candidate.id: decision.reasons for decision in made.decisions}


def test_periods_overlap_and_each_counts_by_itself() -> None:
    made = plan(dailies(120), "keep-daily=7 keep-weekly=4 keep-monthly=3")
    assert [f"{decision.candidate.at:%m-%d}" for decision in made.kept] == [
        "03-31", "03-30", "03-29", "03-28", "03-27", "03-26", "03-25", "03-22", "03-15", "02-28", "01-31",
    ]  # fmt: skip
    assert made.kept[0].reasons == ("daily 1", "weekly 1", "monthly 1")
    assert made.kept[2].reasons == ("daily 3", "weekly 2")
    assert made.removed[0].reasons == ("no rule keeps it",)


def test_empty_periods_do_not_count() -> None:
    late = Candidate("late", END + timedelta(days=27))
    assert len(kept([*dailies(30), late], "keep-daily=14")) == 14


def test_backup_of_a_time_to_come_stays_and_costs_the_others_nothing() -> None:
    past = dailies(30)
    ahead = Candidate("ahead", END + timedelta(days=3650))
    for policy in ("keep-within=7d", "keep-daily=7", "keep-within-daily=1m keep-last=2", "keep-last=1 minimum=3"):
        made = make_plan([*past, ahead], parse_policy(policy), ZoneInfo("UTC"), END)
        assert {decision.candidate.id for decision in made.kept} == kept(past, policy) | {"ahead"}
        assert made.kept[0].reasons == ("its time is still to come: it does not count until then",)
    assert make_plan([*past, ahead], parse_policy("keep-last=1"), now=ahead.at).kept[0].reasons == ("last 1",)


def test_decisions_come_newest_first_whatever_the_order() -> None:
    made = plan(dailies(5), "keep-last=2")
    assert [decision.candidate.id for decision in made.decisions] == ["b0005", "b0004", "b0003", "b0002", "b0001"]


def test_newest_of_a_bucket_is_kept() -> None:
    candidates = [Candidate(f"h{hour:02}", datetime(2026, 3, 30, hour, tzinfo=UTC)) for hour in range(24)]
    candidates += [Candidate("next", datetime(2026, 3, 31, 5, tzinfo=UTC))]
    assert kept(candidates, "keep-daily=2") == {"next", "h23"}


def test_oldest_is_kept_while_the_count_is_not_reached() -> None:
    made = plan(dailies(10), "keep-monthly=3")
    assert reasons(made)["b0010"] == ("monthly 1",)
    assert reasons(made)["b0001"] == ("monthly 2 (oldest)",)
    assert len(made.kept) == 2


def test_oldest_is_not_kept_when_the_count_is_reached() -> None:
    assert kept(dailies(10), "keep-monthly=1") == {"b0010"}


def test_all_keeps_one_of_every_period() -> None:
    assert len(kept(dailies(365), "keep-monthly=all")) == 12 + 1  # the months, and the oldest


def test_no_rules_keep_everything() -> None:
    made = plan(dailies(3), "")
    assert {decision.reasons for decision in made.kept} == {("no policy",)}
    assert not plan(dailies(3), "minimum=1").removed


def test_within_counts_back_from_the_newest_backup_and_not_from_now() -> None:
    old = dailies(30, END - timedelta(days=3000))
    assert len(kept(old, "keep-within=7d")) == 7


def test_within_of_a_period_keeps_one_of_each() -> None:
    candidates = [Candidate(f"{index:03}", END - timedelta(hours=index)) for index in range(24 * 10)]
    assert len(kept(candidates, "keep-within-daily=3d")) == 4
    assert len(kept(candidates, "keep-within-daily=3d keep-within=5h")) == 4 + 3  # two are in both


def test_months_of_within_are_those_of_the_calendar() -> None:
    candidates = [Candidate(f"{day}", datetime(2026, *day, tzinfo=UTC)) for day in ((2, 27), (2, 28), (3, 1), (3, 31))]
    assert kept(candidates, "keep-within=1m") == {"(3, 1)", "(3, 31)"}


def test_days_are_those_of_the_zone() -> None:
    two = [
        Candidate("a", datetime(2026, 3, 1, 22, 30, tzinfo=UTC)),
        Candidate("b", datetime(2026, 3, 1, 23, 30, tzinfo=UTC)),
    ]
    assert kept(two, "keep-daily=1") == {"b"}
    assert kept(two, "keep-daily=2", BERLIN) == {"a", "b"}
    assert kept([*two, Candidate("c", END)], "keep-daily=2", BERLIN) == {"b", "c"}


def test_hour_that_comes_twice_is_two_hours() -> None:
    clocks_back = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 02:30 in Berlin, and an hour later again
    candidates = [Candidate(f"{hour}", clocks_back + timedelta(hours=hour)) for hour in range(4)]
    assert kept(candidates, "keep-hourly=3", BERLIN) == {"1", "2", "3"}


def test_weeks_are_iso_weeks() -> None:
    sunday, monday = datetime(2027, 1, 3, tzinfo=UTC), datetime(2027, 1, 4, tzinfo=UTC)
    friday = datetime(2027, 1, 1, tzinfo=UTC)  # of the last week of 2026
    candidates = [Candidate("friday", friday), Candidate("sunday", sunday), Candidate("monday", monday)]
    assert kept(candidates, "keep-weekly=2") == {"monday", "sunday"}


def test_pinned_backup_is_kept_and_uses_up_no_count() -> None:
    candidates = dailies(10)
    candidates[0] = replace(candidates[0], is_pinned=True)  # the newest
    made = plan(candidates, "keep-daily=2")
    assert {decision.candidate.id for decision in made.kept} == {"b0010", "b0009", "b0008"}
    assert reasons(made)["b0010"] == ("pinned",)


def test_broken_backup_neither_counts_nor_goes() -> None:
    candidates = dailies(10)
    candidates[0] = replace(candidates[0], is_broken=True)
    made = plan(candidates, "keep-last=1")
    assert {decision.candidate.id for decision in made.kept} == {"b0010", "b0009"}
    assert reasons(made)["b0010"][0].startswith("broken")


def test_minimum_counts_good_backups_only() -> None:
    candidates = dailies(10)
    candidates[1] = replace(candidates[1], is_broken=True)
    made = plan(candidates, "keep-last=1 minimum=3")
    assert {decision.candidate.id for decision in made.kept} == {"b0010", "b0009", "b0008", "b0007"}
    assert reasons(made)["b0007"] == ("minimum 3",)


def test_last_good_backup_stays() -> None:
    candidates = [replace(candidate, is_broken=index > 0) for index, candidate in enumerate(dailies(5)[::-1])]
    assert "b0001" in kept(candidates, "keep-within-daily=1h")


def test_what_a_kept_increment_needs_is_kept() -> None:
    candidates = [
        replace(candidate, parent=f"b{number - 1:04}" if number > 2 else "")
        for candidate in dailies(6)
        for number in [int(candidate.id[1:])]
    ]
    made = plan(candidates, "keep-last=1")
    assert {decision.candidate.id for decision in made.kept} == {"b0006", "b0005", "b0004", "b0003", "b0002"}
    assert reasons(made)["b0003"] == ("needed by b0004",)
    assert not reasons(made)["b0001"][0].startswith("needed")


def test_parents_in_a_circle_or_gone_do_no_harm() -> None:
    newest, other = dailies(2)
    made = plan([replace(newest, parent="b0001"), replace(other, parent="b0002")], "keep-last=1")
    assert not made.removed
    assert kept([replace(newest, parent="gone"), other], "keep-last=1") == {"b0002"}


# Properties.

COUNTS = st.fixed_dictionaries(
    {},
    optional={
        f"keep-{period}": st.integers(1, 6) for period in ("last", "hourly", "daily", "weekly", "monthly", "yearly")
    }
    | {"minimum": st.integers(0, 5)},
)
WITHIN = st.fixed_dictionaries(
    {},
    optional={
        f"keep-within{period}": st.sampled_from(["12h", "7d", "2m", "1y6m"])
        for period in ("", "-hourly", "-daily", "-weekly", "-monthly", "-yearly")
    },
)
RULES = st.builds(lambda counts, within: counts | within, COUNTS, WITHIN)
TIMES = st.datetimes(datetime(2024, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))


@st.composite
def series(draw: st.DrawFn) -> list[Candidate]:
    made: list[Candidate] = []
    for number, at in enumerate(draw(st.lists(TIMES, max_size=40))):
        parent = draw(st.sampled_from(["", *(f"b{each:04}" for each in range(number))]))
        pinned, broken = draw(st.sampled_from([(False, False)] * 6 + [(True, False), (False, True), (True, True)]))
        made.append(Candidate(f"b{number:04}", at, pinned, broken, parent if draw(st.booleans()) else ""))
    return made


def text(counts: Mapping[str, object]) -> str:
    return " ".join(f"{key}={value}" for key, value in counts.items())


@given(series(), RULES, st.randoms())
def test_order_does_not_matter(candidates, counts, random):
    shuffled = candidates[:]
    random.shuffle(shuffled)
    assert plan(shuffled, text(counts)) == plan(candidates, text(counts))


@given(series(), RULES)
def test_plan_of_what_a_plan_kept_removes_nothing(candidates, counts):
    left = [decision.candidate for decision in plan(candidates, text(counts)).kept]
    assert not plan(left, text(counts)).removed


@given(series(), COUNTS, st.data())
def test_higher_counts_never_keep_less(candidates, counts, data):
    rules = {key: value for key, value in counts.items() if key != "minimum"}
    more = {key: value + data.draw(st.integers(0, 3)) for key, value in rules.items()}
    assert kept(candidates, text(rules)) <= kept(candidates, text(more)) or not rules


@given(series(), RULES, RULES)
def test_further_rules_never_keep_less(candidates, some, others):
    rules = {key: value for key, value in some.items() if key != "minimum"}
    more = {key: value for key, value in others.items() if key != "minimum"} | rules
    assert kept(candidates, text(rules)) <= kept(candidates, text(more)) or not rules


@given(series(), RULES)
def test_what_must_stay_stays(candidates, counts):
    made = plan(candidates, text(counts))
    removed = {decision.candidate.id for decision in made.removed}
    good = [candidate for candidate in candidates if not candidate.is_broken]
    by_id = {candidate.id: candidate for candidate in candidates}
    assert not any(by_id[each].is_pinned or by_id[each].is_broken for each in removed)
    if good:
        assert max(good, key=lambda candidate: (candidate.at, candidate.id)).id not in removed
    assert sum(candidate.id not in removed for candidate in good) >= min(counts.get("minimum", 0), len(good))
    assert not any(decision.candidate.parent in removed for decision in made.kept)
    assert all(decision.reasons for decision in made.decisions)


def test_policy_of_nothing_is_no_policy() -> None:
    assert Policy().keeps_everything
