"""The first line of each area: where one is, how the server is, and whether what is shown is of now."""

from __future__ import annotations

import time

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.events import Click
from textual.widgets import Static

from thaniya_core.model import Severity
from thaniya_core.views import Live, Survey
from thaniya_tui import render


class AreaTab(Static):
    """The name of an area; a click leads there."""

    def __init__(self, number: int, name: str, mode: str, *, is_here: bool) -> None:
        super().__init__(classes="-here" if is_here else "")
        self._label = Text.assemble((str(number), "accent"), (f" {name}", "strong" if is_here else ""))
        self._mode = mode

    def render(self) -> Text:
        return self._label

    async def on_click(self, event: Click) -> None:
        event.stop()
        await self.app.run_action(f"switch_mode('{self._mode}')")


class StatusLine(Horizontal):
    """Areas on the left, the state of things on the right."""

    def __init__(self, areas: tuple[tuple[str, str], ...], here: str, stale_after_s: float) -> None:
        """
        Args:
            areas: mode and name of each.
            here: the mode of this one.
            stale_after_s: what was read longer ago is not the present.
        """
        super().__init__(id="status-line")
        self._areas = areas
        self._here = here
        self._stale_after_s = stale_after_s
        self._live: Live | None = None
        self._survey: Survey | None = None
        self._read_at = time.monotonic()
        self._unread = ""
        self.is_paused = False
        self.is_read_only = False

    def compose(self) -> ComposeResult:
        for number, (mode, name) in enumerate(self._areas, 1):
            yield AreaTab(number, name, mode, is_here=mode == self._here)
        yield Static(id="condition")

    def on_mount(self) -> None:
        self.set_interval(1.0, self.draw)
        self.draw()

    def note_live(self, live: Live, read_at: float) -> None:
        """What moves was read, at this time of the monotonic clock."""
        self._live, self._read_at = live, read_at
        self.draw()

    def note_survey(self, survey: Survey) -> None:
        """The verdict has come."""
        self._survey = survey
        self.draw()

    def note_unread(self, name: str) -> None:
        """Something of what is shown cannot be read now; empty when all of it can."""
        self._unread = name
        self.draw()

    def note_paused(self) -> None:
        """What is shown stays as it is."""
        self.is_paused = True
        self.draw()

    @property
    def is_stale(self) -> bool:
        """Whether what is shown is not of now: reading fails, or there is no answer."""
        return bool(self._unread) or self._is_live_stale

    @property
    def _is_live_stale(self) -> bool:
        return time.monotonic() - self._read_at > self._stale_after_s

    def draw(self) -> None:
        """Say how things are."""
        if not self.is_mounted:
            return
        self.screen.set_class(self.is_stale, "-stale")
        self.query_one("#condition", Static).update(self._condition())

    def _condition(self) -> Text:
        parts: list[Text] = []
        if self.is_read_only:
            parts.append(Text("read-only", "accent"))
        if self.is_paused:
            parts.append(Text("⏸ paused", "caution"))
        if self._unread and not self._is_live_stale:
            parts.append(Text(f"✗ STALE: {self._unread}", "bad"))
        elif self.is_stale:
            parts.append(Text(f"✗ STALE {_age(time.monotonic() - self._read_at)}", "bad"))
        elif self._live is not None and not self._live.service_runs:
            parts.append(Text("✗ no service", "bad"))
        if self._survey is not None:
            parts.append(_verdict_sign(self._survey))
        if self._live is not None:
            parts.append(Text(self._live.at.astimezone().strftime("%H:%M:%S"), "faint"))
        return Text("  ").join(parts)


def _verdict_sign(survey: Survey) -> Text:
    word = {
        Severity.OK: "all well",
        Severity.WARNING: "warning",
        Severity.CRITICAL: "critical",
        Severity.UNKNOWN: "unknown",
    }
    return render.signed(render.severity_sign(survey.status), word[survey.status])


def _age(seconds: float) -> str:
    return f"for {seconds:.0f} s"
