"""Services and snapshots. LVM, ZFS and systemd are tried by their command lines: a test machine has none to spare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from thaniya_client import (
    BtrfsSnapshot,
    Directory,
    LocalDirectory,
    LvmSnapshot,
    StepFailed,
    StoppedService,
    WrongUsage,
    ZfsSnapshot,
)
from thaniya_client.around.actions import ReadyStep
from thaniya_core.errors import CommandFailed
from thaniya_core.system.run import run

SYSTEMCTL = """
units=$(dirname "$0")/../units
echo "$*" >>"$units.log"
for unit; do :; done
case "$1" in
    is-active) cat "$units/$unit"; test "$(cat "$units/$unit")" = active ;;
    stop) test -e "$units/$unit" || { echo "Unit $unit not loaded." >&2; exit 5; }; echo inactive >"$units/$unit" ;;
    start) echo active >"$units/$unit" ;;
esac
"""


@pytest.fixture
def units(tmp_path: Path, programs: Callable[[str, str], None]) -> Path:
    """Where the stand-in for systemctl keeps the states of its units."""
    programs("systemctl", SYSTEMCTL)
    (tmp_path / "units").mkdir()
    for name, state in {"shop.service": "active", "slow.service": "activating", "idle.service": "inactive"}.items():
        (tmp_path / "units" / name).write_text(f"{state}\n")
    return tmp_path / "units"


def states(units: Path) -> dict[str, str]:
    return {file.name: file.read_text().strip() for file in units.iterdir()}


def test_services_that_ran_are_started_again(target: LocalDirectory, source: Directory, units: Path) -> None:
    meanwhile: list[dict[str, str]] = []
    target.backup(
        source,
        name="nightly",
        before=[
            StoppedService("shop.service", "slow.service", "idle.service"),
            lambda: meanwhile.append(states(units)),
        ],
    )
    assert set(meanwhile[0].values()) == {"inactive"}
    assert states(units) == {"shop.service": "active", "slow.service": "active", "idle.service": "inactive"}
    changes = [line for line in units.with_suffix(".log").read_text().splitlines() if "is-active" not in line]
    assert changes[-2:] == ["start -- slow.service", "start -- shop.service"]


def test_a_service_that_is_not_there_fails_the_backup(target: LocalDirectory, source: Directory, units: Path) -> None:
    with pytest.raises(StepFailed, match=r"Unit shopp.service not loaded"):
        target.backup(source, name="nightly", before=[StoppedService("shop.service", "shopp.service")])
    assert states(units)["shop.service"] == "active"


def all_commands(step: ReadyStep) -> list[str]:
    actions = list(step.actions())
    done = [" ".join(action.do) for action in actions]
    return done + [" ".join(action.undo) for action in reversed(actions)]


@pytest.mark.parametrize(
    "step, commands",
    [
        (
            LvmSnapshot("vg0/srv", size="5G", at="/mnt/snapshot"),
            [
                "lvcreate --snapshot --name thaniya-srv --size 5G vg0/srv",
                "mount -o ro /dev/vg0/thaniya-srv /mnt/snapshot",
                "umount /mnt/snapshot",
                "lvremove --force --yes vg0/thaniya-srv",
            ],
        ),
        (
            LvmSnapshot("vg0/srv", size="10%ORIGIN", name="copy"),
            [
                "lvcreate --snapshot --name copy --extents 10%ORIGIN vg0/srv",
                "lvremove --force --yes vg0/copy",
            ],
        ),
        (
            LvmSnapshot("vg0/thin", mount_options="ro,nouuid", at="/mnt/s"),
            [
                "lvcreate --snapshot --name thaniya-thin --setactivationskip n vg0/thin",
                "mount -o ro,nouuid /dev/vg0/thaniya-thin /mnt/s",
                "umount /mnt/s",
                "lvremove --force --yes vg0/thaniya-thin",
            ],
        ),
        (ZfsSnapshot("tank/srv"), ["zfs snapshot tank/srv@thaniya", "zfs destroy tank/srv@thaniya"]),
        (
            BtrfsSnapshot("/srv", at="/srv/.backup"),
            ["btrfs subvolume snapshot -r /srv /srv/.backup", "btrfs subvolume delete /srv/.backup"],
        ),
        (StoppedService("shop.service"), ["systemctl stop -- shop.service", "systemctl start -- shop.service"]),
    ],
)
def test_command_lines(step: ReadyStep, commands: list[str]) -> None:
    assert all_commands(step) == commands
    assert all(action.undo_needed_if or action.undo_wanted_if for action in step.actions())
    assert isinstance(step, ReadyStep)


@pytest.mark.parametrize(
    "make",
    [
        lambda: LvmSnapshot("srv"),
        lambda: LvmSnapshot("vg0/-f"),
        lambda: LvmSnapshot("vg0/srv", size="much"),
        lambda: LvmSnapshot("vg0/srv", name="a/b"),
        lambda: ZfsSnapshot("tank/srv@x"),
        lambda: ZfsSnapshot("-r"),
        lambda: ZfsSnapshot("tank", name="a@b"),
        lambda: StoppedService(),
        lambda: StoppedService("--all"),
        lambda: StoppedService("a b"),
    ],
)
def test_what_cannot_be_a_name_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(WrongUsage):
        make()


@pytest.fixture
def btrfs(tmp_path: Path) -> Iterator[Path]:
    """A btrfs subvolume of its own, with a file."""
    image, at = tmp_path / "disk.img", tmp_path / "btrfs"
    image.touch()
    with image.open("r+b") as file:
        file.truncate(128 * 1024 * 1024)
    run(["mkfs.btrfs", "--quiet", str(image)], timeout_s=60)
    at.mkdir()
    try:
        run(["mount", "-o", "loop", str(image), str(at)], timeout_s=60)
    except CommandFailed as exc:
        pytest.skip(f"cannot run here: btrfs cannot be mounted: {exc.message}")
    try:
        run(["btrfs", "subvolume", "create", str(at / "srv")], timeout_s=60)
        (at / "srv/file").write_text("before")
        yield at / "srv"
    finally:
        run(["umount", str(at)], timeout_s=60)


def test_a_btrfs_snapshot_is_backed_up_and_deleted(target: LocalDirectory, btrfs: Path, tmp_path: Path) -> None:
    snapshot = btrfs / ".backup"

    def go_on_working() -> None:
        (btrfs / "file").write_text("after")

    report = target.backup(
        Directory(snapshot, name="srv"), name="nightly", before=[BtrfsSnapshot(btrfs, at=snapshot), go_on_working]
    )
    assert report.warnings == ()
    assert not snapshot.exists()
    target.restore(report.id, into=tmp_path / "restored")
    assert (tmp_path / "restored/file").read_text() == "before"


def test_a_btrfs_snapshot_is_deleted_when_the_backup_fails(target: LocalDirectory, btrfs: Path) -> None:
    with pytest.raises(StepFailed):
        target.backup(
            Directory(btrfs / ".backup"), name="nightly", before=[BtrfsSnapshot(btrfs, at=btrfs / ".backup"), ["false"]]
        )
    assert not (btrfs / ".backup").exists()


def test_a_directory_in_the_place_of_a_btrfs_snapshot_stays(target: LocalDirectory, btrfs: Path) -> None:
    (btrfs / ".backup").mkdir()
    with pytest.raises(StepFailed, match="is there already"):
        target.backup(Directory(btrfs), name="nightly", before=[BtrfsSnapshot(btrfs, at=btrfs / ".backup")])
    assert list((btrfs / ".backup").iterdir()) == []
