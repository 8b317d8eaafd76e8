"""What `SystemState` asks a machine: a table of programs and files."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct


class Fact(Struct, frozen=True):
    """A program whose output is kept, and as which file."""

    member: str
    argv: tuple[str, ...]


COMMANDS = (
    Fact("uname.txt", ("uname", "-a")),
    Fact("dpkg-selections.txt", ("dpkg", "--get-selections")),
    Fact("dpkg-versions.txt", ("dpkg-query", "-W", "-f", "${binary:Package}\t${Version}\t${Status}\n")),
    Fact("apt-manual.txt", ("apt-mark", "showmanual")),
    Fact("rpm-packages.txt", ("rpm", "-qa", "--qf", "%{NAME}\t%{VERSION}-%{RELEASE}\t%{ARCH}\n")),
    Fact("dnf-manual.txt", ("dnf", "-q", "-C", "repoquery", "--userinstalled")),
    Fact("pacman-packages.txt", ("pacman", "-Q")),
    Fact("apk-packages.txt", ("apk", "info", "-v")),
    Fact("flatpak.txt", ("flatpak", "list", "--columns=application,version,origin")),
    Fact("snap.txt", ("snap", "list")),
    Fact("units-enabled.txt", ("systemctl", "list-unit-files", "--state=enabled", "--no-pager", "--no-legend")),
    Fact("timers.txt", ("systemctl", "list-timers", "--all", "--no-pager")),
    Fact("mounts.txt", ("findmnt", "--list", "--output", "TARGET,SOURCE,FSTYPE,OPTIONS")),
    Fact("disk-usage.txt", ("df", "-PT")),
    Fact("block-devices.json", ("lsblk", "--json", "--bytes", "--output-all")),
    Fact("filesystems.txt", ("blkid",)),
    Fact("lvm-physical-volumes.txt", ("pvs", "-o", "+pv_uuid")),
    Fact("lvm-volume-groups.txt", ("vgs", "-o", "+vg_uuid")),
    Fact("lvm-logical-volumes.txt", ("lvs", "-o", "+lv_uuid,devices")),
    Fact("raid.conf", ("mdadm", "--detail", "--scan")),
    Fact("zfs-pools.txt", ("zpool", "status", "-P")),
    Fact("zfs-datasets.txt", ("zfs", "get", "-s", "local", "all")),
    Fact("btrfs.txt", ("btrfs", "filesystem", "show")),
    Fact("boot-entries.txt", ("efibootmgr", "-v")),
    Fact("sysctl.txt", ("sysctl", "-a")),
    Fact("modules.txt", ("lsmod",)),
    Fact("pci.txt", ("lspci", "-nn")),
    Fact("addresses.txt", ("ip", "address")),
    Fact("routes.txt", ("ip", "route", "show", "table", "all")),
    Fact("sockets.txt", ("ss", "-tulpn")),
    Fact("firewall-nft.txt", ("nft", "list", "ruleset")),
    Fact("firewall-iptables.txt", ("iptables-save",)),
    Fact("firewall-ip6tables.txt", ("ip6tables-save",)),
    Fact("containers-docker.txt", ("docker", "ps", "--all", "--no-trunc")),
    Fact("containers-podman.txt", ("podman", "ps", "--all", "--no-trunc")),
)

DISK_COMMANDS = (Fact("partitions-{disk}.sfdisk", ("sfdisk", "--dump", "/dev/{device}")),)
"""Asked of each disk."""

FILES = (
    "/etc/os-release",
    "/etc/hostname",
    "/etc/fstab",
    "/etc/crypttab",
    "/etc/passwd",
    "/etc/group",
    "/etc/crontab",
    "/etc/anacrontab",
    "/etc/cron.d/*",
    "/var/spool/cron/crontabs/*",
    "/var/spool/cron/*",
    "/etc/apt/sources.list",
    "/etc/apt/sources.list.d/*",
    "/etc/yum.repos.d/*",
    "/etc/lvm/backup/*",
    "/proc/mounts",
    "/proc/cmdline",
    "/proc/mdstat",
    "/proc/swaps",
)


def is_real_disk(block: Path) -> bool:
    """Whether an entry of /sys/block is a disk of the machine, no loop device, memory or part of something else."""
    return (block / "device").exists()
