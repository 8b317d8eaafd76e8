"""What callers over SSH may do: each sees and touches its own uploads and backups only."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import BinaryIO

import msgspec

from thaniya_core.errors import NotFound, ThaniyaError
from thaniya_core.formats.manifest import BackupDocument, Manifest
from thaniya_core.formats.names import Series, check_host, check_id, check_series_name
from thaniya_core.gate.keys import users_let_in
from thaniya_core.gate.services import AuthorizedKey, Caller
from thaniya_core.model import Agreement, Backup, Event, Upload, UploadState, agree_on_parent, check_admitted
from thaniya_core.server import Server
from thaniya_core.system.files import os_errors
from thaniya_core.system.space import free_bytes

logger = logging.getLogger(__name__)

ENDED_SHOWN = 50


class CallerServices:
    """The gate's `Services`, on a server. Every role may do the same over SSH, and no more than this."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def authorized_keys(self, account: str) -> list[AuthorizedKey]:
        """Who may log in to an account now."""
        state = self._server.store.read()
        users = {user.name: user for user in state.users.all()}
        # The rule is that of the program which sshd asks, and that one knows the state as its file has it.
        tables = {
            "users": {name: msgspec.to_builtins(user) for name, user in users.items()},
            "slots": {slot.name: msgspec.to_builtins(slot) for slot in state.slots.all()},
            "uploads": {upload.id: msgspec.to_builtins(upload) for upload in state.uploads.all()},
        }
        names = users_let_in(tables, account, control_account=self._server.config.gate.control_account)
        return [AuthorizedKey(name, key) for name in names for key in users[name].keys]

    def note_login(self, account: str, user: str, peer: str, ok: bool, detail: str = "") -> None:
        """Write a login or a refused one to the audit log; a log that cannot be written keeps nobody out."""
        self._note(Event(self._server.clock.now(), f"{user or 'unknown'}@{peer}", "login", account, ok, detail))

    def note_key_use(self, fingerprint: str) -> None:
        """Remember that a key has let a client in; when that cannot be written nobody is kept out."""
        try:
            self._server.store.note_key_use(fingerprint, self._server.clock.now())
        except ThaniyaError as error:
            logger.error("the use of the key %s cannot be noted: %s", fingerprint, error)

    def note_refusal(self, caller: Caller, command: str, detail: str) -> None:
        """Write to the audit log that a caller was refused what it asked for."""
        self._note(Event(self._server.clock.now(), caller.actor, "command.refused", command, False, detail))

    def _note(self, event: Event) -> None:
        try:
            self._server.store.add_event(event)
        except ThaniyaError as error:
            logger.error("%s of %s to %s cannot be logged: %s", event.action, event.actor, event.subject, error)

    def allocate(
        self, caller: Caller, host: str, name: str, expected_bytes: int | None, parents: Sequence[str] = ()
    ) -> Upload:
        """Open an upload; see `Allocator.allocate`. Of the parents offered it gets the first that is good."""
        agreement = Agreement()
        if parents:
            self._check(caller)
            series = Series(caller.user, check_host(host), check_series_name(name))
            catalog = self._server.catalog
            agreement = agree_on_parent(
                [check_id(parent) for parent in parents], catalog.of_series(series), catalog.is_there
            )
        return self._server.allocator.allocate(
            caller.user, host, name, expected_bytes, caller.peer, caller.actor, agreement
        )

    def complete(self, caller: Caller, upload_id: str, manifest: Manifest | None) -> Upload:
        """Close the slot and send the files on their way."""
        upload = self._own_upload(caller, upload_id)
        if manifest is None:
            # Nothing else would tell a file that is still being written from a whole one.
            self._server.slots.wait_until_unwritten(upload)
        upload = self._server.uploads.complete(upload_id, manifest, caller.actor)
        return self._server.settle(upload) if upload.state is UploadState.CLOSING else upload

    def abort(self, caller: Caller, upload_id: str, reason: str) -> Upload:
        """End an upload; one that was aborted before is given as it is."""
        upload = self._own_upload(caller, upload_id)
        if upload.state is UploadState.ABORTED:
            return upload
        return self._server.abort_upload(upload_id, reason or "by the client", caller.actor)

    def upload(self, caller: Caller, upload_id: str, known_state: str = "", wait_s: float = 0.0) -> Upload:
        """One upload, as soon as its state is not `known_state`."""
        self._own_upload(caller, upload_id)
        return self._server.uploads.wait(upload_id, known_state, wait_s)

    def uploads(self, caller: Caller) -> list[Upload]:
        """The caller's open uploads and the newest ended ones, the newest first."""
        self._check(caller)
        return self._server.uploads.list_all(ENDED_SHOWN, caller.user)[::-1]

    def backups(self, caller: Caller, host: str, name: str, limit: int, before: str) -> list[Backup]:
        """The caller's backups, the newest first."""
        self._check(caller)
        found = self._server.catalog.find(caller.user, host, name)
        ids = [backup.id for backup in found]
        # One that has been removed since the last page was read is looked for by its time.
        begin = ids.index(before) + 1 if before in ids else 0
        return [backup for backup in found[begin:] if begin or not before or backup.id < before][:limit]

    def contents(self, caller: Caller, backup_id: str) -> BackupDocument:
        """The backup.json of one of the caller's backups."""
        return self._own_backup(caller, backup_id).document

    def open_file(self, caller: Caller, backup_id: str, name: str) -> BinaryIO:
        """A file of one of the caller's backups, as it is stored."""
        return self._server.backups.open_file(self._own_backup(caller, backup_id), name)

    def free_bytes(self, upload: Upload) -> int:
        """What can still be written for an upload."""
        with os_errors("measure the free space"):
            free = free_bytes(self._server.config.paths.slots)
        if upload.allowed_bytes is not None:
            free = min(free, upload.allowed_bytes - upload.received_bytes)
        return max(0, free)

    def _check(self, caller: Caller) -> None:
        check_admitted(self._server.store.read().users.get(caller.user), caller.user)

    def _own_upload(self, caller: Caller, upload_id: str) -> Upload:
        self._check(caller)
        try:
            upload = self._server.uploads.get(upload_id)
        except NotFound:
            upload = None
        if upload is None or upload.user != caller.user:
            raise NotFound(f"you have no upload {upload_id}", hint="see `uploads`")
        return upload

    def _own_backup(self, caller: Caller, backup_id: str) -> Backup:
        self._check(caller)
        check_id(backup_id)
        try:
            return self._server.catalog.get(backup_id, caller.user)
        except NotFound:
            raise NotFound(f"you have no backup {backup_id}", hint="see `backups`") from None
