"""The retention policies that were set."""

from __future__ import annotations

from msgspec import Struct


class RetentionSetting(Struct, frozen=True):
    """The retention policy that an administrator set for everything, a user or a series."""

    scope: str
    """`default`, `alice` or `alice/web1/nightly`."""
    policy: str
    """As `parse_policy` reads it; empty keeps everything."""
