"""The doors of the examination: what it asks the system. Nothing here changes anything."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import stat
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from thaniya_core.setup.system import has_systemd
from thaniya_core.system.run import Completed, run
from thaniya_core.system.space import DiskSpace, disk_space

TIMEOUT_S = 15.0
CONNECT_TIMEOUT_S = 5.0
_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


class PathStatus(Struct, frozen=True):
    """Owner, mode and kind of what a path leads to."""

    owner: str
    group: str
    mode: int
    """Permissions with set-uid, set-gid and sticky: 0o7777."""
    is_directory: bool
    device: int


class Account(Struct, frozen=True):
    """An account of the system."""

    name: str
    uid: int
    gid: int
    group: str
    """The primary one."""
    shell: str
    groups: frozenset[str]
    """All others."""


class Machine:
    """This machine. Every method may raise OSError, PermissionError above all."""

    @property
    def user(self) -> str:
        """Who examines."""
        return _user_name(os.geteuid())

    @property
    def is_root(self) -> bool:
        return os.geteuid() == 0

    @property
    def has_systemd(self) -> bool:
        return has_systemd()

    def run(self, argv: Sequence[str], *, as_account: Account | None = None) -> Completed:
        """Run a program of the system; its exit code is the caller's to judge.

        Args:
            argv: the program and its arguments.
            as_account: run it as this account, which needs root.

        Raises:
            CommandFailed: it is not there or does not end.
        """
        path = f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}".lstrip(":")
        command = list(argv) if as_account is None else [*switch_user(as_account), *argv]
        return run(command, timeout_s=TIMEOUT_S, env={"LC_ALL": "C", "PATH": path}, check=False)

    def status(self, path: Path) -> PathStatus | None:
        """What a path leads to, links followed; None when nothing is there."""
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return PathStatus(
            _user_name(found.st_uid),
            _group_name(found.st_gid),
            stat.S_IMODE(found.st_mode),
            stat.S_ISDIR(found.st_mode),
            found.st_dev,
        )

    def read(self, path: Path) -> bytes | None:
        """A file; None when it is not there."""
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def may_list(self, directory: Path) -> bool:
        """Whether what is in a directory can be seen."""
        return os.access(directory, os.R_OK | os.X_OK, effective_ids=True)

    def account(self, name: str) -> Account | None:
        """An account by its name; None when there is none."""
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return None
        members = frozenset(group.gr_name for group in grp.getgrall() if name in group.gr_mem)
        return Account(name, entry.pw_uid, entry.pw_gid, _group_name(entry.pw_gid), entry.pw_shell, members)

    def group_members(self, group: str) -> list[str]:
        """The members of a group, sorted; empty when there is no such group."""
        try:
            return sorted(grp.getgrnam(group).gr_mem)
        except KeyError:
            return []

    def space(self, path: Path) -> DiskSpace:
        """What is free on the file system of a path."""
        return disk_space(path)

    def is_heard(self, path: Path) -> bool:
        """Whether a process holds the datagram socket of a path, rather than none or only its file is there."""
        try:
            handle = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
                # By way of the handle: an address has room for 107 bytes only.
                probe.connect(f"/proc/self/fd/{handle}/{path.name}")
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        finally:
            os.close(handle)
        return True

    def first_line(self, host: str, port: int) -> str:
        """The first line that a server says to whom connects."""
        with socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S) as connection:
            return connection.recv(255).split(b"\n")[0].decode("utf-8", "replace").strip()


def switch_user(account: Account) -> list[str]:
    """The beginning of a command line that runs the rest of it as another account (setpriv(1))."""
    return ["setpriv", f"--reuid={account.uid}", f"--regid={account.gid}", "--init-groups", "--"]


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
