"""The areas, in the order of their keys."""

from thaniya_tui.area import Area
from thaniya_tui.areas.overview import Overview
from thaniya_tui.areas.uploads import UploadsArea
from thaniya_tui.areas.users import UsersArea

AREAS: tuple[type[Area], ...] = (Overview, UploadsArea, UsersArea)

__all__ = ["AREAS"]
