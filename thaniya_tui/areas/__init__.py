"""The areas, in the order of their keys."""

from thaniya_tui.area import Area
from thaniya_tui.areas.backups import BackupsArea
from thaniya_tui.areas.jobs import JobsArea
from thaniya_tui.areas.log import LogArea
from thaniya_tui.areas.overview import Overview
from thaniya_tui.areas.retention import RetentionArea
from thaniya_tui.areas.uploads import UploadsArea
from thaniya_tui.areas.users import UsersArea
from thaniya_tui.areas.volumes import VolumesArea

AREAS: tuple[type[Area], ...] = (
    Overview,
    UploadsArea,
    BackupsArea,
    RetentionArea,
    UsersArea,
    VolumesArea,
    JobsArea,
    LogArea,
)

__all__ = ["AREAS"]
