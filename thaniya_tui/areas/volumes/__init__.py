"""Volumes: how they are, what lies on them, how they fill."""

from thaniya_tui.areas.volumes.screen import VolumesArea

__all__ = ["VolumesArea"]
