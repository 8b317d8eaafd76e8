"""Scratch directories do not outlive who made them, however that ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from thaniya_client.tasks.scratch import scratch_directory, scratch_place
from thaniya_core.errors import SourceFailed

SCRIPT = """
import signal, sys
from pathlib import Path
from thaniya_client.tasks.scratch import scratch_directory
with scratch_directory(Path(sys.argv[1])) as directory:
    (directory / "copy").write_text("secret")
    print(directory, flush=True)
    signal.pause()
"""


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_it_is_private_and_gone_after_the_block(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), scratch_directory(tmp_path) as directory:
        assert directory.stat().st_mode & 0o777 == 0o700
        (directory / "copy").write_text("secret")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_has_left_goes_and_what_is_in_use_stays(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    left = Path(process.stdout.readline().rstrip("\n"))
    try:
        with scratch_directory(tmp_path):
            assert (left / "copy").exists()
    finally:
        process.kill()
        process.communicate()
    assert (left / "copy").exists()
    with scratch_directory(tmp_path) as directory:
        assert list(tmp_path.iterdir()) == [directory]


def test_what_belongs_to_others_stays(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/kept").touch()
    (tmp_path / "thaniya-scratch-link").symlink_to(tmp_path / "elsewhere")
    with scratch_directory(tmp_path):
        pass
    assert (tmp_path / "elsewhere/kept").exists()
    assert (tmp_path / "thaniya-scratch-link").is_symlink()


def test_a_place_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match="temporary files") as failed, scratch_directory(tmp_path / "gone"):
        pass
    assert "scratch" in failed.value.hint


def test_its_place_is_told_or_that_for_large_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    assert scratch_place(None) == Path("/var/tmp")
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    assert scratch_place(None) == Path("/elsewhere")
    assert scratch_place(tmp_path) == tmp_path
