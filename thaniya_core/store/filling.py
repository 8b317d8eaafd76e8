"""Writing a whole past at once, for a server that is made with one; what a store adds one by one would take minutes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from thaniya_core.model import Event, Job, Upload
from thaniya_core.store.cache import ContentCache
from thaniya_core.store.events import encode_event
from thaniya_core.store.jsonfile import JsonFile
from thaniya_core.store.records import JOBS, UPLOADS, Draft
from thaniya_core.store.rules import day_of, end_of, month_of
from thaniya_core.store.tiny import TinyFile
from thaniya_core.store.views import HISTORY_KINDS
from thaniya_core.system.files import make_directories, write_atomic


def fill_history(state: Path, uploads: Iterable[Upload], jobs: Iterable[Job]) -> None:
    """Write ended uploads and jobs as the whole history; nobody else may use the store.

    Args:
        state: the store's directory.
        uploads, jobs: all there are, in any order.
    """
    drafts: defaultdict[str, tuple[Draft[Upload], Draft[Job]]] = defaultdict(
        lambda: (Draft(UPLOADS, {}), Draft(JOBS, {}))
    )
    for upload in uploads:
        drafts[day_of(end_of(upload))][0].put(upload)
    for job in jobs:
        drafts[day_of(end_of(job))][1].put(job)
    for day, both in sorted(drafts.items()):
        TinyFile(JsonFile(state / "history" / f"{day}.json"), HISTORY_KINDS, ContentCache()).replace(both)


def fill_log(state: Path, events: Iterable[Event]) -> None:
    """Write events as the whole audit log; nobody else may use the store.

    Args:
        state: the store's directory.
        events: all there are, in any order.
    """
    lines: defaultdict[str, list[bytes]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.at):
        lines[month_of(event.at)].append(encode_event(event))
    make_directories(state / "log")
    for month, written in lines.items():
        write_atomic(state / "log" / f"{month}.jsonl", b"\n".join(written) + b"\n")
