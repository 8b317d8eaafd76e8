"""How a volume has filled, drawn with blocks: a pure function of sizes, days and the room there is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from rich.text import Text
from textual.widget import Widget

from thaniya_core.formats.quantities import format_size

_BLOCKS = " ▁▂▃▄▅▆▇█"
_STEPS = (1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 40, 50, 60, 80, 100, 200, 300, 400, 500, 600, 800, 1000)
"""Where an axis may end, in its unit; half of each can be said in one decimal."""

_LEAST_COLUMNS = 12
_LEAST_ROWS = 2


def draw_growth(sizes: Sequence[int], last_day: date, width: int, height: int) -> list[Text]:
    """Sizes as an area over their days, with axes; without them where there is no room.

    Args:
        sizes: bytes at the end of each day, the oldest first.
        last_day: the day of the last one.
        width, height: cells; the lines never take more.
    """
    if width < 1 or height < 1:
        return []
    if not any(sizes):
        return [Text("nothing lies there", "faint", no_wrap=True, overflow="ellipsis")]
    top = top_of_axis(max(sizes))
    labels = (_label(top), _label(top // 2), "0 B")
    margin = max(map(len, labels)) + 2
    columns, rows = width - margin, height - 2
    if columns < _LEAST_COLUMNS or rows < _LEAST_ROWS:
        return _area(sizes, max(sizes), width, min(height, 3))
    if rows >= 5:
        rows -= rows % 2  # so that a line lies in the middle
    ticks = {rows // 2: labels[1]} if rows >= 4 else {}
    ticks[0] = labels[0]
    lines = [
        Text.assemble((f"{ticks.get(row, ''):>{margin - 2}} {'┤' if row in ticks else '│'}", "faint"), area)
        for row, area in enumerate(_area(sizes, top, columns, rows))
    ]
    lines.append(Text(f"{labels[2]:>{margin - 2}} └{'─' * columns}", "faint"))
    lines.append(Text(" " * margin + _dates(len(sizes), last_day, columns), "faint"))
    return lines


def top_of_axis(largest_bytes: int) -> int:
    """A round size that is at least as large as the largest."""
    unit = 1
    while largest_bytes > 1000 * unit:
        unit *= 1024
    return next(step * unit for step in _STEPS if step * unit >= largest_bytes)


def day_of_column(column: int, columns: int, days: int) -> int:
    """Which of so many days a column shows; the last one shows the last day."""
    if columns >= days:
        return column * days // columns
    return (column + 1) * days // columns - 1


def _area(sizes: Sequence[int], top: int, columns: int, rows: int) -> list[Text]:
    """The lines of the area, the highest first; whatever is not nothing is seen."""
    heights = [
        max(round(size / top * rows * 8), 1 if size else 0)
        for size in (sizes[day_of_column(column, columns, len(sizes))] for column in range(columns))
    ]
    return [
        Text("".join(_BLOCKS[min(max(height - row * 8, 0), 8)] for height in heights), "moving")
        for row in range(rows - 1, -1, -1)
    ]


def _label(size_bytes: int) -> str:
    return format_size(size_bytes).replace(".0 ", " ")


def _dates(days: int, last_day: date, columns: int) -> str:
    """The first, the middle and the last day under their columns, as far as there is room."""
    first, middle = (last_day - timedelta(days=days - 1 - back) for back in (0, days // 2))
    if columns < 24:
        return f"{first:%m-%d}{f'{last_day:%m-%d}':>{columns - 5}}"
    line = f"{first.isoformat()}{last_day.isoformat():>{columns - 10}}"
    if columns < 40:
        return line
    begin = columns // 2 - 5
    return line[:begin] + middle.isoformat() + line[begin + 10 :]


class Growth(Widget):
    """Draws the growth of one volume in the room it has."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._sizes: Sequence[int] | None = None
        self._last_day = date.min

    def show(self, sizes: Sequence[int] | None, last_day: date) -> None:
        """Draw these from now on; None says that they are not known yet."""
        if (sizes, last_day) != (self._sizes, self._last_day):
            self._sizes, self._last_day = sizes, last_day
            self.refresh()

    def render(self) -> Text:
        if self._sizes is None:
            return Text("looking at everything …", "faint")
        return Text("\n").join(draw_growth(self._sizes, self._last_day, *self.content_size))
