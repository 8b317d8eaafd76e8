"""Jobs: what waits, runs, failed and is done; and the schedule."""

from thaniya_tui.areas.jobs.screen import JobsArea

__all__ = ["JobsArea"]
