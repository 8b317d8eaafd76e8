"""The dialog in which a policy is written, with what it would do under it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from msgspec import Struct
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.suggester import Suggester
from textual.widgets import Button, Input, Static

from thaniya_core.errors import ThaniyaError
from thaniya_core.server import Server
from thaniya_core.views import Policy, ScopeStatus, parse_policy
from thaniya_tui import render
from thaniya_tui.areas.retention import words
from thaniya_tui.areas.retention.calendar import draw_calendar, mark_days
from thaniya_tui.areas.retention.planning import Planner, Preview, Target
from thaniya_tui.dialogs.base import Dialog
from thaniya_tui.dialogs.failure import describe_failure
from thaniya_tui.widgets import Lines


class Edited(Struct, frozen=True):
    """What was decided about a policy."""

    scope: str
    policy: Policy
    is_saved: bool
    """Otherwise it is only to be looked at."""


class _Completion(Suggester):
    """Finishes the last word; the right arrow takes it."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        return words.complete(value)


class PolicyDialog(Dialog[Edited]):
    """Gives a policy to be saved or tried; what is wrong with it is told while one types."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "other(-1)", "Series before", show=False),
        Binding("down", "other(1)", "Next series", show=False),
        Binding("f2", "try", "Try", show=False),
    ]

    def __init__(
        self, server: Server, status: ScopeStatus, text: str, samples: Sequence[str], *, can_save: bool = True
    ) -> None:
        """
        Args:
            server: asked in threads.
            status: of the scope.
            text: to begin with.
            samples: series that the scope holds, of which one is shown; the first at first.
            can_save: whether anything may be changed here.
        """
        super().__init__(f"Policy of {render.foreign(status.scope).plain}")
        self._status = status
        self._first_text = text
        self._samples = tuple(samples)
        self._at = 0
        self._can_save = can_save
        self._policy: Policy | None = None
        self._sample: Preview | None = None
        self._sums: Preview | None = None
        self._failure = ""
        self._sample_planner = Planner(self, "sample", server, self._take_sample, self._fail, 0.1)
        self._sums_planner = Planner(self, "sums", server, self._take_sums, self._fail, 0.5)

    def compose_body(self) -> ComposeResult:
        yield Static(self._tell_scope(), id="policy-scope")
        yield Input(
            self._first_text,
            placeholder="nothing: every backup is kept",
            suggester=_Completion(),
            id="policy",
            compact=True,
            select_on_focus=False,
        )
        yield Static(id="policy-told")
        with VerticalScroll(id="policy-preview", can_focus=False):
            yield Lines(id="policy-lines")

    def compose_buttons(self) -> ComposeResult:
        yield Button("Cancel", id="leave")
        yield Button("Try", id="try", tooltip="see the whole plan, without saving")
        yield Button("Save", id="save", variant="primary")

    def on_mount(self) -> None:
        self.set_interval(0.2, self._draw_progress)
        self.query_one(Input).focus()

    def _tell_scope(self) -> Text:
        status = self._status
        told = render.foreign(words.tell_applied(status.applied, status.scope)).plain
        text = Text.assemble(("now: ", "faint"), (told, "faint"))
        if not status.is_series:
            text.append(f" · holds for {words.count_series(status.held)}", "faint")
        return text

    # What is typed.

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        told = self.query_one("#policy-told", Static)
        try:
            self._policy = parse_policy(event.value)
        except ThaniyaError as error:
            self._policy = None
            text = Text.assemble(("✗ ", "bad"), (render.foreign(_shorten(error.message)).plain, "bad"))
            if error.hint and not error.hint.startswith("it knows"):  # that is said more shortly below
                text.append_text(render.paragraph(f"\n{error.hint}"))
            text.append(f"\n{words.known_words()}", "faint")
            told.update(text)
        else:
            told.update(Text.assemble(("✓ ", "good"), words.explain(self._policy)))
        is_legal = self._policy is not None
        self.query_one("#try", Button).disabled = not is_legal
        self.query_one("#save", Button).disabled = not (is_legal and self._can_save)
        self._plan(with_sums=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.press("save" if self._can_save else "try")

    def press(self, button: str) -> None:
        if self._policy is not None and (button == "try" or self._can_save):
            self.dismiss(Edited(self._status.scope, self._policy, button == "save"))

    def action_try(self) -> None:
        """Close, and let the area show the whole plan."""
        self.press("try")

    # What it would do.

    def action_other(self, step: int) -> None:
        """Show another series that the scope holds."""
        if len(self._samples) > 1:
            self._at = (self._at + step) % len(self._samples)
            self._plan(with_sums=False)

    def _plan(self, *, with_sums: bool) -> None:
        self._failure = ""
        if self._policy is None:
            self._sample_planner.stop()
            self._sums_planner.stop()
            self._sample = self._sums = None
        else:
            if self._samples:
                self._sample_planner.ask(Target(self._samples[self._at], self._policy))
            if with_sums and not self._status.is_series:
                self._sums = None
                self._sums_planner.ask(Target(self._status.scope, self._policy))
        self._draw()

    def _take_sample(self, preview: Preview) -> None:
        self._sample = preview
        self._draw()

    def _take_sums(self, preview: Preview) -> None:
        self._sums = preview
        self._draw()

    def _fail(self, error: Exception) -> None:
        failure = describe_failure("plan", error)
        self._failure = f"{failure.title}: {failure.cause}"
        self._draw()

    def _draw_progress(self) -> None:
        if self._sums_planner.progress is not None:
            self._draw()

    def _draw(self) -> None:
        self.query_one("#policy-lines", Lines).show(self._lines)

    def _lines(self, width: int) -> list[Text]:
        if self._failure:
            return [render.foreign(self._failure, "bad")]
        if self._policy is None:
            return [Text.assemble(("the preview comes when the policy is understood", "faint"))]
        lines = [] if self._status.is_series else [self._sums_line()]
        if not self._samples:
            return [*lines, Text.assemble(("no series with backups yet: it holds for those that come", "faint"))]
        lines.append(self._sample_line())
        if self._sample is not None and self._sample.plan is not None:
            today = self._sample.made_at.astimezone().date()
            lines += draw_calendar(mark_days(self._sample.plan.plan), today, width)
        for line in lines:
            line.truncate(width, overflow="ellipsis")
        return lines

    def _sums_line(self) -> Text:
        if self._sums is not None:
            return Text.assemble(("all: ", "faint")).append_text(words.tell_totals(words.add_up(self._sums.sums)))
        done, of = self._sums_planner.progress or (0, 0)
        return Text.assemble(("all: ", "faint")).append(
            f"planning: {done:,} of {of:,} series …" if of else "planning …", "faint"
        )

    def _sample_line(self) -> Text:
        line = Text()
        if not self._status.is_series:
            line.append(f"{self._at + 1:,} of {len(self._samples):,} ↑↓ ", "faint")
            line.append(render.foreign(self._samples[self._at]).plain, "strong").append("  ")
        if self._sample is None or self._sample.plan is None:
            return line.append("planning …", "faint")
        line.append_text(words.tell_plan(self._sample.plan))
        if self._sample.before is not None:
            line.append(f" · now {words.tell_sums(self._sample.before).plain[2:]}", "faint")
        return line


def _shorten(message: str) -> str:
    """A message without the middle of what it quotes, where that is long: what is said of it stands at the end."""
    return message if len(message) <= 100 else f"{message[:50]} … {message[-40:]}"
