"""Where schedules are put: files of systemd and cron, and a user's crontab."""

from __future__ import annotations

import os
from pathlib import Path

from thaniya_client.tasks.tools import Tool, find_tool
from thaniya_core.errors import CommandFailed, SourceFailed
from thaniya_core.system.run import run

SYSTEM_UNITS = Path("/etc/systemd/system")
CRON_DIRECTORY = Path("/etc/cron.d")
_SYSTEMD = Path("/run/systemd/system")
_CRONTAB = Tool("crontab", install="apt install cron")
_TIMEOUT_S = 60.0


def is_root() -> bool:
    """Whether this account is the one whose schedules are the system's."""
    return os.geteuid() == 0


def has_systemd() -> bool:
    """Whether systemd runs this machine; see sd_booted(3)."""
    return _SYSTEMD.is_dir()


def units_directory(*, is_user: bool) -> Path:
    """Where an administrator's units lie, or a user's own."""
    if not is_user:
        return SYSTEM_UNITS
    given = os.environ.get("XDG_CONFIG_HOME", "")
    base = Path(given) if given.startswith("/") else Path("~/.config").expanduser()
    return base / "systemd/user"


def systemctl(*arguments: str, is_user: bool) -> None:
    """Run systemctl.

    Raises:
        CommandFailed: it failed.
        SourceFailed: it is not there.
    """
    program = find_tool(Tool("systemctl", install="this needs a machine that runs systemd"))
    run([program, *(["--user"] if is_user else []), *arguments], timeout_s=_TIMEOUT_S)


def read_crontab() -> str:
    """This user's crontab; empty where there is none, and where no cron is installed.

    Raises:
        CommandFailed: cron does not let this user have one.
    """
    try:
        argv = [find_tool(_CRONTAB), "-l"]
    except SourceFailed:
        return ""
    listed = run(argv, timeout_s=_TIMEOUT_S, env={"LC_ALL": "C"}, check=False)
    if listed.exit_code == 0:
        return listed.stdout.decode("utf-8", "surrogateescape")
    complaint = listed.stderr.decode("utf-8", "replace").strip()
    if complaint.startswith("no crontab for"):
        return ""
    raise CommandFailed(f"`crontab -l` failed: {complaint}")


def write_crontab(text: str) -> None:
    """Replace this user's crontab.

    Raises:
        CommandFailed: cron refuses it; it is as it was.
        SourceFailed: no cron is installed.
    """
    run([find_tool(_CRONTAB), "-"], timeout_s=_TIMEOUT_S, stdin=text.encode("utf-8", "surrogateescape"))
