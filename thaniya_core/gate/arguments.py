"""The words of a one-shot command. Strict: what is not known is refused, with the usage as the hint."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from msgspec import Struct

from thaniya_core.errors import WrongUsage

COMMAND_LIMIT = 16 * 1024
"""Characters of a command; a shell script needs a few hundred."""


class Grammar(Struct, frozen=True):
    """What a verb takes."""

    operands: tuple[str, ...] = ()
    """Names of the words that must be there, in order."""
    optional: tuple[str, ...] = ()
    """Names of the words that may follow."""
    values: tuple[str, ...] = ()
    """Options with a value: `--host`."""
    flags: tuple[str, ...] = ()
    """Options without: `--json`."""


class Arguments(Struct, frozen=True):
    """The words of a command, sorted."""

    operands: tuple[str, ...]
    values: dict[str, str]
    flags: frozenset[str]


def split_command(command: str) -> list[str]:
    """The words of a command by the rules of the POSIX shell; nothing is expanded.

    Raises:
        WrongUsage: an open quote, a NUL, or more than COMMAND_LIMIT characters.
    """
    if len(command) > COMMAND_LIMIT:
        raise WrongUsage(f"the command is longer than {COMMAND_LIMIT} characters")
    if "\0" in command:
        raise WrongUsage("the command contains a NUL")
    try:
        return shlex.split(command)
    except ValueError as exc:
        raise WrongUsage(f"the command cannot be split into words: {exc}") from exc


def parse_arguments(words: Sequence[str], grammar: Grammar, usage: str) -> Arguments:
    """Sort the words behind a verb.

    Args:
        words: without the verb.
        grammar: what the verb takes.
        usage: its command line, for the error's hint.

    Raises:
        WrongUsage: an unknown or repeated option, a value or a word that is missing or too many.
    """
    hint = f"usage: {usage}"
    operands: list[str] = []
    values: dict[str, str] = {}
    flags: set[str] = set()
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            operands += waiting
            break
        if not word.startswith("--"):
            operands.append(word)
            continue
        option, has_value, value = word.partition("=")
        if option in values or option in flags:
            raise WrongUsage(f"{option} is there twice", hint=hint)
        if option in grammar.flags and not has_value:
            flags.add(option)
        elif option in grammar.values:
            if not has_value and not waiting:
                raise WrongUsage(f"{option} needs a value", hint=hint)
            values[option] = value if has_value else waiting.pop(0)
        else:
            raise WrongUsage(f"unknown option {word}", hint=hint)
    if len(operands) < len(grammar.operands):
        raise WrongUsage(f"{grammar.operands[len(operands)]} is missing", hint=hint)
    if len(operands) > len(grammar.operands) + len(grammar.optional):
        raise WrongUsage(f"too many words: {operands[-1]!r}", hint=hint)
    return Arguments(tuple(operands), values, frozenset(flags))


def require_value(arguments: Arguments, option: str, usage: str) -> str:
    """The value of an option that must be there.

    Raises:
        WrongUsage: it is not.
    """
    if option not in arguments.values:
        raise WrongUsage(f"{option} is missing", hint=f"usage: {usage}")
    return arguments.values[option]


def parse_count(text: str, what: str, most: int, least: int = 0) -> int:
    """A whole number from `least` to `most`.

    Raises:
        WrongUsage: the text is something else.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 20) or not least <= int(text) <= most:
        raise WrongUsage(f"{what} must be a number from {least} to {most}, not {text[:40]!r}")
    return int(text)
