"""The keys of the screen at hand, from its bindings; and what the signs mean."""

from __future__ import annotations

from collections.abc import Iterable

from textual.binding import Binding

from thaniya_tui import render
from thaniya_tui.dialogs.reading import Reading


class Help(Reading):
    """Explains an area."""

    def __init__(self, name: str, what: str, groups: Iterable[Iterable[tuple[str, Binding, str]]]) -> None:
        """
        Args:
            name: of the area.
            what: what it is for.
            groups: the keys as they are shown, each binding, and why it is not possible now (empty: it is); what
                belongs together in a group.
        """
        text = render.paragraph(what)
        for bindings in groups:
            text.append("\n")
            for key, binding, why_not in bindings:
                text.append(f"\n{key:>10}  ", "accent").append(binding.description)
                if binding.tooltip:
                    text.append(f" – {binding.tooltip}", "faint")
                if why_not:
                    text.append("\n").append(" " * 12).append(f"not now: {render.foreign(why_not).plain}", "caution")
        text.append("\n\nDays in a calendar: ")
        for state, (sign, style) in render.DAYS.items():
            text.append(f"{sign} ", style).append(f"{state.value}  ")
        super().__init__(f"{name}: what the keys do", text)
