"""What can be done about policies: asked for in dialogs, done in threads."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text
from textual.widgets import Static

from thaniya_core.views import ScopeStatus, check_scope
from thaniya_tui import render
from thaniya_tui.areas.retention import words
from thaniya_tui.areas.retention.applying import (
    TYPED,
    Outcome,
    apply_policies,
    tell_outcome,
    tell_question,
    tell_shortly,
)
from thaniya_tui.areas.retention.editing import Edited, PolicyDialog
from thaniya_tui.areas.retention.following import Following
from thaniya_tui.areas.retention.planning import Preview, Ticket
from thaniya_tui.areas.retention.showing import samples_of, status_or_new, why_not_apply
from thaniya_tui.dialogs import Ask, Confirm, Field, Reading

if TYPE_CHECKING:
    from thaniya_tui.areas.retention.screen import RetentionArea

_LATER = "Nothing is removed at once: apply it here, or the schedule does within a day."


class Deeds:
    """Edits, adds, takes back and applies policies for the area."""

    def __init__(self, area: RetentionArea) -> None:
        self._area = area
        self._ticket: Ticket | None = None

    # Policies.

    def edit(self, status: ScopeStatus, text: str) -> None:
        """Write the policy of a scope."""
        area = self._area
        at_hand = area.plans.target.scope if area.plans.target is not None else ""
        samples = samples_of(status, area.statuses, at_hand)
        can_save = not area.console.is_read_only
        dialog = PolicyDialog(area.server, status, text, samples, can_save=can_save)
        area.console.push_screen(dialog, self._take_edited)

    def _take_edited(self, edited: Edited | None) -> None:
        if edited is None:
            return
        area = self._area
        if not edited.is_saved:
            area.try_policy((edited.scope, edited.policy))
            return
        area.console.act(
            f"set the policy of {edited.scope}",
            partial(area.server.retention_settings.set, edited.scope, edited.policy, area.console.actor),
            lambda _: f"{edited.scope}: {words.tell_policy(edited.policy)}. {_LATER}",
            lambda _: self._show_saved(edited.scope),
        )

    def _show_saved(self, scope: str) -> None:
        if self._area.plans.tried_for(scope) is not None:
            self._area.try_policy(None)
        self._area.go_to(scope)

    def add(self) -> None:
        """Ask for a scope, then for its policy."""
        field = Field("scope", "User, or series as user/host/name", placeholder="alice/web1/nightly", check=check_scope)
        text = "The policy of a series goes before that of its user, that before the default."
        self._area.console.push_screen(Ask("Policy for whom?", [field], "Next", text), self._take_scope)

    def _take_scope(self, given: dict[str, str] | None) -> None:
        if given is not None:
            scope = check_scope(given["scope"])
            status = status_or_new(scope, self._area.statuses)
            self.edit(status, str(status.applied.policy))

    def unset(self, status: ScopeStatus) -> None:
        """Ask, and take back what was set for a scope."""
        text = Text.assemble(("set here: ", "faint"), words.tell_policy(status.applied.policy))
        text.append("\nthen:     ", "faint")
        text.append_text(render.foreign(words.tell_applied(status.otherwise, status.scope)))
        text.append("\nfor:      ", "faint").append(f"{words.count_series(status.held)}")
        text.append(f"\n\n{_LATER}")
        title = f"Take back the policy of {render.foreign(status.scope).plain}?"
        self._area.console.push_screen(Confirm(title, text, "Unset"), partial(self._unset, status))

    def _unset(self, status: ScopeStatus, agreed: bool | None) -> None:
        if not agreed:
            return
        area = self._area
        area.console.act(
            f"take back the policy of {status.scope}",
            partial(area.server.retention_settings.unset, status.scope, area.console.actor),
            lambda _: f"{status.scope}: {words.tell_applied(status.otherwise, status.scope)}",
        )

    # Removing.

    @property
    def is_applying(self) -> bool:
        """Whether policies are being applied now."""
        return self._ticket is not None and not self._ticket.is_done

    def why_not_apply(self, plans: Following) -> str:
        """Why the plan that is shown cannot be carried out; empty when it can."""
        return "policies are being applied" if self.is_applying else why_not_apply(plans.target, plans.preview)

    def apply(self, preview: Preview) -> None:
        """Ask, and remove what a preview would have removed."""
        question = Confirm("Apply the policy?", tell_question(preview), "Apply", typed=TYPED)
        self._area.console.push_screen(question, partial(self._apply, preview))

    def _apply(self, preview: Preview, agreed: bool | None) -> None:
        if not agreed or self.is_applying:
            return
        area = self._area
        ticket = self._ticket = Ticket()
        area.console.act(
            f"apply the policy of {preview.target.scope}",
            partial(apply_policies, area.server, preview.sums, area.console.actor, ticket),
            tell_shortly,
            self._tell,
        )
        self.show_progress()

    def _tell(self, outcome: Outcome) -> None:
        if not outcome.is_plain:
            self._area.console.push_screen(Reading("Not everything went as it was shown", tell_outcome(outcome)))

    def stop(self) -> None:
        """Apply nothing more after the series at hand."""
        if self._ticket is not None:
            self._ticket.stop()
        self.show_progress()

    def show_progress(self) -> None:
        """Say how far it is."""
        ticket = self._ticket
        line = self._area.query_one("#retention-work", Static)
        line.display = self.is_applying
        if ticket is not None and self.is_applying:
            done, of = ticket.progress
            told = "stops after this series" if ticket.is_stopped else "esc stops after the series at hand"
            line.update(Text.assemble((f"applying: {done:,} of {of:,} series …", "moving"), (f"   {told}", "faint")))
