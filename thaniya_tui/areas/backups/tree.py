"""The tree of series on the screen; a branch gets its nodes when it is opened."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import ClassVar

from rich.style import Style
from rich.text import Text, TextType
from textual.binding import Binding, BindingType
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from thaniya_tui.areas.backups.branches import Branch, draw_label, shape_of, way_to


class SeriesTree(Tree[str]):
    """Shows branches by their keys; what is open, the cursor and the place stay when they change."""

    ICON_NODE = "▸ "
    ICON_NODE_EXPANDED = "▾ "

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False, id="tree.down"),
        Binding("k", "cursor_up", "Up", show=False, id="tree.up"),
        Binding("g", "first", "First", show=False, id="tree.first"),
        Binding("G", "last", "Last", show=False, id="tree.last"),
        Binding("right", "open", "Open", show=False, id="tree.open"),
        Binding("left", "close", "Close", show=False, id="tree.close"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("series", id=id)
        self.show_root = False
        self.show_guides = False
        self.guide_depth = 2
        self.auto_expand = False
        self._branches_by_key: dict[str, Branch] = {}
        self._nodes_by_key: dict[str, TreeNode[str]] = {}
        self._top: tuple[Branch, ...] = ()
        self.opened: frozenset[str] = frozenset()
        """The keys of the branches that are open."""

    @property
    def cursor_key(self) -> str | None:
        """The key under the cursor; None while there is none."""
        return self.cursor_node.data if self.cursor_node is not None else None

    def show(self, branches: tuple[Branch, ...], opened: Collection[str] | None = None) -> None:
        """Show these branches, with those keys open, or those that are open now."""
        wanted = self.opened if opened is None else frozenset(opened)
        is_same = wanted == self.opened and shape_of(branches, wanted) == shape_of(self._top, wanted)
        self._top, self.opened = branches, wanted
        if is_same:
            self._relabel(branches)
        else:
            self._build_anew()

    def reveal(self, key: str) -> bool:
        """Open the way to a key and put the cursor on it; False when there is no such branch."""
        way = way_to(key)
        if not way <= self.opened:
            self.opened |= way
            self._build_anew()
        node = self._nodes_by_key.get(key)
        if node is None:
            return False
        self._move_to(node)
        return True

    def _relabel(self, branches: Iterable[Branch]) -> None:
        for branch in branches:
            if branch != self._branches_by_key.get(branch.key):
                self._branches_by_key[branch.key] = branch
                if (node := self._nodes_by_key.get(branch.key)) is not None:
                    node.set_label(draw_label(branch))
            if branch.key in self.opened:
                self._relabel(branch.below)

    def _build_anew(self) -> None:
        key, line, place = self.cursor_key, self.cursor_line, self.scroll_offset.y
        with self.app.batch_update():
            self.cursor_line = -1
            self.clear()
            self._branches_by_key, self._nodes_by_key = {}, {}
            self._add(self.root, self._top)
            self.root.expand()
            last = self.last_line  # knows the lines from here on
            node = self._nodes_by_key.get(key) if key is not None else None
            if node is None and last >= 0:
                node = self.get_node_at_line(min(max(line, 0), last))
            if node is not None:
                self.scroll_to(0, place, animate=False, immediate=True)
                self._move_to(node)

    def _add(self, parent: TreeNode[str], branches: Iterable[Branch]) -> None:
        for branch in branches:
            is_open = branch.key in self.opened
            node = parent.add(draw_label(branch), branch.key, expand=is_open, allow_expand=not branch.is_series)
            self._branches_by_key[branch.key], self._nodes_by_key[branch.key] = branch, node
            if is_open:
                self._add(node, branch.below)

    def _move_to(self, node: TreeNode[str]) -> None:
        if self.last_line >= 0:
            self.move_cursor(node)

    def on_tree_node_expanded(self, event: Tree.NodeExpanded[str]) -> None:
        """Give a branch its nodes when it is opened for the first time."""
        key = event.node.data
        if key is None or key not in self._branches_by_key:
            return
        self.opened |= {key}
        if not event.node.children:
            self._add(event.node, self._branches_by_key[key].below)

    def on_tree_node_collapsed(self, event: Tree.NodeCollapsed[str]) -> None:
        if event.node.data is not None and self._nodes_by_key.get(event.node.data) is event.node:
            self.opened -= {event.node.data}

    def action_first(self) -> None:
        """Go to the first line."""
        self.cursor_line = 0 if self.last_line >= 0 else -1
        self.scroll_home(animate=False)

    def action_last(self) -> None:
        """Go to the last line."""
        self.cursor_line = self.last_line
        self.scroll_end(animate=False)

    def action_open(self) -> None:
        """Open the branch under the cursor; an open one: go into it."""
        node = self.cursor_node
        if node is None or not node.allow_expand:
            return
        if node.is_expanded:
            self.action_cursor_down()
        else:
            node.expand()

    def action_close(self) -> None:
        """Close the branch under the cursor; a closed one: go to what it belongs to."""
        node = self.cursor_node
        if node is None:
            return
        if node.allow_expand and node.is_expanded:
            node.collapse()
        elif node.parent is not None and not node.parent.is_root:
            self.move_cursor(node.parent)

    def process_label(self, label: TextType) -> Text:
        """The label as it is: it has one line, and no markup."""
        return label if isinstance(label, Text) else Text(label)

    def render_label(self, node: TreeNode[str], base_style: Style, style: Style) -> Text:
        """The label after a sign for open or closed; the same indent where nothing can be opened."""
        label = node.label.copy() if isinstance(node.label, Text) else Text(node.label)
        label.stylize(style)
        icon = "  " if not node.allow_expand else self.ICON_NODE_EXPANDED if node.is_expanded else self.ICON_NODE
        return Text.assemble((icon, base_style), label)

    def get_label_width(self, node: TreeNode[str]) -> int:
        """Cells of a label, without drawing it."""
        label = node.label
        return (label.cell_len if isinstance(label, Text) else len(label)) + 2
