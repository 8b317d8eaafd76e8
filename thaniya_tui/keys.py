"""Which bindings there are, so that the configuration can give them other keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from textual.binding import Binding
from textual.dom import DOMNode

from thaniya_core.errors import ConfigInvalid
from thaniya_tui.app import Console
from thaniya_tui.area import Area
from thaniya_tui.areas import AREAS
from thaniya_tui.areas.backups.browser import Browser
from thaniya_tui.areas.backups.tree import SeriesTree
from thaniya_tui.areas.retention.editing import PolicyDialog
from thaniya_tui.dialogs import Reading
from thaniya_tui.dialogs.base import Dialog
from thaniya_tui.widgets import FilterBar, LineList, OneOf, SyncedTable

OWNERS: tuple[tuple[str, type[DOMNode]], ...] = (
    ("everywhere", Console),
    ("all areas", Area),
    *((area.NAME, area) for area in AREAS),
    ("tables", SyncedTable),
    ("lists", LineList),
    ("the tree", SeriesTree),
    ("the filter", FilterBar),
    ("choices", OneOf),
    ("dialogs", Dialog),
    ("texts", Reading),
    ("inside a backup", Browser),
    ("writing a policy", PolicyDialog),
)
"""What has bindings of its own, and where its keys work."""


def known_bindings() -> Iterator[tuple[str, Binding]]:
    """Each binding that can be given another key, with where it works."""
    for where, owner in OWNERS:
        for binding in owner.__dict__.get("BINDINGS", ()):
            if isinstance(binding, Binding) and binding.id:
                yield where, binding


def check_keys(keys: Mapping[str, str], where: str) -> dict[str, str]:
    """Give the keys back when each is of a binding that there is.

    Args:
        keys: by the bindings' ids, `{"uploads.abort": "A"}`.
        where: they were read.

    Raises:
        ConfigInvalid: one names no binding, or no key.
    """
    known = sorted(binding.id for _, binding in known_bindings() if binding.id)
    for binding_id, key in keys.items():
        if binding_id not in known:
            near = [each for each in known if each.split(".")[0] == binding_id.split(".")[0]] or known
            raise ConfigInvalid(
                f"{where}: [console] keys: there is no binding {binding_id!r}", hint=f"there are {', '.join(near)}"
            )
        if not key.strip():
            raise ConfigInvalid(f"{where}: [console] keys: {binding_id!r} has no key", hint="write it like 'A' or 'f5'")
    return dict(keys)
