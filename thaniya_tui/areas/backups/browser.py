"""What is inside a backup, searchable; some of it can be marked, and only that restored."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, DataTable, Input, Static

from thaniya_core.formats.contents import escape_path
from thaniya_core.views import Inside
from thaniya_tui import render
from thaniya_tui.areas.backups.inside_rows import COLUMNS, inside_rows, path_of, told
from thaniya_tui.areas.backups.searching import Found, Hit, Search
from thaniya_tui.dialogs import describe_failure
from thaniya_tui.dialogs.base import Dialog
from thaniya_tui.threads import begin, in_thread
from thaniya_tui.widgets import SyncedTable


class Browser(Dialog[None]):
    """Lists paths; a search runs in a thread, and ends when another one begins."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", key_display="/", id="contents.search"),
        Binding("R", "restore", "Restore", id="contents.restore"),
        Binding("y", "copy", "Copy path", id="contents.copy", show=False),
    ]

    def __init__(
        self,
        title: str,
        read: Callable[[], Iterator[Inside]],
        restore: Callable[[tuple[str, ...]], None],
        *,
        note: str = "",
        why_not: str = "",
    ) -> None:
        """
        Args:
            title: of which backup.
            read: gives what is inside; called in a thread, once for each search.
            restore: called with the marked paths, or none for the whole backup.
            note: said beside the list: what it does not tell of.
            why_not: why nothing can be restored; empty when it can.
        """
        super().__init__(title)
        self._read = read
        self._restore = restore
        self._note = note
        self._why_not = why_not
        self._search: Search | None = None
        self._found = Found()
        self._failure = ""
        self._text = ""
        self._chosen: dict[str, Hit] = {}

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="-full"):
            yield Static(Text.assemble((self._title, "strong")), id="inside-title")
            yield Input(placeholder="/ search: words that the path contains", id="inside-search", compact=True)
            yield SyncedTable(COLUMNS, id="inside", can_mark=True)
            yield Static(id="inside-path")
            yield Static(id="inside-told")
            with Horizontal(id="dialog-buttons"):
                yield Static(Text.assemble(("/ search   space mark   R restore   y copy", "faint")), id="inside-keys")
                yield from self.compose_buttons()

    def compose_buttons(self) -> ComposeResult:
        restore = Button("Restore all …", id="restore", disabled=bool(self._why_not))
        restore.tooltip = self._why_not or None
        yield restore
        yield Button("Close", id="leave", variant="primary")

    def on_mount(self) -> None:
        self._table.focus()
        self._begin("")

    def on_unmount(self) -> None:
        if self._search is not None:
            self._search.stop()

    @property
    def _table(self) -> SyncedTable:
        return self.query_one("#inside", SyncedTable)

    # Searching.

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value != self._text:
            self._begin(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._table.focus()

    def _begin(self, text: str) -> None:
        if self._search is not None:
            self._search.stop()
        self._text, self._failure = text, ""
        self._search = Search(self._read, text)
        begin(
            self,
            partial(self._look, self._search),
            group="search",
            description="look for what is inside",
            exclusive=True,
        )

    async def _look(self, search: Search) -> None:
        while True:
            try:
                found = await in_thread(search.go_on, "search")
            except Exception as error:  # noqa: BLE001 - told where the list would be
                failure = describe_failure("read what is inside", error)
                self._failure = f"{failure.title}: {failure.cause}"
                self._show(Found(is_done=True))
                return
            self._show(found)
            if found.is_done:
                return

    def _show(self, found: Found) -> None:
        # Rows are added as they come; those of the search before stay until there is something in their place.
        if found.hits != self._found.hits and (found.hits or found.is_done):
            self._found = found
            self._table.marked = {str(hit.number) for hit in found.hits} & self._chosen.keys()
            self._table.show_rows(inside_rows(found.hits))
        else:
            self._found = Found(self._found.hits, found.looked_at, found.is_done, found.has_more)
        self._tell()

    def _tell(self) -> None:
        line = told(self._found, self._text, len(self._chosen))
        if self._failure:
            line = render.paragraph(f"✗ {self._failure}", "bad")
        elif self._note:
            line.append("\n").append_text(render.foreign(f"! {self._note}", "caution"))
        self.query_one("#inside-told", Static).update(line)
        hit = self._hit_at_cursor()
        self.query_one("#inside-path", Static).update(path_of(hit) if hit is not None else "")
        label = f"Restore {len(self._chosen)} marked …" if self._chosen else "Restore all …"
        button = self.query_one("#restore", Button)
        if str(button.label) != label:
            button.label = label
            button.refresh(layout=True)

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        event.stop()
        self._tell()

    def on_synced_table_marked(self, event: SyncedTable.Marked) -> None:
        """Keep what is marked, whatever is searched for next."""
        event.stop()
        marked = self._table.marked
        for hit in self._found.hits:
            key = str(hit.number)
            if key in marked:
                self._chosen[key] = hit
            else:
                self._chosen.pop(key, None)
        self._tell()

    def _hit_at_cursor(self) -> Hit | None:
        key = self._table.cursor_key
        return next((hit for hit in self._found.hits if str(hit.number) == key), None)

    # Keys and buttons.

    def action_search(self) -> None:
        """Type what is looked for."""
        self.query_one("#inside-search", Input).focus()

    def action_copy(self) -> None:
        """Copy the path under the cursor."""
        hit = self._hit_at_cursor()
        if hit is not None:
            self.app.copy_to_clipboard(escape_path(hit.inside.path))
            self.app.notify(render.foreign(f"copied: {hit.path}").plain, markup=False)

    def action_restore(self) -> None:
        """Restore what is marked, or everything."""
        if self._why_not:
            self.app.notify(self._why_not, markup=False, severity="warning")
        else:
            self._restore(self._wanted())

    def press(self, button: str) -> None:
        self.action_restore()

    def _wanted(self) -> tuple[str, ...]:
        ordered = sorted(self._chosen.values(), key=lambda hit: hit.number)
        return tuple(dict.fromkeys(os.fsdecode(hit.inside.path) for hit in ordered))

    def action_leave(self) -> None:
        """From the search line back to the list; from the list back to the area."""
        search = self.query_one("#inside-search", Input)
        if search.has_focus:
            search.value = ""
            self._table.focus()
        else:
            self.dismiss(None)
