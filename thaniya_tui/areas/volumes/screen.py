"""The sixth area: the volumes, what lies on them, and how they fill."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll

from thaniya_core.model import Volume
from thaniya_core.views import Live, Rescanned, Survey
from thaniya_tui import render
from thaniya_tui.area import Area
from thaniya_tui.areas.volumes.dialogs import (
    Forget,
    ask_what_to_add,
    ask_where_to_look,
    check_path,
    check_places,
    told_of,
)
from thaniya_tui.areas.volumes.looking import Looks
from thaniya_tui.areas.volumes.plot import Growth
from thaniya_tui.areas.volumes.rows import VOLUME_COLUMNS, Shown, count_of, draw_facts, facts_of, gather, volume_rows
from thaniya_tui.dialogs import Confirm, Reading
from thaniya_tui.widgets import Lines, SyncedTable

_LOOK_EVERY_S = 10.0


class VolumesArea(Area):
    """Volumes; below, everything about the one under the cursor, and a plot of how it has filled."""

    MODE = "volumes"
    NAME = "Volumes"
    WHAT = "The directories that hold the archive: how they are, what lies there, and how they fill."
    CHANGES = frozenset({"add", "rescan", "activate", "deactivate", "forget"})

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "read", "Read", id="volumes.read", tooltip="everything about a volume, to copy", show=False),
        Binding("a", "add", "Add", id="volumes.add", tooltip="make a directory a volume, or take one up"),
        Binding("s", "rescan", "Search", id="volumes.rescan", tooltip="look for volumes that are elsewhere now"),
        Binding("e", "activate", "Activate", id="volumes.activate", tooltip="have it take new backups"),
        Binding("d", "deactivate", "Deactivate", id="volumes.deactivate", tooltip="have it take no new backups"),
        Binding("x", "forget", "Forget", id="volumes.remove", tooltip="forget a volume; nothing on it is touched"),
        Binding("l", "look", "Look", id="volumes.look", tooltip="see how the disks are now"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._shown: dict[str, Shown] = {}
        self._typed: dict[str, str] = {}
        """What was typed for a volume that could not be added."""
        self._drawn: tuple[Shown | None, Survey | None] | None = None
        self._looks = Looks(self, self.server.volume_watch.look_at, self._show_if_in_front)

    def compose_area(self) -> ComposeResult:
        with Vertical(classes="pane", id="vol-list-pane") as pane:
            pane.border_title = "Volumes"
            yield SyncedTable(VOLUME_COLUMNS, id="volumes")
        with Horizontal(id="vol-below"):
            with VerticalScroll(classes="pane", id="vol-facts-pane", can_focus=False):
                yield Lines(id="facts")
            with Vertical(classes="pane", id="vol-growth-pane") as pane:
                pane.border_title = "Growth: the last 90 days"
                yield Growth(id="growth")

    def on_mount(self) -> None:
        self.focus_main()
        self.set_interval(_LOOK_EVERY_S, self._look_if_in_front)

    # What is shown.

    def show_live(self, live: Live) -> None:
        """Show the volumes; one that has come or moved is looked at."""
        self._looks.ask(each for each in live.volumes if self._looks.of(each).status is None)
        self.show_filtered()

    def show_survey(self, survey: Survey) -> None:
        self.show_filtered()

    def refresh_area(self) -> None:
        if self.console.live is not None:
            self._looks.ask(self.console.live.volumes)

    def _look_if_in_front(self) -> None:
        if self.is_current and not self.console.is_paused:
            self.refresh_area()

    def _show_if_in_front(self) -> None:
        if self.is_current and not self.console.is_paused:
            self.show_filtered()

    def show_filtered(self) -> None:
        volumes = gather(self.console.live, self.console.survey, self._looks.of)
        self._shown = {each.volume.id: each for each in volumes}
        wanted = (each for each in volumes if self.fits_filter(each.volume.label, each.volume.path, each.volume.id))
        self.query_one(SyncedTable).show_rows(volume_rows(wanted))
        self._show_chosen()

    def _show_chosen(self) -> None:
        chosen, survey = self._chosen(), self.console.survey
        if self._drawn == (chosen, survey):
            return
        self._drawn = chosen, survey
        self.query_one("#facts", Lines).show(partial(draw_facts, chosen))
        pane = self.query_one("#vol-facts-pane")
        pane.border_title = None if chosen is None else render.foreign(chosen.volume.label or chosen.volume.id)
        surveyed = chosen.surveyed if chosen is not None else None
        if survey is not None:
            sizes = () if chosen is None else surveyed.growth if surveyed is not None else None
            self.query_one("#growth", Growth).show(sizes, survey.today)

    def on_data_table_row_highlighted(self) -> None:
        """Another volume is chosen."""
        self._show_chosen()

    def on_data_table_row_selected(self) -> None:
        """Enter on a row."""
        self.action_read()

    # What is chosen.

    def _chosen(self) -> Shown | None:
        return self._shown.get(self.query_one(SyncedTable).cursor_key or "")

    def why_not(self, action: str) -> str:
        """Why nothing can be done with a volume here now."""
        if action not in ("read", "activate", "deactivate", "forget"):
            return ""
        chosen = self._chosen() if self.is_mounted else None
        if chosen is None:
            return "there is no volume yet: press a"
        if action == "activate" and chosen.volume.active:
            return "it takes new backups already"
        if action == "deactivate" and not chosen.volume.active:
            return "it takes no new backups already"
        return ""

    # What is done.

    def action_read(self) -> None:
        """Show everything about the volume, whole."""
        if (chosen := self._chosen()) is not None:
            lines = (Text.assemble((f"{name:<12} ", "faint"), value) for name, value in facts_of(chosen))
            self.console.push_screen(Reading(render.foreign(chosen.volume.label).plain, Text("\n").join(lines)))

    def action_look(self) -> None:
        """Look at all disks now."""
        self.action_refresh()
        self.tell("looking at the disks …")

    def action_add(self) -> None:
        """Ask for a directory, and make it a volume."""
        self.console.push_screen(ask_what_to_add(self._typed), self._add)

    def _add(self, given: dict[str, str] | None) -> None:
        if given is None:
            return
        self._typed = given
        path = check_path(given["path"])
        label = given["label"] or path.name or "root"
        self.console.act(
            f"make {path} a volume",
            partial(self.server.volumes.add, path, label, self.console.actor, must_exist=not given["make"]),
            lambda volume: (
                f"{volume.label} is a volume; `thaniya catalog rebuild` lists backups that lie on it already"
            ),
            lambda volume: self._typed.clear(),
        )

    def action_rescan(self) -> None:
        """Ask where, and look for volumes that are elsewhere now."""
        self.console.push_screen(ask_where_to_look(), self._rescan)

    def _rescan(self, given: dict[str, str] | None) -> None:
        if given is None:
            return
        places = [*self.server.config.volumes.search, *check_places(given["places"])]
        work = partial(self.server.volumes.rescan, places, self.console.actor, add=bool(given["add"]))
        self.tell("looking for volumes …")
        self.console.act(
            "look for volumes", work, lambda found: "" if found.facts else "all are where they were", self._tell_found
        )

    def _tell_found(self, found: Rescanned) -> None:
        if found.facts:
            self.console.push_screen(Reading("What was found", told_of(found)))

    def action_activate(self) -> None:
        """Ask, and have the volume take new backups."""
        self._ask_active(True, "Take new backups again?", "New backups may come here from now on.", "Activate")

    def action_deactivate(self) -> None:
        """Ask, and have the volume take no new backups."""
        text = "It takes no new backups; those on it stay, can be restored, and are removed by their policy."
        self._ask_active(False, "Take no new backups?", text, "Deactivate")

    def _ask_active(self, active: bool, title: str, text: str, agree: str) -> None:
        if (chosen := self._chosen()) is not None:
            volume = chosen.volume
            question = Confirm(title, f"{volume.label} at {volume.path}\n\n{text}", agree)
            self.console.push_screen(question, partial(self._set_active, volume, active))

    def _set_active(self, volume: Volume, active: bool, agreed: bool | None) -> None:
        if agreed:
            self.console.act(
                f"{'activate' if active else 'deactivate'} {volume.label}",
                partial(self.server.volumes.set_active, volume, active, self.console.actor),
                lambda now: f"{now.label} takes {'' if now.active else 'no '}new backups",
            )

    def action_forget(self) -> None:
        """Ask, and forget the volume."""
        if (chosen := self._chosen()) is not None:
            backups = chosen.surveyed.backups if chosen.surveyed is not None else None
            self.console.push_screen(Forget(chosen.volume, backups), partial(self._forget, chosen.volume))

    def _forget(self, volume: Volume, with_backups: bool | None) -> None:
        if with_backups is not None:
            self.console.act(
                f"forget the volume {volume.label}",
                partial(self.server.remove_volume, volume, self.console.actor, with_backups=with_backups),
                lambda count: f"{volume.label} is forgotten, with {count_of(count)}; {volume.path} is left as it is",
            )
