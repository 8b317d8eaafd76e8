"""The audit log, as it grows."""

from thaniya_tui.areas.log.screen import LogArea

__all__ = ["LogArea"]
