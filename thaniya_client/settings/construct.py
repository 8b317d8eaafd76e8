"""A class is made from a table by its own constructor, which alone says which keys there are."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from inspect import Parameter
from types import GenericAlias
from typing import TypeVar, get_type_hints

from msgspec import Struct

from thaniya_client.settings.kinds import Readers, expected_of, read_value
from thaniya_client.settings.where import Where
from thaniya_core.errors import WrongUsage

Made = TypeVar("Made")


class Argument(Struct, frozen=True):
    """One argument of a constructor, which is one key of its table."""

    name: str
    annotation: object
    """Of `*names` that of one item."""
    is_required: bool
    is_many: bool
    """It is written as `*names`; the key holds a list."""

    @property
    def expected(self) -> object:
        """The type of what the key holds."""
        return GenericAlias(list, (self.annotation,)) if self.is_many else self.annotation


def arguments_of(cls: type) -> tuple[Argument, ...]:
    """What the constructor of a class takes, in its order."""
    hints = get_type_hints(cls if issubclass(cls, Struct) else inspect.getattr_static(cls, "__init__"))
    parameters = [each for each in inspect.signature(cls).parameters.values() if each.name != "self"]
    return tuple(
        Argument(
            name=each.name,
            annotation=hints[each.name],
            is_required=each.default is Parameter.empty and each.kind is not Parameter.VAR_POSITIONAL,
            is_many=each.kind is Parameter.VAR_POSITIONAL,
        )
        for each in parameters
    )


def construct(cls: type[Made], table: Mapping[str, object], where: Where, readers: Readers) -> Made:
    """Make a value of a class from a table.

    Args:
        cls: the class; the names of its constructor's arguments are the keys.
        table: as TOML has it.
        where: the table's key.
        readers: what tables in it may stand for.

    Raises:
        ConfigInvalid: a key is unknown, missing or wrong, or the constructor refuses the values.
    """
    arguments = arguments_of(cls)
    check_keys(table, [each.name for each in arguments], where)
    positional: list[object] = []
    named: dict[str, object] = {}
    for argument in arguments:
        if argument.name in table:
            value = read_value(argument.expected, table[argument.name], where.at(argument.name), readers)
            if argument.is_many and isinstance(value, tuple):
                positional += value
            else:
                named[argument.name] = value
        elif argument.is_required:
            raise where.at(argument.name).error(f"is missing, expected {expected_of(argument.expected, readers)}")
    try:
        return cls(*positional, **named)
    except WrongUsage as exc:
        raise where.error(f"cannot be used: {exc.message}", hint=exc.hint) from exc


def check_keys(table: Mapping[str, object], known: list[str], where: Where) -> None:
    """See that a table has no key but the known ones.

    Raises:
        ConfigInvalid: it has another; the hint names the nearest known one.
    """
    for name in table:
        if name not in known:
            raise where.unknown(name, known)
