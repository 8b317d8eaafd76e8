"""Colours: three themes, and the styles by which `render` names what text means."""

from __future__ import annotations

from typing import Any

from rich.style import Style
from rich.theme import Theme as RichTheme
from textual.screen import Screen
from textual.theme import Theme
from textual.widget import Widget
from textual.widgets import Static

DARK = Theme(
    name="thaniya-dark",
    primary="#5fafd7",
    secondary="#87afaf",
    accent="#d7af5f",
    success="#87d787",
    warning="#ffaf5f",
    error="#ff6b6b",
    foreground="#d8dee4",
    background="#12171d",
    surface="#182028",
    panel="#22303c",
    dark=True,
    variables={"footer-key-foreground": "#d7af5f", "border": "#3a4a58", "border-blurred": "#2a3744"},
)

LIGHT = Theme(
    name="thaniya-light",
    primary="#1f6f9f",
    secondary="#3f6f6f",
    accent="#8a5a00",
    success="#1f7a1f",
    warning="#9a5200",
    error="#b3261e",
    foreground="#1c2228",
    background="#f7f8f9",
    surface="#eef1f3",
    panel="#dde4ea",
    dark=False,
    variables={"footer-key-foreground": "#8a5a00", "border": "#9fb0be", "border-blurred": "#c4d0d9"},
)

ANSI = "ansi-dark"
"""The terminal's own sixteen colours, by Textual's theme of that name."""

NAMES = {"dark": DARK.name, "light": LIGHT.name, "ansi": ANSI}
"""What people write, and the theme that it means."""


def styles_of(theme: Theme) -> RichTheme:
    """What the words `good`, `caution`, `bad`, `faint`, `strong` and `accent` look like in a theme."""

    def colour(value: str | None) -> Style:
        return Style(color=(value or "default").removeprefix("ansi_"))

    return RichTheme(
        {
            "good": colour(theme.success),
            "caution": colour(theme.warning) + Style(bold=theme.ansi),
            "bad": colour(theme.error) + Style(bold=True),
            "faint": Style(dim=True),
            "strong": Style(bold=True),
            "accent": colour(theme.accent),
            "moving": colour(theme.primary),
        }
    )


def draw_anew(screen: Screen[Any]) -> None:
    """Draw everything on a screen with the styles of now: widgets keep what they have drawn with those before."""
    for widget in screen.walk_children(Widget):
        widget.notify_style_update()
        if isinstance(widget, Static):
            widget.update(widget.content)
        else:
            widget.refresh()
