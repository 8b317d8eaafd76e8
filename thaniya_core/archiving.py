"""Archiving an upload: the job that takes it from the spool into the archive, and what becomes of the upload."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from thaniya_core.archive import Backups, Catalog, Ingest, Rule, UploadedFiles, Volumes
from thaniya_core.errors import NoSpace, UploadRejected
from thaniya_core.jobs import JobQueue
from thaniya_core.model import Job, JobKind, JobState, Upload, UploadState
from thaniya_core.slots import Spool, Uploads
from thaniya_core.store import StateTransaction, Store
from thaniya_core.system.attempts import attempt
from thaniya_core.system.clock import Clock


class Archiving:
    """Joins spool, jobs and archive, which do not know each other."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        spool: Spool,
        uploads: Uploads,
        jobs: JobQueue,
        volumes: Volumes,
        catalog: Catalog,
        backups: Backups,
        rules: Sequence[Rule],
    ) -> None:
        self._store = store
        self._spool = spool
        self._uploads = uploads
        self._jobs = jobs
        self._volumes = volumes
        self._catalog = catalog
        self._backups = backups
        self._ingest = Ingest(volumes, catalog, clock, rules, backups.note_damage)

    def enqueue(self, state: StateTransaction, upload: Upload) -> None:
        """Within a transaction: queue the job of an upload that is spooled."""
        self._jobs.enqueue(state, JobKind.ARCHIVE, upload.id)

    def run(self, job: Job) -> None:
        """Do the work of a job: the upload ends archived or rejected.

        Raises:
            ThaniyaError, OSError: it is not possible now; it may be tried again.
        """
        upload = self._uploads.get(job.subject)
        if upload.state is not UploadState.SPOOLED:
            self._uploads.retire(upload)  # an earlier attempt may not have come so far
            return
        digest = upload.manifest_digest
        manifest = self._spool.manifest(upload.id, digest) if digest else None
        if not upload.volume:
            upload = self._uploads.set_volume(upload.id, self._choose_volume(upload))
        try:
            backup = self._ingest.archive(upload, UploadedFiles(self._spool.data(upload.id), manifest))
        except UploadRejected as error:
            self._uploads.end(upload.id, UploadState.REJECTED, error.message, "service")
        except NoSpace:
            if not self._ingest.is_in_place(upload):
                self._uploads.set_volume(upload.id, "")  # the next attempt may find room elsewhere
            raise
        else:
            self._uploads.mark_archived(upload.id, backup.document.stored_bytes)

    def _choose_volume(self, upload: Upload) -> str:
        newest = self._catalog.newest(upload.series)
        preferred = newest.volume if newest is not None else ""
        return self._volumes.choose(upload.received_bytes, self._spool.data(upload.id), preferred).id

    def note_failed(self, state: StateTransaction, job: Job) -> None:
        """Within a transaction: the upload of a job that failed is told, and fails with it when it was given up."""
        if job.state is JobState.FAILED:
            self._uploads.fail_spooled(state, job.subject, job.reason)
        else:
            self._uploads.note_reason_of_spooled(state, job.subject, f"will be tried again: {job.reason}")

    def revive(self, state: StateTransaction, job: Job) -> None:
        """Within a transaction: the upload of a job that is retried goes on with it."""
        self._uploads.revive_failed(state, job.subject)

    def recover(self) -> None:
        """Carry on what an earlier service left undone; only while no job runs."""
        attempt("clean the volumes", self._clean_volumes)
        for upload in self._uploads.list_on_their_way():
            attempt(f"retire the upload {upload.id}", partial(self._uploads.retire, upload))
        with self._store.transaction() as state:
            queued = {job.subject for job in state.jobs.all()}
            for upload in state.uploads.all():
                if upload.state is UploadState.SPOOLED and upload.id not in queued:
                    self.enqueue(state, upload)

    def _clean_volumes(self) -> None:
        self._backups.forget_removed(self._volumes.being_removed(), "service")
        self._volumes.clean_leftovers()
