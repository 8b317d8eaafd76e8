"""Passwords in a profile: in a file of their own, or in the clear where nobody else can read the configuration."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from thaniya_client.settings.construct import check_keys
from thaniya_client.settings.where import Where
from thaniya_core.system.files import read_regular

_LIMIT_BYTES = 64 * 1024
_SECRET = 'text, or {file = "/etc/thaniya/shop.password"}'


def with_secrets(table: Mapping[str, object], where: Where) -> dict[str, object]:
    """A task's table with the text of its secrets: `password`, and each variable of `env`.

    Raises:
        ConfigInvalid: a secret's file cannot be read or can be read by others, or it stands in a configuration that
            others can read.
    """
    read = dict(table)
    if "password" in table:
        read["password"] = _read_secret(table["password"], where.at("password"))
        if isinstance(table["password"], str):
            _refuse_open(where.file, where.at("password"))
    variables = table.get("env")
    if isinstance(variables, dict):
        place = where.at("env")
        read["env"] = {name: _read_secret(value, place.at(name)) for name, value in variables.items()}
    return read


def _read_secret(value: object, where: Where) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        raise where.error(f"is not what it should be, expected {_SECRET}")
    check_keys(value, ["file"], where)
    if not isinstance(value.get("file"), str):
        raise where.at("file").error("is missing or no text, expected a path")
    file = Path(value["file"]).expanduser()
    _refuse_open(file, where)
    try:
        return read_regular(file, _LIMIT_BYTES).decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise where.error(f"names {file}, which cannot be read: {exc}") from exc


def _refuse_open(file: Path, where: Where) -> None:
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except OSError as exc:
        raise where.error(f"names {file}, which cannot be read: {os.strerror(exc.errno or 0)}") from exc
    if mode & 0o077:
        raise where.error(f"lies in {file}, which others can read or write", hint=f"chmod 600 {file}")
