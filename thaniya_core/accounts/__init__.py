"""Backup users and their keys; and the slot accounts of the system behind one interface."""

from thaniya_core.accounts.embedded import EmbeddedAccounts
from thaniya_core.accounts.instructions import Entrance, HostKey, Instructions, instruct
from thaniya_core.accounts.keys import parse_public_key, read_key_file, split_key_lines
from thaniya_core.accounts.limits import UNLIMITED, Unlimited, parse_max_uploads, parse_quota
from thaniya_core.accounts.openssh import OpensshAccounts
from thaniya_core.accounts.slot_log import SlotLog
from thaniya_core.accounts.users import Users

__all__ = [
    "UNLIMITED",
    "EmbeddedAccounts",
    "Entrance",
    "HostKey",
    "Instructions",
    "OpensshAccounts",
    "SlotLog",
    "Unlimited",
    "Users",
    "instruct",
    "parse_max_uploads",
    "parse_public_key",
    "parse_quota",
    "read_key_file",
    "split_key_lines",
]
