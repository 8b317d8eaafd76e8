"""The area of retention: scopes with their policies, and what becomes of the backups of the one at hand."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Static

from thaniya_core.views import Policy, ScopeStatus, Survey
from thaniya_tui.area import Area
from thaniya_tui.areas.retention.deeds import Deeds
from thaniya_tui.areas.retention.following import Following
from thaniya_tui.areas.retention.pane import PlanPane
from thaniya_tui.areas.retention.rows import tell_backup
from thaniya_tui.areas.retention.scopes import ScopesPane
from thaniya_tui.areas.retention.showing import Head, why_not_unset
from thaniya_tui.dialogs import Reading
from thaniya_tui.reader import Reader
from thaniya_tui.widgets import FilterBar, Row

_EVERY_S = 5.0


class RetentionArea(Area):
    """Policies above; below, what they keep and remove of the series at hand, or of all that a scope holds."""

    MODE = "retention"
    NAME = "Retention"
    WHAT = (
        "Which policy holds for everything, a user or a series; what it keeps and removes, with the reasons, as a list "
        "and as a calendar; and removing it."
    )
    CHANGES = frozenset({"unset", "apply", "add"})

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "edit", "Edit", id="retention.edit", tooltip="write the policy of the scope at hand, or try one"),
        Binding("a", "add", "Add", id="retention.add", tooltip="set a policy for a user or series that is not listed"),
        Binding("u", "unset", "Unset", id="retention.unset", tooltip="take back what was set for the scope at hand"),
        Binding("A", "apply", "Apply", id="retention.apply", tooltip="remove what the policy does not keep"),
        Binding("c", "calendar", "Calendar", id="retention.calendar", tooltip="the plan as a calendar, or as a list"),
        Binding("o", "only", "Removals", id="retention.only", tooltip="list only what would be removed, or all"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._filters = "scopes"
        self._is_stale = False
        self._scope_reader = Reader(
            self, "policies", self._read_scopes, self._take_scopes, self.console.fail_reading, None
        )
        self.plans = Following(self, self.server, self._show_plan)
        self.deeds = Deeds(self)

    def compose_area(self) -> ComposeResult:
        yield ScopesPane(partial(self._fits, "scopes"))
        yield PlanPane(partial(self._fits, "plan"))
        yield Static(id="retention-work")

    def on_mount(self) -> None:
        self._scope_reader.start()
        self.set_interval(_EVERY_S, self._look_again)
        self.set_interval(0.2, self._show_progress)
        self.query_one(ScopesPane).focus_list()

    @property
    def statuses(self) -> Mapping[str, ScopeStatus]:
        """How it is with each scope, as it was read last."""
        return self.query_one(ScopesPane).statuses

    # What is read.

    def _read_scopes(self) -> tuple[ScopeStatus, ...]:
        server = self.server
        users = [user.name for user in server.store.read().users.all()]
        return tuple(server.retention_settings.survey(server.store.catalog_series(), users))

    def _take_scopes(self, scopes: tuple[ScopeStatus, ...]) -> None:
        statuses = {each.scope: each for each in scopes}
        is_new = statuses != self.statuses
        self.query_one(ScopesPane).statuses = statuses
        if is_new:
            self.show_filtered()
        self._follow_cursor()
        # Sums of many series take seconds: they are made again when something has changed, or when asked for.
        target = self.plans.target
        if target is not None and (target.is_series or is_new or self._is_stale):
            self._is_stale = False
            self.plans.again()

    def refresh_area(self) -> None:
        self._is_stale = True
        self._scope_reader.ask_soon()

    def show_survey(self, survey: Survey) -> None:
        """Something has happened: look again."""
        self._scope_reader.ask_soon()

    def _look_again(self) -> None:
        if self.is_current and not self.console.is_paused:
            self._scope_reader.ask_soon()

    # What is shown.

    def show_filtered(self) -> None:
        self.query_one(ScopesPane).show_scopes()
        self._show_plan()

    def _fits(self, table: str, row: Row) -> bool:
        return self._filters != table or self.fits_filter(*row.cells)

    def _show_plan(self) -> None:
        self._show_head()
        self.query_one(PlanPane).show_plan(self.plans.preview)
        self.refresh_footer()

    def _show_head(self) -> None:
        plans = self.plans
        status = None if plans.target is None else self.statuses.get(plans.target.scope)
        self.query_one(PlanPane).show_head(Head(plans.target, status, plans.preview, plans.failure, plans.progress))

    def _show_progress(self) -> None:
        self.deeds.show_progress()
        if self.plans.progress is not None:
            self._show_head()

    # What is chosen.

    @property
    def _chosen(self) -> ScopeStatus | None:
        return self.query_one(ScopesPane).chosen if self.is_mounted else None

    @on(DataTable.RowHighlighted, "#scopes")
    def _note_cursor(self) -> None:
        self._follow_cursor()

    def _follow_cursor(self) -> None:
        chosen = self._chosen
        self.plans.follow(None if chosen is None else chosen.scope, self.statuses)

    async def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Edit a policy, go to a series, or say all of a backup."""
        event.stop()
        key = event.row_key.value or ""
        if event.data_table.id == "scopes":
            await self.try_action("edit")
        elif event.data_table.id == "sums":
            self.go_to(key)
        elif self.plans.preview is not None and (told := tell_backup(self.plans.preview.plan, key)):
            self.console.push_screen(Reading("Backup", told))

    def go_to(self, scope: str) -> None:
        """Put the cursor on a scope, as soon as it is listed."""
        self.query_one(ScopesPane).go_to(scope)

    def why_not(self, action: str) -> str:
        """Why nothing can be edited, taken back or applied here now."""
        chosen = self._chosen
        match action:
            case "edit":
                return "" if chosen is not None else "no scope is chosen"
            case "unset":
                return why_not_unset(chosen)
            case "apply":
                return self.deeds.why_not_apply(self.plans)
        return ""

    # What is done.

    def action_edit(self) -> None:
        """Write the policy of the scope at hand."""
        if (chosen := self._chosen) is not None:
            tried = self.plans.tried_for(chosen.scope)
            self.deeds.edit(chosen, str(chosen.applied.policy if tried is None else tried))

    def action_add(self) -> None:
        """Set a policy for a scope that is typed."""
        self.deeds.add()

    def action_unset(self) -> None:
        """Take back what was set for the scope at hand."""
        if (chosen := self._chosen) is not None:
            self.deeds.unset(chosen)

    def action_apply(self) -> None:
        """Remove what the plan that is shown does not keep."""
        if self.plans.preview is not None:
            self.deeds.apply(self.plans.preview)

    def action_calendar(self) -> None:
        """Show the calendar, or the list."""
        self.query_one(PlanPane).toggle_class("-calendar")
        self.toggle_class("-calendar")
        self.call_after_refresh(self.query_one(ScopesPane).show_cursor)

    def action_only(self) -> None:
        """List what would be removed only, or all."""
        pane = self.query_one(PlanPane)
        pane.only_removals = not pane.only_removals
        pane.show_plan(self.plans.preview)

    def try_policy(self, tried: tuple[str, Policy] | None) -> None:
        """Plan with a policy that is not set."""
        self.plans.tried = tried
        self._follow_cursor()

    def action_filter(self) -> None:
        """Filter the table that has the keys."""
        self._filters = "plan" if self.focused is not None and self.focused.id in ("decisions", "sums") else "scopes"
        self.show_filtered()
        super().action_filter()

    def focus_main(self) -> None:
        """Go back to the table that was filtered."""
        if self._filters == "scopes":
            self.query_one(ScopesPane).focus_list()
        else:
            self.query_one(PlanPane).focus_list()

    def action_back(self) -> None:
        """Stop applying; or take the filter away, then the policy that is tried."""
        if self.deeds.is_applying:
            self.deeds.stop()
        elif self.query_one(FilterBar).display or self.plans.tried is None:
            super().action_back()
        else:
            self.try_policy(None)
