"""What stands in the lower pane: head lines and calendar, and for which scopes a tried policy holds."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from rich.text import Text

from thaniya_core.views import DEFAULT_SCOPE, Applied, Policy, ScopeStatus
from thaniya_tui import render
from thaniya_tui.areas.retention import words
from thaniya_tui.areas.retention.calendar import draw_calendar, mark_days
from thaniya_tui.areas.retention.planning import Preview, Progress, Target


class Head(Struct, frozen=True):
    """What the head of a plan is drawn from."""

    target: Target | None
    status: ScopeStatus | None
    preview: Preview | None
    failure: str = ""
    progress: Progress = None


def draw_head(head: Head, width: int) -> list[Text]:
    """Whose plan it is and what it comes to; then the policy."""
    if head.target is None:
        return [Text("no scope is chosen", "faint")]
    first = Text.assemble((render.foreign(head.target.scope).plain, "strong"), "  ")
    if head.failure:
        first.append_text(render.foreign(f"✗ {head.failure}", "bad"))
    elif head.preview is None or head.progress is not None:
        first.append_text(_tell_progress(head.progress, head.preview))
    else:
        first.append_text(_tell_preview(head.preview))
    lines = [first, _policy_line(head)]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines


def _tell_progress(progress: Progress, preview: Preview | None) -> Text:
    done, of = progress or (0, 0)
    if of:
        return Text(f"planning: {done:,} of {of:,} series …", "moving")
    return Text("planning …", "faint") if preview is None else _tell_preview(preview)


def _tell_preview(preview: Preview) -> Text:
    if preview.plan is None:
        return words.tell_totals(words.add_up(preview.sums))
    line = words.tell_plan(preview.plan)
    if preview.before is not None:
        line.append(f" · now {words.tell_sums(preview.before).plain[2:]}", "faint")
    return line


def _policy_line(head: Head) -> Text:
    if head.target is not None and head.target.tried is not None:
        told = words.tell_policy(head.target.tried)
        return Text.assemble(("tried, not saved: ", "caution"), (told, ""), ("   e goes on, esc drops it", "faint"))
    if head.status is None:
        return Text("")
    return Text.assemble((render.foreign(words.tell_applied(head.status.applied, head.status.scope)).plain, "faint"))


def draw_days(preview: Preview | None, width: int) -> list[Text]:
    """The plan of a series as a calendar."""
    if preview is None or preview.plan is None:
        return []
    return draw_calendar(mark_days(preview.plan.plan), preview.made_at.astimezone().date(), width)


def aim(scope: str, tried: tuple[str, Policy] | None, statuses: Mapping[str, ScopeStatus]) -> Target:
    """What is to be planned for a scope: with the tried policy where that would hold."""
    return Target(scope, tried[1] if tried is not None and _reaches(tried[0], scope, statuses) else None)


def status_or_new(scope: str, statuses: Mapping[str, ScopeStatus]) -> ScopeStatus:
    """How it is with a scope, also with one that is not listed because there is nothing of it yet."""
    nothing = Applied(Policy(), "")
    near = next((statuses[each] for each in _upwards(scope) if each in statuses), None)
    applied = nothing if near is None else near.applied
    return statuses.get(scope, ScopeStatus(scope, applied, applied, 0))


def samples_of(status: ScopeStatus, statuses: Mapping[str, ScopeStatus], first: str) -> list[str]:
    """The listed series for which the policy of a scope holds, or would hold; `first` leads when it is one of them."""
    samples = [scope for scope, each in statuses.items() if each.is_series and _reaches(status.scope, scope, statuses)]
    return sorted(samples, key=lambda scope: scope != first)


def _upwards(scope: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((scope, scope.partition("/")[0], DEFAULT_SCOPE)))


def _reaches(tried: str, scope: str, statuses: Mapping[str, ScopeStatus]) -> bool:
    """Whether a policy that is set for one scope would hold for another, too."""
    for each in _upwards(scope):
        if each == tried:
            return True
        status = statuses.get(each)
        if status is not None and status.has_own:
            return False
    return False


def why_not_unset(status: ScopeStatus | None) -> str:
    """Why the policy of a scope cannot be taken back; empty when it can."""
    if status is None:
        return "no scope is chosen"
    if not status.has_own:
        return "nothing is set for it: what holds is " + words.tell_applied(status.applied, status.scope)
    return "it stands in thaniya.toml: change it there, or set another here" if status.applied.is_configured else ""


def why_not_apply(target: Target | None, preview: Preview | None) -> str:
    """Why a plan cannot be carried out; empty when it can."""
    if target is not None and target.tried is not None:
        return "the policy is only tried: save it first (e)"
    if preview is None:
        return "the plan is not made yet"
    return "" if any(each.removed for each in preview.sums) else "the plan removes nothing"
