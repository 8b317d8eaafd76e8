"""What the command says to people and programs."""

from __future__ import annotations

import sys

import msgspec
import typer

from thaniya_core.system.harmless import make_harmless
from thaniya_core.system.terminal import show_json


def is_terminal() -> bool:
    """Whether a person sits at both ends."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def print_line(text: str) -> None:
    """A line for people."""
    print(make_harmless(text))


def print_json(message_type: str, value: object) -> None:
    """A value as one JSON line with its message_type."""
    fields = msgspec.to_builtins(value, enc_hook=str)
    show_json({"message_type": message_type, **fields})


def ask_host_key(name: str, fingerprint: str) -> bool:
    """Ask the person whether an unknown host key is right."""
    print(f"The host key of {make_harmless(name)} is not known yet: {make_harmless(fingerprint)}", file=sys.stderr)
    return typer.confirm("Does the administrator name the same fingerprint?", default=False, err=True)
