"""What runs beside the service: the root helper, sudo's line for it, and the key look-up."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

from thaniya_core import accounts, gate
from thaniya_core.doctor.examination import SETUP, Subject
from thaniya_core.doctor.finding import Finding, fail, ok, or_ok, skipped, warn
from thaniya_core.doctor.machine import Account
from thaniya_core.doctor.owners import WRITABLE_BY_OTHERS, find_unsafe
from thaniya_core.gate.keys import look_up
from thaniya_core.setup.texts import cron, sshd_drop_in, sudoers
from thaniya_core.setup.units import SERVICE, service_unit
from thaniya_core.system.run import Completed

LOOKUP_LIMIT_S = 0.08
"""The key look-up runs at every login; slower than this is told."""
_LOOKUPS = 3
_WRONG_ARGUMENTS = 2


def shipped_source(room: str, module: str) -> Path:
    """The source of a program that is installed as a copy."""
    package = {"accounts": accounts, "gate": gate}[room]
    return Path(package.__path__[0]) / f"{module}.py"


def check_copies(subject: Subject) -> Iterator[Finding]:
    """What setup installed is what this version would install; an upgrade leaves old files behind."""
    place = subject.installation
    unit = place.units / SERVICE
    scheduled = [
        (name, path, text.encode())
        for name, path, text in (
            ("systemd's unit", unit, service_unit(place)),
            ("cron's line", place.cron, cron(place)),
        )
        if subject.machine.status(path)
    ]
    entry = ("program of the slots", place.slot_program, shipped_source("gate", "slot_shell").read_bytes())
    legacy = [entry] if place.legacy_scp else []
    for name, installed, content in (
        ("root helper", place.root_helper, shipped_source("accounts", "root_helper").read_bytes()),
        ("key look-up", place.key_lookup, shipped_source("gate", "keys").read_bytes()),
        ("sshd's drop-in", place.sshd_drop_in, sshd_drop_in(place).encode()),
        ("sudo's drop-in", place.sudoers, sudoers(place).encode()),
        *legacy,
        *scheduled,
    ):
        try:
            yield judge_copy(f"version of {name}", installed, subject.machine.read(installed), content)
        except PermissionError:
            yield skipped(f"version of {name}", f"{subject.machine.user} may not read {installed}")


def judge_copy(name: str, installed: Path, content: bytes | None, source: bytes) -> Finding:
    """Whether an installed program is the shipped one, byte for byte."""
    if content is None:
        return fail(name, f"{installed} is missing", SETUP)
    if content != source:
        theirs, ours = (hashlib.sha256(data).hexdigest()[:12] for data in (content, source))
        told = f"{installed} is not the one of this version of Thaniya (SHA-256 {theirs}…, {ours}… was expected)"
        return fail(name, told, SETUP)
    return ok(name, f"{installed} is the one of this version")


def check_helper(subject: Subject) -> Iterator[Finding]:
    """Straight as root: wrong arguments are refused."""
    name, helper = "root helper", subject.installation.root_helper
    why_not = _why_not_run(subject, name, helper)
    yield why_not or judge_refusal(name, subject.machine.run([str(helper)]), SETUP)


def check_sudo(subject: Subject) -> Iterator[Finding]:
    """The service user may run the root helper, without a password."""
    name, place = "sudo", subject.installation
    service = find_service(subject)
    if service is None:
        yield fail(name, f"there is no account {place.service_user}", SETUP)
        return
    if subject.machine.is_root:
        syntax = subject.machine.run(["visudo", "--check", "--quiet"])
        if syntax.exit_code != 0:
            yield fail(name, f"sudo's configuration is wrong: {last_line(syntax)}", "visudo --check")
            return
    elif subject.machine.user != place.service_user:
        yield skipped(name, f"only root and {place.service_user} can try this")
        return
    why_not = _why_not_run(subject, name, place.root_helper)
    if why_not is None:
        command = ["sudo", "--non-interactive", str(place.root_helper)]
        done = subject.machine.run(command, as_account=service if subject.machine.is_root else None)
        is_ours = subject.machine.is_root and subject.machine.read(place.sudoers) == sudoers(place).encode()
        elsewhere = f"sudo --list --other-user={place.service_user} shows what counts; /etc/sudoers has to end with "
        yield judge_refusal(name, done, f"{elsewhere}`@includedir {place.sudoers.parent}`" if is_ours else SETUP)
    else:
        yield why_not


def _why_not_run(subject: Subject, name: str, program: Path) -> Finding | None:
    """What others could exchange is not run by root, also not to see whether it works."""
    status = subject.machine.status(program)
    if status is None:
        return fail(name, f"{program} is missing", SETUP)
    if status.owner != "root" or status.mode & WRITABLE_BY_OTHERS or find_unsafe(subject, name, "", program):
        return skipped(name, f"{program} is not run: others than root could have changed it")
    return None


def judge_refusal(name: str, done: Completed, cure: str) -> Finding:
    """The root helper, called without arguments, must say that they are wrong."""
    if done.exit_code == _WRONG_ARGUMENTS and b"wrong arguments" in done.stderr:
        return ok(name, "the root helper answers, and refuses wrong arguments")
    return fail(name, f"the root helper cannot be run, exit code {done.exit_code}: {last_line(done)}", cure)


def check_lookup(subject: Subject) -> Iterator[Finding]:
    """Run it as sshd does, and see how long a login waits for it."""
    name, place = "key look-up", subject.installation
    service = find_service(subject)
    if service is None:
        yield fail(name, f"there is no account {place.service_user}", SETUP)
    elif not subject.machine.is_root and subject.machine.user != place.service_user:
        yield skipped(name, f"only root and {place.service_user} can run it as sshd does")
    elif (why_not_run := _why_not_run(subject, name, place.key_lookup)) is not None:
        yield why_not_run
    else:
        account = service if subject.machine.is_root else None
        why_not = explain_failure(subject.config.paths.state / "state.json", place.service_user)
        yield from judge_lookups(name, [_look_up(subject, account) for _ in range(_LOOKUPS)], why_not)


def _look_up(subject: Subject, account: Account | None) -> tuple[Completed, float]:
    begin = time.perf_counter()
    place = subject.installation
    done = subject.machine.run([str(place.key_lookup), place.service_user], as_account=account)
    return done, time.perf_counter() - begin


def explain_failure(state_file: Path, account: str) -> str:
    """Why the look-up fails on a state file; the program itself tells the system's log only."""
    try:
        look_up(state_file, account, control_account=account, broker=["thaniya"])  # type: ignore[no-untyped-call]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    return "the system's log tells why"


def judge_lookups(name: str, runs: list[tuple[Completed, float]], why_not: str) -> Iterator[Finding]:
    """Whether it works and is quick, the best of some runs: the first one fills the caches."""
    failed = next((done for done, _ in runs if done.exit_code != 0), None)
    if failed is not None:
        told = f"it ends with {failed.exit_code} and lets nobody in: {last_line(failed) or why_not}"
        yield fail(name, told, f"grep thaniya-keys /var/log/auth.log tells why (or journalctl); then: {SETUP}")
        return
    best_s = min(seconds for _, seconds in runs)
    told = f"it answers in {best_s * 1000:.0f} ms"
    slow = f"{told}; every login waits for it, {LOOKUP_LIMIT_S * 1000:.0f} ms are wanted"
    findings = [warn(name, slow, "see whether the machine is busy or the state is very large")]
    yield from or_ok(findings if best_s > LOOKUP_LIMIT_S else [], name, told)


def find_service(subject: Subject) -> Account | None:
    """The account of the service; None when there is none, or it is root, as which nothing is tried."""
    account = subject.machine.account(subject.installation.service_user)
    return None if account is not None and account.uid == 0 else account


def last_line(done: Completed) -> str:
    """What a program said last on stderr."""
    lines = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
