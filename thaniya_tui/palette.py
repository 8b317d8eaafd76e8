"""The command palette: every action of every area, and the console's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider

from thaniya_tui import themes

if TYPE_CHECKING:
    from thaniya_tui.app import Console


class Command(NamedTuple):
    """A line of the palette."""

    name: str
    help: str
    run: Callable[[], object]


class AreaCommands(Provider):
    """Lists the commands, those of the area at hand first."""

    @property
    def _console(self) -> Console:
        return cast("Console", self.app)

    def _commands(self) -> Iterator[Command]:
        from thaniya_tui.areas import AREAS

        console = self._console
        here = console.area_in_front()
        for area in sorted(AREAS, key=lambda area: here is None or area.MODE != here.MODE):
            yield Command(f"Go to {area.NAME}", area.WHAT, partial(self._go, area.MODE))
            for binding in Binding.make_bindings(area.BINDINGS):
                yield Command(
                    f"{area.NAME}: {binding.description}",
                    binding.tooltip,
                    partial(self._run_in, area.MODE, binding.action),
                )
        for name, theme in themes.NAMES.items():
            yield Command(f"Theme: {name}", "", partial(setattr, console, "theme", theme))
        yield Command("Pause or go on", "keep what is shown as it is", console.action_pause)
        yield Command("Help", "what the keys of this area do", console.action_help)
        yield Command("Save a picture", "an SVG of the screen", console.deliver_screenshot)
        yield Command("Quit", "", console.action_quit)

    def _go(self, mode: str) -> None:
        self._console.switch_mode(mode)

    def _run_in(self, mode: str, action: str) -> None:
        """Go to an area and do something there, or say why that is not possible."""
        console = self._console
        console.switch_mode(mode)
        console.call_after_refresh(partial(self._run_here, action))

    async def _run_here(self, action: str) -> None:
        area = self._console.area_in_front()
        if area is not None:
            await area.try_action(action)

    async def discover(self) -> Hits:
        for command in self._commands():
            yield DiscoveryHit(command.name, command.run, help=command.help or None)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in self._commands():
            score = matcher.match(command.name)
            if score > 0:
                yield Hit(score, matcher.highlight(command.name), command.run, help=command.help or None)
