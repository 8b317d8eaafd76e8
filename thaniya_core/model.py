"""The things a server knows of: frozen values, no input or output."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from thaniya_core.errors import NotAllowed, UserDisabled
from thaniya_core.formats.manifest import BackupDocument
from thaniya_core.formats.names import Series
from thaniya_core.formats.notes import Notes
from thaniya_core.formats.protocol import UploadState as UploadState  # the wire's word, and the model's


class Role(StrEnum):
    """What a user may do. Over SSH every role may do the same: make and read its own backups."""

    BACKUP = "backup"
    OPERATOR = "operator"
    ADMIN = "admin"


MIN_RSA_BITS = 3072
"""RSA keys shorter than this are not taken."""


class PublicKey(Struct, frozen=True):
    """An SSH public key of a user."""

    algorithm: str
    """As in authorized_keys: `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`."""
    blob: str
    """The key in base64."""
    comment: str
    fingerprint: str
    """`SHA256:…`, as `ssh-keygen -l` shows it."""
    added_at: datetime

    @property
    def line(self) -> str:
        """The key as in authorized_keys, without its comment."""
        return f"{self.algorithm} {self.blob}"


class User(Struct, frozen=True):
    """Who may back up."""

    name: str
    created_at: datetime
    role: Role = Role.BACKUP
    enabled: bool = True
    keys: tuple[PublicKey, ...] = ()
    quota_bytes: int | None = None
    """Of archived backups and open uploads together; None: no limit."""
    max_uploads: int = 2
    """Uploads at the same time."""


def check_admitted(user: User | None, name: str) -> User:
    """Give the user of a name back when there is one and it is enabled.

    Raises:
        NotAllowed, UserDisabled: it is not let in.
    """
    if user is None:
        raise NotAllowed(f"there is no user {name!r}")
    if not user.enabled:
        raise UserDisabled(f"the user {name} is disabled", hint="ask the administrator")
    return user


class SlotState(StrEnum):
    READY = "ready"
    TAKEN = "taken"
    CLOSING = "closing"
    DEGRADED = "degraded"
    """It could not be cleaned and needs an administrator."""
    DISABLED = "disabled"


class Slot(Struct, frozen=True):
    """A system account that takes one upload at a time."""

    name: str
    state: SlotState = SlotState.READY
    upload_id: str | None = None
    """The upload that holds the slot; None while no upload does."""
    reason: str = ""
    """Why it is degraded or disabled."""
    taken_at: datetime | None = None
    """When an upload took it last; the slots take turns by it."""


class EndedUpload(Struct, frozen=True, gc=False):
    """An upload that has ended, in few words: quick to read where there are very many."""

    id: str
    user: str
    host: str
    name: str
    state: UploadState
    created_at: datetime
    ended_at: datetime
    reason: str = ""

    @property
    def series(self) -> Series:
        return Series(self.user, self.host, self.name)


class Upload(Struct, frozen=True):
    """One use of a slot by one user."""

    id: str
    user: str
    host: str
    name: str
    slot: str
    created_at: datetime
    last_activity_at: datetime
    """When bytes were last seen to arrive."""
    state: UploadState = UploadState.OPEN
    expected_bytes: int | None = None
    reserved_bytes: int = 0
    """What allocation keeps free for it."""
    allowed_bytes: int | None = None
    """More than this is rejected; None: no limit but the space."""
    received_bytes: int = 0
    received_files: int = 0
    bytes_per_s: int = 0
    """How fast bytes came lately."""
    sessions: int | None = None
    """How many are connected to the slot; None where nobody could tell."""
    peer: str = ""
    """The client's address."""
    ending: UploadState | None = None
    """While closing: the state it will end in; None when it goes on to the archive."""
    reason: str = ""
    """Why it ended, or why it does not get on."""
    refused_login: str = ""
    """Told of a client that logged in and spoke no SFTP; it may be why nothing was uploaded."""
    completed_at: datetime | None = None
    manifest_digest: str = ""
    """SHA-256 of the manifest that came with `complete`; empty without one. The manifest itself is in the spool."""
    ended_at: datetime | None = None
    stored_bytes: int | None = None
    """Once archived: bytes on the volume."""
    volume: str = ""
    """The volume that archiving chose; an interrupted attempt is carried on there and nowhere else."""

    @property
    def series(self) -> Series:
        return Series(self.user, self.host, self.name)

    @property
    def shown_reason(self) -> str:
        """What is told to those who ask how it is getting on."""
        return self.reason or (self.refused_login if self.state is UploadState.OPEN else "")

    def in_few_words(self) -> EndedUpload | None:
        """What there is to say of it once it has ended; None before."""
        if self.ended_at is None:
            return None
        return EndedUpload(
            self.id, self.user, self.host, self.name, self.state, self.created_at, self.ended_at, self.reason
        )


class SlotUsage(Struct, frozen=True):
    """What lies in a slot's upload directory and who is connected."""

    size_bytes: int
    stored_bytes: int
    """What the files take on the disk: less than their sizes where they have holes."""
    files: int
    changed_at: datetime | None
    """The newest change of a file; None while it is empty."""
    sessions: int | None
    """Open logins; None where this process cannot know."""
    inner_directory: str = ""
    """The name of a directory there, whose contents are not counted; empty when there is none."""


class Collected(Struct, frozen=True):
    """What was taken out of a slot."""

    files: tuple[str, ...]
    refused: tuple[str, ...]
    """What is no plain file with a legal name, each with the reason: `a: is a symbolic link`."""


class Refusal(Struct, frozen=True):
    """What a client tried in its slot and was not allowed to."""

    slot: str
    at: datetime
    detail: str
    """What it was, and how it was answered: `open "/etc/passwd" for READ: no such file`."""
    peer: str = ""
    """The client's address; empty where it is not known."""
    is_no_sftp: bool = False
    """A login asked for something other than SFTP."""
    sftp_at: datetime | None = None
    """When an SFTP session was last opened in the slot before this, if one was."""


class VolumeCondition(StrEnum):
    """How a volume was when it was last looked at."""

    OK = "ok"
    LOW = "low"
    """Less is free than the configuration wants."""
    MISSING = "missing"
    """Its directory does not hold it: its disk is not mounted there."""
    DAMAGED = "damaged"
    """It is there and cannot be used."""

    @property
    def words(self) -> str:
        """For people."""
        return {"ok": "all right", "low": "nearly full", "missing": "not there", "damaged": "damaged"}[self]


class Volume(Struct, frozen=True):
    """A directory, usually a mount point, that holds archived backups."""

    id: str
    label: str
    path: Path
    active: bool = True
    """Takes new backups."""
    condition: VolumeCondition = VolumeCondition.OK
    """What was told of it last; for how it is now, look at it."""


class Backup(Struct, frozen=True, gc=False):  # no cycle can be made of it, and there are many
    """An archived upload, as the catalog knows it."""

    document: BackupDocument
    volume: str
    """The volume's id."""
    broken: str = ""
    """What the last verification found; empty when it is good or was never verified."""
    verified_at: datetime | None = None
    notes: Notes = Notes()

    @property
    def id(self) -> str:
        return self.document.id

    @property
    def series(self) -> Series:
        return self.document.series


class RetentionSetting(Struct, frozen=True):
    """The retention policy that an administrator set for everything, a user or a series."""

    scope: str
    """`default`, `alice` or `alice/web1/nightly`."""
    policy: str
    """As `parse_policy` reads it; empty keeps everything."""


class Expectation(Struct, frozen=True):
    """How often backups of a series are expected, as an administrator said."""

    series: str
    """`alice/web1/nightly`."""
    since: datetime
    """When it was said; a series without any backup is missing from then on."""
    every_s: int | None = None
    """None: the series is retired, and nothing is expected any more."""
    grace_s: int = 0
    """So much later than expected is still in time."""


class Severity(StrEnum):
    """How bad it is: the states of a monitoring plugin."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"
    """It could not be found out."""

    @property
    def exit_code(self) -> int:
        """As Nagios knows it: 0, 1, 2, 3."""
        return list(Severity).index(self)

    @property
    def rank(self) -> int:
        """The higher the worse; what is known to be critical is worse than what is not known."""
        return (Severity.OK, Severity.WARNING, Severity.UNKNOWN, Severity.CRITICAL).index(self)


class Alert(Struct, frozen=True):
    """A finding that people were told of, as long as it lasts."""

    code: str
    subject: str
    severity: Severity
    since: datetime
    told_at: datetime


class ChannelRecord(Struct, frozen=True):
    """A way to tell people: what came through, and what is wrong with it."""

    name: str
    alerts: tuple[Alert, ...] = ()
    """What it was told, and not yet told to be over."""
    failed_at: datetime | None = None
    """Since when nothing comes through; None while it works."""
    reason: str = ""
    """Why."""


class PingRecord(Struct, frozen=True):
    """How far the pings of the series have come, and which did not come through."""

    ended_until: datetime
    """Uploads that ended until then are told."""
    started: tuple[str, ...] = ()
    """Uploads on their way whose start is told."""
    failed: dict[str, str] = {}
    """By series: why its last ping did not come through."""
    key: str = "pings"


RUN_CLAIM = timedelta(minutes=2)
"""How long a claim on a part of the schedule holds without being renewed."""


class RunRecord(Struct, frozen=True):
    """A part of the schedule: how its last runs went, and who runs it now."""

    name: str
    """`retention`, `verify`, `health`, `metrics`, `volumes`, `history`."""
    ran_at: datetime | None = None
    """When a run last came to a good end."""
    detail: str = ""
    """What that run did."""
    began_at: datetime | None = None
    """When the last run began, whatever became of it."""
    ended_at: datetime | None = None
    """When a run last came to its end, good or not."""
    failure: str = ""
    """Why the last run that came to an end, or died, failed; empty when it did not."""
    was_stopped: bool = False
    """The last run was asked to stop before its end, and is to be done again."""
    claimed_by: str = ""
    """host:pid of the process that runs it."""
    claim_until: datetime | None = None
    """After this that process counts as dead, and another one may run it."""

    def is_running(self, now: datetime) -> bool:
        """Whether a process that is alive runs it."""
        # A claim that reaches further than any claim does was made before the clock was put back.
        return self.claim_until is not None and now <= self.claim_until <= now + RUN_CLAIM

    def failure_by(self, now: datetime) -> str:
        """Why the last run failed: as it was noted, or that its process died before it could note anything."""
        if self.claim_until is not None and not self.is_running(now):
            return f"{self.claimed_by} began it and died before its end"
        return self.failure


class JobKind(StrEnum):
    ARCHIVE = "archive"


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """Given up; an administrator may retry it."""

    @property
    def is_ended(self) -> bool:
        return self in (JobState.DONE, JobState.FAILED)


class Job(Struct, frozen=True):
    """Queued work."""

    id: str
    kind: JobKind
    subject: str
    """What it works on: for archive the upload's id."""
    created_at: datetime
    not_before: datetime
    """A retry waits until then."""
    state: JobState = JobState.QUEUED
    attempts: int = 0
    reason: str = ""
    """Why the last attempt failed."""
    claimed_by: str = ""
    """host:pid of the worker that runs it."""
    claim_until: datetime | None = None
    """After this the claim is void, and another worker may take the job."""
    ended_at: datetime | None = None


class Event(Struct, frozen=True):
    """A line of the audit log."""

    at: datetime
    actor: str
    """`alice@203.0.113.7` over SSH, `login:root` for a person at the server, `service`."""
    action: str
    """Noun and verb: `upload.open`, `user.disable`."""
    subject: str = ""
    """What it was done to: an id, a name."""
    ok: bool = True
    detail: str = ""
