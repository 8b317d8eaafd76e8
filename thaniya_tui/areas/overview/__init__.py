"""Is every series backed up, is anything wrong, what is coming in, how full are the disks."""

from thaniya_tui.areas.overview.screen import Overview

__all__ = ["Overview"]
