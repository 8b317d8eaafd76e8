"""Slot accounts of the openssh kind: accounts of the system, which sshd lets in; root's part is done by the helper."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import msgspec
from msgspec import Struct

from thaniya_core.accounts.usage import measure_directory
from thaniya_core.errors import IntegrityFailed, NotFound
from thaniya_core.formats.names import check_slot
from thaniya_core.formats.protocol import UPLOAD_DIRECTORY
from thaniya_core.model import Collected, SlotUsage
from thaniya_core.system.files import fsync_directory, make_directories
from thaniya_core.system.processes import count_processes
from thaniya_core.system.run import run

LOG_DIRECTORY = "dev"
"""Beside `upload/`, where sshd's internal-sftp looks for `/dev/log`; root_helper.py knows the same name."""

HELPER_TIMEOUT_S = 60.0
COLLECT_TIMEOUT_S = 6 * 3600.0
"""Long enough to copy a large upload to another file system."""


class _HelperReply(Struct, frozen=True):
    """What `collect` of the root helper prints."""

    refused: tuple[str, ...]


class OpensshAccounts:
    """Accounts `thaniya_01` and so on, each with a root-owned directory that sshd makes its root, and `upload/` in it.

    The service user owns `upload/` and may list and empty it; the account may write into it. What needs root is one
    program with a closed set of verbs, called through sudo; its own source says what it does.
    """

    def __init__(self, directory: Path, helper: Path) -> None:
        """
        Args:
            directory: where the accounts' directories lie, the `%u` of sshd's ChrootDirectory.
            helper: the root helper as it is installed.
        """
        self._directory = directory
        self._helper = helper

    def create(self, slot: str) -> None:
        """Make the account, locked, and its directories; harmless when they are there."""
        self._call("create", slot)

    def remove(self, slot: str) -> None:
        """Remove the account and its directories; harmless when they are not there."""
        self._call("remove", slot)

    def unlock(self, slot: str) -> None:
        """Let logins in, as far as the look-up of keys does."""
        self._call("unlock", slot)

    def lock(self, slot: str) -> None:
        """Let no login in, and end every process of the account and every login, also one that is just being let in.

        The account expires (chage(1)), which sshd heeds with PAM and without.
        """
        self._call("lock", slot)

    def directory(self, slot: str) -> Path:
        """The slot's upload directory."""
        return self._directory / check_slot(slot) / UPLOAD_DIRECTORY

    def usage(self, slot: str) -> SlotUsage:
        """What lies in a slot and how many processes its account has."""
        try:
            uid = pwd.getpwnam(check_slot(slot)).pw_uid
        except KeyError:
            raise NotFound(f"there is no account {slot}", hint="run `thaniya doctor`") from None
        return measure_directory(self.directory(slot), sessions=count_processes(uid))

    def collect(self, slot: str, into: Path) -> Collected:
        """Move what a client uploaded into the spool, durably; `into` is the `data` directory of an upload there."""
        make_directories(into)
        told = self._call("collect", slot, into.parent.name, timeout_s=COLLECT_TIMEOUT_S)
        try:
            reply = msgspec.json.decode(told, type=_HelperReply)
        except msgspec.MsgspecError as exc:
            raise IntegrityFailed(f"the root helper's answer is not understood: {told[:200]!r}") from exc
        fsync_directory(into)
        return Collected(tuple(sorted(entry.name for entry in into.iterdir())), reply.refused)

    def clean(self, slot: str) -> None:
        """Empty a slot, whatever a client left in it."""
        self._call("clean", slot)

    def _call(self, verb: str, slot: str, *rest: str, timeout_s: float = HELPER_TIMEOUT_S) -> bytes:
        return run(helper_command(self._helper, verb, check_slot(slot), *rest), timeout_s=timeout_s).stdout


def is_made(directory: Path, slot: str) -> bool:
    """Whether a slot's account and its directories below `directory` are there, whatever their owners."""
    try:
        pwd.getpwnam(check_slot(slot))
    except KeyError:
        return False
    return all((directory / slot / part).is_dir() for part in (UPLOAD_DIRECTORY, LOG_DIRECTORY))


def helper_command(helper: Path, *arguments: str) -> list[str]:
    """The command line of the root helper: straight for root, through sudo for the service user."""
    sudo = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    return [*sudo, str(helper), *arguments]
