"""Who may back up: keys, limits, what is stored, and what to send to whom."""

from thaniya_tui.areas.users.screen import UsersArea

__all__ = ["UsersArea"]
