"""The fifth area: who may back up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.widget import Widget

from thaniya_core.model import User
from thaniya_core.views import Live, Survey
from thaniya_tui.area import Area
from thaniya_tui.areas.users import deeds, draw, questions
from thaniya_tui.areas.users.known import Known, know_users
from thaniya_tui.reader import Reader
from thaniya_tui.widgets import Lines, SyncedTable

_USES_S = 10.0


class UsersArea(Area):
    """The users; below, all about the one under the cursor."""

    MODE = "users"
    NAME = "Users"
    WHAT = (
        "Who may back up: whether they are let in, with which keys, how much they store of what they may, and when "
        "their last backup was made; below, all about the one under the cursor."
    )
    CHANGES = frozenset(
        {"new_user", "enable_user", "disable_user", "add_key", "remove_key", "set_limits", "remove_user"}
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new_user", "New", id="users.new", tooltip="make a user"),
        Binding("i", "instruct", "Send", id="users.instruct", tooltip="what to send to the user, to read and to copy"),
        Binding("a", "add_key", "Add key", id="users.add_key", tooltip="let one more key in, pasted or from a file"),
        Binding("x", "remove_key", "Drop key", id="users.remove_key", tooltip="let a key in no more"),
        Binding("l", "set_limits", "Limits", id="users.limits", tooltip="quota, uploads at the same time, role"),
        Binding("d", "disable_user", "Disable", id="users.disable", tooltip="keep out for now; everything stays"),
        Binding("e", "enable_user", "Enable", id="users.enable", tooltip="let in again"),
        Binding("X", "remove_user", "Remove", id="users.remove", tooltip="for good; the backups stay", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._live: Live | None = None
        self._survey: Survey | None = None
        self._users: dict[str, Known] = {}
        self._wanted = ""
        """Whom the cursor is to go to."""
        self._uses: Mapping[str, datetime] | None = None
        self._uses_reader = Reader(
            self, "uses of keys", self.server.users.key_uses, self._take_uses, self.console.fail_reading, _USES_S
        )

    def compose_area(self) -> ComposeResult:
        with Vertical(classes="pane", id="users-pane") as pane:
            pane.border_title = "Users"
            yield SyncedTable(draw.USER_COLUMNS, id="users", can_mark=True)
        with VerticalScroll(classes="pane", id="user-pane"), Container(id="user-parts"):
            yield Lines(id="user-about")
            yield Lines(id="user-keys")

    def on_mount(self) -> None:
        self._uses_reader.start()
        self.focus_main()

    # What is shown.

    def show_live(self, live: Live) -> None:
        self._live = live
        self.show_filtered()

    def show_survey(self, survey: Survey) -> None:
        self._survey = survey
        self.show_filtered()

    def refresh_area(self) -> None:
        self._uses_reader.ask_soon()

    def _take_uses(self, uses: Mapping[str, datetime]) -> None:
        self._uses = uses
        if not self.console.is_paused:
            self._show_chosen()

    def show_filtered(self) -> None:
        if self._live is None:
            return
        users = know_users(self._live, self._survey)
        self._users = {known.name: known for known in users}
        rows = draw.user_rows(users, self._live.at)
        table = self.query_one("#users", SyncedTable)
        table.show_rows(row for row in rows if self.fits_filter(*row.cells))
        if self._wanted and table.move_to(self._wanted):
            self._wanted = ""
        self._show_chosen()

    def _show_chosen(self) -> None:
        if self._live is None:
            return
        known, now = self._chosen, self._live.at
        pane = self.query_one("#user-pane")
        pane.border_title = known.name if known is not None else None
        self.query_one("#user-keys", Lines).show(partial(draw.draw_keys, known, self._uses, now))
        about = partial(draw.draw_about, known, now) if self._users else draw.draw_nobody
        self.query_one("#user-about", Lines).show(about)

    def on_data_table_row_highlighted(self) -> None:
        self._show_chosen()

    def on_data_table_row_selected(self) -> None:
        """Enter leads to what is told of the user, to scroll in it."""
        self.query_one("#user-pane").focus()

    def action_back(self) -> None:
        if self.focused is self.query_one("#user-pane"):
            self.focus_main()
        else:
            super().action_back()

    def copied_text(self, focused: Widget | None) -> str:
        if focused is self.query_one("#user-pane") and self._user is not None:
            return "\n".join(f"{key.fingerprint} {key.algorithm}" for key in self._user.keys)
        return super().copied_text(focused)

    # What is chosen.

    @property
    def _chosen(self) -> Known | None:
        """Whom the cursor is on."""
        return self._users.get(self.query_one("#users", SyncedTable).cursor_key or "") if self.is_mounted else None

    @property
    def _user(self) -> User | None:
        return self._chosen.user if self._chosen is not None else None

    def _marked(self, *, enabled: bool) -> list[Known]:
        """Those who are marked, or whom the cursor is on, and are enabled or not."""
        keys = self.query_one("#users", SyncedTable).chosen_keys if self.is_mounted else ()
        found = [self._users[key] for key in keys if key in self._users]
        return [known for known in found if known.user is not None and known.user.enabled is enabled]

    def why_not(self, action: str) -> str:
        """Why something cannot be done with whom the cursor is on."""
        if action in ("enable_user", "disable_user"):
            is_enabled = action == "disable_user"
            return (
                ""
                if self._marked(enabled=is_enabled)
                else f"no {'enabled' if is_enabled else 'disabled'} user is chosen"
            )
        if action not in self.CHANGES | {"instruct"} or action == "new_user":
            return ""
        known, user = self._chosen, self._user
        if known is None or user is None:
            return "no user is chosen" if known is None else f"there is no user {known.name} any more, only backups"
        if action == "remove_key" and not user.keys:
            return f"{user.name} has no key"
        if action == "remove_user" and known.uploads:
            return f"{user.name} has {len(known.uploads)} uploads on their way: wait, or abort them in Uploads"
        return ""

    # What is done; `deeds` does it.

    def action_new_user(self) -> None:
        """Ask for everything about a new user."""
        known = self._chosen
        proposed = known.name if known is not None and known.user is None else ""
        look = questions.KeyLook(self.server.users.look_at_keys)
        names = [known.name for known in self._users.values() if known.user is not None]
        self.console.push_screen(questions.ask_new_user(names, look, proposed), partial(deeds.make_user, self, look))

    def action_instruct(self) -> None:
        """Show what to send to the user."""
        if self._user is not None:
            deeds.show_handout(self, self._user.name)

    def action_add_key(self) -> None:
        """Ask for a key, and show its fingerprint."""
        if self._user is not None:
            look = questions.KeyLook(self.server.users.look_at_keys)
            question = questions.ask_key(self._user, look)
            self.console.push_screen(question, partial(deeds.add_keys, self, self._user.name, look))

    def action_remove_key(self) -> None:
        """Ask which key, where there are several, and whether really."""
        user = self._user
        if user is None:
            return
        if len(user.keys) == 1:
            deeds.ask_key_removal(self, user, user.keys[0].fingerprint)
        else:
            self.console.push_screen(questions.pick_key(user), partial(deeds.ask_key_removal, self, user))

    def action_set_limits(self) -> None:
        """Ask for quota, uploads and role."""
        known, user = self._chosen, self._user
        if known is not None and user is not None:
            self.console.push_screen(questions.ask_limits(known, user), partial(deeds.set_limits, self, user))

    def action_disable_user(self) -> None:
        """Ask, and keep users out."""
        chosen = self._marked(enabled=True)
        names = [known.name for known in chosen]
        self.console.push_screen(questions.confirm_disabling(chosen), partial(deeds.disable, self, names))

    def action_enable_user(self) -> None:
        """Let users in again."""
        deeds.enable(self, [known.name for known in self._marked(enabled=False)])

    def action_remove_user(self) -> None:
        """Ask for the name, and remove a user."""
        known, user = self._chosen, self._user
        if known is not None and user is not None:
            self.console.push_screen(questions.confirm_removal(known, user), partial(deeds.remove, self, user.name))

    def show_new_user(self, name: str) -> None:
        """Put the cursor on a user as soon as the table shows it."""
        self._wanted = name

    def clear_marks(self) -> None:
        """What was marked is done."""
        self.query_one("#users", SyncedTable).clear_marks()
