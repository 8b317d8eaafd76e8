"""What the server knows, as the messages that tell it to a client."""

from __future__ import annotations

from thaniya_core.formats.protocol import Allocated, BackupSummary, UploadStatus, summarize_backup
from thaniya_core.gate.services import Services
from thaniya_core.model import Backup, Upload, UploadState
from thaniya_core.system.harmless import make_harmless


def allocated(upload: Upload) -> Allocated:
    """The answer to `allocate`."""
    return Allocated(
        upload=upload.id,
        slot=upload.slot,
        allowed_bytes=upload.allowed_bytes,
        parent=upload.parent or None,
        parent_refused=make_harmless(upload.parent_refused),
    )


def upload_status(services: Services, upload: Upload) -> UploadStatus:
    """How an upload is getting on; of an open one also the space that is left for it."""
    return UploadStatus(
        upload=upload.id,
        state=upload.state.value,
        user=upload.user,
        host=upload.host,
        name=upload.name,
        created_at=upload.created_at,
        received_bytes=upload.received_bytes,
        reason=make_harmless(upload.shown_reason),
        slot=upload.slot,
        stored_bytes=upload.stored_bytes,
        free_bytes=services.free_bytes(upload) if upload.state is UploadState.OPEN else None,
    )


def backup_summary(backup: Backup) -> BackupSummary:
    """A backup's line in a list."""
    return summarize_backup(backup.document, broken=bool(backup.broken), tags=backup.notes.tags)
