"""The grammar of policies."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaniya_core.errors import WrongUsage
from thaniya_core.retention import Policy, parse_policy
from thaniya_core.retention.policy import ALL, KEYS, Period, make_policy
from thaniya_core.retention.spans import Span


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("", Policy()),
        ("keep-daily=7 keep-weekly=4", Policy(((Period.DAILY, 7), (Period.WEEKLY, 4)))),
        ("keep-weekly=4,keep-daily = 7,\n", Policy(((Period.DAILY, 7), (Period.WEEKLY, 4)))),
        ("keep-last=all", Policy(((Period.LAST, ALL),))),
        ("keep-last=3 keep-hourly=0 minimum=2", Policy(((Period.LAST, 3),), minimum=2)),
        ("keep-within=1y6m7d12h", Policy(within=((Period.LAST, Span(1, 6, 7, 12)),))),
        ("keep-within-yearly=10y", Policy(within=((Period.YEARLY, Span(10)),))),
    ],
)
def test_policy_is_read(text: str, policy: Policy) -> None:
    assert parse_policy(text) == policy


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("keep-dayly=7", "knows no keep-dayly"),
        ("daily=7", "knows no daily"),
        ("keep-daily", "'keep-daily' is no part"),
        ("keep-daily=7 and more", "'and more' is no part"),
        ("keep-daily=7 keep-daily=8", "given twice"),
        ("keep-daily=-1", "keep-daily=-1"),
        ("keep-daily=1.5", "keep-daily=1.5"),
        ("keep-daily=x", "keep-daily=x"),
        ("keep-daily=99999999999999999999", "keep-daily="),
        ("keep-daily=٣", "keep-daily="),
        ("keep-daily=0", "keeps nothing"),
        ("keep-within=7", "'7' is not a span"),
        ("keep-within=0d", "'0d' is not a span"),
        ("keep-within=1h1d", "'1h1d' is not a span"),
        ("minimum=all keep-last=1", "needs a number"),
    ],
)
def test_what_is_wrong_is_told(text: str, told: str) -> None:
    with pytest.raises(WrongUsage, match=re.escape(told)) as caught:
        parse_policy(text)
    assert caught.value.hint


@pytest.mark.parametrize("value", [True, None, 1.5, [7], -1])
def test_count_of_the_wrong_kind_is_told(value: object) -> None:
    with pytest.raises(WrongUsage, match="keep-daily"):
        make_policy({"keep-daily": value})


def test_span_of_the_wrong_kind_is_told() -> None:
    with pytest.raises(WrongUsage, match="keep-within"):
        make_policy({"keep-within": 7})


@given(
    st.fixed_dictionaries(
        {},
        optional={key: st.integers(1, 10**6) for key in KEYS if "within" not in key}
        | {key: st.tuples(*[st.integers(0, 99)] * 4).filter(any) for key in KEYS if "within" in key},
    )
)
def test_policy_comes_back_from_its_text(values) -> None:
    policy = make_policy({key: value if isinstance(value, int) else str(Span(*value)) for key, value in values.items()})
    assert parse_policy(str(policy)) == policy
