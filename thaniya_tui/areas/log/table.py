"""A table that shows its end as it grows, until somebody looks at something above."""

from __future__ import annotations

from collections.abc import Iterable

from textual.message import Message

from thaniya_tui.widgets import Row, SyncedTable


class FollowTable(SyncedTable):
    """Follows what comes at its end."""

    is_following = True

    class Left(Message):
        """Somebody has gone up: it follows no more."""

    def show_rows(self, rows: Iterable[Row]) -> None:
        """Show these rows, and the last of them where it follows."""
        super().show_rows(rows)
        self._go_on()

    def _make_columns(self) -> None:
        super()._make_columns()
        self._go_on()

    def follow(self, is_following: bool) -> None:
        """Follow from now on, or no more."""
        self.is_following = is_following
        self._go_on()

    def _go_on(self) -> None:
        if self.is_following and self.row_count:
            self.move_cursor(row=self.row_count - 1, animate=False)

    def on_data_table_row_highlighted(self) -> None:
        """The cursor stands elsewhere than at the end."""
        if self.cursor_row < self.row_count - 1:
            self._leave()

    def on_mouse_scroll_up(self) -> None:
        """The wheel was turned."""
        self._leave()

    def on_scroll_up(self) -> None:
        """Somebody has clicked above the slider."""
        self._leave()

    def on_scroll_to(self) -> None:
        """The slider was drawn."""
        self._leave()

    def _leave(self) -> None:
        if self.is_following:
            self.is_following = False
            self.post_message(self.Left())
