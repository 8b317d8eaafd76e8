"""Takes PHP source apart, as far as configuration files need it. The grammar is that of the PHP manual, "Language
Reference": comments, strings, heredoc.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct


class Kind(StrEnum):
    """What a token is."""

    STRING = "string"
    """A text without variables, its escapes undone."""
    TEMPLATE = "template"
    """A text with variables in it, as it stands between its quotes."""
    NUMBER = "number"
    VARIABLE = "variable"
    """The name without `$`."""
    NAME = "name"
    SIGN = "sign"


class Token(Struct, frozen=True):
    """A piece of the source."""

    kind: Kind
    text: str
    line: int


_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<comment>//[^\n]*?(?=\?>|\n|\Z)|\#(?!\[)[^\n]*?(?=\?>|\n|\Z)|/\*.*?(?:\*/|\Z))
    |(?P<close>\?>)
    |<<<[ \t]*(?P<quote>["']?)(?P<label>\w+)(?P=quote)\r?\n(?P<heredoc>.*?)\n?[ \t]*\b(?P=label)\b
    |'(?P<single>(?:[^'\\]|\\.)*)'
    |"(?P<double>(?:[^"\\]|\\.)*)"
    |\$(?P<variable>[A-Za-z_]\w*)
    |(?P<number>\d[\d_.]*)
    |(?P<name>\\?[A-Za-z_][\w\\]*)
    |(?P<sign>=>|===|!==|==|!=|->|::|\?\?=|\?\?|\?->|\.=|&&|\|\||.)
    """,
    re.DOTALL | re.VERBOSE,
)
_OPEN = re.compile(r"<\?(?:php\b|=)", re.IGNORECASE)
_ESCAPE = re.compile(r"\\(?:([nrtvef\\$\"])|([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u\{([0-9A-Fa-f]+)\})")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "v": "\v", "e": "\x1b", "f": "\f", "\\": "\\", "$": "$", '"': '"'}
_HAS_VARIABLE = re.compile(r"(?<!\\)(?:\\\\)*(?:\$[A-Za-z_{]|\{\$)")


def tokens_of(source: str) -> list[Token]:
    """The tokens of the PHP parts of a file; what stands around them is passed over."""
    return list(_tokens(source))


def unescape(text: str) -> str:
    """A text between double quotes with its escapes undone."""

    def one(match: re.Match[str]) -> str:
        if match[1]:
            return _ESCAPED[match[1]]
        number = int(match[2], 8) & 0xFF if match[2] else int(match[3] or match[4], 16)
        return chr(number) if number <= 0x10FFFF else match[0]

    return _ESCAPE.sub(one, text)


def _tokens(source: str) -> Iterator[Token]:
    position = 0
    while (opened := _OPEN.search(source, position)) is not None:
        position = opened.end()
        while position < len(source):
            match = _TOKEN.match(source, position)
            if match is None:
                return
            line = source.count("\n", 0, position) + 1
            position = match.end()
            if match.lastgroup == "close":
                break
            if (token := _token(match, line)) is not None:
                yield token


def _token(match: re.Match[str], line: int) -> Token | None:
    if (single := match["single"]) is not None:
        return Token(Kind.STRING, re.sub(r"\\([\\'])", r"\1", single), line)
    for text, is_literal in ((match["double"], False), (match["heredoc"], match["quote"] == "'")):
        if text is None:
            continue
        if is_literal:
            return Token(Kind.STRING, text, line)
        if _HAS_VARIABLE.search(text):
            return Token(Kind.TEMPLATE, text, line)
        return Token(Kind.STRING, unescape(text), line)
    for kind in (Kind.VARIABLE, Kind.NUMBER, Kind.NAME, Kind.SIGN):
        if match[kind.value] is not None:
            return Token(kind, match[kind.value], line)
    return None
