"""What sshd's AuthorizedKeysCommand prints (sshd(8), AUTHORIZED_KEYS FILE FORMAT)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from thaniya_core.errors import IllegalName
from thaniya_core.formats.names import check_slot, check_user

if TYPE_CHECKING:
    from thaniya_core.gate.services import AuthorizedKey

_KEY_LINE = re.compile(r"[a-z0-9@.-]{1,64} [A-Za-z0-9+/]{1,16384}={0,2}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


def format_authorized_keys(
    account: str, keys: Sequence[AuthorizedKey], *, control_account: str, broker: Sequence[str]
) -> str:
    """The authorized_keys lines of an account; empty for an account that is not ours.

    Args:
        account: the account that someone wants to log in to.
        keys: what `Services.authorized_keys` gives for it.
        control_account: the account whose keys run the broker; all others are slots.
        broker: the command line of the broker; the user's name is put behind it.
    """
    if account == control_account:
        lines = [_control_line(key, broker) for key in keys]
    elif _is_slot(account):
        lines = [f"restrict {key.key.line}" if _is_plain(key) else "" for key in keys]
    else:
        lines = []
    return "".join(f"{line}\n" for line in lines if line)


def _control_line(key: AuthorizedKey, broker: Sequence[str]) -> str:
    command = shlex.join([*broker, key.user])
    if not _is_plain(key) or _UNPRINTABLE.search(command):
        return ""
    # Within the quotes sshd knows one escape, \" (misc.c, opt_dequote); a backslash stands for itself.
    quoted = command.replace('"', '\\"')
    return f'restrict,command="{quoted}" {key.key.line}'


def _is_plain(key: AuthorizedKey) -> bool:
    """Whether neither the user's name nor the key can say more in the line than it should."""
    try:
        check_user(key.user)
    except IllegalName:
        return False
    return _KEY_LINE.fullmatch(key.key.line) is not None


def _is_slot(account: str) -> bool:
    try:
        check_slot(account)
    except IllegalName:
        return False
    return True
