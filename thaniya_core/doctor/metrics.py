"""Where the schedule writes the metrics."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from thaniya_core.config import GateKind
from thaniya_core.doctor.examination import Subject
from thaniya_core.doctor.finding import Finding, fail, ok, skipped
from thaniya_core.doctor.programs import find_service

_NAME = "metrics"


def check_textfile(subject: Subject) -> Iterator[Finding]:
    """The directory of [metrics] textfile is there, and the service may write in it."""
    file = subject.config.metrics.textfile
    if file is None:
        return
    status = subject.machine.status(file.parent)
    owner = subject.installation.service_user if subject.config.gate.kind is GateKind.OPENSSH else subject.machine.user
    if status is None or not status.is_directory:
        place = shlex.quote(str(file.parent))
        cure = f"correct `textfile` of [metrics], or: mkdir -p {place} && chown {owner} {place}"
        yield fail(_NAME, f"there is no directory {file.parent}: the schedule cannot write {file.name}", cure)
    else:
        yield _judge_writable(subject, file, owner)


def _judge_writable(subject: Subject, file: Path, owner: str) -> Finding:
    account = find_service(subject) if subject.machine.is_root and subject.machine.user != owner else None
    if account is None and subject.machine.user != owner:
        return skipped(_NAME, f"only root and {owner} can try this")
    may_write = subject.machine.run(["test", "-w", str(file.parent)], as_account=account).exit_code == 0
    if not may_write:
        cure = f"chown {owner} {shlex.quote(str(file.parent))}, or have cron run: thaniya metrics --textfile {file}"
        return fail(_NAME, f"{owner} may not write in {file.parent}", cure)
    return ok(_NAME, f"{owner} may write in {file.parent}")
