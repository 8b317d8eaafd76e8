"""Which user a key stands for on an account of the embedded server."""

from __future__ import annotations

import base64
import binascii
import hmac

import paramiko
from msgspec import Struct

from thaniya_core.gate.services import Services, SlotSessions
from thaniya_core.gate.transport import UnusableKey
from thaniya_core.model import MIN_RSA_BITS


class Login(Struct, frozen=True):
    """A key that fits an account."""

    account: str
    user: str
    upload_id: str | None
    """The upload that holds the slot; None on the control account."""


def find_login(
    services: Services, sessions: SlotSessions, control_account: str, account: str, key: paramiko.PKey
) -> Login | None:
    """The login that a key opens now; None when it fits nobody. That the client holds the key is yet to be proved.

    Raises:
        ThaniyaError: the keys cannot be looked up.
    """
    if isinstance(key, UnusableKey) or (isinstance(key, paramiko.RSAKey) and key.get_bits() < MIN_RSA_BITS):
        return None
    upload_id = None
    if account != control_account:
        # Asked before the keys: should the slot change hands in between, `begin` refuses the old upload.
        upload_id = sessions.upload_of(account)
        if upload_id is None:
            return None
    blob = key.asbytes()
    for user, known in list_keys(services, account):
        if hmac.compare_digest(blob, known):
            return Login(account, user, upload_id)
    return None


def list_keys(services: Services, account: str) -> set[tuple[str, bytes]]:
    """The users and keys that may log in to an account now.

    Raises:
        ThaniyaError: they cannot be looked up.
    """
    found: set[tuple[str, bytes]] = set()
    for authorized in services.authorized_keys(account):
        try:
            found.add((authorized.user, base64.b64decode(authorized.key.blob, validate=True)))
        except binascii.Error:
            continue
    return found
