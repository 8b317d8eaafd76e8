"""From a value of TOML to the type that a field or a constructor's argument is annotated with."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Literal, Union, get_args, get_origin

from msgspec import Struct

from thaniya_client.settings.where import Where
from thaniya_core.errors import WrongUsage
from thaniya_core.formats.quantities import parse_duration, parse_size


class Duration(int):
    """Seconds; in TOML a number of seconds or `"90s"`, `"15m"`, `"6h"`, `"7d"`."""


class Size(int):
    """Bytes; in TOML a number or `"500M"`, `"10G"`."""


class TableReader(Struct, frozen=True):
    """Makes a value of a class from a table."""

    expected: str
    read: Callable[[dict[str, object], Where], object]


Readers = Mapping[object, TableReader]
"""The classes that tables stand for."""

_LISTS = (list, tuple, Iterable, Sequence)
_SIMPLE: dict[object, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "text"),
    Path: ((str,), "a path"),
    Duration: ((int, str), 'a duration such as "15m" or "6h"'),
    Size: ((int, str), 'a size such as "500M" or "10G"'),
}
_PLURALS = {"text": "texts", "a path": "texts"}
_QUANTITIES: dict[object, Callable[[str | int], int]] = {Duration: parse_duration, Size: parse_size}


def read_value(annotation: object, value: object, where: Where, readers: Readers) -> object:
    """Give the value as a type.

    Args:
        annotation: the type: `bool`, `str | Path`, `Iterable[str]`, a class of `readers` and so on.
        value: as TOML has it.
        where: its key.
        readers: what tables may stand for.

    Raises:
        ConfigInvalid: it is no such value; the message says what was expected.
    """
    for member in _members(annotation):
        if _fits(member, value, readers):
            return _read(member, value, where, readers)
    raise where.wrong(value, expected_of(annotation, readers))


def expected_of(annotation: object, readers: Readers) -> str:
    """What a type expects, in words: `true or false`, `a list of paths`."""
    members = [member for member in _members(annotation) if member is not types.NoneType]
    if Path in members:  # a path may be given as text: that says less
        members = [member for member in members if member is not str]
    if any(_is_choice(member) for member in members):
        members = [member for member in members if member is not str]
    return " or ".join(_words(member, readers) for member in members)


def _members(annotation: object) -> tuple[object, ...]:
    """What a union consists of; choices come before free text, so that they are checked."""
    is_union = get_origin(annotation) in (Union, types.UnionType)
    members = get_args(annotation) if is_union else (annotation,)
    return tuple(sorted(members, key=lambda member: not _is_choice(member)))


def _is_choice(annotation: object) -> bool:
    return get_origin(annotation) is Literal or (isinstance(annotation, type) and issubclass(annotation, StrEnum))


def _choices(annotation: object) -> list[str]:
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return [choice.value for choice in annotation]
    return [str(choice) for choice in get_args(annotation)]


def _words(annotation: object, readers: Readers) -> str:
    if annotation in readers:
        return readers[annotation].expected
    if _is_choice(annotation):
        return " or ".join(f'"{choice}"' for choice in _choices(annotation))
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in _LISTS:
        each = expected_of(arguments[0], readers)
        return f"a list of {_PLURALS[each]}" if each in _PLURALS else f"a list, each item {each}"
    if origin in (dict, Mapping):
        return "a table" if object in arguments else f"a table, each value {expected_of(arguments[1], readers)}"
    return _SIMPLE[annotation][1]


def _fits(annotation: object, value: object, readers: Readers) -> bool:
    """Whether the value is of the kind that TOML has for a type."""
    if annotation in readers or get_origin(annotation) in (dict, Mapping):
        return isinstance(value, dict)
    if _is_choice(annotation):
        return isinstance(value, str)
    if get_origin(annotation) in _LISTS:
        return isinstance(value, list)
    if annotation is types.NoneType or annotation is object:
        return annotation is object
    return isinstance(value, _SIMPLE[annotation][0]) and (annotation is bool or not isinstance(value, bool))


def _read(annotation: object, value: object, where: Where, readers: Readers) -> object:
    if annotation is object:
        return value
    if isinstance(value, dict):
        if annotation in readers:
            return readers[annotation].read(value, where)
        kind = get_args(annotation)[1]
        return {name: read_value(kind, each, where.at(name), readers) for name, each in value.items()}
    if isinstance(value, list):
        kind = get_args(annotation)[0]
        return tuple(read_value(kind, each, where.item(index), readers) for index, each in enumerate(value))
    if _is_choice(annotation):
        if value not in _choices(annotation):
            raise where.wrong(value, _words(annotation, readers))
        return annotation(value) if isinstance(annotation, type) else value
    if annotation in _QUANTITIES and isinstance(value, str | int):
        return _quantity(annotation, value, where)
    return value


def _quantity(kind: object, value: str | int, where: Where) -> int:
    try:
        number = _QUANTITIES[kind](value)
    except WrongUsage as exc:
        raise where.wrong(value, _SIMPLE[kind][1]) from exc
    if number < 0:
        raise where.wrong(value, f"{_SIMPLE[kind][1]}, not a negative one")
    return number
