"""What moves on a server, as one value: cheap enough to be asked for every second."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from thaniya_core.jobs import Schedule, ScheduledTask
from thaniya_core.model import Job, Slot, Upload, User, Volume
from thaniya_core.service_lock import ServiceLock
from thaniya_core.store import Store
from thaniya_core.system.clock import Clock


class Live(Struct, frozen=True):
    """A server at one instant. What takes longer to gather is in a survey."""

    at: datetime
    service_runs: bool
    """A process is the service in this moment."""
    service_seen_at: datetime | None
    """When one was last; None for never."""
    users: tuple[User, ...] = ()
    slots: tuple[Slot, ...] = ()
    uploads: tuple[Upload, ...] = ()
    """On their way, and the failed ones that wait for an administrator; the oldest first."""
    volumes: tuple[Volume, ...] = ()
    """As they were when they were last looked at."""
    jobs: tuple[Job, ...] = ()
    """Waiting, running and given up."""
    schedule: tuple[ScheduledTask, ...] = ()


def observe(store: Store, clock: Clock, service_lock: ServiceLock, schedule: Schedule) -> Live:
    """Look at a server once; nothing is changed, and no disk but that of the state is touched.

    Raises:
        StateUnreadable: a file of the state cannot be read.
    """
    state = store.read()
    return Live(
        at=clock.now(),
        service_runs=service_lock.is_alive(),
        service_seen_at=service_lock.seen_at(),
        users=tuple(state.users.all()),
        slots=tuple(state.slots.all()),
        uploads=tuple(state.uploads.all()),
        volumes=tuple(state.volumes.all()),
        jobs=tuple(state.jobs.all()),
        schedule=tuple(schedule.show()),
    )
