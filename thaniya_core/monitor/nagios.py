"""A report as a monitoring plugin prints it.

One line with the status, a bar and performance data; then lines with details. See the Monitoring Plugins' development
guidelines, "Plugin Output for Nagios" and "Performance data".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from thaniya_core.config import CheckLimits
from thaniya_core.formats.quantities import format_duration
from thaniya_core.model import Severity
from thaniya_core.monitor.findings import Finding
from thaniya_core.monitor.health import Report
from thaniya_core.monitor.volumes import volume_names
from thaniya_core.system.harmless import make_harmless

_SERVICE = "THANIYA"
_LINE_CHARACTERS = 400


def plugin_output(report: Report, limits: CheckLimits, most_lines: int) -> list[str]:
    """The lines of a report.

    Args:
        report: what was found.
        limits: what the thresholds in the performance data are.
        most_lines: so many findings are shown, the worst first.
    """
    shown = report.findings[:most_lines]
    lines = [f"{status_line(report.status, _headline(report))} | {' '.join(_performance(report, limits))}"]
    lines += [_detail(finding) for finding in shown]
    if len(shown) < len(report.findings):
        lines.append(f"and {len(report.findings) - len(shown)} more: thaniya check --json")
    return lines


def status_line(status: Severity, text: str) -> str:
    """The first line, without performance data."""
    return f"{_SERVICE} {status.upper()} - {_plain(text)}"


def _headline(report: Report) -> str:
    if not report.findings:
        backups = sum(each.backups for each in report.series)
        newest = max((each.last.archived_at for each in report.series if each.last is not None), default=None)
        ago = (
            "" if newest is None else f", the last {format_duration((report.checked_at - newest).total_seconds())} ago"
        )
        return f"{backups} backups in {len(report.series)} series{ago}"
    counts = Counter(finding.severity for finding in report.findings)
    told = ", ".join(f"{counts[severity]} {severity}" for severity in reversed(Severity) if counts[severity])
    first = report.findings[0]
    return f"{told}: {first.code} {first.subject}: {first.text}"


def _detail(finding: Finding) -> str:
    cure = f" ({finding.cure})" if finding.cure else ""
    return _plain(f"{finding.severity.upper()} {finding.code} {finding.subject}: {finding.text}{cure}")


def _plain(text: str) -> str:
    """A bar would begin performance data, in any line."""
    return make_harmless(text, _LINE_CHARACTERS).replace("|", "¦")


def _performance(report: Report, limits: CheckLimits) -> Iterator[str]:
    """`'label'=value[unit];[warn];[crit];[min];[max]`: of the server, not of each series, to stay short."""
    codes = Counter(finding.code for finding in report.findings)
    yield f"series={len(report.series)};;;0"
    yield f"late={codes['series_late'] + codes['series_missing']};;;0"
    yield f"failing={codes['series_failing']};;;0"
    yield f"backups={sum(each.backups for each in report.series)};;;0"
    yield f"broken={sum(each.broken for each in report.series)};;;0"
    yield f"stored={sum(each.stored_bytes for each in report.series)}B;;;0"
    names = volume_names(report.server.volumes)
    for facts in report.server.volumes:
        if facts.space is not None:
            total, free = facts.space.total_bytes, facts.space.free_bytes
            critical = round(total * limits.free_critical)
            yield f"{_label(f'free_{names[facts.volume.id]}')}={free}B;{facts.low_bytes}:;{critical}:;0;{total}"


def _label(text: str) -> str:
    """A label may hold no equals sign and no single quote; with a space in it, it is quoted."""
    return "'" + "".join("_" if character in "='| \t" else character for character in make_harmless(text)) + "'"
