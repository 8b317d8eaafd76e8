"""From what TOML has to the kinds of values that settings have. An error says what was expected."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from thaniya_core.config.kinds import (
    Account,
    Level,
    MailAddress,
    PublicAddress,
    Seconds,
    Size,
    Timeout,
    Url,
    UrlTemplate,
    fill_template,
)
from thaniya_core.errors import IllegalName, WrongUsage
from thaniya_core.formats.names import check_user
from thaniya_core.formats.quantities import parse_duration, parse_level, parse_size

_LONGEST_S = 3653 * 86400

_MAIL_ADDRESS = re.compile(r"[A-Za-z0-9._+=&'#~-]+(@[A-Za-z0-9.-]+)?")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|[0-9A-Fa-f:.]{2,45}")
_URL = re.compile(r"https?://[^\s/?#]+[^\s\x00-\x1f\x7f]*")


def decode_special(kind: type, value: object) -> object:
    """msgspec's hook for the types it does not know. To a ValueError it adds which key it was."""
    if kind is Path:
        if not isinstance(value, str):
            raise ValueError(f"expected a path, got {value!r}")
        return Path(value)
    if kind is Account:
        return _decode_account(value)
    if kind is PublicAddress:
        return _decode_public_address(value)
    if kind is MailAddress or kind is Url or kind is UrlTemplate:
        return _decode_address(kind, value)
    if kind is Level:
        return _decode_level(value)
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ValueError(f'expected a number or text such as "10G", got {value!r}')
    try:
        number = parse_size(value) if kind is Size else parse_duration(value)
    except WrongUsage as exc:
        raise ValueError(str(exc)) from exc
    if number < 0:
        raise ValueError(f"expected no negative number, got {value!r}")
    if kind is Timeout and number < 1:
        raise ValueError(f"expected a second at least, got {value!r}")
    if issubclass(kind, Seconds) and number > _LONGEST_S:
        raise ValueError(f"expected at most ten years, got {value!r}")
    return kind(number)


def _decode_level(value: object) -> Level:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f'expected text such as "5%" or "50G", got {value!r}')
    try:
        parse_level(str(value), 0)
    except WrongUsage as exc:
        raise ValueError(str(exc)) from exc
    return Level(value)


def _decode_account(value: object) -> Account:
    if not isinstance(value, str):
        raise ValueError(f"expected the name of an account, got {value!r}")
    try:
        return Account(check_user(value))
    except IllegalName as exc:
        raise ValueError(str(exc)) from exc


def _decode_public_address(value: object) -> PublicAddress:
    address = PublicAddress(value) if isinstance(value, str) else None
    name, port = address.parts() if address is not None else ("", None)
    if address is None or (address and not _NAME.fullmatch(name)) or not 1 <= (22 if port is None else port) <= 65535:
        raise ValueError(f'expected text such as "backup.example.org" or "backup.example.org:2222", got {value!r}')
    return address


def _decode_address(kind: type[str], value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected text, got {value!r}")
    if kind is MailAddress:
        if value and (not _MAIL_ADDRESS.fullmatch(value) or value.startswith("-")):
            raise ValueError(f"expected an address such as admin@example.org, got {value!r}")
        return kind(value)
    if not (_is_url(value) or (kind is UrlTemplate and not value)):
        raise ValueError(f"expected an address that begins with http:// or https://, got {value!r}")
    if kind is UrlTemplate:
        fill_template(value, "user", "host", "name")
    return kind(value)


def _is_url(value: str) -> bool:
    try:
        return _URL.fullmatch(value) is not None and bool(urlsplit(value).hostname) and urlsplit(value).port != 0
    except ValueError:  # the port is no number, or brackets do not match
        return False
