"""The areas, in the order of their keys."""

from thaniya_tui.area import Area
from thaniya_tui.areas.backups import BackupsArea
from thaniya_tui.areas.overview import Overview
from thaniya_tui.areas.uploads import UploadsArea

AREAS: tuple[type[Area], ...] = (Overview, UploadsArea, BackupsArea)

__all__ = ["AREAS"]
