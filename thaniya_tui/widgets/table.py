"""A table that is brought up to date row by row, so that cursor, place and marks stay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable
from textual.widgets.data_table import RowKey

MOST_ROWS = 1000
"""More rows than this would hold the screen up; a table that has more says so."""

_MOST_REMOVED = 50
"""Removing a row takes longer the more there are; beyond this the table is filled anew."""

_MARK = Text("●", style="accent")
_NO_MARK = Text(" ")


class Column(NamedTuple):
    """A column whose width follows from that of the table: measuring every cell takes seconds where there are many."""

    key: str
    label: str
    width: int
    is_right: bool = False
    grows: bool = False
    """It takes what the others leave; `width` is the least."""
    from_width: int = 0
    """It is left out where the table is narrower."""


class Row(NamedTuple):
    """What a row shows; its key stays the same while the thing does."""

    key: str
    cells: tuple[Text, ...]


class SyncedTable(DataTable[Text]):
    """A `DataTable` of rows with keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False, id="table.down"),
        Binding("k", "cursor_up", "Up", show=False, id="table.up"),
        Binding("g", "scroll_top", "First", show=False, id="table.first"),
        Binding("G", "scroll_bottom", "Last", show=False, id="table.last"),
        Binding("space", "mark", "Mark", show=False, id="table.mark"),
    ]

    class Marked(Message):
        """Which rows are marked has changed."""

    def __init__(self, columns: Sequence[Column], *, id: str | None = None, can_mark: bool = False) -> None:
        super().__init__(id=id, cursor_type="row", zebra_stripes=False, cell_padding=1)
        self._all_columns = tuple(columns)
        self._widths: tuple[int, ...] = ()
        """Of each column; 0 where it is left out."""
        self._can_mark = can_mark
        self._shown: dict[str, tuple[Text, ...]] = {}
        self.marked: set[str] = set()
        """Keys of the marked rows."""

    def _update_dimensions(self, new_rows: Iterable[RowKey]) -> None:
        # Textual measures every cell of these rows, a fifth of a second for a thousand of them. Here columns have their
        # widths, and every row is one line high.
        super()._update_dimensions(())

    def on_resize(self) -> None:
        """Let the columns have the width there is."""
        widths = lay_out(self._all_columns, self.size.width - 1 - (3 if self._can_mark else 0))
        if widths != self._widths:
            self._widths = widths
            self._make_columns()

    def _make_columns(self) -> None:
        key, scroll = self.cursor_key, self.scroll_offset
        self.clear(columns=True)
        if self._can_mark:
            self.add_column(Text(" "), key="mark", width=1)
        for column, width in zip(self._all_columns, self._widths, strict=True):
            if width:
                self.add_column(_aligned(Text(column.label), column, width), key=column.key, width=width)
        for each, cells in self._shown.items():
            self._add(each, cells)
        if key is not None:
            self.move_to(key)
        self.scroll_to(0, scroll.y, animate=False)

    @property
    def cursor_key(self) -> str | None:
        """The key of the row under the cursor; None while there is no row."""
        if not self.row_count or not self.is_valid_row_index(self.cursor_row):
            return None
        return self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value

    @property
    def shown_count(self) -> int:
        """How many rows are shown."""
        return len(self._shown)

    @property
    def chosen_keys(self) -> tuple[str, ...]:
        """The marked rows in their order, or the one under the cursor where none is marked."""
        if self.marked:
            return tuple(key for key in self._shown if key in self.marked)
        return () if self.cursor_key is None else (self.cursor_key,)

    def show_rows(self, rows: Iterable[Row]) -> None:
        """Show these rows in this order, at most MOST_ROWS of them; what has not changed is left alone."""
        new = {row.key: row.cells for row, _ in zip(rows, range(MOST_ROWS), strict=False)}
        self._forget_marks(new)
        if not self._widths:
            self._shown = new  # rows come with the columns, when the width is known
            return
        with self.app.batch_update():
            if _continues(tuple(self._shown), tuple(new)) and len(self._shown.keys() - new.keys()) <= _MOST_REMOVED:
                self._change(new)
            else:
                self._fill_anew(new)
        self._shown = new

    def move_to(self, key: str) -> bool:
        """Put the cursor on the row of this key; False when there is none."""
        if key not in self._shown:
            return False
        self.move_cursor(row=self.get_row_index(key), animate=False)
        return True

    def action_mark(self) -> None:
        """Mark the row under the cursor, or take its mark away, and go on to the next."""
        key = self.cursor_key
        if not self._can_mark or key is None:
            return
        self.marked ^= {key}
        self.update_cell(key, "mark", self._mark_of(key))
        self.action_cursor_down()
        self.post_message(self.Marked())

    def clear_marks(self) -> None:
        """Take all marks away."""
        for key in tuple(self.marked):
            self.marked.discard(key)
            self.update_cell(key, "mark", self._mark_of(key))
        self.post_message(self.Marked())

    def _forget_marks(self, new: dict[str, tuple[Text, ...]]) -> None:
        if not self.marked <= new.keys():
            self.marked &= new.keys()
            self.post_message(self.Marked())

    def _change(self, new: dict[str, tuple[Text, ...]]) -> None:
        for key in [key for key in self._shown if key not in new]:
            self.remove_row(key)
        for key, cells in new.items():
            old = self._shown.get(key)
            if old is None:
                self._add(key, cells)
                continue
            for column, width, before, after in zip(self._all_columns, self._widths, old, cells, strict=True):
                if width and _differ(before, after):
                    self.update_cell(key, column.key, _aligned(after, column, width))

    def _fill_anew(self, new: dict[str, tuple[Text, ...]]) -> None:
        key, before, scroll = self.cursor_key, self.cursor_row, self.scroll_offset
        self.clear()
        for each, cells in new.items():
            self._add(each, cells)
        self._shown = new
        if not new:
            return
        row = self.get_row_index(key) if key in new else min(before, len(new) - 1)
        self.move_cursor(row=row, animate=False, scroll=False)
        self.scroll_to(scroll.x, scroll.y + (row - before if scroll.y else 0), animate=False)

    def _add(self, key: str, cells: tuple[Text, ...]) -> None:
        aligned = [
            _aligned(cell, column, width)
            for cell, column, width in zip(cells, self._all_columns, self._widths, strict=True)
            if width
        ]
        self.add_row(*([self._mark_of(key)] if self._can_mark else []), *aligned, key=key, height=1)

    def _mark_of(self, key: str) -> Text:
        return _MARK if key in self.marked else _NO_MARK


def lay_out(columns: Sequence[Column], width: int) -> tuple[int, ...]:
    """The width of each column in a table so wide, two cells of padding each aside; 0 for one that is left out."""
    shown = [column for column in columns if column.from_width <= width]
    rest = width - sum(column.width + 2 for column in shown)
    growing = [column for column in shown if column.grows]
    share = max(rest, 0) // len(growing) if growing else 0
    return tuple(
        0 if column.from_width > width else column.width + (share if column.grows else 0) for column in columns
    )


def _aligned(text: Text, column: Column, width: int) -> Text:
    if not column.is_right or text.cell_len >= width:
        return text
    return Text(" " * (width - text.cell_len)).append_text(text)


def _differ(before: Text, after: Text) -> bool:
    return before.plain != after.plain or before.spans != after.spans or before.style != after.style


def _continues(old: tuple[str, ...], new: tuple[str, ...]) -> bool:
    """Whether the new rows are the old ones in their order, without some, and with more at the end."""
    remaining = set(new)
    kept = tuple(key for key in old if key in remaining)
    return new[: len(kept)] == kept and (bool(kept) or not old)
