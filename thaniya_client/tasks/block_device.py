"""Backs up a block device, or the image of one, byte for byte."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from thaniya_client.packer import PackedFile, Packer
from thaniya_core.errors import SourceFailed
from thaniya_core.formats.compression import Compression, check_level
from thaniya_core.formats.names import check_file

_READ_BYTES = 1024 * 1024
_ZEROS = bytes(_READ_BYTES)


class BlockDevice:
    """The raw image of a disk, partition, logical volume, or image file.

        BlockDevice("/dev/vg0/mail-snapshot")

    A device that is in use - mounted, swap, part of a volume group or RAID - is refused, and cannot be mounted while it
    is read: what changes meanwhile would be torn. Take a snapshot instead. Holes of an image file are not read, zeros
    compress to nearly nothing, and the recipe in RESTORE.txt makes them holes again.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        even_if_in_use: bool = False,
        compression: Compression | str = Compression.GZIP,
        level: int | None = None,
    ) -> None:
        """Describe what to back up; nothing is read yet.

        Args:
            path: the device or image file.
            name: of the file in the backup, without `.img` and the compression's suffix; by default the device's own.
            even_if_in_use: read a device that is mounted or otherwise in use; that is a warning then.
            compression: `gzip`, `bzip2`, `xz` or `none`, with which zeros take their full size.
            level: the compressor's level; by default fast rather than small.

        Raises:
            IllegalName: no file of a backup may bear that name.
        """
        self.path = Path(path).expanduser().absolute()
        stem = re.sub(r"[^A-Za-z0-9._-]", "_", self.path.name).lstrip(".-").removesuffix(".img")
        self.name = check_file(stem if name is None else name)
        self.even_if_in_use = even_if_in_use
        self.compression = Compression(compression)
        self.level = check_level(self.compression, level)

    def __repr__(self) -> str:
        return f"BlockDevice({str(self.path)!r})"

    def describe(self) -> str:
        """What will be read."""
        return f"the raw image of {self.path}, as {self.name}.img{self.compression.suffix}"

    def estimate_bytes(self) -> int | None:
        """The size of the device.

        Raises:
            SourceFailed: it is not there, may not be read, is neither device nor file, or is in use.
        """
        descriptor, _ = self._open()
        try:
            return os.lseek(descriptor, 0, os.SEEK_END)
        finally:
            os.close(descriptor)

    def check_source(self) -> None:
        """Look whether the device is there.

        Raises:
            SourceFailed: as `estimate_bytes`.
        """
        self.estimate_bytes()

    def pack(self, out: Packer) -> None:
        """Write `NAME.img.gz`.

        Raises:
            SourceFailed: as `estimate_bytes`, or a part of it cannot be read.
        """
        descriptor, is_in_use = self._open()
        try:
            if is_in_use:
                out.warn(f"{self.path} is in use: its image may be torn")
            size = os.lseek(descriptor, 0, os.SEEK_END)
            with out.open(f"{self.name}.img", compression=self.compression, level=self.level) as file:
                self._copy(descriptor, size, file)
        finally:
            os.close(descriptor)
        out.add_recipe(
            f"the image {self.name} of {size} bytes",
            f"{file.read_command} | dd of={self.name}.img.restored bs=1M iflag=fullblock conv=sparse",
            "# or onto a device at least as large, whose data is lost by this:",
            f"# {file.read_command} | dd of=/dev/DEVICE bs=1M iflag=fullblock conv=fsync status=progress",
        )

    def _copy(self, descriptor: int, size: int, file: PackedFile) -> None:
        position = 0
        for begin, end in _data_ranges(descriptor, size):
            _write_zeros(file, begin - position)
            position = begin
            while position < end:
                try:
                    data = os.pread(descriptor, min(_READ_BYTES, end - position), position)
                except OSError as exc:
                    raise SourceFailed(
                        f"{self.path} cannot be read at byte {position}: {exc.strerror}",
                        hint="save what can be read with ddrescue, and look after the disk",
                    ) from exc
                if not data:
                    raise SourceFailed(f"{self.path} became shorter while it was read: {position} of {size} bytes")
                file.write(data)
                position += len(data)
        _write_zeros(file, size - position)

    def _open(self) -> tuple[int, bool]:
        """A descriptor, and whether the device is in use; a device that is not is claimed as long as it is open."""
        try:
            status = self.path.stat()
            if stat.S_ISREG(status.st_mode):
                is_in_use = self._loop_is_in_use()
                self._refuse_in_use(is_in_use)
                return os.open(self.path, os.O_RDONLY), is_in_use
            if not stat.S_ISBLK(status.st_mode):
                raise SourceFailed(f"{self.path} is neither a block device nor an image file")
            if (claimed := _claim(self.path)) is not None:
                return claimed, False
            self._refuse_in_use(True)
            return os.open(self.path, os.O_RDONLY), True
        except OSError as exc:
            raise SourceFailed(f"{self.path} cannot be backed up: {exc.strerror}") from exc

    def _refuse_in_use(self, is_in_use: bool) -> None:
        if is_in_use and not self.even_if_in_use:
            raise SourceFailed(
                f"{self.path} is in use: mounted, swap, or part of a volume group or RAID",
                hint="unmount it or take a snapshot; even_if_in_use=True reads it all the same",
            )

    def _loop_is_in_use(self) -> bool:
        """Whether a loop device shows this image file, and is in use itself."""
        for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
            try:
                if not Path(backing.read_text().rstrip("\n")).samefile(self.path):
                    continue
                device = Path("/dev") / backing.parts[3]
                claimed = _claim(device)
            except FileNotFoundError:
                continue  # detached meanwhile, or a file of another root
            if claimed is None:
                return True
            os.close(claimed)
        return False


def _claim(device: Path) -> int | None:
    """Open a block device that nobody uses; None when it is in use. See open(2), O_EXCL without O_CREAT."""
    try:
        return os.open(device, os.O_RDONLY | os.O_EXCL)
    except OSError as exc:
        if exc.errno != errno.EBUSY:
            raise
    return None


def _data_ranges(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Where there is data, as begin and end; all of it where holes cannot be told."""
    position = 0
    while position < size:
        try:
            begin = os.lseek(descriptor, position, os.SEEK_DATA)
            end = os.lseek(descriptor, begin, os.SEEK_HOLE)
        except OSError as exc:
            if exc.errno == errno.ENXIO:
                return  # nothing but a hole up to the end
            begin, end = position, size
        yield min(begin, size), min(end, size)
        position = end


def _write_zeros(file: PackedFile, count: int) -> None:
    while count > 0:
        file.write(_ZEROS if count >= len(_ZEROS) else _ZEROS[:count])
        count -= len(_ZEROS)
