"""What is kept and for how long: the policies, what they would keep and remove, and removing it."""

from thaniya_tui.areas.retention.screen import RetentionArea

__all__ = ["RetentionArea"]
