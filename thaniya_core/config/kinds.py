"""The kinds of values that settings have."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import quote

from msgspec import Meta

from thaniya_core.formats.quantities import parse_level

Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=1, le=100_000)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Account(str):
    """An account's name; the rule is that of users' names."""


class PublicAddress(str):
    """What clients call: `backup.example.org`, `backup.example.org:2222`, `[2001:db8::1]:22`; or empty."""

    def parts(self) -> tuple[str, int | None]:
        """Name or address, and port; None where none is given."""
        name, colon, port = self.rpartition(":")
        if colon and port.isdigit() and (":" not in name or name.endswith("]")):
            return name.strip("[]"), int(port)
        return self.strip("[]"), None


class Level(str):
    """Free space; in TOML `"5%"` of a disk, or a size."""

    def bytes_of(self, whole_bytes: int) -> int:
        """The level in bytes on a disk of some size."""
        return parse_level(self, whole_bytes)

    def part_of(self, whole: int) -> int:
        """The level of what is not counted in bytes; 0 where the level is a size."""
        return self.bytes_of(whole) if self.strip().endswith("%") else 0


class Size(int):
    """Bytes; in TOML a number or `"10G"`."""


class Seconds(int):
    """Seconds; in TOML a number or `"15m"`."""


class Timeout(Seconds):
    """Seconds, one at least."""


class MailAddress(str):
    """`admin@example.org`, or a local account; no sign that makes a mail server see a program or a file in it."""


class Url(str):
    """An address that begins with http:// or https://."""


class UrlTemplate(str):
    """A Url with {user}, {host} and {name} in it."""


def fill_template(template: str, user: str, host: str, name: str) -> str:
    """The address for a series.

    Raises:
        ValueError: the template has braces that are none of {user}, {host} and {name}.
    """
    values = {"user": user, "host": host, "name": name}
    filled = re.sub(r"\{(user|host|name)\}", lambda match: quote(values[match[1]], safe=""), template)
    if re.search(r"[{}]", filled):
        raise ValueError(f"expected no braces but {{user}}, {{host}} and {{name}}, got {template!r}")
    return filled
