"""Watching open uploads: bytes that arrive, silence, and uploads that outgrow what was allowed."""

from __future__ import annotations

import logging
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from thaniya_core.config import SlotLimits
from thaniya_core.errors import ThaniyaError, WrongState
from thaniya_core.formats.quantities import format_duration, format_size
from thaniya_core.model import SlotUsage, Upload, UploadState
from thaniya_core.slots.closing import holes_reason, outgrown_reason
from thaniya_core.slots.ports import SlotAccounts
from thaniya_core.slots.uploads import Uploads
from thaniya_core.store import Store
from thaniya_core.system.clock import Clock
from thaniya_core.system.space import free_bytes

logger = logging.getLogger(__name__)


RETURN_S = 120
"""How long after a start of the service a client that was silent before may come back."""


class Verdict(Struct, frozen=True):
    """Why an open upload has to end."""

    ending: UploadState
    reason: str


def judge(upload: Upload, usage: SlotUsage, silent_s: float, free: int, limits: SlotLimits) -> Verdict | None:
    """Whether an open upload has to end: too large, a directory, too long silent, about to fill the disk of all.

    Args:
        upload: the upload.
        usage: what lies in its slot.
        silent_s: seconds since something last changed there.
        free: bytes free on the disk of the slots.
        limits: the configured limits.
    """
    if usage.inner_directory:
        # The account may hide any number of bytes in it; waiting for `complete` would let it fill the disk.
        return Verdict(UploadState.REJECTED, f"only plain files are taken: {usage.inner_directory!r} is a directory")
    outgrown = outgrown_reason(upload, usage.files, usage.size_bytes, limits) or holes_reason(usage, free)
    if outgrown:
        return Verdict(UploadState.REJECTED, outgrown)
    if upload.expected_bytes is None and usage.size_bytes > upload.reserved_bytes and free < limits.margin:
        return Verdict(
            UploadState.REJECTED,
            f"it did not say how large it would be, holds {format_size(usage.size_bytes)}, "
            f"and only {format_size(free)} are free on the disk of the slots",
        )
    if silent_s > limits.silence:
        return Verdict(UploadState.EXPIRED, f"nothing came for {format_duration(silent_s)}")
    return None


class Rate(Struct, frozen=True):
    """How fast bytes come: measured from one second or so to the next."""

    since: float
    """On the clock that never goes back."""
    size_bytes: int
    """What had come then."""
    bytes_per_s: int = 0


def measure_rate(before: Rate | None, monotonic: float, size_bytes: int, noted_bytes: int) -> Rate:
    """The rate after one more look; the one before holds until a second has passed.

    Args:
        before: after the last look; None at the first.
        monotonic: the time of this one.
        size_bytes: what has come.
        noted_bytes: what was noted of it before the first look.
    """
    if before is None:
        before = Rate(monotonic - 1.0, noted_bytes)
    seconds = monotonic - before.since
    if seconds < 1.0:
        return before
    return Rate(monotonic, size_bytes, max(0, round((size_bytes - before.size_bytes) / seconds)))


class Progress(Struct, frozen=True):
    """How far an open upload is."""

    upload_id: str
    received_bytes: int
    received_files: int
    bytes_per_s: int
    sessions: int | None
    seen_at: datetime

    def is_news_of(self, upload: Upload) -> bool:
        """Whether the upload does not say so already."""
        noted = (upload.received_bytes, upload.received_files, upload.bytes_per_s, upload.sessions)
        return (self.received_bytes, self.received_files, self.bytes_per_s, self.sessions) != noted

    def noted_on(self, upload: Upload) -> Upload:
        """The upload with its progress."""
        has_moved = self.received_bytes != upload.received_bytes or self.bytes_per_s > 0
        return replace(
            upload,
            received_bytes=self.received_bytes,
            received_files=self.received_files,
            bytes_per_s=self.bytes_per_s,
            sessions=self.sessions,
            last_activity_at=max(self.seen_at, upload.last_activity_at) if has_moved else upload.last_activity_at,
        )


class Watch:
    """Looks at the open uploads in passes and remembers between them."""

    def __init__(
        self, store: Store, clock: Clock, accounts: SlotAccounts, uploads: Uploads, limits: SlotLimits
    ) -> None:
        self._store = store
        self._clock = clock
        self._accounts = accounts
        self._uploads = uploads
        self._limits = limits
        self._seen: dict[str, tuple[SlotUsage, float]] = {}
        self._rates: dict[str, Rate] = {}

    def look(self, *, remembers: bool) -> None:
        """One pass: note what has arrived, begin to end what has to end.

        Args:
            remembers: the process makes many passes. Silence then counts on the clock that never goes back, and the
                first pass leaves a client RETURN_S at least; otherwise (a single pass from cron) it counts from the
                stored time.
        """
        state = self._store.read()
        open_uploads = [upload for upload in state.uploads.all() if upload.state is UploadState.OPEN]
        progress: list[Progress] = []
        for upload in open_uploads:
            try:
                seen = self._look_at(upload, remembers)
                if seen is not None and seen.is_news_of(upload):
                    progress.append(seen)
            except (ThaniyaError, OSError) as error:
                # One slot that cannot be looked at must not keep the others from being watched.
                logger.warning("%s cannot be looked at: %s", upload.slot, error)
        known = {upload.id for upload in open_uploads}
        self._seen = {upload_id: seen for upload_id, seen in self._seen.items() if upload_id in known}
        self._rates = {upload_id: rate for upload_id, rate in self._rates.items() if upload_id in known}
        if progress:
            self._store_progress(progress)

    def _look_at(self, upload: Upload, remembers: bool) -> Progress | None:
        """How far an upload is; None when it has begun to end."""
        usage = self._accounts.usage(upload.slot)
        now, monotonic = self._clock.now(), self._clock.monotonic()
        stored_silence_s = _stored_silence(upload, usage, now)
        # A client may come back after a restart of the service; a service that restarts often still expires the dead.
        at_first = monotonic - min(stored_silence_s, max(0, self._limits.silence - RETURN_S))
        before, since = self._seen.get(upload.id, (usage, at_first))
        if _has_moved(before, usage):
            since = monotonic
        self._seen[upload.id] = (usage, since)
        silent_s = monotonic - since if remembers else stored_silence_s
        free = free_bytes(self._accounts.directory(upload.slot))
        verdict = judge(upload, usage, silent_s, free, self._limits)
        if verdict is not None:
            try:
                self._uploads.end_open(upload.id, verdict.ending, verdict.reason, "service")
            except WrongState:
                pass  # the client completed or aborted it in this moment
            return None
        rate = measure_rate(self._rates.get(upload.id), monotonic, usage.size_bytes, upload.received_bytes)
        self._rates[upload.id] = rate
        return Progress(upload.id, usage.size_bytes, usage.files, rate.bytes_per_s, usage.sessions, now)

    def _store_progress(self, progress: list[Progress]) -> None:
        """Write how far all uploads are, at once: there may be many, and each transaction is made durable."""
        with self._store.transaction() as state:
            for each in progress:
                current = state.uploads.get(each.upload_id)
                if current is not None and current.state is UploadState.OPEN:
                    state.uploads.put(each.noted_on(current))


def _has_moved(before: SlotUsage, usage: SlotUsage) -> bool:
    return (before.size_bytes, before.files, before.changed_at) != (usage.size_bytes, usage.files, usage.changed_at)


def _stored_silence(upload: Upload, usage: SlotUsage, now: datetime) -> float:
    """Seconds since the last stored or visible activity; never negative, so that a clock set back expires nothing."""
    newest = max(upload.last_activity_at, usage.changed_at or upload.last_activity_at)
    return max(0.0, (now - newest).total_seconds())
