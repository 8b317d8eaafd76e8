"""Backup users and their keys; and the slot accounts of the system behind one interface."""

from thaniya_core.accounts.embedded import EmbeddedAccounts
from thaniya_core.accounts.keys import parse_public_key
from thaniya_core.accounts.openssh import OpensshAccounts
from thaniya_core.accounts.slot_log import SlotLog
from thaniya_core.accounts.users import UNLIMITED, Users

__all__ = ["UNLIMITED", "EmbeddedAccounts", "OpensshAccounts", "SlotLog", "Users", "parse_public_key"]
