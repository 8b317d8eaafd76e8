"""What the areas are made of."""

from thaniya_tui.widgets.filter_bar import FilterBar
from thaniya_tui.widgets.line_list import LineList
from thaniya_tui.widgets.lines import Lines
from thaniya_tui.widgets.one_of import OneOf
from thaniya_tui.widgets.status_line import StatusLine
from thaniya_tui.widgets.table import MOST_ROWS, Column, Row, SyncedTable

__all__ = ["MOST_ROWS", "Column", "FilterBar", "LineList", "Lines", "OneOf", "Row", "StatusLine", "SyncedTable"]
