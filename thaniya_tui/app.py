"""The application: the areas, what is read for all of them, and the keys that work everywhere."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.driver import Driver
from textual.screen import Screen
from textual.theme import Theme

from thaniya_core.formats.names import Series
from thaniya_core.model import JobState, SlotState
from thaniya_core.server import Server
from thaniya_core.views import Live, Survey
from thaniya_tui import themes
from thaniya_tui.acting import ActingApp
from thaniya_tui.area import Area
from thaniya_tui.areas import AREAS
from thaniya_tui.areas.backups import BackupsArea
from thaniya_tui.dialogs import Help, describe_failure
from thaniya_tui.palette import AreaCommands
from thaniya_tui.reader import Reader
from thaniya_tui.surveying import LOOK_S, Surveying
from thaniya_tui.terminal import lasting
from thaniya_tui.widgets import StatusLine

LIVE_S = 0.4
"""From one look at what moves to the next."""

STALE_AFTER_S = 5.0

_SETTLED_S = (2.0, 15.0)
"""So long after the start the first area has read and drawn what it shows, and most people have seen the others."""


class Console(ActingApp):
    """Shows a server. It decides nothing: what it changes goes through the functions that the commands use."""

    TITLE = "Thaniya"
    CSS_PATH = "style.tcss"
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {area.MODE: area for area in AREAS}
    DEFAULT_MODE = AREAS[0].MODE
    COMMANDS: ClassVar = {AreaCommands}
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - Textual declares it as of the instance
        (0, "-tiny"),
        (60, "-narrow"),
        (100, "-normal"),
        (120, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (20, "-low"), (30, "-high")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"switch_mode('{area.MODE}')", area.NAME, show=False, id=f"go.{area.MODE}")
            for number, area in enumerate(AREAS, 1)
        ),
        Binding("question_mark", "help", "Help", key_display="?", id="help"),
        Binding("p", "pause", "Pause", show=False, id="pause", tooltip="keep what is shown as it is"),
        Binding("q", "quit", "Quit", id="quit"),
        Binding("ctrl+p", "command_palette", "Palette", id="palette", priority=True),
    ]

    def __init__(
        self,
        server: Server,
        actor: str,
        *,
        is_read_only: bool = False,
        theme: str = themes.DARK.name,
        keys: Mapping[str, str] | None = None,
        stale_after_s: float = STALE_AFTER_S,
        keep: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            server: what is shown; used in threads only.
            actor: who acts, as the audit log shows it.
            is_read_only: nothing can be changed.
            theme: the name of a theme.
            keys: other keys for bindings, by the bindings' ids.
            stale_after_s: what was read longer ago is said not to be of now.
            keep: called when the console is set up, and once more later: most of what is there then stays.
        """
        super().__init__(is_read_only=is_read_only)
        self.server = server
        self.actor = actor
        self.is_paused = False
        self.live: Live | None = None
        """What was read last of what moves."""
        self._live_read_at = 0.0
        self.survey: Survey | None = None
        self._stale_after_s = stale_after_s
        self._keep = keep
        self._unread: set[tuple[DOMNode, str]] = set()
        """What cannot be read now, with the node that it is read for."""
        self._surveying = Surveying(server)
        self._live_reader = Reader(self, "what moves", server.observe, self._take_live, self.fail_reading, LIVE_S)
        self._survey_reader = Reader(
            self, "the survey", self._surveying.ask, self._take_survey, self._fail_survey, LOOK_S
        )
        self.register_theme(themes.DARK)
        self.register_theme(themes.LIGHT)
        self.theme = theme
        self.console.push_theme(themes.styles_of(self.current_theme))
        self.set_keymap(dict(keys or {}))

    def get_driver_class(self) -> type[Driver]:
        """What it is drawn with."""
        return lasting(super().get_driver_class())

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, self._note_theme)
        self.app_resume_signal.subscribe(self, self._draw_all)
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self.exit)
        self._live_reader.start()
        self._survey_reader.start()
        for settled_s in _SETTLED_S:
            self.set_timer(settled_s, self._keep)

    def _draw_all(self, _: object) -> None:
        """After SIGTSTP and SIGCONT: the terminal has forgotten what was on it, and Textual draws what has changed."""
        self.refresh(layout=True)

    def _note_theme(self, theme: Theme) -> None:
        # `console` is rich's, by which every text finds its styles.
        self.console.pop_theme()
        self.console.push_theme(themes.styles_of(theme))
        for screen in self.screen_stack:
            themes.draw_anew(screen)

    # Reading.

    def _take_live(self, live: Live) -> None:
        before, self.live, self._live_read_at = self.live, live, time.monotonic()
        if before is not None and _has_news(before, live):
            self._surveying.want()
            self._survey_reader.ask_soon()
        area = self.area_in_front()
        if area is None:
            return
        area.status_line().note_live(live, self._live_read_at)
        if not self.is_paused:
            area.show_live(live)
            area.refresh_footer()

    def _take_survey(self, survey: Survey) -> None:
        is_new = self.survey is None or survey.made_at != self.survey.made_at
        self.survey = survey
        area = self.area_in_front()
        if area is not None and is_new:
            area.status_line().note_survey(survey)
            if not self.is_paused:
                area.show_survey(survey)

    def _fail_survey(self, error: Exception) -> None:
        failure = describe_failure("look at everything", error)
        self.notify(f"{failure.title}: {failure.cause}", markup=False, severity="error", title="no verdict")

    def note_reading(self, node: DOMNode, name: str, *, is_failing: bool) -> None:
        """A reading began to fail, or succeeds again: the status line says so where what it gives is shown."""
        if is_failing:
            self._unread.add((node, name))
        else:
            self._unread.discard((node, name))
        area = self.area_in_front()
        if area is not None:
            area.status_line().note_unread(self._unread_for(area))

    def _unread_for(self, area: Area) -> str:
        """The first name of what cannot be read for an area; that the rest cannot be read either is told there."""
        mine = {name for node, name in self._unread if node is self or area in node.ancestors_with_self}
        return min(mine, default="")

    def area_in_front(self) -> Area | None:
        """The area that can be seen, also behind a dialog; None before there is one that is laid out."""
        areas = (screen for screen in reversed(self.screen_stack) if isinstance(screen, Area))
        return next((area for area in areas if area.is_mounted), None)

    def bring_up_to_date(self, area: Area) -> None:
        """Show an area what was read while it was not in front."""
        line = area.status_line()
        line.is_paused, line.is_read_only = self.is_paused, self.is_read_only
        if self.live is not None:
            line.note_live(self.live, self._live_read_at)
            area.show_live(self.live)
        if self.survey is not None:
            line.note_survey(self.survey)
            area.show_survey(self.survey)
        line.note_unread(self._unread_for(area))

    @property
    def now(self) -> datetime:
        """The server's time when it was looked at last."""
        if self.live is not None:
            return self.live.at
        return self.survey.made_at if self.survey is not None else datetime.now(UTC)

    def refresh_all(self) -> None:
        """Read everything now."""
        self._live_reader.ask_soon()
        self._surveying.want()
        self._survey_reader.ask_soon()

    def after_deed(self) -> None:
        self.refresh_all()
        area = self.area_in_front()
        if area is not None:
            area.refresh_area()

    def make_status_line(self, here: str) -> StatusLine:
        """The first line of an area."""
        return StatusLine(tuple((area.MODE, area.NAME) for area in AREAS), here, self._stale_after_s)

    # Keys.

    def action_help(self) -> None:
        """Explain the area at hand."""
        area = self.area_in_front()
        if area is not None and not isinstance(self.screen, Help):
            self.push_screen(Help(area.NAME, area.WHAT, area.known_keys()))

    def action_pause(self) -> None:
        """Stop repainting, or go on."""
        self.is_paused = not self.is_paused
        area = self.area_in_front()
        if area is not None:
            self.bring_up_to_date(area) if not self.is_paused else area.status_line().note_paused()

    async def action_switch_mode(self, mode: str) -> None:
        """Go to an area, from wherever; dialogs are left open on theirs."""
        if isinstance(self.screen, Area):
            await self.switch_mode(mode)

    async def show_series(self, series: Series) -> None:
        """Go to the backups of a series."""
        await self.action_switch_mode(BackupsArea.MODE)
        if isinstance(self.screen, BackupsArea):
            self.screen.show_series(str(series))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Areas and pause belong to areas, not to dialogs."""
        if action in ("switch_mode", "pause", "help") and not isinstance(self.screen, Area):
            return False
        return super().check_action(action, parameters)

    def handle_bindings_clash(self, clashed_bindings: set[Binding], node: DOMNode) -> None:
        """Two bindings of one key, by the configuration: say so instead of doing one of them silently."""
        names = ", ".join(sorted(binding.id or binding.description for binding in clashed_bindings))
        self.notify(f"one key for several things, see [console] of thaniya.toml: {names}", markup=False)


def _has_news(before: Live, now: Live) -> bool:
    """Whether what happened between two looks may change the verdict."""

    def states(live: Live) -> list[tuple[str, str]]:
        return [
            *((upload.id, upload.state) for upload in live.uploads),
            *((slot.name, slot.state) for slot in live.slots if slot.state is SlotState.DEGRADED),
            *((job.id, job.state) for job in live.jobs if job.state is JobState.FAILED),
            *((task.name, task.failure) for task in live.schedule if task.failure),
        ]

    return (
        states(before) != states(now)
        or before.volumes != now.volumes
        or before.users != now.users
        or before.service_runs != now.service_runs
    )
