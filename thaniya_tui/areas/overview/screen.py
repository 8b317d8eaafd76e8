"""The first area: everything at a glance."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from itertools import islice
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll

from thaniya_core.model import Event
from thaniya_core.views import Live, Survey, SurveyedSeries
from thaniya_tui.area import Area
from thaniya_tui.areas.overview import draw
from thaniya_tui.dialogs import Reading
from thaniya_tui.reader import Reader
from thaniya_tui.widgets import LineList, Lines

_EVENTS = 40
_ROWS_A_REASON = 7
"""One reason of the verdict is shown for so many rows of the screen."""


class Overview(Area):
    """Answers within two seconds and without a key: is everything backed up, is anything wrong."""

    MODE = "overview"
    NAME = "Overview"
    WHAT = "Is every series backed up, is anything wrong, what is coming in right now, how full are the disks."

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "look_closer", "Backups", id="overview.backups", tooltip="of the series under the cursor"),
        Binding("f", "findings", "Findings", id="overview.findings", tooltip="all that is wrong, in full"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._series: list[SurveyedSeries] = []
        self._survey: Survey | None = None
        self._aged_at: datetime | None = None
        """The minute of the server for which ages were drawn."""
        self._events = Reader(self, "events", self._read_events, self._show_events, self.console.fail_reading, 2.0)

    def compose_area(self) -> ComposeResult:
        with Vertical(classes="pane", id="verdict-pane") as pane:
            pane.border_title = "Verdict"
            yield Lines(id="verdict")
        with Horizontal(id="overview-middle"):
            with VerticalScroll(classes="pane", id="uploads-pane", can_focus=False) as pane:
                pane.border_title = "Coming in"
                yield Lines(id="uploads")
            with VerticalScroll(classes="pane", id="volumes-pane", can_focus=False) as pane:
                pane.border_title = "Volumes"
                yield Lines(id="volumes")
        with Vertical(classes="pane", id="calendar-pane") as pane:
            pane.border_title = "Series: the last 30 days"
            yield LineList("no series yet: `thaniya user add` lets somebody make backups", id="calendar")
        with VerticalScroll(classes="pane", id="events-pane", can_focus=False) as pane:
            pane.border_title = "Newest events"
            yield Lines(id="events")

    def on_mount(self) -> None:
        self._events.start()
        self.focus_main()
        self.query_one("#verdict", Lines).show(partial(draw.draw_verdict, None, None, 0))

    def on_resize(self) -> None:
        """Give as many reasons as there is room for now."""
        if self._survey is not None:
            self.show_survey(self._survey)

    def show_live(self, live: Live) -> None:
        """Draw what moves, and now and then what only grows older."""
        self.query_one("#uploads", Lines).show(partial(draw.draw_uploads, live))
        if self._survey is not None and live.at.replace(second=0, microsecond=0) != self._aged_at:
            self.show_survey(self._survey)

    def show_survey(self, survey: Survey) -> None:
        """Draw the verdict, volumes and calendars."""
        self._survey = survey
        live = self.console.live
        self._aged_at = live.at.replace(second=0, microsecond=0) if live is not None else None
        reasons = max(self.size.height // _ROWS_A_REASON, 2)
        self.query_one("#verdict", Lines).show(partial(draw.draw_verdict, survey, live, reasons))
        self.query_one("#volumes", Lines).show(partial(draw.draw_volumes, survey.volumes))
        now = live.at if live is not None else survey.made_at
        self._series = draw.worst_first(survey.series)
        self.query_one("#calendar", LineList).show(len(self._series), partial(self._draw_series, self._series, now))

    @staticmethod
    def _draw_series(series: list[SurveyedSeries], now: datetime, number: int, width: int) -> Text:
        return draw.draw_series(series[number], now, width)

    def refresh_area(self) -> None:
        self._events.ask_soon()

    def _read_events(self) -> tuple[Event, ...]:
        return tuple(islice(self.server.newest_events(), _EVENTS))

    def _show_events(self, events: tuple[Event, ...]) -> None:
        if self.is_current and not self.console.is_paused:
            self.query_one("#events", Lines).show(partial(draw.draw_events, events))

    def why_not(self, action: str) -> str:
        """Why there is nothing to read yet."""
        return "the verdict has not come yet" if action == "findings" and self._survey is None else ""

    def action_findings(self) -> None:
        """Show all findings in full."""
        if self._survey is not None:
            self.console.push_screen(Reading("What is wrong", draw.describe_findings(self._survey)))

    async def action_look_closer(self) -> None:
        """Go to the backups of the series under the cursor."""
        cursor = self.query_one("#calendar", LineList).cursor
        if cursor is None:
            await self.console.action_switch_mode("backups")
        else:
            await self.console.show_series(self._series[cursor].series)

    async def on_line_list_clicked(self, event: LineList.Clicked) -> None:
        event.stop()
        await self.action_look_closer()

    def focus_main(self) -> None:
        self.query_one("#calendar", LineList).focus()
