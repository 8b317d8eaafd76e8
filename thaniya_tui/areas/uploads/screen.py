"""The second area: what is coming in, slot by slot."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from thaniya_core.model import Slot, SlotState, Upload, UploadState
from thaniya_core.views import Live
from thaniya_tui.area import Area
from thaniya_tui.areas.uploads.details import describe_slot, describe_upload
from thaniya_tui.areas.uploads.rates import Tracks, follow
from thaniya_tui.areas.uploads.rows import ENDED_COLUMNS, SLOT_COLUMNS, ended_rows, slot_rows
from thaniya_tui.dialogs import Ask, Confirm, Field, Reading
from thaniya_tui.reader import Reader
from thaniya_tui.widgets import SyncedTable

_ENDED = 200
_NO_SLOT = "no slot, so nothing can come in: make some with `thaniya slot add 1`"


class UploadsArea(Area):
    """Slots with what is in them; below, the uploads that have ended with their reason."""

    MODE = "uploads"
    NAME = "Uploads"
    WHAT = "The slots and what is in them, as the bytes come; below, the uploads that have ended, each with its reason."
    CHANGES = frozenset({"abort", "reset_slot", "disable_slot", "enable_slot"})

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "read", "Read", id="uploads.read", tooltip="all about an upload or a slot", show=False),
        Binding("a", "abort", "Abort", id="uploads.abort", tooltip="end an upload without a backup"),
        Binding("s", "reset_slot", "Reset slot", id="uploads.reset", tooltip="clean a degraded slot, make it ready"),
        Binding("d", "disable_slot", "Disable slot", id="uploads.disable", tooltip="take it out of use"),
        Binding("e", "enable_slot", "Enable slot", id="uploads.enable", tooltip="take it into use again"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._live: Live | None = None
        self._ended: tuple[Upload, ...] = ()
        self._tracks: Tracks = {}
        self._ended_reader = Reader(
            self, "ended uploads", self._read_ended, self._take_ended, self.console.fail_reading, None
        )

    def compose_area(self) -> ComposeResult:
        with Vertical(classes="pane", id="slots-pane") as pane:
            pane.border_title = "Slots"
            yield SyncedTable(SLOT_COLUMNS, id="slots", can_mark=True, empty=_NO_SLOT)
        with Vertical(classes="pane", id="ended-pane") as pane:
            pane.border_title = "Ended"
            yield SyncedTable(ENDED_COLUMNS, id="ended", empty="no upload has ended yet")

    def on_mount(self) -> None:
        self._ended_reader.start()
        self.focus_main()

    # What is shown.

    def show_live(self, live: Live) -> None:
        """Show the slots; when an upload has gone, ask what became of it."""
        if self._live is not None and {each.id for each in self._live.uploads} - {each.id for each in live.uploads}:
            self._ended_reader.ask_soon()
        self._live = live
        self._tracks = follow(self._tracks, live.uploads, live.at)
        self.show_filtered()

    def refresh_area(self) -> None:
        self._ended_reader.ask_soon()

    def show_filtered(self) -> None:
        if self._live is not None:
            rows = slot_rows(self._live, self._tracks)
            self.query_one("#slots", SyncedTable).show_rows(row for row in rows if self.fits_filter(*row.cells))
        rows = ended_rows(self._ended, self.console.now)
        self.query_one("#ended", SyncedTable).show_rows(row for row in rows if self.fits_filter(*row.cells))

    def _read_ended(self) -> tuple[Upload, ...]:
        return tuple(self.server.uploads.list_ended(_ENDED))

    def _take_ended(self, ended: tuple[Upload, ...]) -> None:
        self._ended = ended
        self.show_filtered()

    # What is chosen.

    def _chosen_slots(self) -> list[Slot]:
        keys = self.query_one("#slots", SyncedTable).chosen_keys
        return [slot for slot in self._live.slots if slot.name in keys] if self._live is not None else []

    def _chosen_uploads(self) -> list[Upload]:
        if self._live is None:
            return []
        keys = {*self.query_one("#slots", SyncedTable).chosen_keys}
        keys |= {slot.upload_id for slot in self._live.slots if slot.name in keys and slot.upload_id}
        return [upload for upload in self._live.uploads if upload.id in keys]

    def why_not(self, action: str) -> str:
        """Why nothing can be aborted, reset, disabled or enabled here now."""
        states = {slot.state for slot in self._chosen_slots()} if self.is_mounted else set()
        match action:
            case "abort":
                stoppable = (UploadState.OPEN, UploadState.FAILED)
                can = self.is_mounted and any(upload.state in stoppable for upload in self._chosen_uploads())
                return "" if can else "no open or failed upload is chosen"
            case "reset_slot":
                return "" if SlotState.DEGRADED in states else "only a degraded slot can be reset"
            case "disable_slot":
                usable = {SlotState.READY, SlotState.DEGRADED}
                return "" if states & usable else "only a slot that no upload holds can be disabled"
            case "enable_slot":
                return "" if SlotState.DISABLED in states else "only a disabled slot can be enabled"
        return ""

    def on_data_table_row_selected(self) -> None:
        """Enter on a row."""
        self.action_read()

    # What is done.

    def action_read(self) -> None:
        """Show all about the upload under the cursor, or the slot where there is none."""
        table = self.focused
        if self._live is None or not isinstance(table, SyncedTable):
            return
        key, now = table.cursor_key, self._live.at
        slot = next((each for each in self._live.slots if each.name == key), None)
        upload_id = key if slot is None else slot.upload_id
        upload = next((each for each in (*self._live.uploads, *self._ended) if each.id == upload_id), None)
        if upload is not None:
            self.console.push_screen(Reading(f"Upload of {upload.series}", describe_upload(upload, now)))
        elif slot is not None:
            self.console.push_screen(Reading(f"Slot {slot.name}", describe_slot(slot, now)))

    def action_abort(self) -> None:
        """Ask for a reason, and end the chosen uploads."""
        uploads = [each for each in self._chosen_uploads() if each.state in (UploadState.OPEN, UploadState.FAILED)]
        named = "\n".join(f"{upload.series}  {upload.id}  {upload.state}" for upload in uploads)
        question = Ask(
            f"Abort {len(uploads)} uploads?" if len(uploads) > 1 else "Abort this upload?",
            [Field("reason", "Reason, told to the client and kept", "by the administrator")],
            "Abort",
            f"{named}\n\nWhat has come so far is thrown away. Archived backups stay.",
            destroys=True,
        )
        self.console.push_screen(question, partial(self._abort, uploads))

    def _abort(self, uploads: list[Upload], given: dict[str, str] | None) -> None:
        if given is None:
            return
        server, actor = self.server, self.console.actor
        reason = given["reason"] or "by the administrator"
        for upload in uploads:
            self.console.act(
                f"abort the upload {upload.id}",
                partial(server.abort_upload, upload.id, reason, actor),
                lambda ended: f"{ended.id} is {ended.state}",
            )
        self.query_one("#slots", SyncedTable).clear_marks()

    def action_reset_slot(self) -> None:
        """Clean degraded slots."""
        actor = self.console.actor
        for slot in self._chosen_slots():
            if slot.state is SlotState.DEGRADED:
                self._change_slot(f"reset {slot.name}", partial(self.server.reset_slot, slot.name, actor))

    def action_enable_slot(self) -> None:
        """Take disabled slots into use."""
        actor = self.console.actor
        for slot in self._chosen_slots():
            if slot.state is SlotState.DISABLED:
                self._change_slot(f"enable {slot.name}", partial(self.server.enable_slot, slot.name, actor))

    def action_disable_slot(self) -> None:
        """Ask, and take slots out of use."""
        names = [slot.name for slot in self._chosen_slots() if slot.state in (SlotState.READY, SlotState.DEGRADED)]
        question = Confirm(
            "Take out of use?", f"{', '.join(names)}\n\nNo upload gets it until it is enabled.", "Disable"
        )
        self.console.push_screen(question, partial(self._disable, names))

    def _disable(self, names: list[str], agreed: bool | None) -> None:
        for name in names if agreed else ():
            self._change_slot(f"disable {name}", partial(self.server.slots.disable, name, self.console.actor))

    def _change_slot(self, what: str, work: partial[Slot]) -> None:
        self.console.act(what, work, lambda slot: f"{slot.name} is {slot.state}")
        self.query_one("#slots", SyncedTable).clear_marks()
