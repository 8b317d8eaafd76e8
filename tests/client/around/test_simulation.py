"""A simulated backup tells all and does nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from thaniya_client import (
    BtrfsSnapshot,
    Command,
    Directory,
    IllegalName,
    LocalDirectory,
    NotFound,
    SourceFailed,
    WrongUsage,
)
from thaniya_client.around.state import runs_directory
from thaniya_client.cli.main import run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/file").write_text("hello")
    return tmp_path / "source"


def everything_below(path: Path) -> set[Path]:
    return set(path.rglob("*"))


def fail(*arguments: object) -> None:
    pytest.fail("it was called")


def test_all_is_told_and_nothing_is_written(target: LocalDirectory, source: Path, tmp_path: Path) -> None:
    before = everything_below(tmp_path)
    report = target.backup(
        Directory(source),
        Command(["touch", str(tmp_path / "touched")], name="touched.txt"),
        name="nightly",
        host="web1",
        before=[["touch", tmp_path / "touched"], fail, BtrfsSnapshot("/srv", at="/srv/.backup")],
        after=[["touch", tmp_path / "touched"]],
        on_error=[fail],
        retries=2,
        time_limit_s=3600,
        bytes_per_s=1024 * 1024,
        nice=19,
        idle_disk=True,
        tags=["v2"],
        on_progress=fail,
        simulate=True,
    )
    assert report.plan == (
        f"a backup of alice/web1/nightly to LocalDirectory('{target.path}')",
        "it would be the first of its series there",
        "try up to 3 times, 1 min apart",
        "give up after 1 h",
        "send no more than 1.0 MiB a second",
        "run with niceness 19",
        "use the disk only while nobody else does",
        f"before: `touch {tmp_path}/touched`",
        "before: fail()",
        "before: make a btrfs snapshot of /srv at /srv/.backup: `btrfs subvolume snapshot -r /srv /srv/.backup`",
        f"back up the directory {source}, as source.tar.gz: 1.0 MiB before compression at the most",
        f"back up the output of `touch {tmp_path}/touched`, as touched.txt.gz: of unknown size",
        "tag it v2",
        "after: delete the btrfs snapshot /srv/.backup: `btrfs subvolume delete /srv/.backup`",
        f"after: `touch {tmp_path}/touched`",
        "on an error: fail()",
    )
    assert (report.id, report.state, report.warnings) == ("", None, ())
    assert everything_below(tmp_path) == before
    assert not runs_directory().exists()


@pytest.mark.parametrize(
    "arguments, error",
    [
        ({"name": "../x"}, IllegalName),
        ({"tags": ["two words"]}, IllegalName),
        ({"nice": 99}, WrongUsage),
        ({"before": ["rm -rf"]}, WrongUsage),
        ({"after": [["no-such-program"]]}, SourceFailed),
    ],
)
def test_what_a_backup_would_refuse_is_refused(
    target: LocalDirectory, source: Path, arguments: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        target.backup(Directory(source), **{"name": "nightly", **arguments}, simulate=True)


def test_a_missing_source_is_told(target: LocalDirectory, tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match="gone"):
        target.backup(Directory(tmp_path / "gone"), name="nightly", simulate=True)
    with pytest.raises(WrongUsage, match="nothing to back up"):
        target.backup(name="nightly", simulate=True)


def test_the_newest_backup_of_the_series_is_named(target: LocalDirectory, source: Path) -> None:
    report = target.backup(Directory(source), name="nightly")
    assert target.backup(Directory(source), name="nightly", simulate=True).plan[1] == f"the newest there is {report.id}"


def test_a_place_that_is_not_there_is_told(source: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        LocalDirectory(tmp_path / "unplugged").backup(Directory(source), name="nightly", simulate=True)


def test_a_source_that_a_step_may_bring_is_a_warning(target: LocalDirectory, tmp_path: Path) -> None:
    report = target.backup(Directory(tmp_path / "gone"), name="nightly", before=[["true"]], simulate=True)
    assert "after the steps before the backup it may be otherwise" in report.warnings[0]


def test_the_command_prints_the_plan(
    target: LocalDirectory, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "client.toml").write_text(f'directory = "{target.path}"\nhost = "web1"\n')
    config = ["--config", str(tmp_path / "client.toml")]
    assert run(["backup", str(source), "--name", "nightly", "--tag", "v2", "--simulate", *config]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        f"back up the directory {source}, as source.tar.gz: 1.0 MiB before compression at the most",
        "tag it v2",
    ]
    assert list(target.backups()) == []
