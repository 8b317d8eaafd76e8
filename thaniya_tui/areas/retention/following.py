"""The plan of whatever the cursor is on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from textual.dom import DOMNode

from thaniya_core.server import Server
from thaniya_core.views import Policy, ScopeStatus
from thaniya_tui.areas.retention.planning import Planner, Preview, Progress, Target
from thaniya_tui.areas.retention.showing import aim
from thaniya_tui.dialogs import describe_failure

_PAUSE_S = 0.15
"""Who holds a key down passes by without a plan."""


class Following:
    """Holds the plan of one scope at a time, and makes it anew when the scope, a tried policy or the backups change."""

    def __init__(self, node: DOMNode, server: Server, changed: Callable[[], None]) -> None:
        """
        Args:
            node: the screen that the work ends with.
            server: asked in threads.
            changed: called when there is something else to show.
        """
        self._changed = changed
        self._planner = Planner(node, "area", server, self._take, self._fail, _PAUSE_S)
        self.target: Target | None = None
        self.preview: Preview | None = None
        """Of the target; None until it has come."""
        self.failure = ""
        self.tried: tuple[str, Policy] | None = None
        """A scope, and a policy that is shown as if it were set for it."""

    @property
    def progress(self) -> Progress:
        """How far the plan is that is being made; None when there is none."""
        return self._planner.progress

    def follow(self, scope: str | None, statuses: Mapping[str, ScopeStatus]) -> None:
        """Plan a scope, unless that is what is planned already."""
        target = None if scope is None else aim(scope, self.tried, statuses)
        if target == self.target:
            return
        self.target, self.preview, self.failure = target, None, ""
        if target is None:
            self._planner.stop()
        else:
            self._planner.ask(target)
        self._changed()

    def again(self) -> None:
        """Plan the same anew; what is shown stays until it has come."""
        if self.target is not None and self.progress is None:
            self._planner.ask(self.target)

    def tried_for(self, scope: str) -> Policy | None:
        """The policy that is tried for a scope itself."""
        return self.tried[1] if self.tried is not None and self.tried[0] == scope else None

    def _take(self, preview: Preview) -> None:
        self.preview, self.failure = preview, ""
        self._changed()

    def _fail(self, error: Exception) -> None:
        failure = describe_failure("plan", error)
        self.preview, self.failure = None, f"{failure.title}: {failure.cause}"
        self._changed()
