"""Clock, programs and Python: what Thaniya stands on."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from thaniya_core.archive import read_rules
from thaniya_core.doctor.examination import Subject
from thaniya_core.doctor.finding import Finding, fail, ok, or_ok, skipped, warn
from thaniya_core.doctor.programs import last_line
from thaniya_core.errors import CommandFailed
from thaniya_core.system.run import Completed

_RESTORING = {
    "gzip": ({"apt": "gzip", "dnf": "gzip"}, "backups with .gz files can be neither verified nor restored"),
    "bzip2": ({"apt": "bzip2", "dnf": "bzip2"}, "backups with .bz2 files can be neither verified nor restored"),
    "xz": ({"apt": "xz-utils", "dnf": "xz"}, "backups with .xz files can be neither verified nor restored"),
    "sha256sum": ({"apt": "coreutils", "dnf": "coreutils"}, "RESTORE.txt cannot be run on this machine"),
}
"""Programs by name: the packages that have them, and what cannot be done without."""

OLDEST_OPENSSH = (8, 2)
"""The first whose sshd_config knows `Include`, and so drop-ins."""


def check_clock(subject: Subject) -> Iterator[Finding]:
    """Retention counts by this clock: it must not have gone back."""
    now = subject.clock.now()
    installed = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    newest = max((event.at for event in subject.store.read_events(now)), default=None)
    yield judge_clock(now, installed, newest)
    yield judge_ntp(subject)


def judge_clock(now: datetime, installed: datetime, newest_event: datetime | None) -> Finding:
    """Whether the time is later than all that is known to have happened."""
    name, cure = "clock", "set it: timedatectl set-ntp true, or date --set"
    shown = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if newest_event is not None and newest_event > now:
        return fail(name, f"it is {shown}, but the log has an event of {newest_event:%Y-%m-%d %H:%M:%S} UTC", cure)
    if installed > now:
        return fail(name, f"it is {shown}, but Thaniya was installed on {installed:%Y-%m-%d %H:%M:%S} UTC", cure)
    return ok(name, shown)


def judge_ntp(subject: Subject) -> Finding:
    """Whether systemd says that the clock is kept right."""
    name = "clock's source"
    try:
        done = subject.machine.run(["timedatectl", "show", "--property=NTPSynchronized", "--value"])
    except CommandFailed as error:
        return skipped(name, error.message)
    told = done.stdout.strip()
    if done.exit_code != 0 or told not in (b"yes", b"no"):
        return skipped(name, f"timedatectl does not tell: {last_line(done)}")
    if told == b"yes":
        return ok(name, "synchronised by NTP")
    return warn(name, "not synchronised by NTP", "timedatectl set-ntp true")


def check_tar(subject: Subject) -> Iterator[Finding]:
    """Restoring relies on options of GNU tar."""
    yield judge_tar(subject.machine.run(["tar", "--version"]))


def judge_tar(done: Completed) -> Finding:
    first = done.stdout.decode("utf-8", "replace").partition("\n")[0]
    if "GNU tar" in first:
        return ok("tar", first)
    return fail("tar", f"it is not GNU tar: {first or last_line(done)}", "apt install tar, or dnf install tar")


def check_restoring(subject: Subject) -> Iterator[Finding]:
    """Verifying, restoring and RESTORE.txt rely on these programs; compressing by xz does too."""
    wanted = {str(rule.compression) for rule in read_rules(subject.config.compression, str(subject.config.file))}
    missing: list[Finding] = []
    for program, (package, what_for) in _RESTORING.items():
        try:
            subject.machine.run([program, "--version"])
        except CommandFailed:
            told = f"{program} is missing: {what_for}"
            cure = " or ".join(f"{tool} install {each}" for tool, each in package.items())
            missing.append(fail(program, told, cure) if program in wanted else warn(program, told, cure))
    yield from or_ok(missing, "programs that restore", ", ".join(_RESTORING))


def check_openssh(subject: Subject) -> Iterator[Finding]:
    """OpenSSH as old as it may be."""
    yield judge_openssh(subject.machine.run(["ssh", "-V"]))


def judge_openssh(done: Completed) -> Finding:
    told = (done.stderr or done.stdout).decode("utf-8", "replace").partition("\n")[0]
    found = re.search(r"OpenSSH_(\d+)\.(\d+)", told)
    if found is None:
        return warn("OpenSSH", f"its version is not understood: {told}")
    if (int(found[1]), int(found[2])) < OLDEST_OPENSSH:
        wanted = ".".join(map(str, OLDEST_OPENSSH))
        return warn("OpenSSH", f"{found[0]} is old; {wanted} is the first that knows drop-ins", "upgrade OpenSSH")
    return ok("OpenSSH", told)


def check_python(subject: Subject) -> Iterator[Finding]:
    """Which Python runs this; too old a one would not have come so far."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield ok("Python", f"{version}, {sys.executable}")
