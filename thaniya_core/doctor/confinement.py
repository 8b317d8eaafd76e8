"""What slots run with `legacy_scp`: whether bwrap confines it, and whether sshd asks for SFTP as it must be asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from thaniya_core.doctor.examination import SETUP, Subject
from thaniya_core.doctor.finding import Finding, fail, ok, or_ok
from thaniya_core.doctor.programs import last_line
from thaniya_core.doctor.sshd import ask_settings
from thaniya_core.errors import CommandFailed
from thaniya_core.gate.slot_shell import SFTP_NAMES
from thaniya_core.setup.confinement import WITHOUT, find_cure


def check_bwrap(subject: Subject) -> Iterator[Finding]:
    """Confine the account of each slot, as a login to it does."""
    name, place = "bwrap", subject.installation
    if not place.legacy_scp:
        return
    try:
        version = subject.machine.run(["bwrap", "--version"])
    except CommandFailed:
        yield fail(name, "bwrap is not there: nobody can enter a slot", f"apt install bubblewrap, or: {WITHOUT}")
        return
    if subject.machine.status(place.slot_program) is None:
        yield fail(name, f"{place.slot_program} is missing", SETUP)
        return
    accounts = [account for slot in subject.slot_names if (account := subject.machine.account(slot)) is not None]
    problems: dict[str, list[str]] = {}
    for account in accounts:
        done = subject.machine.run([str(place.slot_program), "try"], as_account=account)
        if done.exit_code != 0:
            problems.setdefault(last_line(done) or f"exit code {done.exit_code}", []).append(account.name)
    cure = f"{find_cure(subject.machine.read)}; {WITHOUT}"
    found = (fail(name, f"{', '.join(slots)} cannot be entered: {told}", cure) for told, slots in problems.items())
    told = version.stdout.decode("utf-8", "replace").strip()
    yield from or_ok(found, name, f"{told} confines what logins to {len(accounts)} slots run")


def check_subsystem(subject: Subject) -> Iterator[Finding]:
    """sshd hands its subsystem's command on; what slots run has to know it as SFTP."""
    if subject.installation.legacy_scp and subject.slot_names:
        yield judge_subsystem(ask_settings(subject, subject.slot_names[0]).get("subsystem", ()))


def judge_subsystem(subsystems: Iterable[str]) -> Finding:
    """From the values of `subsystem` that `sshd -T` prints."""
    name = "sshd's SFTP"
    programs = [words[1] for value in subsystems if len(words := value.split()) > 1 and words[0] == "sftp"]
    if not programs:
        return fail(name, "sshd has no subsystem sftp: scp and sftp do not work", "add `Subsystem sftp internal-sftp`")
    if programs[0].rsplit("/", 1)[-1] not in SFTP_NAMES:
        cure = "let sshd_config say `Subsystem sftp internal-sftp`"
        return fail(name, f"sshd's subsystem sftp is {programs[0]}, which slots do not know as SFTP", cure)
    return ok(name, f"the subsystem is {programs[0]}")
