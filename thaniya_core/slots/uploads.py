"""Uploads: look them up, wait for them, and the transitions that clients and administrators ask for."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

from msgspec.structs import replace

from thaniya_core.errors import NotFound, WrongState
from thaniya_core.formats.manifest import Manifest, check_manifest
from thaniya_core.formats.names import check_id
from thaniya_core.model import Event, Upload, UploadState
from thaniya_core.slots import transitions
from thaniya_core.slots.spool import Spool, manifest_digest
from thaniya_core.store import StateTransaction, Store
from thaniya_core.system.clock import Clock

_POLL_S = (0.02, 0.2)
"""How often the state is looked at while a change by another process is waited for: often at first, then seldom."""


class Uploads:
    """The uploads of a server. Each change is one transaction and, where it ends something, an event."""

    def __init__(self, store: Store, clock: Clock, spool: Spool) -> None:
        self._store = store
        self._clock = clock
        self._spool = spool
        self._changed = threading.Condition()

    def list_on_their_way(self) -> list[Upload]:
        """Uploads on their way, and failed ones that wait for an administrator; the oldest first."""
        return self._store.read().uploads.all()

    def list_ended(self, limit: int, user: str = "") -> list[Upload]:
        """The newest ended uploads, the newest first; of one user, or of all when it is empty."""
        history = self._store.read_upload_history()
        return list(itertools.islice((upload for upload in history if not user or upload.user == user), limit))

    def list_all(self, ended_limit: int, user: str = "") -> list[Upload]:
        """Uploads on their way and the newest ended ones, each once, the oldest first; of one user, or of all."""
        on_their_way = [upload for upload in self.list_on_their_way() if not user or upload.user == user]
        # One that ends in this moment is in both: it counts as ended.
        each = {upload.id: upload for upload in [*on_their_way, *self.list_ended(ended_limit, user)]}
        return sorted(each.values(), key=lambda upload: (upload.created_at, upload.id))

    def get(self, upload_id: str) -> Upload:
        """An upload, on its way or ended.

        Raises:
            NotFound: there is none of this id.
        """
        check_id(upload_id)
        upload = self._store.read().uploads.get(upload_id) or self._store.find_ended_upload(upload_id)
        if upload is None:
            raise NotFound(f"there is no upload {upload_id}", hint="see `thaniya upload list --all`")
        return upload

    def wait(self, upload_id: str, known_state: str, wait_s: float) -> Upload:
        """The upload as soon as its state is not `known_state`, at the latest after `wait_s` seconds."""
        begun = self._clock.monotonic()
        while True:
            upload = self.get(upload_id)
            waited = self._clock.monotonic() - begun
            left = wait_s - waited
            if upload.state != known_state or left <= 0:
                return upload
            soonest, latest = _POLL_S
            with self._changed:
                # The time-out is for changes by another process.
                self._changed.wait(min(left, latest, max(soonest, waited / 4)))

    def complete(self, upload_id: str, manifest: Manifest | None, actor: str) -> Upload:
        """Take a client's word that everything is uploaded; repeated with the same manifest it changes nothing.

        Raises:
            NotFound, IllegalName, WrongUsage: no such upload; the manifest is not legal.
            WrongState: it is not open, and not completed by this very manifest.
        """
        if manifest is not None:
            check_manifest(manifest)
        upload = self.get(upload_id)
        if upload.state is not UploadState.OPEN:
            return _completed_before(upload, manifest)
        digest = self._spool.keep_manifest(upload_id, manifest) if manifest is not None else ""
        try:
            upload = self._close(upload_id, lambda old: transitions.complete_upload(old, digest, self._clock.now()))
        except WrongState:
            upload = self.get(upload_id)
            self.retire(upload)  # it may have ended before its manifest came into the spool
            return _completed_before(upload, manifest)
        self._log(actor, "upload.complete", upload_id)
        return upload

    def abort(self, upload_id: str, reason: str, actor: str) -> Upload:
        """Begin to end an upload on request; a failed one ends at once, and its files go.

        Raises:
            NotFound, WrongState: no such upload; it is closing, being archived or has ended.
        """
        upload = self.get(upload_id)
        if upload.state is UploadState.FAILED:
            return self.end(upload_id, UploadState.ABORTED, reason, actor)
        return self.end_open(upload_id, UploadState.ABORTED, reason, actor)

    def end_open(self, upload_id: str, ending: UploadState, reason: str, actor: str) -> Upload:
        """Begin to end an open upload without a backup: aborted, expired, rejected or failed."""
        upload = self._close(upload_id, lambda old: transitions.end_upload(old, ending, reason))
        self._log(actor, f"upload.{ending}", upload_id, reason)
        return upload

    def end(self, upload_id: str, state: UploadState, reason: str, actor: str) -> Upload:
        """End a closing, spooled or failed upload without a backup, and keep its reason."""
        announced = False

        def finish(old: Upload) -> Upload:
            nonlocal announced
            announced = old.ending is not None
            return transitions.finish_upload(old, state, reason, self._clock.now())

        upload = self._change(upload_id, finish)
        if not announced:
            self._log(actor, f"upload.{state}", upload_id, reason, ok=state is UploadState.ABORTED)
        self.retire(upload)
        return upload

    def mark_archived(self, upload_id: str, stored_bytes: int) -> Upload:
        """The backup is in its place."""
        upload = self._change(upload_id, lambda old: transitions.archive_upload(old, stored_bytes, self._clock.now()))
        self._log("service", "upload.archived", upload_id, f"{upload.series}, {stored_bytes} bytes")
        self.retire(upload)
        return upload

    def set_volume(self, upload_id: str, volume: str) -> Upload:
        """Remember where a spooled upload is being archived; empty: it is to be chosen anew.

        Raises:
            NotFound: the volume was removed since it was chosen.
        """

        def change(state: StateTransaction, old: Upload) -> Upload:
            if volume and state.volumes.get(volume) is None:
                raise NotFound(f"the volume {volume} was removed in this moment", hint="it will be chosen anew")
            return replace(old, volume=volume)

        return self._change_with_state(upload_id, change)

    def fail_spooled(self, state: StateTransaction, upload_id: str, reason: str) -> None:
        """Within a transaction: archiving a spooled upload was given up. Its files stay in the spool."""
        upload = state.uploads.get(upload_id)
        if upload is not None and upload.state is UploadState.SPOOLED:
            state.uploads.put(transitions.finish_upload(upload, UploadState.FAILED, reason, self._clock.now()))

    def revive_failed(self, state: StateTransaction, upload_id: str) -> None:
        """Within a transaction: a failed upload goes on to the archive once more."""
        upload = state.uploads.get(upload_id)
        if upload is not None and upload.state is UploadState.FAILED:
            state.uploads.put(transitions.revive_upload(upload))

    def note_reason_of_spooled(self, state: StateTransaction, upload_id: str, reason: str) -> None:
        """Within a transaction: tell those who look why a spooled upload does not get on."""
        upload = state.uploads.get(upload_id)
        if upload is not None and upload.state is UploadState.SPOOLED:
            state.uploads.put(replace(upload, reason=reason))

    def note_reason(self, upload_id: str, reason: str) -> None:
        """Tell those who look why a completed upload does not get on; one that is ending has its reason."""
        with self._store.transaction() as state:
            upload = state.uploads.get(upload_id)
            if upload is not None and upload.state is UploadState.CLOSING and upload.ending is None:
                state.uploads.put(replace(upload, reason=reason))

    def note_refused_login(self, upload_id: str, told: str) -> None:
        """Remember of an open upload that a client logged in to its slot and spoke no SFTP."""
        with self._store.transaction() as state:
            upload = state.uploads.get(upload_id)
            if upload is not None and upload.state is UploadState.OPEN:
                state.uploads.put(replace(upload, refused_login=told))
        self.notify()

    def retire(self, upload: Upload) -> None:
        """Move an ended upload into the history and drop what it left in the spool.

        A failed one stays, with its files, until an administrator retries or aborts it.
        """
        if not upload.state.is_ended or upload.state is UploadState.FAILED:
            return
        self._spool.drop(upload.id)
        self._store.add_history(upload)
        with self._store.transaction() as state:
            state.uploads.remove(upload.id)
        self.notify()

    def retire_all(self) -> None:
        """Retire every upload that has ended and is there still, as after a disk that was full for a while."""
        for upload in self._store.read().uploads.all():
            self.retire(upload)

    def notify(self) -> None:
        """Wake those who wait for a change."""
        with self._changed:
            self._changed.notify_all()

    def _close(self, upload_id: str, change: Callable[[Upload], Upload]) -> Upload:
        """Change an open upload so that it closes, and its slot with it."""

        def close(state: StateTransaction, upload: Upload) -> Upload:
            closing = change(upload)
            slot = state.slots.get(upload.slot)
            if slot is not None and slot.upload_id == upload.id:
                state.slots.put(transitions.close_slot(slot))
            return closing

        return self._change_with_state(upload_id, close)

    def _change(self, upload_id: str, change: Callable[[Upload], Upload]) -> Upload:
        return self._change_with_state(upload_id, lambda _, upload: change(upload))

    def _change_with_state(self, upload_id: str, change: Callable[[StateTransaction, Upload], Upload]) -> Upload:
        with self._store.transaction() as state:
            old = state.uploads.get(upload_id)
            if old is not None:
                upload = change(state, old)
                state.uploads.put(upload)
        if old is None:
            ended = self.get(upload_id)
            raise WrongState(f"the upload {upload_id} is {ended.state}", hint=ended.reason)
        self.notify()
        return upload

    def _log(self, actor: str, action: str, subject: str, detail: str = "", ok: bool = True) -> None:
        self._store.add_event(Event(self._clock.now(), actor, action, subject, ok, detail))


def _completed_before(upload: Upload, manifest: Manifest | None) -> Upload:
    """The upload, when it was completed by this very manifest: the answer got lost and the client asks again."""
    same = upload.manifest_digest == (manifest_digest(manifest) if manifest is not None else "")
    if upload.completed_at is not None and same:
        return upload
    if upload.completed_at is not None and not same:
        raise WrongState(
            f"the upload {upload.id} was completed with another manifest and is {upload.state}",
            hint="an upload is completed once; allocate a new one",
        )
    raise WrongState(f"the upload {upload.id} is {upload.state}", hint=upload.reason or "allocate a new one")
