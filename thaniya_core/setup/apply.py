"""Making what should be there: each change is told before it is made, and what is right already is left alone."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable, Iterable

from thaniya_core.errors import CommandFailed, WrongState
from thaniya_core.setup import sshd
from thaniya_core.setup.changes import (
    PASSWORD,
    Change,
    Directory,
    File,
    Gone,
    Group,
    NoUnit,
    ServiceUser,
    SlotShell,
    SshdDropIn,
    Unit,
    find_difference,
    unread_mark,
)
from thaniya_core.setup.system import call, has_systemd
from thaniya_core.system.files import fsync_directory, make_directories, os_errors, set_owner_and_mode, write_atomic


def carry_out(changes: Iterable[Change], tell: Callable[[str], None], *, dry_run: bool = False) -> int:
    """Compare each change with what is there, and make it where they differ.

    Args:
        changes: what should be there, in the order in which it is made.
        tell: called with what is about to be done.
        dry_run: only tell.

    Returns:
        How many changes were needed.

    Raises:
        ThaniyaError: a change could not be made; those before it are made.
    """
    count = 0
    for change in changes:
        with os_errors("look at what is there"):
            difference = find_difference(change)
        if difference:
            count += 1
            tell(difference)
            if not dry_run:
                with os_errors(difference):
                    _make(change, tell)
    return count


def _make(change: Change, tell: Callable[[str], None]) -> None:
    match change:
        case Group(name):
            call("groupadd", "--system", name)
        case ServiceUser():
            _make_user(change)
        case SlotShell(account, shell):
            call("usermod", "--shell", str(shell), account)
        case Directory(path, owner, group, mode):
            make_directories(path.parent, 0o755)
            path.mkdir(mode=0o700, exist_ok=True)
            set_owner_and_mode(path, _numbers(owner, group), mode)
            fsync_directory(path.parent)
        case File():
            _write(change)
        case SshdDropIn():
            sshd.put_in_place(change)
            tell(f"let sshd read its configuration: {sshd.reload(change.sshd_config)}")
            unread_mark(change.path).unlink()
        case Unit(path, content):
            write_atomic(path, content.encode(), 0o644, (0, 0))
            call("systemctl", "daemon-reload")
            call("systemctl", "enable", path.name)
            call("systemctl", "restart", path.name)
        case NoUnit(path):
            if has_systemd():
                call("systemctl", "disable", "--now", path.name)
            path.unlink()
            if has_systemd():
                call("systemctl", "daemon-reload")
        case Gone(path):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
            fsync_directory(path.parent)


def _make_user(wanted: ServiceUser) -> None:
    home, shell = str(wanted.home), wanted.shell
    try:
        entry = pwd.getpwnam(wanted.name)
    except KeyError:
        call(
            "useradd", "--system", "--user-group", "--no-create-home", "--home-dir", home, "--shell", shell,
            "--password", PASSWORD, "--comment", "Thaniya backup server", wanted.name,
        )  # fmt: skip
        return
    if entry.pw_uid == 0:
        raise WrongState(f"{wanted.name} is root, and must not be", hint="choose another service user")
    call("usermod", "--home", home, "--shell", shell, wanted.name)


def _write(wanted: File) -> None:
    owner = _numbers(wanted.owner, wanted.group)
    if wanted.is_kept and wanted.path.exists():
        set_owner_and_mode(wanted.path, owner, wanted.mode)
        return
    make_directories(wanted.path.parent, 0o755)
    if wanted.check:
        _judge(wanted)
    write_atomic(wanted.path, wanted.content.encode(), wanted.mode, owner)


def _judge(wanted: File) -> None:
    # A dot in its name keeps sudo from reading it (sudoers(5), @includedir).
    candidate = wanted.path.with_name(f".{wanted.path.name}.{os.getpid()}.check")
    write_atomic(candidate, wanted.content.encode(), wanted.mode, (0, 0))
    try:
        call(*wanted.check, str(candidate))
    except CommandFailed as error:
        raise WrongState(f"{wanted.path} would not be accepted, nothing was written: {error.message}") from error
    finally:
        candidate.unlink()


def _numbers(owner: str, group: str) -> tuple[int, int]:
    return pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid
