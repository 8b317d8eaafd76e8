"""One call of a one-shot verb, and how its answer is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import BinaryIO

import msgspec
from msgspec import Struct

from thaniya_core.gate.arguments import Arguments
from thaniya_core.gate.services import Caller, Services
from thaniya_core.system.harmless import make_harmless

Cell = str | int | datetime | None


class Call(Struct, frozen=True):
    """Who calls with which words, and the streams to the client."""

    services: Services
    caller: Caller
    arguments: Arguments
    usage: str
    stdin: BinaryIO
    stdout: BinaryIO

    @property
    def wants_json(self) -> bool:
        return "--json" in self.arguments.flags

    def write_facts(self, **facts: Cell) -> None:
        """Write `name=value` lines for a shell script to read; a fact that is None is left out."""
        lines = [f"{name}={_show(value)}\n" for name, value in facts.items() if value is not None]
        self._write("".join(lines).encode())

    def write_table(self, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
        """Write a header and rows with tabs between the cells."""
        lines = ["\t".join(columns), *("\t".join(_show(cell) for cell in row) for row in rows)]
        self._write("".join(f"{line}\n" for line in lines).encode())

    def write_json(self, values: Iterable[Struct]) -> None:
        """Write each value as one line of JSON."""
        self._write(msgspec.json.Encoder().encode_lines(list(values)))

    def _write(self, data: bytes) -> None:
        self.stdout.write(data)
        self.stdout.flush()


def _show(value: Cell) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return make_harmless(str(value))
