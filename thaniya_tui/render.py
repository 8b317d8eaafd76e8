"""Text for screens. Every word that came from elsewhere passes here: no markup is read, nothing harmful is shown."""

from __future__ import annotations

from datetime import datetime, timedelta

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from thaniya_core.formats.quantities import format_duration, format_size
from thaniya_core.model import JobState, Severity, SlotState, UploadState, VolumeCondition
from thaniya_core.views import DayState, TaskState, make_harmless

_LONGEST = 300

Sign = tuple[str, str]
"""A sign and its style; a word always stands beside it."""

_UPLOADS: dict[UploadState, Sign] = {
    UploadState.OPEN: ("▶", "moving"),
    UploadState.CLOSING: ("▶", "moving"),
    UploadState.SPOOLED: ("▶", "moving"),
    UploadState.ARCHIVED: ("✓", "good"),
    UploadState.ABORTED: ("○", "faint"),
    UploadState.EXPIRED: ("!", "caution"),
    UploadState.REJECTED: ("✗", "bad"),
    UploadState.FAILED: ("✗", "bad"),
}
_SLOTS: dict[SlotState, Sign] = {
    SlotState.READY: ("○", "good"),
    SlotState.TAKEN: ("▶", "moving"),
    SlotState.CLOSING: ("▶", "moving"),
    SlotState.DEGRADED: ("✗", "bad"),
    SlotState.DISABLED: ("-", "faint"),
}
_VOLUMES: dict[VolumeCondition, Sign] = {
    VolumeCondition.OK: ("✓", "good"),
    VolumeCondition.LOW: ("!", "caution"),
    VolumeCondition.MISSING: ("✗", "bad"),
    VolumeCondition.DAMAGED: ("✗", "bad"),
}
_JOBS: dict[JobState, Sign] = {
    JobState.QUEUED: ("○", "accent"),
    JobState.RUNNING: ("▶", "moving"),
    JobState.DONE: ("✓", "good"),
    JobState.FAILED: ("✗", "bad"),
}
_TASKS: dict[TaskState, Sign] = {
    TaskState.OFF: ("-", "faint"),
    TaskState.RUNNING: ("▶", "moving"),
    TaskState.DUE: ("○", "accent"),
    TaskState.WAITING: ("○", "good"),
}
_SEVERITIES: dict[Severity, Sign] = {
    Severity.OK: ("✓", "good"),
    Severity.WARNING: ("!", "caution"),
    Severity.CRITICAL: ("✗", "bad"),
    Severity.UNKNOWN: ("?", "caution"),
}
DAYS: dict[DayState, Sign] = {
    DayState.DONE: ("■", "good"),
    DayState.LATE: ("-", "caution"),
    DayState.FAILED: ("✗", "bad"),
    DayState.NONE: ("·", "faint"),
}


def foreign(text: object, style: str = "", limit: int = _LONGEST) -> Text:
    """Text from elsewhere, or our own: shown as it is, letter by letter, what could upset a terminal as an escape."""
    return Text(make_harmless(str(text), limit), style=style, no_wrap=True, overflow="ellipsis")


def paragraph(text: object, style: str = "", limit: int = 4000) -> Text:
    """Foreign text that may take several lines."""
    lines = str(text)[:limit].splitlines() or [""]
    # A widget drops the style of the text as a whole, and keeps those of its parts.
    return Text.assemble(("\n".join(make_harmless(line, limit) for line in lines), style))


def fit(text: object, width: int, style: str = "") -> Text:
    """Foreign text, filled up or cut to exactly so many cells."""
    harmless = make_harmless(str(text), _LONGEST)
    if cell_len(harmless) > width:
        harmless = set_cell_size(harmless, max(width - 1, 0)) + "…"
    return Text(set_cell_size(harmless, width), style=style)


def signed(sign: Sign, word: object) -> Text:
    """A sign in its colour, and the word for it."""
    return Text.assemble((sign[0], sign[1]), " ", (make_harmless(str(word), _LONGEST), sign[1]))


def upload_state(state: UploadState) -> Text:
    return signed(_UPLOADS[state], state.value)


def slot_state(state: SlotState) -> Text:
    return signed(_SLOTS[state], state.value)


def volume_condition(condition: VolumeCondition) -> Text:
    return signed(_VOLUMES[condition], condition.words)


def job_state(state: JobState) -> Text:
    return signed(_JOBS[state], state.value)


def task_state(state: TaskState) -> Text:
    return signed(_TASKS[state], state.value)


def severity(level: Severity) -> Text:
    return signed(_SEVERITIES[level], level.value)


def severity_sign(level: Severity) -> Sign:
    return _SEVERITIES[level]


def size(size_bytes: int | None) -> Text:
    """A size, to be aligned to the right."""
    return Text(format_size(size_bytes), justify="right")


def number(value: int | None) -> Text:
    """A count, to be aligned to the right."""
    return Text("-" if value is None else f"{value:,}", justify="right")


def rate(bytes_per_s: int) -> Text:
    return Text(f"{format_size(bytes_per_s)}/s" if bytes_per_s else "-", justify="right")


def moment(at: datetime | None) -> Text:
    """A time of the server, local: `2026-11-24 02:00:13`."""
    return Text("-" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M:%S"))


def ago(at: datetime | None, now: datetime) -> Text:
    """How long something is past, in one unit: `3 min ago`; `in 3 min` when it is to come."""
    if at is None:
        return Text("never")
    past_s = (now - at).total_seconds()
    if past_s < 0:
        return Text(f"in {in_one_unit(-past_s)}")
    return Text(f"{in_one_unit(past_s)} ago" if past_s >= 1 else "now")


def in_one_unit(seconds: float) -> str:
    """How long something takes, roughly and short: `3 min`, `2 h`, `5 d`."""
    for unit_s, least_s, name in ((86400, 2 * 86400, "d"), (3600, 3600, "h"), (60, 60, "min")):
        if seconds >= least_s:
            return f"{seconds // unit_s:.0f} {name}"
    return f"{seconds:.0f} s"


def lasting(span: timedelta | float) -> Text:
    """How long something takes: `3 min`."""
    return Text(format_duration(span.total_seconds() if isinstance(span, timedelta) else span), justify="right")


def bar(part: float, width: int, style: str = "moving") -> Text:
    """A bar of so many cells, filled to a part between 0 and 1, by eighths of a cell."""
    eighths = round(min(max(part, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    drawn = "█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")
    return Text.assemble((drawn, style), ("─" * (width - len(drawn)), "faint"))
