"""Snapshots to back up from: the source goes on changing, the snapshot does not. Each is removed after the backup."""

from __future__ import annotations

import re
from pathlib import Path

from thaniya_client.around.actions import Action
from thaniya_client.tasks.tools import Tool
from thaniya_core.errors import WrongUsage

_MOUNT = Tool("mount", install="apt install mount")
_MOUNTPOINT = Tool("mountpoint", install="apt install util-linux")
_LVM_NAME = r"[A-Za-z0-9+_.][A-Za-z0-9+_.-]{0,126}"
_LVM_VOLUME = re.compile(rf"({_LVM_NAME})/({_LVM_NAME})")
_LVM_SIZE = re.compile(r"[0-9]+(\.[0-9]+)?[bBsSkKmMgGtT]?|[0-9]{1,3}%(ORIGIN|VG|FREE)")
_ZFS_DATASET = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]*(/[A-Za-z0-9_.:-]+)*")
_ZFS_NAME = re.compile(r"[A-Za-z0-9_.:][A-Za-z0-9_.:-]{0,100}")


class BtrfsSnapshot:
    """A read-only snapshot of a btrfs subvolume.

    before=[BtrfsSnapshot("/srv", at="/srv/.backup")], and back up Directory("/srv/.backup", name="srv")
    """

    def __init__(self, subvolume: str | Path, *, at: str | Path) -> None:
        """
        Args:
            subvolume: the directory where it is mounted or lies. Other subvolumes in it are empty in the snapshot.
            at: where the snapshot is made: a path on the same file system that is not there yet.
        """
        self.subvolume = Path(subvolume).expanduser().absolute()
        self.at = Path(at).expanduser().absolute()

    def __repr__(self) -> str:
        return f"BtrfsSnapshot({str(self.subvolume)!r}, at={str(self.at)!r})"

    def describe(self) -> str:
        """What is made."""
        return f"make a btrfs snapshot of {self.subvolume} at {self.at}"

    def tools(self) -> list[Tool]:
        """btrfs."""
        return [Tool("btrfs", install="apt install btrfs-progs")]

    def actions(self) -> list[Action]:
        """Make it, and delete it."""
        return [
            Action(
                what=self.describe(),
                do=("btrfs", "subvolume", "snapshot", "-r", str(self.subvolume), str(self.at)),
                undo_what=f"delete the btrfs snapshot {self.at}",
                undo=("btrfs", "subvolume", "delete", str(self.at)),
                undo_needed_if=("test", "-e", str(self.at)),
            )
        ]


class LvmSnapshot:
    """A snapshot of a logical volume, mounted for reading when `at` is given.

    before=[LvmSnapshot("vg0/srv", size="5G", at="/mnt/snapshot")], and back up Directory("/mnt/snapshot", name="srv")
    before=[LvmSnapshot("vg0/mail", size="5G")], and back up BlockDevice("/dev/vg0/thaniya-mail", name="mail")
    """

    def __init__(
        self,
        volume: str,
        *,
        size: str = "",
        at: str | Path | None = None,
        name: str = "",
        mount_options: str = "ro",
    ) -> None:
        """
        Args:
            volume: volume group and logical volume: `vg0/srv`.
            size: how much may change in the volume while the snapshot is there: `5G`, `10%ORIGIN`. One that overflows
                is lost, and with it the backup. Empty for a thin volume, whose snapshots need none.
            at: an empty directory to mount it at; None: it is not mounted.
            name: of the snapshot; by default `thaniya-` and the volume's name.
            mount_options: `ro`; for XFS `ro,nouuid`.

        Raises:
            WrongUsage: that cannot be a volume, a name or a size.
        """
        match = _LVM_VOLUME.fullmatch(volume)
        if match is None:
            raise WrongUsage(f"{volume!r} is not a logical volume", hint="written like vg0/srv; `lvs` lists them")
        if size and not _LVM_SIZE.fullmatch(size):
            raise WrongUsage(f"{size!r} is not a size for a snapshot", hint="written like 5G or 10%ORIGIN")
        self.volume, self.size = volume, size
        self.name = name or f"thaniya-{match[2]}"
        if not re.fullmatch(_LVM_NAME, self.name):
            raise WrongUsage(f"{self.name!r} is not a name for a snapshot")
        self.at = None if at is None else Path(at).expanduser().absolute()
        self.mount_options = mount_options
        self._snapshot = f"{match[1]}/{self.name}"

    def __repr__(self) -> str:
        return f"LvmSnapshot({self.volume!r})"

    @property
    def device(self) -> Path:
        """The snapshot as a block device."""
        return Path("/dev") / self._snapshot

    def describe(self) -> str:
        """What is made."""
        mounted = "" if self.at is None else f", mounted at {self.at}"
        return f"make a snapshot {self._snapshot} of {self.volume}{mounted}"

    def tools(self) -> list[Tool]:
        """lvcreate, lvremove, lvs, and mount."""
        lvm = [Tool(program, install="apt install lvm2") for program in ("lvcreate", "lvremove", "lvs")]
        return lvm if self.at is None else [*lvm, _MOUNT, _MOUNTPOINT]

    def actions(self) -> list[Action]:
        """Make and mount it, unmount and remove it."""
        space = ("--size", self.size) if "%" not in self.size else ("--extents", self.size)
        made = Action(
            what=f"make a snapshot {self._snapshot} of {self.volume}",
            # A thin snapshot is not active, unless asked for.
            do=(
                *("lvcreate", "--snapshot", "--name", self.name),
                *(space if self.size else ("--setactivationskip", "n")),
                self.volume,
            ),
            undo_what=f"remove the snapshot {self._snapshot}",
            undo=("lvremove", "--force", "--yes", self._snapshot),
            undo_needed_if=("lvs", self._snapshot),
        )
        return [made] if self.at is None else [made, self._mounting(self.at)]

    def _mounting(self, at: Path) -> Action:
        return Action(
            what=f"mount {self.device} at {at}",
            do=("mount", "-o", self.mount_options, str(self.device), str(at)),
            undo_what=f"unmount {at}",
            undo=("umount", str(at)),
            undo_needed_if=("mountpoint", "-q", str(at)),
        )


class ZfsSnapshot:
    """A snapshot of a ZFS file system, which shows it in `.zfs/snapshot` where it is mounted.

    before=[ZfsSnapshot("tank/srv")], and back up Directory("/srv/.zfs/snapshot/thaniya", name="srv")
    """

    def __init__(self, dataset: str, *, name: str = "thaniya") -> None:
        """
        Args:
            dataset: the file system: `tank/srv`. Others below it are not in the snapshot.
            name: of the snapshot.

        Raises:
            WrongUsage: that cannot be a file system or a name.
        """
        if not _ZFS_DATASET.fullmatch(dataset):
            raise WrongUsage(
                f"{dataset!r} is not a ZFS file system", hint="written like tank/srv; `zfs list` lists them"
            )
        if not _ZFS_NAME.fullmatch(name):
            raise WrongUsage(f"{name!r} is not a name for a snapshot")
        self.dataset, self.name = dataset, name

    def __repr__(self) -> str:
        return f"ZfsSnapshot({self.dataset!r}, name={self.name!r})"

    def describe(self) -> str:
        """What is made."""
        return f"make a ZFS snapshot {self.dataset}@{self.name}"

    def tools(self) -> list[Tool]:
        """zfs."""
        return [Tool("zfs", install="apt install zfsutils-linux")]

    def actions(self) -> list[Action]:
        """Make it, and destroy it."""
        snapshot = f"{self.dataset}@{self.name}"
        return [
            Action(
                what=self.describe(),
                do=("zfs", "snapshot", snapshot),
                undo_what=f"destroy the ZFS snapshot {snapshot}",
                undo=("zfs", "destroy", snapshot),
                undo_needed_if=("zfs", "list", "-H", "-t", "snapshot", "-o", "name", snapshot),
            )
        ]
