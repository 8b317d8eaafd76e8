"""The overview's lines, each drawn by a pure function of what was read and a width in cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby

from rich.text import Text

from thaniya_core.formats.quantities import format_duration, format_size
from thaniya_core.model import Event, Severity, Upload, UploadState
from thaniya_core.views import Finding, Live, Survey, SurveyedSeries, SurveyedVolume
from thaniya_tui import render

_VERDICTS = {
    Severity.OK: "good",
    Severity.WARNING: "caution",
    Severity.CRITICAL: "bad",
    Severity.UNKNOWN: "caution",
}


def draw_verdict(survey: Survey | None, live: Live | None, limit: int, width: int) -> list[Text]:
    """The verdict, and its reasons under it, the worst first."""
    if survey is None:
        return [Text("looking at everything …", "faint")]
    sign, style = render.severity_sign(survey.status)
    lines = [Text.assemble((f"{sign} ", style), (render.foreign(survey.verdict).plain, f"{_VERDICTS[survey.status]}"))]
    if live is not None:
        lines[0].append(f"   seen {render.ago(min(survey.made_at, live.at), live.at)}", "faint")
    for finding in survey.findings[:limit]:
        sign, style = render.severity_sign(finding.severity)
        lines.append(Text.assemble("  ", (sign, style), " ", _told_finding(finding)))
    if len(survey.findings) > limit:
        lines.append(Text(f"    and {len(survey.findings) - limit} more: press f", "faint"))
    return [_cut(line, width) for line in lines]


def _told_finding(finding: Finding) -> str:
    subject, text = render.foreign(finding.subject).plain, render.foreign(finding.text, limit=4000).plain
    return text if subject in text else f"{subject}: {text}" if subject else text


def describe_findings(survey: Survey) -> Text:
    """The verdict and all its reasons, the worst first, in full."""
    lines = [Text.assemble((render.foreign(survey.verdict).plain, _VERDICTS[survey.status]))]
    for finding in survey.findings:
        sign, style = render.severity_sign(finding.severity)
        line = Text.assemble("\n", (sign, style), " ", _told_finding(finding))
        if finding.cure:
            line.append(f"\n  what next  {render.foreign(finding.cure, limit=4000).plain}", "faint")
        lines.append(line)
    return Text("\n").join([*lines, Text.assemble(("\nseen ", "faint"), render.moment(survey.made_at))])


def draw_uploads(live: Live | None, width: int) -> list[Text]:
    """What is coming in right now: a bar, the rate, the time that is left."""
    if live is None:
        return [Text("…", "faint")]
    if not live.uploads:
        free = sum(slot.state == "ready" for slot in live.slots)
        return [Text(f"nothing is coming in; {free} of {len(live.slots)} slots are ready", "faint")]
    return [_upload_line(upload, width) for upload in live.uploads]


def _upload_line(upload: Upload, width: int) -> Text:
    sign = render.upload_state(upload.state)[:2]
    name_width = max(min(width * 2 // 5, 40), 8)
    line = Text.assemble(sign, render.fit(upload.series, name_width), " ")
    if upload.state is UploadState.FAILED:
        return _cut(line.append(render.foreign(upload.shown_reason).plain, "bad"), width)
    if upload.state is not UploadState.OPEN:
        return _cut(line.append(f"{upload.state.value}: {render.size(upload.received_bytes)}", "moving"), width)
    told = _told_of(upload, is_short=width < 70)
    bar_width = width - line.cell_len - len(told)
    if upload.expected_bytes and bar_width >= 4:
        line.append_text(render.bar(upload.received_bytes / upload.expected_bytes, bar_width))
    return _cut(line.append(told), width)


def _told_of(upload: Upload, *, is_short: bool) -> str:
    """What has come, how fast, and how long the rest takes; as wide for all, so that bars are as long."""
    size = format_size(upload.received_bytes)
    if is_short:
        return f" {size:>10}"
    if upload.expected_bytes:
        size += f" of {format_size(upload.expected_bytes)}"
    rate = f"{format_size(upload.bytes_per_s)}/s" if upload.bytes_per_s else "-"
    left_s = seconds_left(upload)
    return f" {size:>22} {rate:>12} {'' if left_s is None else format_duration(left_s):>9}"


def seconds_left(upload: Upload) -> float | None:
    """How long an upload takes at its present rate; None when nobody can tell."""
    if not upload.expected_bytes or upload.bytes_per_s <= 0:
        return None
    return max(upload.expected_bytes - upload.received_bytes, 0) / upload.bytes_per_s


def draw_volumes(volumes: Sequence[SurveyedVolume], width: int) -> list[Text]:
    """Each volume as a bar."""
    if not volumes:
        return [Text("no volume: make one with `thaniya volume add DIRECTORY`", "caution")]
    name_width = min(max(len(volume.label) for volume in volumes), 20)
    told = [_told_of_volume(volume) for volume in volumes]
    bar_width = max(min(width - name_width - 3 - max(map(len, told)), 40), 4)
    return [_volume_line(*each, name_width, bar_width, width) for each in zip(volumes, told, strict=True)]


def _told_of_volume(volume: SurveyedVolume) -> str:
    if volume.free_bytes is None:
        return ""
    told = f" {_used(volume):4.0%}  {format_size(volume.free_bytes)} free"
    if volume.full_in_days is not None and volume.full_in_days < 400:
        told += f", full in {volume.full_in_days:.0f} d"
    return told if volume.is_active else f"{told}, inactive"


def _used(volume: SurveyedVolume) -> float:
    """The part of a volume that is full."""
    return 1 - (volume.free_bytes or 0) / volume.total_bytes if volume.total_bytes else 0.0


def _volume_line(volume: SurveyedVolume, told: str, name_width: int, bar_width: int, width: int) -> Text:
    sign = render.volume_condition(volume.condition)
    line = Text.assemble(sign[:2], render.fit(volume.label, name_width), " ")
    if volume.free_bytes is None:
        return _cut(line.append(f"{sign.plain[2:]}: {render.foreign(volume.problem).plain}", "bad"), width)
    style = str(sign.spans[0].style) if sign.spans else ""
    return _cut(line.append_text(render.bar(_used(volume), bar_width, style)).append(told), width)


def worst_first(series: Iterable[SurveyedSeries]) -> list[SurveyedSeries]:
    """What needs somebody at the top, the others by name."""
    return sorted(series, key=lambda each: (-each.severity.rank, each.series))


def draw_series(each: SurveyedSeries, now: datetime | None, width: int) -> Text:
    """The line of a series in the calendar: its last days, its last backup."""
    told = f" {'never' if each.last_at is None or now is None else render.ago(each.last_at, now).plain:>10}"
    if width >= 90:
        told += f" {format_size(each.last_bytes):>10} {each.backups:>6} backups {format_size(each.stored_bytes):>10}"
    days = min(len(each.days), max(width - 15 - len(told), 5))
    name_width = max(width - 3 - days - len(told), 8)
    sign, style = render.severity_sign(each.severity)
    line = Text.assemble((sign, style), " ", render.fit(each.series, name_width), " ")
    for day, alike in groupby(each.days[len(each.days) - days :]):
        sign, style = render.DAYS[day]
        line.append(sign * len(list(alike)), style)
    return _cut(line.append(told, "faint"), width)


def draw_events(events: Iterable[Event], width: int) -> list[Text]:
    """The newest events, a line each."""
    lines = [_cut(line, width) for line in _event_lines(events)]
    return lines or [Text("nothing has happened yet", "faint")]


def _event_lines(events: Iterable[Event]) -> Iterator[Text]:
    for event in events:
        line = Text.assemble((event.at.astimezone().strftime("%H:%M:%S "), "faint"))
        line.append("✓ " if event.ok else "✗ ", "good" if event.ok else "bad")
        line.append_text(render.foreign(event.action)).append(" ").append_text(render.foreign(event.subject))
        yield line.append(f" {render.foreign(event.detail).plain}", "faint").append(
            f"  {render.foreign(event.actor).plain}", "faint"
        )


def _cut(line: Text, width: int) -> Text:
    line.truncate(width, overflow="ellipsis")
    return line
