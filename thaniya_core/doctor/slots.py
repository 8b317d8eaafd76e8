"""The accounts of the system: the slots, and the service's own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from msgspec import Struct

from thaniya_core.accounts.openssh import LOG_DIRECTORY
from thaniya_core.accounts.slot_log import SOCKET
from thaniya_core.doctor.examination import SETUP, Subject
from thaniya_core.doctor.finding import Finding, fail, ok, or_ok, warn
from thaniya_core.doctor.machine import Account
from thaniya_core.doctor.storage import find_service_process
from thaniya_core.model import Slot, SlotState
from thaniya_core.setup.installation import NO_SHELL, SLOT_GROUP

SHADOW = Path("/etc/shadow")
NO_PASSWORD = "*"
NO_SHELLS = ("nologin", "false")
_EPOCH = date(1970, 1, 1)


class Shadow(Struct, frozen=True):
    """A line of /etc/shadow (shadow(5))."""

    password: str
    expires_on_day: int | None
    """Days since 1970 from which nobody may log in; None: never."""


def parse_shadow(text: str) -> dict[str, Shadow]:
    """Every account of /etc/shadow."""
    entries: dict[str, Shadow] = {}
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= 8:
            day = fields[7]
            entries[fields[0]] = Shadow(fields[1], int(day) if day.isdigit() else None)
    return entries


def check_membership(subject: Subject) -> Iterator[Finding]:
    """Each slot has an account, with the shell that setup gave it, in the slots' group and in no other."""
    names = subject.slot_names
    if not names:
        yield fail("slots", "there are no slots: nobody can upload", SETUP)
        return
    accounts = {name: subject.machine.account(name) for name in names}
    shell = subject.installation.slot_shell
    missing = [name for name, account in accounts.items() if account is None]
    found = [finding for account in accounts.values() if account for finding in judge_account(account, shell)]
    if missing:
        found.append(fail("slot accounts", f"there are no accounts {', '.join(missing)}", SETUP))
    yield from or_ok(found, "slot accounts", f"{len(names)} accounts with {shell}, in the group {SLOT_GROUP}")
    known = set(names)
    for name in subject.machine.group_members(SLOT_GROUP):
        if name not in known:
            told = f"{name} is in the group {SLOT_GROUP}, but is no slot of the state"
            yield fail(f"account {name}", told, f"gpasswd --delete {name} {SLOT_GROUP}, or: {SETUP}")


def judge_account(account: Account, shell: Path) -> Iterator[Finding]:
    """What is wrong with the account of a slot; instead of nologin any shell will do that lets nobody in."""
    name = account.name
    told = f"account {name}"
    if account.uid == 0:
        yield fail(told, "it is root", f"userdel {name} && {SETUP}")
    lets_nobody_in = shell == NO_SHELL and account.shell.rsplit("/", 1)[-1] in NO_SHELLS
    if account.shell != str(shell) and not lets_nobody_in:
        yield fail(told, f"it has the shell {account.shell} instead of {shell}", f"usermod --shell {shell} {name}")
    if SLOT_GROUP not in account.groups:
        yield fail(told, f"it is not in the group {SLOT_GROUP}", f"usermod --append --groups {SLOT_GROUP} {name}")
    for other in sorted(account.groups - {SLOT_GROUP}):
        what = f"it is in the group {other}, whose rights it must not have"
        yield fail(told, what, f"gpasswd --delete {name} {other}")


def check_locks(subject: Subject) -> Iterator[Finding]:
    """No password, and the second lock: an account is expired unless an upload holds its slot."""
    entries = parse_shadow((subject.machine.read(SHADOW) or b"").decode("utf-8", "replace"))
    today = (subject.clock.now().date() - _EPOCH).days
    helper, names = str(subject.installation.root_helper), subject.slot_names
    found = [
        finding
        for name in names
        if name in entries
        for finding in judge_lock(name, entries[name], subject.slot(name), today, helper)
    ]
    yield from or_ok(found, "locks of the slots", "no passwords; locked while no upload holds them")
    service = subject.installation.service_user
    if service in entries:
        yield judge_service_password(service, entries[service], today)


def judge_lock(name: str, shadow: Shadow, slot: Slot | None, today: int, helper: str) -> Iterator[Finding]:
    """What is wrong with the password and the expiry of a slot; one that is just closing may be either way."""
    told = f"lock of {name}"
    if shadow.password != NO_PASSWORD:
        what = "it has a password" if shadow.password.startswith("$") else f"its password field is not {NO_PASSWORD}"
        yield fail(told, what, f"usermod --password '{NO_PASSWORD}' {name}")
    if slot is None or slot.state is SlotState.CLOSING:
        return
    is_locked = shadow.expires_on_day is not None and shadow.expires_on_day <= today
    if slot.state is SlotState.TAKEN and is_locked:
        yield fail(told, "an upload holds it, but nobody can log in: the account is expired", f"{helper} unlock {name}")
    elif slot.state is not SlotState.TAKEN and not is_locked:
        yield fail(told, f"the slot is {slot.state}, but its account is not locked", f"{helper} lock {name}")


def judge_service_password(name: str, shadow: Shadow, today: int) -> Finding:
    """The control account must be open for keys: neither expired nor locked by `!`, which sshd without PAM heeds."""
    told = f"lock of {name}"
    if shadow.expires_on_day is not None and shadow.expires_on_day <= today:
        return fail(told, "it is expired: nobody can log in", f"chage --expiredate -1 {name}")
    if shadow.password != NO_PASSWORD:
        cure = f"usermod --password '{NO_PASSWORD}' {name}"
        return fail(told, f"its password field is not {NO_PASSWORD}", cure)
    return ok(told, "no password; open for keys")


def check_logs(subject: Subject) -> Iterator[Finding]:
    """A running service hears at each slot's socket what is refused there; passes made by cron hear nothing."""
    name = "logs of the slots"
    if subject.machine.status(subject.installation.cron) is not None:
        yield ok(name, "cron does the service's work: what is refused in a slot is not logged")
        return
    if not find_service_process(subject):
        return  # that it does not run is told elsewhere
    sockets = [subject.installation.slots / slot / LOG_DIRECTORY / SOCKET for slot in subject.slot_names]
    deaf = [str(path) for path in sockets if not subject.machine.is_heard(path)]
    if deaf:
        what = f"the service does not listen at {', '.join(deaf)}: what is refused there is not logged"
        yield warn(name, what, "see what the service logged when it started, then start it again")
    else:
        yield ok(name, f"the service listens in {len(sockets)} slots")


def check_service_account(subject: Subject) -> Iterator[Finding]:
    """The service's account is the control account too: sshd runs the broker by its shell."""
    place = subject.installation
    account = subject.machine.account(place.service_user)
    name = f"account {place.service_user}"
    if account is None:
        yield fail(name, "there is no such account", SETUP)
    elif account.uid == 0:
        yield fail(name, "the service must not be root", f"userdel {place.service_user} && {SETUP}")
    elif account.shell.rsplit("/", 1)[-1] in NO_SHELLS:
        told = f"its shell is {account.shell}: sshd cannot run the broker"
        yield fail(name, told, f"usermod --shell /bin/sh {place.service_user}")
    else:
        yield ok(name, f"runs the service and the broker, with {account.shell}")
