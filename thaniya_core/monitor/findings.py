"""What a check finds: a finding each, with a code that stays the same from version to version."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from thaniya_core.model import Severity

_CONCERN_ALL = frozenset(
    {"clock_set_back", "no_usable_slot", "no_usable_volume", "service_not_running", "volume_full", "volume_gone"}
)
"""What, when it is critical, may be the cause of what is found of series, uploads and jobs."""


class Finding(Struct, frozen=True):
    """Something that is not as it should be."""

    code: str
    """What it is, for programs: `series_late`. One thing has one finding of a code."""
    subject: str
    """What it is about: a series, a volume, a slot."""
    severity: Severity
    text: str
    """What was found, for people."""
    cure: str
    """What to do."""

    @property
    def key(self) -> tuple[str, str]:
        """The same while the same thing is found."""
        return self.code, self.subject


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first; of these what concerns all, since it may have caused the rest; then by code and subject."""
    return sorted(
        findings, key=lambda finding: (*urgency(finding.severity, finding.code), finding.code, finding.subject)
    )


def urgency(severity: Severity, code: str) -> tuple[int, bool]:
    """A key to sort by: what is to be read first has the smallest."""
    return -severity.rank, severity is not Severity.CRITICAL or code not in _CONCERN_ALL


def worst(findings: Iterable[Finding]) -> Severity:
    """The severity of all findings together."""
    return max((finding.severity for finding in findings), key=lambda severity: severity.rank, default=Severity.OK)
