"""Gathering what the rules of `monitor/` look at, from all rooms; and handing on what they find."""

from __future__ import annotations

import os
import socket
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from thaniya_core.archive import Volumes
from thaniya_core.config import Config, Ping
from thaniya_core.errors import ThaniyaError, WrongUsage
from thaniya_core.formats.names import Series, parse_series
from thaniya_core.model import EndedUpload, Upload, Volume, mark_broken_chains
from thaniya_core.monitor import (
    Notifier,
    Pings,
    Report,
    Sent,
    SeriesFacts,
    ServerFacts,
    Survey,
    Surveyor,
    VolumeFacts,
    examine,
    exposition,
    keep_survey,
    make_channels,
    measure,
)
from thaniya_core.retention import RetentionSettings
from thaniya_core.service_lock import ServiceLock
from thaniya_core.store import StateView, Store
from thaniya_core.system.attempts import attempt
from thaniya_core.system.clock import Clock
from thaniya_core.system.deadline import LateCall
from thaniya_core.system.files import os_errors, require_directory, write_atomic
from thaniya_core.system.locks import try_lock
from thaniya_core.system.privileges import account
from thaniya_core.system.space import DiskSpace, disk_space

LOOK_BACK = timedelta(days=35)
"""Uploads that ended before are no sign of anything."""

VOLUME_WAIT_S = 5.0
"""A disk that does not answer for so long is not there."""


SURVEY_FILE = "survey.json"
"""The newest survey, in the directory of the state. It may be removed at any time."""


class Told(Struct, frozen=True):
    """What people were told."""

    report: Report
    sent: tuple[Sent, ...]
    """A message for each channel that had something to hear."""


class Monitoring:
    """Joins store, archive, retention and monitor, which do not know each other."""

    def __init__(
        self,
        config: Config,
        store: Store,
        clock: Clock,
        volumes: Volumes,
        retention: RetentionSettings,
        service_lock: ServiceLock,
        notifier: Notifier,
        pings: Pings,
    ) -> None:
        self._config = config
        self._store = store
        self._clock = clock
        self._volumes = volumes
        self._retention = retention
        self._service_lock = service_lock
        self.notifier = notifier
        self._pings = pings
        self.survey_file = config.paths.state / SURVEY_FILE
        """Where the newest survey is kept."""
        self._looks: dict[str, LateCall[DiskSpace | None]] = {}

    def check(self) -> Report:
        """Examine everything; nothing is changed.

        Raises:
            StateUnreadable: a file of the state cannot be read.
        """
        return examine(self.series_facts(), self._server_facts(), self._config.check)

    def survey(self) -> tuple[Report, Survey]:
        """Examine everything, and describe it at a glance, both in one pass; nothing is changed.

        Raises:
            StateUnreadable: a file of the state cannot be read.
        """
        state = self._store.read()
        ended = self._ended_lately(state.uploads.all())
        server = self._server_facts()
        surveyor = Surveyor(server.now)
        report = examine(self._facts_of_each(state, ended), server, self._config.check, surveyor.look)
        return report, surveyor.finish(report, ended)

    def series_facts(self, only: Iterable[Series] | None = None) -> Iterator[SeriesFacts]:
        """What is known of each series, one after the other: those with backups, those that an administrator expects,
        and those that were tried lately.

        Args:
            only: these alone; None for all.
        """
        state = self._store.read()
        return self._facts_of_each(state, self._ended_lately(state.uploads.all()), only)

    def _facts_of_each(
        self, state: StateView, ended_lately: Iterable[EndedUpload], only: Iterable[Series] | None = None
    ) -> Iterator[SeriesFacts]:
        enabled = {user.name for user in state.users.all() if user.enabled}
        expectations = {parse_series(each.series): each for each in state.expectations.all()}
        ended: defaultdict[Series, list[EndedUpload]] = defaultdict(list)
        for upload in ended_lately:
            ended[upload.series].append(upload)
        known = {*self._store.catalog_series(), *expectations, *ended}
        wanted = sorted(known if only is None else known.intersection(only))
        for series, applied in self._retention.of_each(wanted):
            yield SeriesFacts(
                series=series,
                backups=tuple(mark_broken_chains(self._store.read_catalog(series))),
                ended=tuple(ended.get(series, ())),
                expectation=expectations.get(series),
                is_pruned=bool(applied.policy),
                user_is_enabled=series.user in enabled,
            )

    def _ended_lately(self, on_their_way: list[Upload]) -> list[EndedUpload]:
        since = self._clock.now() - LOOK_BACK
        failed = [ended for upload in on_their_way if (ended := upload.in_few_words()) and ended.ended_at >= since]
        return list({upload.id: upload for upload in [*failed, *self._store.read_ended_uploads(since)]}.values())

    def _server_facts(self) -> ServerFacts:
        state = self._store.read()
        now = self._clock.now()
        return ServerFacts(
            now=now,
            users=tuple(state.users.all()),
            slots=tuple(state.slots.all()),
            uploads=tuple(state.uploads.all()),
            jobs=tuple(state.jobs.all()),
            volumes=tuple(self._look_at_volumes(state.volumes.all())),
            channels=tuple(record for record in state.channels.all() if record.name in self.notifier.channels),
            pings=next(iter(state.pings.all()), None) if self._config.ping != Ping() else None,
            service_runs=self._service_lock.is_alive(),
            service_seen_at=self._service_lock.seen_at(),
            runs={run.name: run for run in state.runs.all()},
            every_s=asdict(self._config.schedule),
            silence_s=self._config.slots.silence,
        )

    def _look_at_volumes(self, volumes: Iterable[Volume]) -> Iterator[VolumeFacts]:
        """All at the same time, each with a deadline: a network disk that is gone may hang whoever looks at it."""
        for volume, call in [(volume, self._begin_look(volume)) for volume in volumes]:
            try:
                space = call.result(VOLUME_WAIT_S, "it")
            except ThaniyaError as error:
                yield VolumeFacts(volume, problem=error.message)
            except OSError as error:
                yield VolumeFacts(volume, problem=f"{volume.path}: {error.strerror or error}")
            else:
                yield self._measured(volume, space)

    def _measured(self, volume: Volume, space: DiskSpace | None) -> VolumeFacts:
        if space is None:
            return VolumeFacts(volume)
        low = self._config.volumes.low
        return VolumeFacts(
            volume, space, low_bytes=low.bytes_of(space.total_bytes), low_files=low.part_of(space.total_files)
        )

    def _begin_look(self, volume: Volume) -> LateCall[DiskSpace | None]:
        """A look that hangs is waited for again, not joined by another one at each check."""
        call = self._looks.get(volume.id)
        if call is None or call.has_ended:
            call = self._looks[volume.id] = LateCall(partial(self._measure, volume))
        return call

    def _measure(self, volume: Volume) -> DiskSpace | None:
        return disk_space(volume.path) if self._volumes.is_present(volume) else None

    def metrics(self, report: Report) -> str:
        """A report as Prometheus reads it."""
        return exposition(measure(report))

    def tell(self) -> Told | None:
        """Send the pings that are due, check, keep the survey, and tell people what has changed since they were told
        last.

        Returns:
            What was found and what became of the messages; None while another process is about it: it tells the same.
        """
        with os_errors("lock what was told"):
            lock = try_lock(self._config.paths.state / "notify.lock")
        if lock is None:
            return None
        try:
            attempt("send the pings", self._pings.send_due)
            report, survey = self.survey()
            attempt("keep the survey", partial(keep_survey, self.survey_file, survey))
            return Told(report, tuple(self.notifier.tell(report)))
        finally:
            os.close(lock)


def write_textfile(file: Path, metrics: str) -> None:
    """Write metrics for node_exporter's textfile collector, which may read them at any instant.

    Raises:
        NotFound: its directory is missing.
        ThaniyaError: the file cannot be written.
        WrongUsage: the collector would not read it.
    """
    if file.suffix != ".prom" or file.is_dir():
        raise WrongUsage(
            f"node_exporter reads no metrics from {file}",
            hint="name a file that ends in .prom, in the directory of its textfile collector",
        )
    doing = f"write the metrics to {file}"
    with os_errors(doing):
        require_directory(file.absolute().parent, doing)
        write_atomic(file, metrics.encode(), 0o644)


def make_monitoring(
    config: Config,
    store: Store,
    clock: Clock,
    volumes: Volumes,
    retention: RetentionSettings,
    service_lock: ServiceLock,
) -> Monitoring:
    """Monitoring with the channels and pings of the configuration."""
    notifier = Notifier(
        store,
        clock,
        make_channels(config.notify, account()),
        server=socket.gethostname(),
        timeout_s=config.notify.timeout,
        remind_s=config.notify.remind,
    )
    pings = Pings(store, clock, config.ping)
    return Monitoring(config, store, clock, volumes, retention, service_lock, notifier, pings)
