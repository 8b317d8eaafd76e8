"""sshd's configuration: a part of it put in place or taken away, checked, rolled back when it is no good, loaded."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from thaniya_core.errors import CommandFailed, WrongState
from thaniya_core.setup.changes import SshdDropIn, unread_mark
from thaniya_core.setup.system import call, has_systemd
from thaniya_core.system.files import fsync_directory, make_directories, write_atomic

_NO_DIRECTORY = re.compile(r"Missing privilege separation directory: (\S+)")
_UNITS = ("ssh", "sshd")
"""Debian's name and that of the others."""


def check_configuration(sshd_config: Path) -> None:
    """Let sshd judge its configuration as it is now.

    Raises:
        WrongState: sshd does not accept it.
    """
    done = call("sshd", "-t", "-f", str(sshd_config), check=False)
    if done.exit_code != 0:
        told = done.stderr.decode(errors="replace").strip()
        missing = _NO_DIRECTORY.search(told)
        hint = f"mkdir --mode=0755 {missing[1]}" if missing else f"mend {sshd_config}; `sshd -t` checks it"
        raise WrongState(f"sshd does not accept its configuration: {told}", hint=hint)


def effective_settings(sshd_config: Path, account: str) -> list[str]:
    """What is in effect for logins to an account, as `sshd -T` prints it: a line a setting, its name in lower case."""
    about = f"user={account},host=localhost,addr=127.0.0.1"
    done = call("sshd", "-T", "-f", str(sshd_config), "-C", about)
    return done.stdout.decode(errors="replace").splitlines()


def put_in_place(wanted: SshdDropIn) -> None:
    """Write the part; when sshd does not accept it or does not heed it, the old content comes back.

    Raises:
        WrongState: it was rolled back.
    """
    check_configuration(wanted.sshd_config)
    before = wanted.path.read_bytes() if wanted.path.exists() else None
    make_directories(wanted.path.parent, 0o755)
    write_atomic(unread_mark(wanted.path), b"", 0o600, (0, 0))
    write_atomic(wanted.path, wanted.content.encode(), 0o644, (0, 0))
    try:
        check_configuration(wanted.sshd_config)
        if wanted.expected not in effective_settings(wanted.sshd_config, wanted.account):
            raise WrongState(
                f"{wanted.sshd_config} does not heed {wanted.path}",
                hint=f"let its first line be `Include {wanted.path.parent}/*.conf`",
            )
    except BaseException:
        _roll_back(wanted.path, before)
        unread_mark(wanted.path).unlink()
        raise


def _roll_back(path: Path, before: bytes | None) -> None:
    if before is None:
        path.unlink()
        fsync_directory(path.parent)
    else:
        write_atomic(path, before, 0o644, (0, 0))


def take_away(drop_in: Path, sshd_config: Path) -> str:
    """Remove a part, and let sshd read its configuration again; gives what was done, in words.

    Raises:
        WrongState: without the part sshd does not accept its configuration; the part is there still.
    """
    before = drop_in.read_bytes()
    drop_in.unlink()
    try:
        check_configuration(sshd_config)
    except BaseException:
        _roll_back(drop_in, before)
        raise
    fsync_directory(drop_in.parent)
    return reload(sshd_config)


def reload(sshd_config: Path) -> str:
    """Let the running sshd read its configuration again; gives what was done, in words."""
    if has_systemd():
        for unit in _UNITS:
            if call("systemctl", "is-active", "--quiet", unit, check=False).exit_code == 0:
                call("systemctl", "reload", unit)
                return f"systemctl reload {unit}"
    pid = _running_sshd(sshd_config)
    if pid is None:
        return "sshd is not running: nothing to reload"
    os.kill(pid, signal.SIGHUP)
    return f"SIGHUP to sshd, process {pid}"


def _running_sshd(sshd_config: Path) -> int | None:
    """The process that sshd's pid file names, if it is sshd."""
    try:
        settings = call("sshd", "-T", "-f", str(sshd_config)).stdout.decode(errors="replace").splitlines()
        (file,) = [line.partition(" ")[2] for line in settings if line.startswith("pidfile ")]
        pid = int(Path(file).read_text())
        program = (Path("/proc") / str(pid) / "exe").readlink()
    except (CommandFailed, OSError, ValueError):
        return None
    return pid if program.name.removesuffix(" (deleted)") == "sshd" else None
