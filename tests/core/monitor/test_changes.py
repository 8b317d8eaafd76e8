"""What is told, and what is not told again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaniya_core.model import Severity
from thaniya_core.monitor import Finding
from thaniya_core.monitor.changes import ChangeKind, compare

WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL
REMIND_S = 86400


def finding(severity=WARNING, code="series_late", subject="alice/web1/nightly", text="no backup for 2 d"):
    return Finding(code, subject, severity, text, "look at it")


def told(make, *findings, at=None):
    return compare([], findings, at or make.now, REMIND_S).alerts


def kinds(comparison):
    return [(change.kind, change.severity) for change in comparison.changes]


def test_new_finding_is_told_with_text_and_cure(make):
    (change,) = compare([], [finding()], make.now, REMIND_S).changes
    assert (change.kind, change.since, change.text) == (ChangeKind.NEW, make.now, "no backup for 2 d")
    assert change.cure == "look at it"


def test_same_finding_is_not_told_again_though_its_text_changes(make):
    later = make.now + timedelta(days=30)
    again = compare(told(make, finding()), [finding(text="no backup for 32 d")], later, REMIND_S)
    assert again.changes == ()
    assert again.alerts == told(make, finding())


@pytest.mark.parametrize(
    ("before", "after", "kind"), [(WARNING, CRITICAL, ChangeKind.WORSE), (CRITICAL, WARNING, ChangeKind.BETTER)]
)
def test_change_of_severity_is_told_and_remembers_the_beginning(make, before, after, kind):
    later = make.now + timedelta(hours=1)
    comparison = compare(told(make, finding(before)), [finding(after)], later, REMIND_S)
    assert kinds(comparison) == [(kind, after)]
    assert comparison.changes[0].since == comparison.alerts[0].since == make.now


def test_what_is_over_is_told_once(make):
    over = compare(told(make, finding()), [], make.now + timedelta(hours=1), REMIND_S)
    assert kinds(over) == [(ChangeKind.RESOLVED, Severity.OK)]
    assert over.alerts == ()


def test_critical_is_told_again_after_a_while_and_only_then(make):
    alerts = told(make, finding(CRITICAL), finding(WARNING, subject="b"))
    day = timedelta(seconds=REMIND_S)
    found = [finding(CRITICAL), finding(WARNING, subject="b")]
    assert compare(alerts, found, make.now + day - timedelta(seconds=1), REMIND_S).changes == ()
    reminded = compare(alerts, found, make.now + day, REMIND_S)
    assert kinds(reminded) == [(ChangeKind.REMINDER, CRITICAL)]
    assert compare(reminded.alerts, found, make.now + day * 1.9, REMIND_S).changes == ()
    assert compare(alerts, found, make.now + day * 9, 0).changes == ()


def test_clock_set_back_does_not_silence_reminders(make):
    alerts = told(make, finding(CRITICAL))
    assert kinds(compare(alerts, [finding(CRITICAL)], make.now - timedelta(days=300), REMIND_S)) == [
        (ChangeKind.REMINDER, CRITICAL)
    ]


findings = st.lists(
    st.builds(finding, st.sampled_from([WARNING, CRITICAL]), st.sampled_from("ab"), st.sampled_from("xyz")),
    unique_by=lambda each: each.key,
)


@given(findings, findings)
def test_what_was_told_is_what_is_there_and_telling_twice_tells_nothing(make, before, after):
    first = compare(told(make, *before), after, make.now, REMIND_S)
    assert {(alert.code, alert.subject): alert.severity for alert in first.alerts} == {
        each.key: each.severity for each in after
    }
    second = compare(first.alerts, after, make.now, REMIND_S)
    assert second.changes == ()
    assert set(second.alerts) == set(first.alerts)


def test_what_may_have_caused_the_rest_is_told_first(make):
    service = finding(CRITICAL, "service_not_running", "service")
    changes = compare([], [finding(), finding(CRITICAL), service], make.now, REMIND_S).changes
    assert [(change.code, change.severity) for change in changes] == [
        ("service_not_running", CRITICAL),
        ("series_late", CRITICAL),
        ("series_late", WARNING),
    ]


@given(findings, findings, st.randoms())
def test_changes_do_not_depend_on_the_order(make, before, after, random):
    alerts = list(told(make, *before))
    shuffled = list(after)
    random.shuffle(alerts)
    random.shuffle(shuffled)
    one, other = (
        compare(known, found, make.now, REMIND_S) for known, found in [(alerts, shuffled), (told(make, *before), after)]
    )
    assert set(one.changes) == set(other.changes)
    assert set(one.alerts) == set(other.alerts)
