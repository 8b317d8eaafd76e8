"""Live uploads: the slots and what is in them, and what became of the uploads that have ended."""

from thaniya_tui.areas.uploads.screen import UploadsArea

__all__ = ["UploadsArea"]
