"""Reads settings out of PHP configuration files without running PHP.

Understood is what applications and their installers write: assignments, `define`, `return`, texts, numbers, arrays,
variables set before, `.`, `__DIR__`, `getenv`. What is not understood is a value of its own, which says what stands
there; what is set under a condition is not taken, and told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from thaniya_client.tasks.php_tokens import Kind, Token, tokens_of, unescape


class NotUnderstood(Struct, frozen=True):
    """A value that only PHP could tell."""

    where: str
    """File and line."""
    text: str
    """How it begins in the source."""


Value: TypeAlias = "str | int | float | bool | NotUnderstood | dict[str, Value] | None"

_CONDITIONS = {"if", "elseif", "while", "for", "foreach", "switch", "match", "declare", "catch"}
_SHOWN_TOKENS = 12


class Settings:
    """What configuration files set, one after the other: as PHP would have it after reading them."""

    def __init__(self, environment: Mapping[str, str], variables: Mapping[str, Value] | None = None) -> None:
        self.environment = dict(environment)
        self.variables: dict[str, Value] = dict(variables or {})
        """By name; arrays as dictionaries, whose keys are texts."""
        self.constants: dict[str, Value] = {}
        self.returned: Value = None
        """What the last file returned."""
        self.doubtful: dict[str, list[str]] = {}
        """Variables and constants that are also set under a condition, and where."""
        self.included: list[str] = []
        """Where other files are included, which are not read."""

    def read(self, file: Path) -> None:
        """Read a file on top of what was read before.

        Raises:
            OSError: it cannot be read.
        """
        _Reader(self, file, tokens_of(file.read_bytes().decode("utf-8", "surrogateescape"))).read()


class _Reader:
    """Goes through the tokens of one file."""

    def __init__(self, settings: Settings, file: Path, tokens: list[Token]) -> None:
        self._settings = settings
        self._file = file
        self._tokens = tokens
        self._position = 0

    def read(self) -> None:
        depth = 0
        one_conditional = False
        while (token := self._peek()) is not None:
            begin = self._position
            if token.text in "{}" and token.kind is Kind.SIGN:
                depth = max(depth + (1 if token.text == "{" else -1), 0)
                one_conditional = False
                self._position += 1
            elif token.kind is Kind.NAME and token.text.lower() in _CONDITIONS:
                self._position += 1
                self._skip_group()
                if self._is_sign(":"):
                    depth += 1
                    self._position += 1
                elif not self._is_sign("{"):
                    one_conditional = True
            elif token.kind is Kind.NAME and token.text.lower() == "else":
                self._position += 1
                if self._is_sign(":"):
                    self._position += 1
                else:
                    one_conditional = not self._is_sign("{")
            elif token.kind is Kind.NAME and re.fullmatch(r"end(if|while|for|foreach|switch)", token.text.lower()):
                depth = max(depth - 1, 0)
                self._position += 1
            else:
                self._statement(is_conditional=depth > 0 or one_conditional)
                one_conditional = False
            if self._position == begin:
                self._position += 1

    def _statement(self, is_conditional: bool) -> None:
        token = self._tokens[self._position]
        word = token.text.lower().lstrip("\\") if token.kind is Kind.NAME else ""
        if token.kind is Kind.VARIABLE:
            self._assignment(is_conditional)
        elif word == "define":
            self._define(token, is_conditional)
        elif word == "return" and not is_conditional:
            self._position += 1
            self._settings.returned = self._expression()
        elif word in ("include", "include_once", "require", "require_once"):
            self._settings.included.append(self._where(token))
        self._skip_statement()

    def _assignment(self, is_conditional: bool) -> None:
        token = self._next()
        path: list[str | None] = [token.text]
        while self._is_sign("["):
            self._position += 1
            key = None if self._is_sign("]") else self._expression()
            path.append(str(key) if isinstance(key, str | int) else None)
            if not self._take("]"):
                return
        if path[0] == "GLOBALS" and len(path) > 1:
            path = path[1:]
        name = path[0]
        if not self._take("=") or name is None:
            return
        if is_conditional:
            self._settings.doubtful.setdefault(name, []).append(self._where(token))
            return
        value = self._expression()
        if len(path) == 1:
            self._settings.variables[name] = value
            return
        where = self._settings.variables.setdefault(name, {})
        for key in path[1:-1]:
            if not isinstance(where, dict) or key is None:
                return
            where = where.setdefault(key, {})
        if isinstance(where, dict):
            last = path[-1]
            where[str(len(where)) if last is None else last] = value

    def _define(self, token: Token, is_conditional: bool) -> None:
        self._position += 1
        if not self._take("("):
            return
        name = self._expression()
        if not isinstance(name, str) or not self._take(","):
            return
        if is_conditional:
            self._settings.doubtful.setdefault(name, []).append(self._where(token))
        else:
            value = self._expression()
            self._settings.constants.setdefault(name, value)

    def _expression(self) -> Value:
        """The value of an expression; the position is behind it."""
        begin = self._position
        value = self._primary()
        while self._is_sign("."):
            self._position += 1
            other = self._primary()
            if isinstance(value, str | int) and isinstance(other, str | int):
                value = f"{value}{other}"
            else:
                value = self._not_understood(begin)
        following = self._peek()
        if following is None or (following.kind is Kind.SIGN and following.text in (",", ";", ")", "]", "=>")):
            return value
        is_default = following.text == "??" or (following.text == "?" and self._is_sign(":", ahead=1))
        if is_default and value is not None and not isinstance(value, NotUnderstood):
            self._skip_expression()
            return value
        self._skip_expression()
        return self._not_understood(begin)

    def _primary(self) -> Value:
        begin = self._position
        token = self._peek()
        if token is None:
            return self._not_understood(begin)
        self._position += 1
        match token.kind:
            case Kind.STRING:
                return token.text
            case Kind.TEMPLATE:
                return self._template(token, begin)
            case Kind.NUMBER:
                return _number(token.text)
            case Kind.VARIABLE:
                return self._variable(token, begin)
            case Kind.NAME:
                return self._named(token, begin)
        if token.text == "[":
            return self._array("]")
        if token.text == "(":
            value = self._expression()
            return value if self._take(")") else self._not_understood(begin)
        if token.text == "-" and isinstance(number := self._primary(), int | float):
            return -number
        return self._not_understood(begin)

    def _named(self, token: Token, begin: int) -> Value:
        word = token.text.lower().lstrip("\\")
        if word in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[word]
        if word == "__dir__":
            return str(self._file.parent)
        if word == "array" and self._take("("):
            return self._array(")")
        if self._is_sign("("):
            arguments = self._arguments()
            if word in ("getenv", "getenv_docker") and arguments and isinstance(arguments[0], str):
                return self._environment(arguments[0], begin)
            if word == "array_replace_recursive" and all(isinstance(argument, dict) for argument in arguments):
                return _replace_recursive(arguments)
            if word == "dirname" and len(arguments) == 1 and isinstance(arguments[0], str):
                return str(Path(arguments[0]).parent)
            return self._not_understood(begin)
        if token.text in self._settings.constants:
            return self._settings.constants[token.text]
        return self._not_understood(begin)

    def _variable(self, token: Token, begin: int) -> Value:
        name, value = token.text, self._settings.variables.get(token.text)
        is_known = name in self._settings.variables
        while self._is_sign("["):
            self._position += 1
            key = self._expression()
            if not self._take("]"):
                return self._not_understood(begin)
            if name in ("_ENV", "_SERVER") and isinstance(key, str):
                return self._environment(key, begin)
            if name == "GLOBALS" and isinstance(key, str):
                name = key
                is_known, value = key in self._settings.variables, self._settings.variables.get(key)
            elif isinstance(value, dict) and str(key) in value:
                value = value[str(key)]
            else:
                return self._not_understood(begin)
        return value if is_known else self._not_understood(begin)

    def _template(self, token: Token, begin: int) -> Value:
        parts: list[str] = []
        position = 0
        for match in re.finditer(r"(?<!\\)(?:\{\$(\w+)\}|\$\{?(\w+)\}?)", token.text):
            value = self._settings.variables.get(match[1] or match[2])
            if not isinstance(value, str | int) or token.text[match.end() : match.end() + 1] in ("[", "-"):
                return self._not_understood(begin)
            parts += [unescape(token.text[position : match.start()]), str(value)]
            position = match.end()
        rest = token.text[position:]
        return self._not_understood(begin) if "{$" in rest else "".join(parts) + unescape(rest)

    def _environment(self, name: str, begin: int) -> Value:
        # What is not set here may be set for the web server: a default beside it would be a guess.
        return self._settings.environment[name] if name in self._settings.environment else self._not_understood(begin)

    def _array(self, end: str) -> Value:
        found: dict[str, Value] = {}
        while (token := self._peek()) is not None and not self._is_sign(end):
            before = self._position
            key: Value = len(found)
            value = self._expression()
            if self._take("=>"):
                key, value = value, self._expression()
            found[str(key) if isinstance(key, str | int) else f"?{token.line}"] = value
            self._take(",")
            if self._position == before:
                self._position += 1
        self._position += 1
        return found

    def _arguments(self) -> list[Value]:
        array = self._array(")") if self._take("(") else {}
        return list(array.values()) if isinstance(array, dict) else []

    def _skip_expression(self) -> None:
        depth = 0
        while (token := self._peek()) is not None:
            if token.kind is Kind.SIGN:
                if depth == 0 and token.text in (",", ";", ")", "]"):
                    return
                depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.text, 0)
            self._position += 1

    def _skip_group(self) -> None:
        if self._take("("):
            depth = 1
            while depth and (token := self._peek()) is not None:
                depth += {"(": 1, ")": -1}.get(token.text, 0) if token.kind is Kind.SIGN else 0
                self._position += 1

    def _skip_statement(self) -> None:
        """To the end of a statement, or to where a block begins or ends, which the caller counts."""
        depth = 0
        while (token := self._peek()) is not None:
            if token.kind is Kind.SIGN:
                if token.text in "{}" and depth <= 0:
                    return
                if token.text == ";" and depth <= 0:
                    self._position += 1
                    return
                depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.text, 0)
            self._position += 1

    def _not_understood(self, begin: int) -> NotUnderstood:
        shown = self._tokens[begin : min(max(self._position, begin + 1), begin + _SHOWN_TOKENS)]
        return NotUnderstood(self._where(shown[0]) if shown else self._file.name, _shown(shown))

    def _where(self, token: Token) -> str:
        return f"{self._file.name}, line {token.line}"

    def _peek(self) -> Token | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def _next(self) -> Token:
        self._position += 1
        return self._tokens[self._position - 1]

    def _is_sign(self, text: str, ahead: int = 0) -> bool:
        position = self._position + ahead
        return (
            position < len(self._tokens)
            and self._tokens[position].kind is Kind.SIGN
            and self._tokens[position].text == text
        )

    def _take(self, text: str) -> bool:
        if self._is_sign(text):
            self._position += 1
            return True
        return False


def _shown(tokens: list[Token]) -> str:
    """How an expression begins. Texts are not shown: one of them may be a password."""
    return "".join(
        "'…'"
        if token.kind in (Kind.STRING, Kind.TEMPLATE)
        else ("$" if token.kind is Kind.VARIABLE else "") + token.text
        for token in tokens
    )


def _number(text: str) -> Value:
    digits = text.replace("_", "")
    try:
        return float(digits) if "." in digits else int(digits)
    except ValueError:
        return digits


def _replace_recursive(arrays: list[Value]) -> dict[str, Value]:
    result: dict[str, Value] = {}
    for array in arrays:
        for key, value in array.items() if isinstance(array, dict) else ():
            before = result.get(key)
            nested = isinstance(before, dict) and isinstance(value, dict)
            result[key] = _replace_recursive([before, value]) if nested else value
    return result
