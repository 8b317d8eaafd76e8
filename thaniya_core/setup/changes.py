"""What should be there, as values; and for each of them what has to be done, if anything."""

from __future__ import annotations

import grp
import pwd
import stat
from pathlib import Path

from msgspec import Struct

from thaniya_core.setup.system import call, has_account, has_group

PASSWORD = "*"
"""No password fits it, and unlike `!` it does not lock the account for sshd with `UsePAM no`."""


class Group(Struct, frozen=True):
    """A group of the system."""

    name: str


class ServiceUser(Struct, frozen=True):
    """An account of the system with a group of its own; no password, but a shell, which forced commands need."""

    name: str
    home: Path
    shell: str = "/bin/sh"


class SlotShell(Struct, frozen=True):
    """The login shell of a slot account, where there is the account; the root helper makes new ones with it."""

    account: str
    shell: Path


class Directory(Struct, frozen=True):
    """A directory; what is missing above it is made with root as its owner."""

    path: Path
    owner: str = "root"
    group: str = "root"
    mode: int = 0o755


class File(Struct, frozen=True):
    """A file with a content."""

    path: Path
    content: str
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644
    is_kept: bool = False
    """One that is there keeps its content: it is the administrator's."""
    check: tuple[str, ...] = ()
    """A command that judges the file before it is put in place; the path is put behind it."""


class SshdDropIn(Struct, frozen=True):
    """A part of sshd's configuration, taken back when sshd does not accept it or does not heed it."""

    path: Path
    content: str
    sshd_config: Path
    account: str
    """An account that the part is for."""
    expected: str
    """A line of `sshd -T` for this account."""


class Unit(Struct, frozen=True):
    """A service that systemd runs, now and from each start of the machine."""

    path: Path
    content: str


class NoUnit(Struct, frozen=True):
    """A service that systemd should run no longer."""

    path: Path


class Gone(Struct, frozen=True):
    """A file or an empty directory that should not be there."""

    path: Path


Change = Group | ServiceUser | SlotShell | Directory | File | SshdDropIn | Unit | NoUnit | Gone


def find_difference(change: Change) -> str:
    """What has to be done, as a sentence without a subject; empty when all is as it should be."""
    match change:
        case Group(name):
            return "" if has_group(name) else f"make the group {name}"
        case ServiceUser():
            return _user_difference(change)
        case SlotShell(account, shell):
            is_other = has_account(account) and pwd.getpwnam(account).pw_shell != str(shell)
            return f"give the account {account} the shell {shell}" if is_other else ""
        case Directory(path, owner, group, mode):
            return _path_difference(path, owner, group, mode, "" if path.is_dir() else f"make the directory {path}")
        case File(path, content, owner, group, mode):
            is_right = path.is_file() and (change.is_kept or _holds(path, content))
            return _path_difference(path, owner, group, mode, "" if is_right else f"write {path}")
        case Unit(path, content) if _holds(path, content) and not _is_kept_running(path.name):
            return f"enable and start {path.name}"
        case SshdDropIn(path, content) if _holds(path, content) and unread_mark(path).exists():
            return f"let sshd check and read {path}, which was written by a run that did not come to its end"
        case SshdDropIn(path, content) | Unit(path, content):
            return _path_difference(path, "root", "root", 0o644, "" if _holds(path, content) else f"write {path}")
        case NoUnit(path):
            return f"stop {path.name} and remove {path}" if path.exists() else ""
        case Gone(path):
            return f"remove {path}" if path.exists() or path.is_symlink() else ""


def _user_difference(wanted: ServiceUser) -> str:
    try:
        entry = pwd.getpwnam(wanted.name)
    except KeyError:
        return f"make the account {wanted.name}, without a password, home {wanted.home}"
    if (entry.pw_dir, entry.pw_shell) != (str(wanted.home), wanted.shell):
        return f"give the account {wanted.name} the home {wanted.home} and the shell {wanted.shell}"
    return ""


def unread_mark(drop_in: Path) -> Path:
    """A file that is there from before the drop-in is written until sshd has read it; sshd does not include it."""
    return drop_in.with_name(f".{drop_in.stem}.unread")


def _is_kept_running(unit: str) -> bool:
    """Whether systemd runs a unit as its file says, and will after the next start of the machine."""
    looks = [call("systemctl", verb, "--quiet", unit, check=False) for verb in ("is-enabled", "is-active")]
    loaded = call("systemctl", "show", "--property=NeedDaemonReload", "--value", unit, check=False).stdout.strip()
    return loaded == b"no" and all(look.exit_code == 0 for look in looks)


def _holds(path: Path, content: str) -> bool:
    try:
        return path.read_bytes() == content.encode()
    except OSError:
        return False


def _path_difference(path: Path, owner: str, group: str, mode: int, missing: str) -> str:
    told = f"{owner}:{group} {mode:04o}"
    if missing:
        return f"{missing} ({told})"
    status = path.stat()
    if (_name_of_user(status.st_uid), _name_of_group(status.st_gid)) != (owner, group):
        return f"give {path} to {told}"
    return f"set the mode of {path} to {mode:04o}" if stat.S_IMODE(status.st_mode) != mode else ""


def _name_of_user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _name_of_group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
