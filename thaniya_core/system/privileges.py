"""Root becomes another user: for the rest of the process, or for one call."""

from __future__ import annotations

import getpass
import os
import pwd
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import msgspec
from msgspec import Struct

from thaniya_core.errors import NotAllowed, NotFound, ThaniyaError, from_wire
from thaniya_core.system.files import from_os_error, write_all


class _Outcome(Struct, frozen=True):
    """What the child of `call_as` tells: a result, or an error."""

    result: str = ""
    code: str = ""
    message: str = ""
    hint: str = ""


def person() -> str:
    """The login name of the person behind this process; behind sudo of the one who called it."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as containers have
        return str(os.getuid())


def login_actor() -> str:
    """The person behind this process as the audit log shows it: `login:root`."""
    return f"login:{person()}"


def account() -> str:
    """The account whose rights this process has, or its number where it has no name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def owner_of(path: Path) -> str:
    """The name of the user that a file or directory belongs to.

    Raises:
        NotFound: it is not there, or its owner has no name.
    """
    try:
        return pwd.getpwuid(path.stat().st_uid).pw_name
    except OSError as exc:
        raise from_os_error("find an owner", exc) from exc
    except KeyError:
        raise NotFound(f"{path} belongs to a user that is not there") from None


def drop_to(user: str) -> None:
    """Become a user with all its groups, and never root again. `person` goes on telling who called.

    Raises:
        NotFound: there is no such user.
        NotAllowed: this process is not root, or the user is.
    """
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise NotFound(f"there is no account {user}") from None
    if entry.pw_uid == 0:
        raise NotAllowed(f"{user} is root, and must not be")
    if os.geteuid() != 0:
        raise NotAllowed(f"only root can become {user}")
    os.environ["LOGNAME"] = person()
    os.environ["HOME"] = entry.pw_dir
    os.initgroups(user, entry.pw_gid)
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    if 0 in os.getresuid() or 0 in os.getresgid():
        raise NotAllowed(f"could not give up root for {user}")


def call_as(user: str, function: Callable[[], str]) -> str:
    """Call a function as another user, in a process of its own, and give its result.

    Args:
        user: whose rights it has.
        function: what is called; it may print.

    Raises:
        ThaniyaError: what the function raised, or why it could not be called.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _call_and_exit(user, function, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    try:
        outcome = msgspec.json.decode(told, type=_Outcome)
    except msgspec.MsgspecError as exc:
        ended = os.waitstatus_to_exitcode(status)
        raise ThaniyaError(f"a step that ran as {user} ended with {ended} and told nothing") from exc
    if outcome.code:
        raise from_wire(outcome.code, outcome.message, outcome.hint)
    return outcome.result


def _call_and_exit(user: str, function: Callable[[], str], writer: int) -> NoReturn:
    exit_code = 1
    try:
        outcome = _call(user, function)
        write_all(writer, memoryview(msgspec.json.encode(outcome)))
        sys.stdout.flush()
        exit_code = 1 if outcome.code else 0
    finally:
        os._exit(exit_code)  # nothing of the parent's clean-up may run here too


def _call(user: str, function: Callable[[], str]) -> _Outcome:
    try:
        drop_to(user)
        return _Outcome(function())
    except ThaniyaError as error:
        return _Outcome("", error.code, error.message, error.hint)
    except OSError as error:
        failure = from_os_error("do this", error)
        return _Outcome("", failure.code, failure.message, failure.hint)
    except Exception as error:  # noqa: BLE001 - the parent raises it again
        return _Outcome("", ThaniyaError.code, f"{type(error).__name__}: {error}")
