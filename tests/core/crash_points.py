"""Does something with a server and dies on the way, once at each change of the file system; then carries it on.

    python crash_points.py CONFIG SCENARIO [WORD]

For each crash point a line of JSON tells how the server looks after it was started again and had nothing left to do.
The last line is that of the run that was not interrupted. A crash is the end of the process, as by `kill -9`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from thaniya_core.errors import NotFound, WrongState
from thaniya_core.formats.manifest import BackupFile, Manifest
from thaniya_core.retention import parse_policy
from thaniya_core.server import Server, open_server
from thaniya_core.testing import FixedClock

DEADLINE_S = 60.0
LAST_POINT = 1000
CHANGES = {"os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.truncate"}


def die_at(point: int) -> None:
    """End the process just before the change of that number."""
    seen = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if event in CHANGES or writes:
            seen += 1
            if seen == point:
                os._exit(9)

    sys.addaudithook(hook)


def complete(server: Server, upload_id: str) -> None:
    """What the client does: say `complete`, and say it again when no answer came."""
    try:
        directory = server.accounts.directory(server.uploads.get(upload_id).slot)
        files = sorted(path for path in directory.iterdir() if path.is_file() and not path.is_symlink())
        upload = server.uploads.complete(upload_id, Manifest(tuple(_described(path) for path in files)), "alice")
    except WrongState:
        return
    server.settle(upload)


def abort(server: Server, upload_id: str) -> None:
    try:
        server.abort_upload(upload_id, "not wanted", "alice")
    except WrongState:
        pass


def remove(server: Server, backup_id: str) -> None:
    try:
        server.backups.remove(server.catalog.get(backup_id), "login:test")
    except NotFound:
        pass


def prune(server: Server, policy: str) -> None:
    assert isinstance(server.clock, FixedClock)
    server.clock.advance(30 * 86400)  # the backups were made on several days, all of them past
    server.retention_settings.set("default", parse_policy(policy), "login:test")
    for series in server.store.catalog_series():
        server.retention.apply(series, "login:test")


def nothing(server: Server, _: str) -> None:
    """The service alone."""


SCENARIOS: dict[str, Callable[[Server, str], None]] = {
    "complete": complete,
    "abort": abort,
    "remove": remove,
    "prune": prune,
    "carry-on": nothing,
}


def _described(path: Path) -> BackupFile:
    return BackupFile(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)


def carry_on(server: Server) -> None:
    """What a service does until nothing is left to do."""
    with server.as_service():
        server.recover()
        server.close_slots()
        while server.worker.run_due():
            server.worker.drain(DEADLINE_S)


def look(server: Server, root: Path) -> dict[str, object]:
    """All that must be the same, whenever it crashed."""
    backups = server.catalog.find()
    return {
        "uploads": [[upload.id, upload.state, upload.reason] for upload in server.uploads.list_on_their_way()],
        "ended": [[upload.id, upload.state, upload.reason] for upload in server.uploads.list_ended(99)],
        "slots": [[slot.name, slot.state, slot.upload_id] for slot in server.slots.all()],
        "jobs": [[job.subject, job.state] for job in server.jobs.waiting()],
        "backups": [backup.id for backup in backups],
        "damage": [server.backups.verify(backup, "login:test").broken for backup in backups],
        "rebuilt": server.catalog.rebuild().added,
        "in_slots": [path.name for path in (root / "slots").glob("*/upload/*")],
        "spool": [path.name for path in (root / "spool").iterdir()],
        "half_done": [path.name for path in (root / "volume").glob(".*/*")],
        "names": max(
            (path.stat().st_nlink for path in (root / "volume" / "archive").glob("*/*/*/*/*")),
            default=0,
        ),
        "stored": sorted(path.name for path in (root / "volume" / "archive").glob("*/*/*/*/*")),
    }


def run_until(point: int, config: Path, scenario: Callable[[Server, str], None], word: str) -> bool:
    """Run in a process of its own; True when it died at that point."""
    child = os.fork()
    if child == 0:
        server = open_server(config, FixedClock())
        die_at(point)
        with server.as_service():
            scenario(server, word)
            carry_on(server)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 9


def main() -> None:
    config, scenario, word = Path(sys.argv[1]), SCENARIOS[sys.argv[2]], sys.argv[3]
    root = config.parent
    pristine = root.with_name("pristine")
    shutil.copytree(root, pristine, symlinks=True)
    for point in range(1, LAST_POINT):
        shutil.rmtree(root)
        shutil.copytree(pristine, root, symlinks=True)
        has_died = run_until(point, config, scenario, word)
        server = open_server(config, FixedClock())
        carry_on(server)
        scenario(server, word)
        carry_on(server)
        print(json.dumps({"point": point} | look(server, root)), flush=True)
        if not has_died:
            return


if __name__ == "__main__":
    main()
