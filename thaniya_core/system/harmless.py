"""Foreign text on its way to a terminal or a table."""

from __future__ import annotations

import re

# Control characters move cursors and cut lines; marks of direction reorder what a person reads; lone surrogates stand
# for bytes that are not UTF-8 and cannot be encoded.
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def make_harmless(text: str, limit: int = 2000) -> str:
    """The text, cut to `limit` characters, with each that could upset a terminal or a table written as an escape."""
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return _HARMFUL.sub(_escape, short)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
