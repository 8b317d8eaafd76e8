"""Archived backups: which there are, what is known of each, what is inside, and what can be done with them."""

from thaniya_tui.areas.backups.screen import BackupsArea

__all__ = ["BackupsArea"]
