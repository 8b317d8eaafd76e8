"""Makes a backup: the order of things, whatever is backed up and wherever it goes."""

from __future__ import annotations

import platform
import random
import re
import socket
from collections.abc import Sequence
from time import monotonic, sleep

import thaniya_core
from thaniya_client.connectors.interface import Connector, Upload
from thaniya_client.encryption.recipients import Recipients
from thaniya_client.incremental.run import Increments, KeepsIncrements
from thaniya_client.log import ClientLog
from thaniya_client.meter import Meter
from thaniya_client.packer import Packer
from thaniya_client.tasks.interface import Task, check_tools, describe_task, prepared
from thaniya_client.values import OnProgress, Phase, Report
from thaniya_core.errors import NoFreeSlot, ThaniyaError, TooManyUploads, WrongUsage
from thaniya_core.formats.manifest import FileKind, Manifest
from thaniya_core.formats.names import check_host, check_series_name

CLIENT = f"thaniya-client {thaniya_core.__version__}"
LOG_FILE = "client.log"

_BUSY_PAUSE_S = (0.5, 3.0)


def make_backup(
    connector: Connector,
    tasks: Sequence[Task],
    *,
    name: str,
    host: str | None = None,
    wait: bool = True,
    patience_s: float,
    on_progress: OnProgress | None = None,
    log: ClientLog,
    bytes_per_s: int | None = None,
    tags: tuple[str, ...] = (),
    recipients: Recipients | None = None,
) -> Report:
    """Pack all tasks into one backup and send it; see `Target.backup`. The log is closed in the end."""
    if not tasks:
        raise WrongUsage("there is nothing to back up", hint='give at least one task, as Directory("/home")')
    check_series_name(name)
    host = default_host() if host is None else check_host(host)
    started = monotonic()
    try:
        log.note(f"{CLIENT} on {socket.gethostname()}, Python {platform.python_version()}")
        meter = Meter(on_progress, Phase.ESTIMATING)
        check_tools(tasks)
        with (
            prepared(tasks),
            Increments(tasks, connector, host, name, encrypted_to=recipients.mark if recipients else "") as increments,
        ):
            # An increment is smaller than what it is of, and nobody knows by how much.
            expected_bytes = None if increments.parents else _estimate(tasks)
            meter.expect(expected_bytes)
            upload = _begin(connector, host, name, expected_bytes, increments.parents, patience_s, meter)
            try:
                increments.agree(upload)
                packer = Packer(upload, log, meter, increments, bytes_per_s, recipients)
                return _fill(upload, tasks, increments, log, meter, wait, started, packer, tags)
            except BaseException as exc:
                _abort(upload, exc, is_secret=recipients is not None)
                raise
    finally:
        log.close()


def default_host() -> str:
    """This machine's name, made legal for a series."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname()).lstrip("._-")[:64]
    return name or "localhost"


def _begin(
    connector: Connector,
    host: str,
    name: str,
    expected_bytes: int | None,
    parents: Sequence[str],
    patience_s: float,
    meter: Meter,
) -> Upload:
    """Open an upload; while no slot is free for it, ask again at random intervals, so that many clients take turns."""
    deadline = monotonic() + patience_s
    while True:
        try:
            if parents and isinstance(connector, KeepsIncrements):
                return connector.begin_on(parents, host, name, expected_bytes)
            return connector.begin(host, name, expected_bytes)
        except (NoFreeSlot, TooManyUploads) as busy:
            pause_s = min(random.uniform(*_BUSY_PAUSE_S), deadline - monotonic())
            if pause_s <= 0:
                raise
            meter.enter(Phase.WAITING, busy.message)
            sleep(pause_s)


def _estimate(tasks: Sequence[Task]) -> int | None:
    total = 0
    for task in tasks:
        estimated = task.estimate_bytes()
        if estimated is None:
            return None
        total += estimated
    return total


def _fill(
    upload: Upload,
    tasks: Sequence[Task],
    increments: Increments,
    log: ClientLog,
    meter: Meter,
    wait: bool,
    started: float,
    packer: Packer,
    tags: tuple[str, ...],
) -> Report:
    started_at = log.now()
    log.note(f"backup {upload.id} of {upload.series}")
    if increments.parent is not None:
        log.note(f"an increment on {increments.parent}")
    elif increments.full_because:
        log.note(f"a full backup: {increments.full_because}")
    meter.enter(Phase.PACKING)
    for task in tasks:
        log.note(f"packing {describe_task(task)}")
        task.pack(packer)
    packed = packer.files
    for file in packed:
        log.note(f"{file.sha256}  {file.name}  {file.size_bytes} bytes")
    for hindrance in increments.remember(upload.id, packed):
        log.warn(hindrance)
    log.note(f"packed in {monotonic() - started:.1f} s, {log.warning_count} warnings")
    warnings, warning_count = log.warnings, log.warning_count
    packer.store(LOG_FILE, log.rewound(), kind=FileKind.LOG)
    manifest = Manifest(
        files=packer.files,
        warnings=packer.told_warnings(warnings),
        warning_count=warning_count,
        started_at=started_at,
        ended_at=log.now(),
        client=CLIENT,
        parent=increments.parent,
        recipes=packer.recipes,
        tags=tags,
    )
    meter.enter(Phase.ARCHIVING)
    outcome = upload.finish(manifest, wait, lambda state: meter.enter(Phase.ARCHIVING, state))
    increments.settle(upload.id, outcome.state)
    meter.enter(Phase.DONE)
    stored_bytes = sum(file.size_bytes or 0 for file in manifest.files)
    return Report(
        id=upload.id,
        series=upload.series,
        state=outcome.state,
        files=manifest.files,
        stored_bytes=outcome.stored_bytes or stored_bytes,
        original_bytes=sum(file.original_bytes or file.size_bytes or 0 for file in manifest.files),
        entries=sum(file.entries or 0 for file in manifest.files if file.kind is FileKind.TAR),
        parent=increments.parent,
        full_because=increments.full_because,
        warnings=warnings,
        warning_count=warning_count,
        seconds=round(monotonic() - started, 3),
        tags=tags,
    )


def _abort(upload: Upload, cause: BaseException, *, is_secret: bool) -> None:
    """Give the upload up; that this fails too must not hide why it was given up.

    Args:
        upload: what is given up.
        cause: why.
        is_secret: the message may name what the place of backups is not to know.
    """
    reason = type(cause).__name__
    if isinstance(cause, ThaniyaError):
        reason = cause.title if is_secret else cause.message
    try:
        upload.abort(reason[:500])
    except ThaniyaError as exc:
        cause.add_note(f"upload {upload.id} could not be aborted: {exc}")
