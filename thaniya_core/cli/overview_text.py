"""What `thaniya overview` says, as lines of parts with a style each: pure. A colour never says what no sign says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from textwrap import wrap

from msgspec import Struct

from thaniya_core.formats.quantities import format_duration, format_size
from thaniya_core.model import Event, Severity, Upload, VolumeCondition
from thaniya_core.monitor import DayState, Finding, Survey, SurveyedSeries, SurveyedVolume
from thaniya_core.system.harmless import make_harmless
from thaniya_core.system.terminal import text_width

Line = tuple[tuple[str, str], ...]
"""Parts, each a text and how rich is to draw it."""

MOST_FINDINGS = 8
MOST_SERIES = 25
"""The worst of them; what is well need not be looked at."""

_BAR = 20
_LEAST_NAME = 12
_WHEN = 12
"""What stands behind a calendar: `  2 h 55 min`."""

_STYLES = {
    Severity.OK: "bold green",
    Severity.WARNING: "bold yellow",
    Severity.CRITICAL: "bold red",
    Severity.UNKNOWN: "bold magenta",
}
_DAYS = {
    DayState.DONE: ("#", "green"),
    DayState.FAILED: ("!", "bold red"),
    DayState.LATE: ("-", "bold yellow"),
    DayState.NONE: (".", "dim"),
}


class Seen(Struct, frozen=True):
    """What is shown."""

    survey: Survey
    uploads: Sequence[Upload]
    """On their way."""
    events: Sequence[Event]
    """The newest, the oldest of them first."""


def overview_lines(seen: Seen, days: int, width: int | None) -> Iterator[Line]:
    """Everything at a glance.

    Args:
        seen: what there is to show.
        days: so many days of the calendars, where there is room.
        width: columns of the screen; None: as many as it takes.
    """
    survey = seen.survey
    lines = [
        *_verdict(survey, width),
        *_uploads(seen.uploads),
        *_volumes(survey.volumes),
        *_calendars(survey, days, width),
        *_events(seen.events),
    ]
    for line in lines:
        harmless = tuple((make_harmless(text), style) for text, style in line)
        yield harmless if width is None else _cut_line(harmless, width)


def _verdict(survey: Survey, width: int | None) -> Iterator[Line]:
    status = survey.status.upper()
    room = None if width is None else max(width - len(status) - 2, 20)
    for number, said in enumerate(wrap(survey.verdict, room) if room else [survey.verdict]):
        yield (f"{'' if number else status:<{len(status)}}", _STYLES[survey.status]), (f"  {said}", "bold")
    for finding in survey.findings[:MOST_FINDINGS]:
        yield ("  ", ""), (f"{finding.severity.upper():<8}", _STYLES[finding.severity]), (f"  {_say(finding)}", "")
    if (more := len(survey.findings) - MOST_FINDINGS) > 0:
        yield ((f"  and {more} more: thaniya check", "dim"),)
    elif survey.findings:
        yield (("  what to do: thaniya check", "dim"),)


def _say(finding: Finding) -> str:
    return f"{finding.subject}: {finding.text}"


def _uploads(uploads: Sequence[Upload]) -> Iterator[Line]:
    if not uploads:
        return
    yield from _heading("Uploads")
    names = _fit([str(upload.series) for upload in uploads])
    for upload, name in zip(uploads, names, strict=True):
        received, expected = upload.received_bytes, upload.expected_bytes
        size = format_size(received) + (f" of {format_size(expected)}" if expected else "")
        parts = [("  ", ""), (f"{upload.state:<8}", "cyan"), (f"  {name}  ", "")]
        if expected:
            parts.append((f"{_bar(received / expected)}  ", ""))
        rate = f"  {format_size(upload.bytes_per_s)}/s" if upload.bytes_per_s else ""
        yield *parts, (size + rate, ""), (f"  {upload.shown_reason}" if upload.shown_reason else "", "yellow")


def _volumes(volumes: Sequence[SurveyedVolume]) -> Iterator[Line]:
    yield from _heading("Volumes")
    if not volumes:
        yield (("  there is none: thaniya volume add PATH", ""),)
    for volume, label in zip(volumes, _fit([volume.label for volume in volumes]), strict=True):
        idle = "" if volume.is_active else ", takes no new backups"
        if volume.total_bytes is None or volume.free_bytes is None:
            told = f"{volume.condition.words.upper()}: {volume.problem}"
            yield (f"  {label}  ", ""), (told + idle, _STYLES[Severity.CRITICAL] if volume.is_active else "")
            continue
        used = 1 - volume.free_bytes / volume.total_bytes if volume.total_bytes else 1.0
        is_low = volume.condition is VolumeCondition.LOW
        low = ", nearly full" if is_low else ""
        until = _until(volume)
        free = f"{format_size(volume.free_bytes)} of {format_size(volume.total_bytes)} free"
        style = _STYLES[Severity.WARNING] if is_low else ""
        yield (f"  {label}  ", ""), (f"{_bar(used)} {int(used * 100):3} %", style), (f"  {free}{low}{until}{idle}", "")


def _until(volume: SurveyedVolume) -> str:
    """When it will be full, where that is worth telling."""
    days = volume.full_in_days
    return f", full in {format_duration(days * 86400)}" if days is not None and days < 365 else ""


def _calendars(survey: Survey, days: int, width: int | None) -> Iterator[Line]:
    yield from _heading("Backups")
    if not survey.series:
        yield (("  none yet: thaniya user add NAME, then thaniya-client there", ""),)
        return
    ranked = sorted(survey.series, key=lambda each: (-each.severity.rank, each.is_retired, each.series))
    shown = ranked[:MOST_SERIES]
    longest = max(len(str(each.series)) for each in shown)
    days = min(days, len(shown[0].days))
    if width is not None:
        days = max(min(days, width - _LEAST_NAME - _WHEN - 4), 1)
        longest = max(min(longest, width - days - _WHEN - 4), _LEAST_NAME)
    first = f"{survey.today - timedelta(days=days - 1):%d %b}"
    span = f"{first:<{max(days - 5, 6)}}today" if days >= len(first) + 6 else ""
    yield ((f"  {'':<{longest}}  {span:<{days}}  last", "dim"),)
    for each in shown:
        yield (
            (f"  {_cut(str(each.series), longest):<{longest}}  ", ""),
            *_strip(each.days[-days:]),
            (f"  {_last(each, survey.made_at)}", ""),
        )
    if (more := len(ranked) - len(shown)) > 0:
        yield ((f"  and {more} more: thaniya series list", "dim"),)
    yield ("  ", ""), *_legend()


def _strip(days: Sequence[DayState]) -> Iterator[tuple[str, str]]:
    """The signs of the days, those that are alike in one part."""
    begin = 0
    for number in range(1, len(days) + 1):
        if number == len(days) or days[number] is not days[begin]:
            sign, style = _DAYS[days[begin]]
            yield sign * (number - begin), style
            begin = number


def _legend() -> Iterator[tuple[str, str]]:
    for state, (sign, style) in _DAYS.items():
        yield sign, style
        yield f" {state}   ", "dim"


def _last(series: SurveyedSeries, now: datetime) -> str:
    if series.is_retired:
        return "retired"
    return "never" if series.last_at is None else format_duration(max((now - series.last_at).total_seconds(), 0))


def _events(events: Sequence[Event]) -> Iterator[Line]:
    if not events:
        return
    yield from _heading("Events")
    for event in events:
        words = (event.actor, event.action, event.subject, event.detail)
        told = "  ".join(word for word in words if word)
        yield (
            (f"  {event.at.astimezone():%d %b %H:%M}  ", "dim"),
            ("" if event.ok else "FAILED  ", _STYLES[Severity.CRITICAL]),
            (told, ""),
        )


def _heading(text: str) -> Iterator[Line]:
    yield ()
    yield ((text, "bold"),)


def _bar(share: float) -> str:
    """A bar of a share of 1; full only when it is, and empty only when it is."""
    filled = min(max(int(share * _BAR), share > 0), _BAR)
    return f"[{'=' * filled}{' ' * (_BAR - filled)}]"


def _fit(texts: Sequence[str]) -> list[str]:
    """Texts as wide as the widest, none very wide."""
    cut = [_cut(make_harmless(text), 40) for text in texts]
    widest = max(map(text_width, cut), default=0)
    return [text + " " * (widest - text_width(text)) for text in cut]


def _cut(text: str, width: int) -> str:
    """The text in so many columns; what is cut is its middle: both ends tell series of a kind from each other."""
    if text_width(text) <= width:
        return text
    half = (width - 1) // 2
    head, tail = text[: width - 1 - half], text[len(text) - half :]
    while text_width(head) + 1 + text_width(tail) > width and head:
        head, tail = head[:-1], tail[len(tail) > len(head) :]
    return f"{head}…{tail}"


def _cut_line(line: Line, width: int) -> Line:
    """The line as far as it fits."""
    if sum(text_width(text) for text, _ in line) <= width:
        return line
    cut: list[tuple[str, str]] = []
    left = width - 1
    for text, style in line:
        if text_width(text) > left:
            text = text[:left]
            while text_width(text) > left:
                text = text[:-1]
            return (*cut, (f"{text}…", style))
        cut.append((text, style))
        left -= text_width(text)
    return tuple(cut)
