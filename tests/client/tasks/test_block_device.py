"""Raw images of devices and image files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from thaniya_client import BlockDevice, LocalDirectory, SourceFailed
from thaniya_core.errors import CommandFailed
from thaniya_core.system.run import run

Follow = Callable[..., str]
SIZE = 64 * 1024 * 1024 + 4096 + 512


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image file of odd size: data, a hole, zeros, data, a hole at the end."""
    path = tmp_path / "disk.img"
    with path.open("wb") as file:
        file.write(os.urandom(3 * 1024 * 1024 + 17))
        file.seek(20 * 1024 * 1024)
        file.write(bytes(1024 * 1024) + os.urandom(4096))
        file.truncate(SIZE)
    return path


@contextmanager
def loop_device(image: Path) -> Iterator[Path]:
    """The image as a block device; skips where that is not allowed."""
    try:
        device = run(["losetup", "--find", "--show", str(image)], timeout_s=30).stdout.decode().strip()
    except CommandFailed as exc:
        pytest.skip(f"cannot run here: no loop devices: {exc.message}")
    try:
        yield Path(device)
    finally:
        run(["losetup", "--detach", device], timeout_s=30)


@contextmanager
def mounted(device: Path, at: Path) -> Iterator[None]:
    """A file system on the device, mounted."""
    run(["mkfs.ext4", "-q", "-F", str(device)], timeout_s=60)
    at.mkdir()
    try:
        run(["mount", str(device), str(at)], timeout_s=30)
    except CommandFailed as exc:
        pytest.skip(f"cannot run here: mounting is not allowed: {exc.message}")
    try:
        yield
    finally:
        run(["umount", str(at)], timeout_s=30)


def test_image_comes_back_byte_for_byte_and_sparse(
    image: Path, target: LocalDirectory, follow: Follow, tmp_path: Path
) -> None:
    report = target.backup(BlockDevice(image), name="nightly")
    follow(report.id)
    restored = tmp_path / f"restored {report.id}/disk.img.restored"
    assert restored.read_bytes() == image.read_bytes()
    assert restored.stat().st_blocks * 512 < 6 * 1024 * 1024
    assert report.files[0].original_bytes == SIZE == BlockDevice(image).estimate_bytes()
    assert (report.files[0].size_bytes or 0) < 6 * 1024 * 1024


def test_an_image_that_is_one_hole_is_an_image(target: LocalDirectory, tmp_path: Path) -> None:
    (tmp_path / "empty.img").touch()
    os.truncate(tmp_path / "empty.img", 10_000_001)
    report = target.backup(BlockDevice(tmp_path / "empty.img"), name="nightly")
    assert report.files[0].original_bytes == 10_000_001


def test_device_comes_back_onto_a_device(
    image: Path, target: LocalDirectory, restored: Callable[[str], Path], archive_of: Callable[[str], Path]
) -> None:
    os.truncate(image, 64 * 1024 * 1024)
    before = image.read_bytes()
    with loop_device(image) as device:
        report = target.backup(BlockDevice(device, name="data"), name="nightly")
        into = restored(report.id)
        (line,) = [line for line in target.show(report.id).recipes[0].lines if "of=/dev/DEVICE" in line]
        image.write_bytes(os.urandom(64 * 1024 * 1024))
        run(["sh", "-c", line.removeprefix("# ").replace("/dev/DEVICE", str(device))], timeout_s=60, cwd=into)
    assert image.read_bytes() == before


def test_a_mounted_device_is_refused_unless_told(image: Path, target: LocalDirectory, tmp_path: Path) -> None:
    with loop_device(image) as device, mounted(device, tmp_path / "mnt"):
        for source in (device, image):
            with pytest.raises(SourceFailed, match="in use: mounted") as failed:
                target.backup(BlockDevice(source), name="nightly")
            assert "snapshot" in failed.value.hint
            report = target.backup(BlockDevice(source, even_if_in_use=True), name="nightly")
            assert any("may be torn" in warning for warning in report.warnings)
        assert len(list(target.backups())) == 2


def test_it_cannot_be_mounted_while_it_is_read(image: Path, target: LocalDirectory, tmp_path: Path) -> None:
    with loop_device(image) as device:
        with mounted(device, tmp_path / "mnt"):
            pass
        attempts: list[int] = []

        def try_to_mount(progress: object) -> None:
            argv = ["mount", "-o", "ro", str(device), str(tmp_path / "mnt")]
            attempts.append(run(argv, timeout_s=30, check=False).exit_code)
            if attempts[-1] == 0:
                run(["umount", str(tmp_path / "mnt")], timeout_s=30)

        task = BlockDevice(device)
        descriptor, _ = task._open()
        try:
            try_to_mount(None)
        finally:
            os.close(descriptor)
        try_to_mount(None)
    assert attempts[0] != 0
    assert attempts[1] == 0


def test_what_is_no_device_fails_the_backup(target: LocalDirectory, tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/null")):
        with pytest.raises(SourceFailed, match="neither a block device nor"):
            target.backup(BlockDevice(path), name="nightly")
    with pytest.raises(SourceFailed, match="No such file"):
        target.backup(BlockDevice(tmp_path / "gone"), name="nightly")
