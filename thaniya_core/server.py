"""Server: the one object that command line, console and broker hold.

It makes the rooms, wires them, and carries out what takes more than one of them. The rules are in the rooms.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from thaniya_core.accounts import EmbeddedAccounts, Instructions, OpensshAccounts, SlotLog, Users, instruct
from thaniya_core.archive import (
    Backups,
    Catalog,
    RebuildReport,
    Verification,
    Volumes,
    VolumeWatch,
    forget_volume,
    read_rules,
)
from thaniya_core.archiving import Archiving
from thaniya_core.config import Config, GateKind, find_config, load_config
from thaniya_core.entrance import find_entrance
from thaniya_core.errors import AlreadyExists, NotFound, WrongState
from thaniya_core.jobs import JobQueue, Schedule, Worker
from thaniya_core.model import Event, Job, JobKind, Slot, SlotState, Upload, UploadState, User, Volume
from thaniya_core.observing import Live, observe
from thaniya_core.retention import Retention, RetentionSettings, read_configured
from thaniya_core.service_lock import ServiceLock
from thaniya_core.slots import (
    Allocator,
    Closer,
    Refusals,
    SlotAccounts,
    SlotLocks,
    Slots,
    Space,
    Spool,
    Uploads,
    Watch,
)
from thaniya_core.store import LoggedEvent, LogPlace, Store, TinyStore
from thaniya_core.system.attempts import attempt
from thaniya_core.system.clock import Clock, SystemClock
from thaniya_core.system.files import make_directories, os_errors
from thaniya_core.system.privileges import drop_to, owner_of
from thaniya_core.system.space import free_bytes

if TYPE_CHECKING:
    from thaniya_core.monitor import Expectations
    from thaniya_core.monitoring import Monitoring
    from thaniya_core.surveys import Surveys

SETTLE_WAIT_S = 30.0
"""How long a process that is not the service waits for it to carry on what was begun."""


class Server:
    """A server's parts, wired. Every process may hold one; only one at a time is the service."""

    def __init__(self, config: Config, store: Store, clock: Clock) -> None:
        self.config = config
        self.store = store
        self.clock = clock
        self.work_waits = threading.Event()
        """Set when there may be work for the service of this process."""
        self._service_lock = ServiceLock(config.paths.state / "service.lock", clock)

        self.embedded: EmbeddedAccounts | None = None
        """The slot accounts, where they are of the embedded kind."""
        self.slot_log: SlotLog | None = None
        """Hears what is refused in the slots, where they are of the openssh kind."""
        self.accounts = self._make_accounts()
        self.users = Users(store, clock)
        self.slots = Slots(store, clock, self.accounts)
        self.slot_locks = SlotLocks(store, self.accounts, config.paths.state / "locks")
        self.spool = Spool(config.paths.spool)
        self.uploads = Uploads(store, clock, self.spool)
        self.refusals = Refusals(store, self.uploads)
        self.volumes = Volumes(store, clock, config.paths)
        self.volume_watch = VolumeWatch(store, clock, self.volumes, config.volumes.low)
        self.catalog = Catalog(store, self.volumes)
        self.backups = Backups(store, clock, self.volumes, self.catalog)
        self.retention_settings = RetentionSettings(store, clock, read_configured(config.retention, str(config.file)))
        self.retention = Retention(store, clock, self.retention_settings, self.backups)
        self.jobs = JobQueue(store, clock, config.jobs)
        self.allocator = Allocator(
            store, clock, self.slot_locks, config.slots, self._measure_space, self.catalog.user_bytes
        )
        self.verification = Verification(clock, self.volumes, self.catalog, self.backups, config.verify)
        rules = read_rules(config.compression, str(config.file))
        self._archiving = Archiving(
            store, clock, self.spool, self.uploads, self.jobs, self.volumes, self.catalog, self.backups, rules
        )
        self._closer = Closer(
            store,
            clock,
            self.accounts,
            self.slot_locks,
            self.spool,
            self.uploads,
            config.slots,
            self._archiving.enqueue,
        )
        self._watch = Watch(store, clock, self.accounts, self.uploads, config.slots)
        self.worker = Worker(
            store,
            clock,
            self.jobs,
            config.jobs,
            {JobKind.ARCHIVE: self._archiving.run},
            on_failed=self._archiving.note_failed,
            on_free=self._note_free_worker,
        )

    def _make_accounts(self) -> SlotAccounts:
        if self.config.gate.kind is GateKind.OPENSSH:
            self.slot_log = SlotLog(self.config.paths.slots, self.clock)
            return OpensshAccounts(self.config.paths.slots, self.config.gate.root_helper)
        self.embedded = EmbeddedAccounts(self.config.paths.slots, self.upload_in)
        return self.embedded

    @cached_property
    def expectations(self) -> Expectations:
        """What administrators expect of series."""
        from thaniya_core.monitor import Expectations

        return Expectations(self.store, self.clock)

    @cached_property
    def monitoring(self) -> Monitoring:
        """Whether all is well, and telling people."""
        # Imported here: what every client waits for, the broker, does without it.
        from thaniya_core.monitoring import make_monitoring

        return make_monitoring(
            self.config, self.store, self.clock, self.volumes, self.retention_settings, self._service_lock
        )

    @cached_property
    def surveys(self) -> Surveys:
        """Everything at a glance: as it was lately, as it is, and gathered by another process."""
        from thaniya_core.surveys import Surveys

        return Surveys(self.config.file, self.monitoring)

    @cached_property
    def schedule(self) -> Schedule:
        """What is done again and again."""
        from thaniya_core.scheduling import make_tasks

        tasks = make_tasks(
            self.config,
            self.store,
            self.clock,
            self.retention_settings,
            self.retention,
            self.verification,
            self.volume_watch,
            lambda: self.monitoring,
        )
        return Schedule(self.store, self.clock, tasks)

    def observe(self) -> Live:
        """What moves on the server now; see `observe`."""
        return observe(self.store, self.clock, self._service_lock, self.schedule)

    def upload_in(self, slot_name: str) -> str | None:
        """The open upload that holds a slot now."""
        slot = self.store.read().slots.get(slot_name)
        return slot.upload_id if slot is not None and slot.state is SlotState.TAKEN else None

    def events(self, since: datetime | None = None) -> Iterator[Event]:
        """The audit log, the oldest first."""
        return self.store.read_events(since)

    def newest_events(self) -> Iterator[Event]:
        """The audit log, the newest first; only what is asked for is read."""
        return self.store.read_newest_events()

    def events_before(self, place: LogPlace) -> Iterator[LoggedEvent]:
        """The audit log from a place back to its beginning; only what is asked for is read."""
        return self.store.read_events_before(place)

    def events_after(self, place: LogPlace) -> Iterator[tuple[Event, LogPlace]]:
        """What was added to the audit log after a place, each event with the place after it."""
        return self.store.read_events_after(place)

    def end_of_events(self) -> LogPlace:
        """The place in the audit log where what comes next will stand."""
        return self.store.end_of_events()

    def as_service(self, wait_s: float = 0.0) -> AbstractContextManager[bool]:
        """Be the service for a while: the only one that closes slots and runs jobs; see `ServiceLock.hold`."""
        return self._service_lock.hold(wait_s)

    def note_alive(self) -> None:
        """Leave a mark that the service works, for `thaniya check`; only as the service."""
        self._service_lock.note_alive()

    def recover(self) -> None:
        """Carry on what an earlier service left undone. Call once, as the service, before the first pass."""
        self.worker.take_over()
        self._archiving.recover()

    def watch_uploads(self, *, remembers: bool) -> None:
        """Look at the open uploads once, see `Watch.look`; and put away those that have ended."""
        self._watch.look(remembers=remembers)
        self.uploads.retire_all()

    def remove_volume(self, volume: Volume, actor: str, *, with_backups: bool) -> int:
        """Forget a volume; see `forget_volume`."""
        return forget_volume(
            self.store, self.clock, self.volumes, self.catalog, volume, actor, with_backups=with_backups
        )

    def rebuild_catalog(self, actor: str) -> RebuildReport:
        """Make the catalog anew from the volumes that are there; see `Catalog.rebuild`."""
        report = self.catalog.rebuild()
        told = f"{report.found} found, {report.added} added, {report.removed} removed"
        told += f", {len(report.unreadable)} unreadable" if report.unreadable else ""
        self.store.add_event(
            Event(self.clock.now(), actor, "catalog.rebuild", "catalog", not report.unreadable, detail=told)
        )
        return report

    def close_slots(self) -> None:
        """Carry every closing slot on."""
        self._closer.close_all()

    def settle(self, upload: Upload) -> Upload:
        """Carry a closing upload on until it is spooled or has ended, here or by the service of another process.

        Raises:
            ThaniyaError: a step failed; the service will try it again.
        """
        with self.as_service() as is_service:
            if is_service:
                self._closer.close(upload.slot)
                self.work_waits.set()
        return self.uploads.wait(upload.id, UploadState.CLOSING, SETTLE_WAIT_S)

    def abort_upload(self, upload_id: str, reason: str, actor: str) -> Upload:
        """End an upload without a backup, and forget its job.

        Raises:
            NotFound, WrongState: see `Uploads.abort`.
        """
        upload = self.uploads.abort(upload_id, reason, actor)
        self.jobs.drop(upload_id)
        return self.settle(upload)

    def count_inherited_backups(self, name: str) -> int:
        """How many backups a new user of this name would get to see, made by an earlier one; 0 where there is one."""
        if self.store.read().users.get(name) is not None:
            return 0
        return sum(1 for _ in self.store.find_backups("", name))

    def refuse_inherited_backups(self, name: str) -> None:
        """Make sure that a new user does not get to see what an earlier one of the same name has archived.

        Raises:
            AlreadyExists: there are backups of that name.
        """
        inherited = self.count_inherited_backups(name)
        if inherited:
            raise AlreadyExists(
                f"the archive holds {inherited} backups of an earlier user {name}",
                hint="choose another name, or say --adopt-backups when it is the same person",
            )

    def instruct_user(self, name: str) -> Instructions:
        """What to send to a user so that the first backup can be made.

        Raises:
            NotFound: there is none of this name.
            NotAllowed: a host key cannot be read.
        """
        return instruct(self.users.get(name), find_entrance(self.config))

    def disable_user(self, name: str, actor: str) -> User:
        """Keep a user out, and end the uploads that are open.

        When this returns none of them takes a byte any more; a slot that cannot be closed now is left to the service.
        """
        user = self.users.disable(name, actor)
        ending: list[Upload] = []
        for upload in self.uploads.list_on_their_way():
            if upload.user == name and upload.state is UploadState.OPEN:
                try:
                    ending.append(self.uploads.abort(upload.id, "the user was disabled", actor))
                except WrongState:
                    pass  # it was completed or ended in this moment
        for upload in ending:
            attempt(f"end the upload {upload.id}", partial(self.settle, upload))
        return user

    def reset_slot(self, name: str, actor: str) -> Slot:
        """Clean a degraded slot and make it ready; see `Slots.reset`.

        Raises:
            WrongState: it is not degraded, or cannot be cleaned even now.
        """
        return self._reopen(self.slots.reset(name, actor))

    def enable_slot(self, name: str, actor: str) -> Slot:
        """Take a disabled slot into use again, cleaned; see `Slots.enable`.

        Raises:
            WrongState: it is not disabled, or cannot be cleaned.
        """
        return self._reopen(self.slots.enable(name, actor))

    def _reopen(self, slot: Slot) -> Slot:
        with self.as_service() as is_service:
            if is_service:
                self._closer.close(slot.name)
        slot = self.slots.wait(slot.name, SlotState.CLOSING, SETTLE_WAIT_S)
        if slot.state is SlotState.DEGRADED:
            raise WrongState(f"{slot.name} is degraded: {slot.reason}", hint="mend the cause, then reset it again")
        return slot

    def retry_job(self, job_id: str, actor: str) -> Job:
        """Run a job again that waits or was given up, with its upload.

        Raises:
            NotFound, WrongState: see `JobQueue.retry`.
        """
        job = self.jobs.retry(job_id, actor, self._archiving.revive)
        self.work_waits.set()
        return job

    def _measure_space(self) -> Space:
        with os_errors("measure the free space"):
            return Space(
                slots_bytes=free_bytes(self.config.paths.slots),
                volume_bytes=self.volumes.most_free_bytes(),
                volume_is_elsewhere=not self.volumes.all_beside(self.config.paths.slots),
            )

    def _note_free_worker(self) -> None:
        self.uploads.notify()
        self.work_waits.set()


def find_service_user(config: Config) -> str:
    """The user that the service runs as, where sshd receives: the owner of the state.

    Raises:
        WrongState: the state is not there, or belongs to root.
    """
    hint = "run `thaniya setup openssh`"
    try:
        user = owner_of(config.paths.state)
    except NotFound as error:
        raise WrongState(f"the server is not set up: {error.message}", hint=hint) from error
    if user == "root":
        raise WrongState(f"{config.paths.state} belongs to root, not to the service user", hint=hint)
    return user


def open_server(config_file: Path | None = None, clock: Clock | None = None) -> Server:
    """The server of a configuration file; see `find_config` for the default.

    Root becomes the service user here, for good, where sshd receives: no file of the state ever belongs to root. What
    must go on as root calls this within `call_as`.

    Raises:
        ConfigInvalid: the file is missing or wrong.
        ThaniyaError: the state directory cannot be used.
    """
    config = load_config(find_config(config_file))
    if config.gate.kind is GateKind.OPENSSH and os.geteuid() == 0:
        drop_to(find_service_user(config))
    with os_errors("open the state directory"):
        make_directories(config.paths.state)
        make_directories(config.paths.spool)
        if config.gate.kind is GateKind.EMBEDDED:
            make_directories(config.paths.slots)  # elsewhere it is root's
    return Server(config, TinyStore(config.paths.state), clock or SystemClock())
