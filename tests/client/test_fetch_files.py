"""The files of a backup, copied as they are stored into a directory."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from thaniya_client import Directory, LocalDirectory, Target
from thaniya_client.cli.main import run
from thaniya_core.errors import AlreadyExists, IntegrityFailed, NotFound, WrongUsage

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/file").write_text("hello")
    return tmp_path / "source"


@pytest.fixture
def stored(target: LocalDirectory, source: Path) -> str:
    """The id of a backup on the target."""
    return target.backup(Directory(source), name="nightly").id


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


ALL = {"source.tar.gz", "source.files.gz", "client.log", "backup.json", "RESTORE.txt", "SHA256SUMS"}


@pytest.mark.parametrize("kind", ["target", "client"])
def test_what_was_fetched_restores_itself(
    kind: str, source: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place: Target = request.getfixturevalue(kind)
    report = place.backup(Directory(source), name="nightly")
    written = place.fetch_files(report.id, into=tmp_path / "a/copy")
    assert {path.name for path in written} == names(tmp_path / "a/copy") == ALL
    subprocess.run(["sh", tmp_path / "a/copy/RESTORE.txt", tmp_path / "restored"], check=True, capture_output=True)
    assert (tmp_path / "restored/file").read_text() == "hello"


def test_nothing_is_overwritten_unless_wanted(target: LocalDirectory, stored: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "source.tar.gz").write_text("mine")
    (copy / ".source.tar.gz.part").write_text("left by a killed run")
    with pytest.raises(AlreadyExists, match=r"source\.tar\.gz is in"):
        target.fetch_files(stored, into=copy)
    assert names(copy) == {"source.tar.gz", ".source.tar.gz.part"}
    assert (copy / "source.tar.gz").read_text() == "mine"
    target.fetch_files(stored, into=copy, files=["source.tar.gz"], overwrite=True)
    assert names(copy) == {"source.tar.gz"}
    assert (copy / "source.tar.gz").read_bytes()[:2] == b"\x1f\x8b"


@pytest.mark.parametrize("name", ["source.tar.gz", "RESTORE.txt", "SHA256SUMS"])
def test_a_damaged_file_never_gets_its_name(
    target: LocalDirectory, stored: str, tmp_path: Path, archive_of: Callable[[str], Path], name: str
) -> None:
    file = archive_of(stored) / name
    file.chmod(0o600)
    data = bytearray(file.read_bytes())
    data[10] ^= 1
    file.write_bytes(data)
    with pytest.raises(IntegrityFailed, match=name):
        target.fetch_files(stored, into=tmp_path / "copy", files=[name])
    assert not (tmp_path / "copy").exists() or names(tmp_path / "copy") == set()


def test_names_that_are_not_there_are_told(target: LocalDirectory, stored: str, tmp_path: Path) -> None:
    for wrong in ("nothing", "../backup.json"):
        with pytest.raises(NotFound) as told:
            target.fetch_files(stored, into=tmp_path / "copy", files=["client.log", wrong])
        assert "source.tar.gz" in told.value.hint
    assert not (tmp_path / "copy").exists()


def test_command_fetches_into_a_directory(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("THANIYA_CLIENT_CONFIG", str(tmp_path / "client.toml"))
    (tmp_path / "disk").mkdir()
    assert run(["init", "--directory", str(tmp_path / "disk")]) == 0
    made = LocalDirectory(tmp_path / "disk").backup(Directory(source), name="nightly").id
    copy = str(tmp_path / "copy")
    assert run(["fetch", made, "--into", copy]) == 0
    assert f"fetched: 6 files of {made} into {copy}, all sums right" in capsys.readouterr().out
    assert run(["fetch", made, "client.log", "--into", copy]) == AlreadyExists.exit_code
    assert "--overwrite" in capsys.readouterr().err
    assert run(["fetch", made, "client.log", "--into", copy, "--overwrite", "--json"]) == 0
    fetched = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (fetched["message_type"], fetched["file"]) == ("fetched", "client.log")
    assert fetched["size_bytes"] == (tmp_path / "copy/client.log").stat().st_size
    for wrong in ([], ["a", "b"], ["client.log", "--overwrite"], ["--into", copy, "-o", copy]):
        assert run(["fetch", made, *wrong]) == WrongUsage.exit_code
