"""Owners and modes: what belongs to whom, and who may write where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from thaniya_core.accounts.openssh import LOG_DIRECTORY
from thaniya_core.doctor.examination import SETUP, Subject
from thaniya_core.doctor.finding import Finding, fail, ok, or_ok, warn
from thaniya_core.doctor.machine import PathStatus
from thaniya_core.formats.protocol import UPLOAD_DIRECTORY

WRITABLE_BY_OTHERS = 0o022
_ANY_OTHER = 0o007
_STICKY = 0o1000
_STRANGERS_SHOWN = 3


class WantedPath(Struct, frozen=True):
    """A path as it should be."""

    path: Path
    owner: str
    forbidden: int
    """Bits of the mode that must not be set."""
    required: int = 0
    """Bits of the mode that must be set."""
    group: str = ""
    """Empty: any."""
    is_directory: bool = True
    made_by: str = SETUP
    """The command that makes it where it is missing."""


def wanted_paths(subject: Subject) -> list[WantedPath]:
    """What belongs to the service, to root and to the slots, on a server with sshd."""
    place = subject.installation
    service = place.service_user
    volumes = [] if subject.state is None else [volume.path for volume in subject.state.volumes.all()]
    data = [WantedPath(path, service, _ANY_OTHER | 0o020, 0o700) for path in (place.state, place.spool)]
    data += [WantedPath(path, service, WRITABLE_BY_OTHERS, 0o700) for path in volumes if subject.machine.status(path)]
    files = [place.config, place.root_config, place.sshd_drop_in, place.sudoers]
    roots = [WantedPath(path, "root", WRITABLE_BY_OTHERS, 0o400, is_directory=False) for path in files]
    programs = [
        WantedPath(path, "root", WRITABLE_BY_OTHERS, 0o500, is_directory=False)
        for path in (place.root_helper, place.key_lookup, *([place.slot_program] if place.legacy_scp else []))
    ]
    slots: list[WantedPath] = []
    for name in subject.slot_names:
        home = place.slots / name
        account = subject.machine.account(name)
        group = account.group if account else ""
        made_by = f"{place.root_helper} create {name}"
        slots.append(WantedPath(home, "root", WRITABLE_BY_OTHERS, 0o555, made_by=made_by))
        slots.append(WantedPath(home / UPLOAD_DIRECTORY, service, _ANY_OTHER, 0o2770, group, made_by=made_by))
        slots.append(WantedPath(home / LOG_DIRECTORY, service, _ANY_OTHER | 0o060, 0o2710, group, made_by=made_by))
    return [*data, *roots, *programs, *slots]


def judge_path(wanted: WantedPath, status: PathStatus | None) -> Finding | None:
    """What is wrong with a path, if anything."""
    kind = "directory" if wanted.is_directory else "file"
    name = f"owner of {wanted.path}"
    if status is None:
        return fail(name, f"{wanted.path} is missing", wanted.made_by)
    if status.is_directory != wanted.is_directory:
        return fail(name, f"{wanted.path} is no {kind}", f"move it away, then: {wanted.made_by}")
    group = wanted.group or status.group
    wrong_owner = (status.owner, status.group) != (wanted.owner, group)
    mode = status.mode & ~wanted.forbidden | wanted.required
    if not wrong_owner and mode == status.mode:
        return None
    told = f"it belongs to {status.owner}:{status.group} with mode {status.mode:04o}"
    cures = [f"chown {wanted.owner}:{group} {wanted.path}"] if wrong_owner else []
    cures += [f"chmod {mode:04o} {wanted.path}"] if wrong_owner or mode != status.mode else []
    return fail(
        name, f"{told}, {wanted.owner}:{group} with mode {mode:04o} was expected: {wanted.path}", " && ".join(cures)
    )


def check_owners(subject: Subject) -> Iterator[Finding]:
    """Everything that setup made, and what the service writes."""
    wanted = wanted_paths(subject)
    found = (judge_path(path, subject.machine.status(path.path)) for path in wanted)
    yield from or_ok(
        (finding for finding in found if finding),
        "owners and modes",
        f"{len(wanted)} files and directories belong to whom they should",
    )
    yield from check_state_files(subject)


def check_state_files(subject: Subject) -> Iterator[Finding]:
    """No file of the state may belong to root: the service could not write it any more."""
    state, service = subject.installation.state, subject.installation.service_user
    strangers: list[Path] = []
    for path in _state_files(state):
        status = subject.machine.status(path)
        if status is not None and status.owner != service:
            strangers.append(path)
    if not strangers:
        yield ok("owners in the state", f"all of {state} belongs to {service}")
        return
    shown = ", ".join(str(path) for path in strangers[:_STRANGERS_SHOWN])
    more = f" and {len(strangers) - _STRANGERS_SHOWN} more" if len(strangers) > _STRANGERS_SHOWN else ""
    tops = sorted({state / path.relative_to(state).parts[0] for path in strangers})
    yield fail(
        "owners in the state",
        f"{service} cannot write what belongs to others: {shown}{more}",
        f"chown --recursive {service}: {' '.join(map(str, tops))}",
    )


def _state_files(state: Path) -> Iterator[Path]:
    """What the store writes; volumes, the spool and slots may lie in the same directory and have rules of their own."""
    for entry in sorted(state.iterdir()):
        if entry.is_file():
            yield entry
        elif entry.name in ("catalog", "history", "log"):
            yield entry
            yield from entry.rglob("*")


def above(path: Path) -> list[Path]:
    """Every directory above a path, from the root down, links resolved."""
    return list(reversed(path.resolve().parents))


def judge_chain(
    name: str, what_for: str, statuses: Iterable[tuple[Path, PathStatus | None]], *, sticky_is_safe: bool = False
) -> Iterator[Finding]:
    """Directories that others than root may write in, or that are not root's (sshd's auth_secure_path)."""
    for path, status in statuses:
        if status is None:
            continue  # that the path itself is missing is told elsewhere
        writable = status.mode & WRITABLE_BY_OTHERS and not (sticky_is_safe and status.mode & _STICKY)
        if status.owner == "root" and not writable:
            continue
        if status.owner == "root" and status.mode & _STICKY:
            yield fail(name, f"{path} is for everybody: {what_for}", f"use a directory that is not below {path}")
            continue
        why = "does not belong to root" if status.owner != "root" else f"is writable by others (mode {status.mode:04o})"
        yield fail(name, f"{path} {why}: {what_for}", f"chown root:root {path} && chmod g-w,o-w {path}")


def find_unsafe(subject: Subject, name: str, what_for: str, path: Path) -> list[Finding]:
    """What is wrong with the directories above a path."""
    return list(judge_chain(name, what_for, ((each, subject.machine.status(each)) for each in above(path))))


def check_chains(subject: Subject) -> Iterator[Finding]:
    """The way from the root directory to the slots and to the programs, which sshd follows distrustfully."""
    place = subject.installation
    for name, what_for, path in (
        ("way to the slots", "sshd lets nobody into a slot", place.slots / "thaniya_01"),
        ("way to the key look-up", "sshd does not run the key look-up", place.key_lookup),
        ("way to the root helper", "others could exchange what runs as root", place.root_helper),
        ("way to root.json", "others could exchange what the root helper reads", place.root_config),
    ):
        yield from or_ok(
            find_unsafe(subject, name, what_for, path), name, f"every directory above {path} is root's alone"
        )


def check_code(subject: Subject, code: Path) -> Iterator[Finding]:
    """Whoever may change this program becomes root as soon as root runs it."""
    name = "way to the program"
    paths = [*above(code), code.resolve()]
    statuses = ((path, subject.machine.status(path)) for path in paths)
    found = judge_chain(name, "whoever may write there becomes root", statuses, sticky_is_safe=True)
    yield from or_ok((warn(name, each.what, each.cure) for each in found), name, f"{code} is root's alone")
