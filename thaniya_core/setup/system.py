"""Programs of the system that setup runs, as root."""

from __future__ import annotations

import grp
import pwd
import shutil
from pathlib import Path

from thaniya_core.errors import NotFound
from thaniya_core.system.run import Completed, run

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
"""Where the system's programs are; cron and sudo leave sbin out."""

PACKAGES = {
    "sshd": "openssh-server",
    "sudo": "sudo",
    "visudo": "sudo",
    "chage": "passwd (on others: shadow-utils)",
    "bwrap": "bubblewrap",
    "setpriv": "util-linux",
}

_TIMEOUT_S = 60.0
_SYSTEMD = Path("/run/systemd/system")


def find(program: str) -> str:
    """The path of a program of the system.

    Raises:
        NotFound: it is not installed.
    """
    found = shutil.which(program, path=PATH)
    if found is None:
        raise NotFound(f"{program} is not there", hint=f"install {PACKAGES.get(program, program)}")
    return found


def call(program: str, *arguments: str, check: bool = True) -> Completed:
    """Run a program of the system to its end.

    Raises:
        NotFound: it is not installed.
        CommandFailed: it failed.
    """
    return run([find(program), *arguments], timeout_s=_TIMEOUT_S, env={"PATH": PATH, "LC_ALL": "C"}, check=check)


def has_systemd() -> bool:
    """Whether systemd runs this machine; see sd_booted(3)."""
    return _SYSTEMD.is_dir()


def has_cron() -> bool:
    """Whether a cron is installed."""
    return any(shutil.which(name, path=PATH) for name in ("cron", "crond"))


def has_account(name: str) -> bool:
    """Whether the system knows an account."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def has_group(name: str) -> bool:
    """Whether the system knows a group."""
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True
