"""The keys of the area, when each is possible, and what it asks before something is done."""

from __future__ import annotations

from functools import partial
from typing import Any

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import DataTable

from thaniya_core.model import Backup
from thaniya_core.views import unlisted_archives
from thaniya_tui.area import Area
from thaniya_tui.areas.backups.browser import Browser
from thaniya_tui.areas.backups.deeds import Deeds
from thaniya_tui.areas.backups.details import details_text
from thaniya_tui.areas.backups.panes import SeriesPanes
from thaniya_tui.areas.backups.restoring import RestoreQuestion, Wish
from thaniya_tui.areas.backups.wishes import ask_tags, confirm_removal, tags_wanted
from thaniya_tui.areas.backups.work import Work
from thaniya_tui.dialogs import Reading
from thaniya_tui.widgets import Lines

KEYS: list[BindingType] = [
    Binding("b", "browse", "Browse", id="backups.browse", tooltip="what is inside; enter does the same"),
    Binding("v", "verify", "Verify", id="backups.verify", tooltip="read every byte again"),
    Binding("R", "restore", "Restore", id="backups.restore", tooltip="to a directory of this server"),
    Binding("P", "pin", "Pin", id="backups.pin", tooltip="retention never removes it; once more: it may again"),
    Binding("t", "tag", "Tags", id="backups.tag", tooltip="words by which it is found"),
    Binding("x", "remove", "Remove", id="backups.remove", tooltip="for good"),
    Binding("T", "test_restore", "Test restore", show=False, id="backups.test", tooltip="restore on trial, compare"),
    Binding("i", "details", "Details", show=False, id="backups.details", tooltip="in a window that can be copied"),
    Binding("e", "by_hand", "RESTORE.txt", show=False, id="backups.by_hand", tooltip="how to restore by hand"),
    Binding("Y", "copy_path", "Copy path", show=False, id="backups.path", tooltip="where it lies on its volume"),
    Binding("S", "stop", "Stop", show=False, id="backups.stop", tooltip="stop verifying or restoring"),
]

CHANGES = frozenset({"verify", "test_restore", "restore", "pin", "tag", "remove"})

_OF_ONE = {"browse", "restore", "remove", "details", "by_hand", "copy_path"}
"""The actions that are for one backup; the others do the same to all that are marked."""


def _room(width: int) -> int:
    """How wide a text in a dialog can be, in a window so wide."""
    return min(76, width * 96 // 100) - 8


class BackupActions(Area):
    """What can be done with the backups that are chosen."""

    def __init__(self) -> None:
        super().__init__()
        self._works: list[Work] = []
        self._deeds = Deeds(self.console, self._watch)

    @property
    def panes(self) -> SeriesPanes:
        """The backups of the series that is chosen."""
        return self.query_one("#series-panes", SeriesPanes)

    def why_not(self, action: str) -> str:
        """Why something cannot be done with what is chosen now."""
        if action == "stop":
            return "" if any(work.can_stop for work in self._works) else "nothing goes on that can be stopped"
        if action not in CHANGES | _OF_ONE:
            return ""
        chosen = self.panes.chosen if self.is_mounted else []
        if not chosen:
            return "no backup is chosen"
        if action in _OF_ONE and len(chosen) > 1:
            return "only with one backup at a time: esc takes the marks away"
        if action == "remove" and chosen[0].notes.pinned:
            return "it is pinned: unpin it first (P)"
        if action == "copy_path" and (self.panes.place is None or not self.panes.place.directory):
            return "where it lies is not known"
        return ""

    @property
    def _one(self) -> Backup:
        return self.panes.chosen[0]

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        event.stop()
        self.call_later(self.try_action, "browse")

    # Looking.

    def action_browse(self) -> None:
        """Show what is inside."""
        backup = self._one
        without = ", ".join(file.name for file in unlisted_archives(backup.document))
        note = f"no list of what is in {without}: it is restored with the whole backup only" if without else ""
        browser = Browser(
            f"Inside {backup.id}  {backup.series}",
            partial(self.server.backups.inside, backup),
            partial(self._ask_restore, backup),
            note=note,
            why_not=self._why_not("restore"),
        )
        self.console.push_screen(browser)

    def action_details(self) -> None:
        """Show everything that is known of it."""
        facts = self.panes.facts()
        if facts is not None:
            self.console.push_screen(Reading(f"Backup {facts.backup.id}", details_text(facts, _room(self.size.width))))

    def action_by_hand(self) -> None:
        """Show RESTORE.txt."""
        self._deeds.show_restore_text(self._one)

    def action_copy_path(self) -> None:
        """Copy where it lies."""
        place = self.panes.place
        if place is not None:
            self.console.copy_to_clipboard(place.directory)
            self.tell(f"copied: {place.directory}")

    def copied_text(self, focused: Widget | None) -> str:
        """The id of the backup, or the series under the cursor."""
        key: Any = getattr(focused, "cursor_key", None)
        if key is None and (backup := self.panes.at_cursor) is not None:
            return backup.id
        return str(key or "")

    # Changing.

    def action_verify(self) -> None:
        """Read what is chosen again."""
        self._deeds.verify(self._take(), on_trial=False)

    def action_test_restore(self) -> None:
        """Restore what is chosen on trial."""
        self._deeds.verify(self._take(), on_trial=True)

    def action_pin(self) -> None:
        """Pin what is chosen; when all of it is pinned, unpin it."""
        backups = self._take()
        self._deeds.pin(backups, not all(backup.notes.pinned for backup in backups))

    def action_tag(self) -> None:
        """Ask for tags."""
        backups = self._take(keeps_marks=True)
        self.console.push_screen(ask_tags(backups), partial(self._tag, backups))

    def _tag(self, backups: list[Backup], typed: dict[str, str] | None) -> None:
        if typed is not None:
            self._deeds.tag([(backup, *tags_wanted(backup, typed)) for backup in backups])
            self.panes.table.clear_marks()

    def action_restore(self) -> None:
        """Ask where to restore it."""
        self._ask_restore(self._one, ())

    def _ask_restore(self, backup: Backup, paths: tuple[str, ...]) -> None:
        check = partial(self.server.backups.check_restore, backup)
        self.console.push_screen(RestoreQuestion(backup, paths, check), partial(self._restore, backup))

    def _restore(self, backup: Backup, wish: Wish | None) -> None:
        if wish is not None:
            self._deeds.restore(backup, wish.target, wish.paths)

    def action_remove(self) -> None:
        """Ask for the end of its id, and remove it."""
        backup, seen = self._one, self.panes.seen
        if seen is not None:
            question = confirm_removal(backup, seen, self.panes.place)
            self.console.push_screen(question, partial(self._remove, backup))

    def _remove(self, backup: Backup, agreed: bool | None) -> None:
        if agreed:
            self._deeds.remove(backup)

    def _take(self, *, keeps_marks: bool = False) -> list[Backup]:
        """What is chosen; the marks have served then."""
        chosen = self.panes.chosen
        if not keeps_marks:
            self.panes.table.clear_marks()
        return chosen

    # What takes long.

    def _watch(self, work: Work) -> None:
        self._works.append(work)
        self.show_works()

    def action_stop(self) -> None:
        """Stop what goes on."""
        for work in self._works:
            if work.can_stop:
                work.stop()
        self.show_works()

    def show_works(self) -> None:
        """Show how far everything is that takes long; nothing where nothing does."""
        before, self._works = self._works, [work for work in self._works if work.is_going_on]
        if before:
            works = tuple(self._works)
            self.query_one("#works", Lines).show(lambda width: [work.draw(width) for work in works])
            self.refresh_footer()
