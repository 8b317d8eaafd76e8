"""Whether bwrap can confine what slots run with `legacy_scp`, without being root (bwrap(1), user_namespaces(7))."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from thaniya_core.errors import WrongState
from thaniya_core.setup.installation import INTERPRETER
from thaniya_core.setup.plan import program_source
from thaniya_core.setup.system import PATH, find
from thaniya_core.system.run import run

WITHOUT = "without it set legacy_scp = false in thaniya.toml and run `thaniya setup openssh`"

_NOBODY = 65534
_TIMEOUT_S = 30.0
_SYSCTL = Path("/proc/sys")
_LIMITS = (
    ("kernel.unprivileged_userns_clone", b"0", "1"),
    ("user.max_user_namespaces", b"0", "10000"),
    ("kernel.apparmor_restrict_unprivileged_userns", b"1", "0"),
)
"""What forbids user namespaces to ordinary accounts: the setting, its value then, and the one that allows them."""


def check_confinement() -> None:
    """Try it as an account without any rights.

    Raises:
        NotFound: bwrap or a program that goes with it is not installed.
        WrongState: bwrap cannot confine here.
    """
    find("bwrap")
    become = [find("setpriv"), f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--"]
    program = program_source("gate", "slot_shell.py").encode()
    done = run(
        [*become, str(INTERPRETER), "-IS", "-", "try"],
        timeout_s=_TIMEOUT_S,
        stdin=program,
        env={"PATH": PATH, "LC_ALL": "C"},
        check=False,
    )
    if done.exit_code != 0:
        told = done.stderr.decode("utf-8", "replace").strip()
        raise WrongState(
            f"legacy_scp is on, but what slots run cannot be confined: {told or f'exit code {done.exit_code}'}",
            hint=f"{find_cure(_read)}; {WITHOUT}",
        )


def find_cure(read: Callable[[Path], bytes | None]) -> str:
    """What lets ordinary accounts use bwrap; `read` gives a file's content, or None where there is none."""
    for name, forbidding, allowing in _LIMITS:
        value = read(_SYSCTL / name.replace(".", "/"))
        if value is not None and value.strip() == forbidding:
            return f"{name} is {forbidding.decode()} and forbids it: sysctl -w {name}={allowing}, and in /etc/sysctl.d/"
    return "in a container, its host has to allow user namespaces"


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
