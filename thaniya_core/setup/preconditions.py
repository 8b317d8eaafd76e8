"""What has to hold before anything is changed; each error names the cure."""

from __future__ import annotations

import os
import pwd
import re
import stat
import sys
from pathlib import Path

import thaniya_core
from thaniya_core.config import Config, GateKind
from thaniya_core.errors import NotAllowed, NotFound, WrongState, WrongUsage
from thaniya_core.formats.volume import VOLUME_FILE
from thaniya_core.setup.confinement import check_confinement
from thaniya_core.setup.installation import INTERPRETER, Installation
from thaniya_core.setup.sshd import check_configuration
from thaniya_core.setup.system import find
from thaniya_core.system.files import require_directory

PROGRAMS = ("sshd", "sudo", "visudo", "groupadd", "useradd", "usermod", "userdel", "groupdel", "chage")

FIRST_PERSON = 1000
"""Accounts of the system have lower numbers (login.defs(5), UID_MIN)."""

_PLAIN_PATH = re.compile(r"(/[A-Za-z0-9_.@+-]+)+")
"""Needs no quoting in sshd_config, sudoers, a unit or a crontab."""


def check_root() -> None:
    """Raises:
    NotAllowed: this process is not root.
    """
    if os.geteuid() != 0:
        raise NotAllowed("this needs root", hint="run it with sudo")


def check_machine(installation: Installation) -> None:
    """Check that a server can be set up here.

    Raises:
        NotFound: a program of the system is missing.
        WrongState: sshd, Python or the program are not as they must be.
        WrongUsage: a path cannot be used.
    """
    for path in (installation.program, installation.config, installation.state, installation.spool, installation.slots):
        if not _PLAIN_PATH.fullmatch(str(path)):
            raise WrongUsage(f"the path {str(path)!r} cannot be used", hint="letters, digits and / _ . @ + - only")
    for program in PROGRAMS:
        find(program)
    _check_interpreter()
    for path in (installation.slots, installation.library, installation.root_config):
        unsafe = find_unsafe(path)
        if unsafe is not None:
            raise WrongState(
                f"others than root may write to {unsafe}, and so sshd and sudo would trust nothing below it",
                hint=f"chown root:root {unsafe} && chmod g-w,o-w {unsafe}",
            )
    if not os.access(installation.program, os.X_OK):
        raise NotFound(f"{installation.program} is no program", hint="call `thaniya` by its own name, not by python -m")
    for path in (installation.program, Path(sys.executable), Path(thaniya_core.__file__)):
        hidden = find_hidden(path)
        if hidden is not None:
            raise WrongState(
                f"the service user could not run {installation.program}: {hidden} is closed to others",
                hint="install Thaniya where everyone may read, such as in `python3 -m venv /opt/thaniya`",
            )
    check_account(installation)
    check_configuration(installation.sshd_config)
    if installation.legacy_scp:
        check_confinement()


def check_volume(installation: Installation) -> None:
    """Check that a directory may become the first volume, and be given to the service.

    Raises:
        NotFound: it is missing, and does not lie in the state's directory, where setup makes it.
        WrongState: something else lies there, or parts of the server lie below it.
    """
    volume = installation.volume
    if not volume.is_relative_to(installation.state):
        require_directory(volume, f"make the volume {volume}")
    for part in (installation.slots, installation.library, installation.program, installation.config, Path("/etc")):
        if part.is_relative_to(volume):
            raise WrongState(f"{volume} cannot be given to the service: {part} lies in it", hint="choose another")
    if volume.is_dir() and not (volume / VOLUME_FILE).exists():
        found = sorted({entry.name for entry in volume.iterdir()} - {"lost+found"})
        if found:
            raise WrongState(
                f"{volume} is not empty and no volume, so it is not given to the service: it has {found[0]}",
                hint="choose an empty directory",
            )


def check_account(installation: Installation) -> None:
    """Check that an account of the service's name is the service's.

    Raises:
        WrongState: it is root, or somebody else's.
    """
    try:
        entry = pwd.getpwnam(installation.service_user)
    except KeyError:
        return
    hint = "let [gate] control_account in the configuration name another"
    if entry.pw_uid == 0:
        raise WrongState(f"{entry.pw_name} is root, and the service must not be", hint=hint)
    if entry.pw_uid >= FIRST_PERSON and entry.pw_dir != str(installation.state):
        raise WrongState(
            f"there is an account {entry.pw_name} already, with the home {entry.pw_dir}: it may be a person's",
            hint=hint,
        )


def check_kind(config: Config) -> None:
    """Raises:
    WrongState: the configuration that is there is for an embedded server.
    """
    if config.gate.kind is not GateKind.OPENSSH:
        raise WrongState(
            f'{config.file} is for an embedded server: kind = "{config.gate.kind}"',
            hint='name another with --config, or set kind = "openssh" there and absolute paths',
        )


def _check_interpreter() -> None:
    if not INTERPRETER.exists():
        raise NotFound(f"{INTERPRETER} is not there, and runs what needs root", hint="install the system's python3")
    real = INTERPRETER.resolve()
    unsafe = find_unsafe(real)
    if unsafe is not None:
        raise WrongState(f"{INTERPRETER} runs what needs root, and others than root may write to {unsafe}")


def find_unsafe(path: Path) -> Path | None:
    """The first part of a path, from the root down, that others than root may change; what is not there is safe."""
    for part in [*reversed(path.parents), path]:
        try:
            status = part.stat()
        except FileNotFoundError:
            return None
        if status.st_uid != 0 or stat.S_IMODE(status.st_mode) & 0o022:
            return part
    return None


def find_hidden(path: Path) -> Path | None:
    """The first part of a path, as given and with links resolved, that others may not pass through or read."""
    for given in (path, path.resolve()):
        for part in reversed(given.parents):
            if not part.stat().st_mode & stat.S_IXOTH:
                return part
        if not given.stat().st_mode & stat.S_IROTH:
            return given
    return None
