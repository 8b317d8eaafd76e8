"""Closing a slot: keys vanish, sessions end, files move to the spool, the slot is cleaned.

Each step may be run again. After a crash the next pass finds slots that are `closing` and carries on.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable

from thaniya_core.config import SlotLimits
from thaniya_core.errors import ThaniyaError
from thaniya_core.formats.quantities import format_size
from thaniya_core.model import Collected, Event, Slot, SlotState, SlotUsage, Upload, UploadState
from thaniya_core.slots import transitions
from thaniya_core.slots.locking import SlotLocks
from thaniya_core.slots.ports import SlotAccounts
from thaniya_core.slots.spool import Spool
from thaniya_core.slots.uploads import Uploads
from thaniya_core.store import StateTransaction, Store
from thaniya_core.system.clock import Clock
from thaniya_core.system.files import os_errors
from thaniya_core.system.space import free_bytes

logger = logging.getLogger(__name__)

_SHOWN_REFUSALS = 5

LONGEST_DELAY_S = 60.0
"""The longest wait before a slot that could not be closed is tried again."""


def judge_collected(upload: Upload, collected: Collected, size_bytes: int, limits: SlotLimits) -> str:
    """Why an upload must be rejected for what lay in its slot; empty when it may go on."""
    if collected.refused:
        shown = "; ".join(collected.refused[:_SHOWN_REFUSALS])
        more = len(collected.refused) - _SHOWN_REFUSALS
        return f"only plain files with legal names are taken: {shown}" + (f"; and {more} more" if more > 0 else "")
    if not collected.files:
        return "no file was uploaded" + (f": {upload.refused_login}" if upload.refused_login else "")
    return outgrown_reason(upload, len(collected.files), size_bytes, limits)


def outgrown_reason(upload: Upload, files: int, size_bytes: int, limits: SlotLimits) -> str:
    """Why an upload that is larger than allowed is rejected; empty when it is not."""
    if files > limits.files:
        return f"it has {files:,} files, and {limits.files:,} are taken at the most; pack them into an archive"
    if upload.allowed_bytes is not None and size_bytes > upload.allowed_bytes:
        return f"it holds {format_size(size_bytes)} and {format_size(upload.allowed_bytes)} were allowed"
    return ""


def holes_reason(usage: SlotUsage, free: int) -> str:
    """Why an upload whose files are mostly holes is rejected; empty when it is not.

    A hole costs its client nothing, and whoever reads or copies it the time of real bytes.
    """
    holes = usage.size_bytes - usage.stored_bytes
    if holes > free + HOLES_ALLOWANCE_BYTES:
        return f"its files claim {format_size(usage.size_bytes)} and hold {format_size(usage.stored_bytes)}: holes"
    return ""


HOLES_ALLOWANCE_BYTES = 1024**3
"""Holes that harm nobody; writes that failed on a full disk leave some."""


class Closer:
    """Carries closing slots on to `ready`. Only one process, that of the service, may use it at a time."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        accounts: SlotAccounts,
        locks: SlotLocks,
        spool: Spool,
        uploads: Uploads,
        limits: SlotLimits,
        enqueue: Callable[[StateTransaction, Upload], None],
    ) -> None:
        """
        Args:
            store, clock, accounts, locks, spool, uploads: the parts it works with.
            limits: the configured limits.
            enqueue: queues the job that archives a spooled upload, within the given transaction.
        """
        self._store = store
        self._clock = clock
        self._accounts = accounts
        self._locks = locks
        self._spool = spool
        self._uploads = uploads
        self._limits = limits
        self._enqueue = enqueue
        self._put_off_until: dict[str, tuple[float, float]] = {}
        self._busy: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def close_all(self) -> None:
        """Carry on every closing slot; what does not get on keeps its reason and is tried again next time."""
        for slot in self._store.read().slots.all():
            # One that another thread works on is in good hands; waiting for it would keep the others waiting.
            if slot.state is SlotState.CLOSING and not self._busy[slot.name].locked() and self._is_due(slot.name):
                try:
                    self.close(slot.name)
                except (ThaniyaError, OSError) as error:
                    self._put_off(slot.name, error)

    def _is_due(self, slot_name: str) -> bool:
        not_before, _ = self._put_off_until.get(slot_name, (0.0, 0.0))
        return self._clock.monotonic() >= not_before

    def _put_off(self, slot_name: str, error: Exception) -> None:
        """Try again later, and later still each time: a step may have copied much before it failed."""
        _, last_delay_s = self._put_off_until.get(slot_name, (0.0, 0.0))
        delay_s = min(LONGEST_DELAY_S, 2 * last_delay_s or 1.0)
        self._put_off_until[slot_name] = (self._clock.monotonic() + delay_s, delay_s)
        logger.warning("%s cannot be closed, next try in %.0f s: %s", slot_name, delay_s, error)

    def close(self, slot_name: str) -> None:
        """Carry one closing slot on to `ready`; harmless when it is not closing.

        Raises:
            ThaniyaError: a step failed; the reason is kept on the upload, and the slot stays closing.
        """
        with self._busy[slot_name]:
            slot = self._store.read().slots.get(slot_name)
            if slot is None or slot.state is not SlotState.CLOSING:
                return
            try:
                self._locks.lock(slot_name)
                upload = self._store.read().uploads.get(slot.upload_id) if slot.upload_id else None
                if upload is not None and upload.state is UploadState.CLOSING:
                    self._empty(slot, upload)
            except ThaniyaError as error:
                if slot.upload_id:
                    self._uploads.note_reason(slot.upload_id, error.message)
                raise
            self._clean(slot)
            self._put_off_until.pop(slot_name, None)
            self._uploads.notify()

    def _empty(self, slot: Slot, upload: Upload) -> None:
        if upload.ending is not None:
            self._uploads.end(upload.id, upload.ending, upload.reason, "service")
            return
        with os_errors(f"look into {slot.name}"):
            usage = self._accounts.usage(slot.name)
            free = free_bytes(self._accounts.directory(slot.name))
        outgrown = outgrown_reason(upload, usage.files, usage.size_bytes, self._limits) or holes_reason(usage, free)
        if outgrown:
            # Judged before it is collected: to another file system it would be copied.
            self._uploads.end(upload.id, UploadState.REJECTED, outgrown, "service")
            return
        with os_errors(f"collect the upload {upload.id} from {slot.name}"):
            collected = self._accounts.collect(slot.name, self._spool.data(upload.id))
            size = sum((self._spool.data(upload.id) / name).stat().st_size for name in collected.files)
        why_not = judge_collected(upload, collected, size, self._limits)
        if why_not:
            self._uploads.end(upload.id, UploadState.REJECTED, why_not, "service")
            return
        with self._store.transaction() as state:
            current = state.uploads.get(upload.id)
            if current is not None and current.state is UploadState.CLOSING:
                spooled = transitions.spool_upload(current, len(collected.files), size)
                state.uploads.put(spooled)
                self._enqueue(state, spooled)

    def _clean(self, slot: Slot) -> None:
        try:
            self._accounts.clean(slot.name)
        except (OSError, ThaniyaError) as error:
            reason = f"cannot be cleaned: {error}"
            logger.error("%s %s", slot.name, reason)
            self._set_slot(slot.name, lambda old: transitions.degrade_slot(old, reason))
            self._store.add_event(Event(self._clock.now(), "service", "slot.degraded", slot.name, False, reason))
            return
        self._set_slot(slot.name, transitions.free_slot)

    def _set_slot(self, name: str, change: Callable[[Slot], Slot]) -> None:
        with self._store.transaction() as state:
            slot = state.slots.get(name)
            if slot is not None and slot.state is SlotState.CLOSING:
                state.slots.put(change(slot))
