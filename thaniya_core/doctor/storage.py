"""State, volumes and the disks below them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from thaniya_core.archive.volumes import Volumes
from thaniya_core.doctor.examination import Subject
from thaniya_core.doctor.finding import Finding, fail, ok, warn
from thaniya_core.formats.quantities import format_size
from thaniya_core.system.space import DiskSpace

FEW_FILES = 10_000
"""With fewer free inodes than this, files may soon find no room though bytes do."""
_LOCKS = Path("/proc/locks")


def check_state(subject: Subject) -> Iterator[Finding]:
    """The state can be read and is of a format that this version knows."""
    name, directory = "state", subject.config.paths.state
    if subject.machine.status(directory) is None:
        yield fail(name, f"{directory} is missing", "thaniya setup openssh, or: thaniya init DIRECTORY")
        return
    list(os.scandir(directory))  # one that may not look would see an empty state
    state = subject.store.read()
    slots, users, volumes = len(state.slots.all()), len(state.users.all()), len(state.volumes.all())
    yield ok(name, f"{directory}: {slots} slots, {users} users, {volumes} volumes")
    broken = [slot for slot in state.slots.all() if slot.state == "degraded"]
    for slot in broken:
        yield warn(f"slot {slot.name}", f"it is degraded: {slot.reason}", f"thaniya slot reset {slot.name}")


def check_volumes(subject: Subject) -> Iterator[Finding]:
    """Each volume is where it should be, and one at least takes backups."""
    if subject.state is None:
        return
    volumes = Volumes(subject.store, subject.clock)
    known = volumes.all()
    for volume in known:
        name = f"volume {volume.label}"
        if volumes.is_present(volume):
            yield ok(name, f"{volume.path}" + ("" if volume.active else ", takes no new backups"))
        else:
            yield fail(
                name,
                f"it is not at {volume.path}: its disk may not be mounted",
                f"mount {volume.path}, or: thaniya volume rescan",
            )
    if not any(volume.active for volume in known):
        yield fail("volumes", "no volume takes backups", "thaniya volume add PATH, or: thaniya volume activate VOLUME")


def check_space(subject: Subject) -> Iterator[Finding]:
    """Every disk has more free than allocation leaves free."""
    seen: dict[int, str] = {}
    for what, path in subject.data_paths.items():
        status = subject.machine.status(path)
        if status is None:
            continue
        if status.device in seen:
            continue
        seen[status.device] = what
        yield judge_space(what, path, subject.machine.space(path), subject.config.slots.margin)


def judge_space(what: str, path: Path, space: DiskSpace, margin_bytes: int) -> Finding:
    """Whether there is room on the disk of a path."""
    name = f"disk of the {what}"
    free = f"{format_size(space.free_bytes)} free at {path}"
    cure = f"make room there (df -h {path}), or lower slots.margin in thaniya.toml"
    if space.free_bytes < margin_bytes:
        return fail(name, f"{free}, less than the margin of {format_size(margin_bytes)}: uploads are refused", cure)
    if space.total_files and space.free_files < FEW_FILES:
        return warn(name, f"room for {space.free_files} more files only at {path}", f"df -i {path}")
    return ok(name, free)


def check_file_systems(subject: Subject) -> Iterator[Finding]:
    """On one file system nothing is copied between slot, spool and volume."""
    paths = {what: path for what, path in subject.data_paths.items() if what != "state"}
    devices = {what: found.device for what, path in paths.items() if (found := subject.machine.status(path))}
    name, together = "file systems", devices.get("spool")
    elsewhere = [what for what, device in devices.items() if device != together]
    if elsewhere:
        yield ok(name, f"each upload is copied: not on the spool's file system: {', '.join(elsewhere)}")
    else:
        yield ok(name, "slots, spool and volumes are on one: no upload is copied")


def check_service(subject: Subject) -> Iterator[Finding]:
    """Whether a service holds its lock."""
    name, pid = "service", find_service_process(subject)
    if pid:
        yield ok(name, f"it runs, as process {pid}")
    elif subject.machine.status(subject.installation.cron) is not None:
        yield ok(name, f"cron does its work: {subject.installation.cron}")
    else:
        cure = "systemctl enable --now thaniya" if subject.machine.has_systemd else "thaniya serve, or tick by cron"
        yield fail(name, "it does not run: uploads are neither closed nor archived", cure)


def find_service_process(subject: Subject) -> str:
    """The process that holds the service's lock, as the kernel's list of locks tells (proc(5)); empty: none does."""
    lock = subject.config.paths.state / "service.lock"
    found = subject.machine.read(_LOCKS)
    return find_holder((found or b"").decode("ascii", "replace"), lock.stat().st_ino) if lock.exists() else ""


def find_holder(locks: str, inode: int) -> str:
    """The process that holds a lock on an inode; empty when none does."""
    for line in locks.splitlines():
        fields = line.split()
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == str(inode):
            return fields[4]
    return ""
