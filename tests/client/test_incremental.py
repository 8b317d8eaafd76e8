"""Increments of a directory: what is packed, when a full backup is due, what is remembered."""

from __future__ import annotations

import errno
import gzip
import io
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from thaniya_client import Directory, FileKind, Incremental, LocalDirectory, Report
from thaniya_client.incremental import snapshot as snapshot_module
from thaniya_client.incremental.policy import Link
from thaniya_client.incremental.snapshot import forget_names, refresh_snapshot
from thaniya_core.errors import Busy, IntegrityFailed, WrongUsage
from thaniya_core.formats.contents import decode_entries
from thaniya_core.system.locks import try_lock
from thaniya_core.system.privileges import call_as
from thaniya_core.system.run import run

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
Snapshot = dict[bytes, tuple[object, ...]]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small tree."""
    root = tmp_path / "source"
    (root / "a/below").mkdir(parents=True)
    (root / "b").mkdir()
    (root / "a/file").write_text("file")
    return root


@pytest.fixture
def back_up(target: LocalDirectory, source: Path, tmp_path: Path) -> Callable[..., Report]:
    """A function that makes the next backup."""

    def make(*others: Path, **options: object) -> Report:
        policy = Incremental(state_directory=tmp_path / "state")
        tasks = [Directory(path, incremental=policy, **options) for path in (source, *others)]  # type: ignore[arg-type]
        return target.backup(*tasks, name="nightly", host="web1")

    return make


@pytest.fixture
def listed(target: LocalDirectory) -> Callable[[Report], set[str]]:
    """A function that gives the files, directories left out, that the archives of a backup hold."""

    def names(report: Report) -> set[str]:
        read = io.BytesIO()
        for file in report.files:
            if file.kind is FileKind.CONTENTS:
                target.fetch(report.id, file.name, read)
        lines = gzip.decompress(read.getvalue()).splitlines()
        return {os.fsdecode(entry.path) for entry in decode_entries(lines) if not entry.is_directory}

    return names


def tree(target: LocalDirectory, report: Report) -> set[str]:
    return {os.fsdecode(entry.path) for entry in target.files(report.id)}


@pytest.fixture
def no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """What changed just before a backup is not packed again."""
    monkeypatch.setattr(snapshot_module, "_CLOCK_STEP_NS", 0)


def _disk_is_full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def _pack(source: Path, snapshot: Path) -> None:
    options = [f"--directory={source}", "--create", "--file=/dev/null", f"--listed-incremental={snapshot}"]
    run(["tar", *options, "."], timeout_s=60)


def _chain(*sizes: int, age: timedelta = timedelta(days=1)) -> list[Link]:
    begun = NOW - age
    return [Link(f"{number}", begun + timedelta(minutes=number), size) for number, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("chain", "reason"),
    [
        (_chain(10_000_000), ""),
        (_chain(10_000_000, 4_000_000, 900_000), ""),
        (_chain(10_000_000, 4_000_000, 1_100_000), "the increments have 4.9 MiB, the last full one 9.5 MiB"),
        (_chain(1000, 500_000, 500_000), ""),
        (_chain(10_000_000, 1, 1, 1), "there are 3 increments on the last full one"),
        (_chain(10_000_000, age=timedelta(days=7)), "the last full one is 7 d old"),
        (_chain(10_000_000, age=timedelta(days=-1)), "this machine's clock was set back since the last one"),
    ],
)
def test_policy_says_when_a_full_backup_is_due(chain: list[Link], reason: str) -> None:
    assert Incremental(longest_chain=3).full_is_due(chain, NOW) == reason


@pytest.mark.parametrize(
    "wrong", [{"full_every": 0}, {"longest_chain": 0}, {"longest_chain": 1000}, {"largest_percent": 0}]
)
def test_policy_without_sense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(WrongUsage):
        Incremental(**wrong)  # type: ignore[arg-type]


@pytest.mark.usefixtures("no_step")
def test_files_of_an_increment_are_the_whole_tree(
    target: LocalDirectory, back_up: Callable[..., Report], source: Path
) -> None:
    first = back_up()
    (source / "b/new").write_text("new")
    second = back_up()
    (source / "a/file").unlink()
    (source / "a/below").rmdir()
    third = back_up()
    assert (second.parent, third.parent) == (first.id, second.id)
    assert tree(target, first) == {"./", "./a/", "./a/below/", "./a/file", "./b/"}
    assert tree(target, second) == {"./", "./a/", "./a/below/", "./a/file", "./b/", "./b/new"}
    assert tree(target, third) == {"./", "./a/", "./b/", "./b/new"}


@pytest.mark.usefixtures("no_step", "powerless_tar")
def test_what_cannot_be_read_is_listed_as_a_restore_leaves_it(
    target: LocalDirectory, back_up: Callable[..., Report], source: Path, tmp_path: Path
) -> None:
    (source / "a/below/deep").write_text("deep")
    back_up()
    (source / "a/below").chmod(0)
    (source / "a/file").write_text("changed")
    (source / "a/file").chmod(0)
    report = back_up()
    assert report.parent and report.warning_count == 2
    target.restore(report.id, into=tmp_path / "restored")
    restored = {f"./{path.relative_to(tmp_path / 'restored')}" for path in (tmp_path / "restored").rglob("*")}
    assert {path.rstrip("/") for path in tree(target, report) - {"./"}} == restored >= {"./a/file", "./a/below/deep"}


def test_increment_holds_what_has_changed(
    back_up: Callable[..., Report], listed: Callable[[Report], set[str]], source: Path, no_step: None
) -> None:
    assert listed(back_up()) == {"./a/file"}
    (source / "b/new").write_text("new")
    os.utime(source / "b/new", ns=(0, 0))
    report = back_up()
    assert listed(report) == {"./b/new"}
    assert (report.warnings, report.full_because) == ((), "")
    assert listed(back_up()) == set()


def test_renamed_directory_is_packed_whole(
    back_up: Callable[..., Report], listed: Callable[[Report], set[str]], source: Path, no_step: None
) -> None:
    back_up()
    (source / "a").rename(source / "c")
    assert listed(back_up()) == {"./c/file"}


def test_names_of_a_file_stay_one_file_when_a_directory_is_moved(
    back_up: Callable[..., Report],
    target: LocalDirectory,
    source: Path,
    tmp_path: Path,
    snapshot: Callable[[Path], Snapshot],
    no_step: None,
) -> None:
    os.link(source / "a/file", source / "b/other")
    back_up()
    (source / "a").rename(source / "b/moved")
    target.restore(back_up().id, into=tmp_path / "restored")
    assert snapshot(tmp_path / "restored") == snapshot(source)


def test_unreadable_file_is_packed_as_soon_as_it_can_be_read(
    back_up: Callable[..., Report],
    listed: Callable[[Report], set[str]],
    source: Path,
    programs: Callable[[str, str], None],
    no_step: None,
    tmp_path: Path,
) -> None:
    back_up()
    (source / "a/odd\nname").write_text("data")
    real = run(["sh", "-c", "command -v tar"], timeout_s=30).stdout.decode().strip()
    flag = tmp_path / "unreadable"
    flag.touch()
    programs(
        "tar",
        f"""[ -e {flag} ] || exec {real} "$@"
[ "$1" = --version ] && exec {real} "$@"
{real} --exclude='odd*' "$@"
code=$?
for word; do case "$word" in --listed-incremental=*) file="${{word#*=}}";; esac; done
# As tar does with a file that it cannot read: it stands in the snapshot file all the same.
LC_ALL=C sed -i 's,Nfile,Nfile\\x00Yodd\\nname,' "$file"
printf '%s\\n' 'tar: "./a/odd\\nname": Cannot open: Input/output error' >&2
exit $code""",
    )
    report = back_up()
    assert report.warnings == ('"./a/odd\\nname": Cannot open: Input/output error',)
    flag.unlink()
    assert listed(back_up()) == {"./a/odd\nname"}


def test_snapshot_without_a_name_is_as_before_otherwise(source: Path, tmp_path: Path) -> None:
    file = tmp_path / "snapshot"
    for name in ("one", "two", "three"):
        (source / "a" / name).write_text(name)
    _pack(source, file)
    before = file.read_bytes()
    assert forget_names(file, []) == before
    without = before.replace(b"Ytwo\0", b"").replace(b"Db\0", b"")
    assert forget_names(file, [b"./a/two", b"./b", b"./not/there"]) == without


def test_snapshot_tells_only_of_directories_that_are_where_they_were(source: Path, tmp_path: Path) -> None:
    file, fresh = tmp_path / "snapshot", tmp_path / "fresh"
    _pack(source, file)
    (source / "a").rename(source / "c")
    (source / "a").mkdir()
    refresh_snapshot(file, source, fresh)
    assert b"\0.\0" in fresh.read_bytes()
    assert b"\0./b\0" in fresh.read_bytes()
    assert b"./a" not in fresh.read_bytes()
    device = source.stat().st_dev
    refresh_snapshot(fresh, source, tmp_path / "moved", (device + 1, device))
    assert b"\0./b\0" in (tmp_path / "moved").read_bytes()


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.9, -1])
def test_snapshot_that_is_not_whole_is_told(keep: float, source: Path, tmp_path: Path) -> None:
    file = tmp_path / "snapshot"
    _pack(source, file)
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * keep) if 0 < keep < 1 else int(keep)])
    with pytest.raises(IntegrityFailed, match="not a snapshot file"):
        forget_names(file, [])


def test_other_options_or_another_directory_lead_to_a_full_backup(back_up: Callable[..., Report], source: Path) -> None:
    back_up()
    assert "what is left out" in back_up(exclude=["*.tmp"]).full_because
    assert back_up(exclude=["*.tmp"]).parent is not None
    source.rename(source.parent / "moved")
    source.mkdir()
    assert back_up(exclude=["*.tmp"]).full_because.endswith(f"{source} is not the directory that it was")


def test_snapshot_of_another_machine_is_not_built_on(
    back_up: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up()
    monkeypatch.setattr("thaniya_client.incremental.state._machine", lambda: "another")
    assert "made on another machine" in back_up().full_because


def test_all_directories_of_a_backup_are_increments_or_none_is(
    back_up: Callable[..., Report], target: LocalDirectory, tmp_path: Path, snapshot: Callable[[Path], Snapshot]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").write_text("file")
    first = back_up()
    both = back_up(other)
    assert "there is no snapshot file" in both.full_because
    (other / "file").unlink()
    report = back_up(other)
    assert report.parent == both.id
    assert first.id != both.id
    target.restore(report.id, into=tmp_path / "restored")
    assert snapshot(tmp_path / "restored/other") == snapshot(other)


def test_plain_files_beside_an_increment_are_restored(
    target: LocalDirectory, source: Path, tmp_path: Path, archive_of: Callable[[str], Path]
) -> None:
    class Note:
        def estimate_bytes(self) -> int:
            return 100

        def pack(self, out: object) -> None:
            with out.open("note.txt") as file:  # type: ignore[attr-defined]
                file.write(b"note")

    os.utime(source, ns=(0, 10**18))
    for _ in range(2):
        report = target.backup(Note(), Directory(source, incremental=True), name="nightly", host="web1")
    assert report.parent is not None
    target.restore(report.id, into=tmp_path / "by-client")
    run(["sh", str(archive_of(report.id) / "RESTORE.txt"), str(tmp_path / "by-shell")], timeout_s=60)
    for restored in (tmp_path / "by-client", tmp_path / "by-shell"):
        assert (restored / "note.txt").read_bytes() == b"note"
        assert (restored / "a/file").read_text() == "file"
        assert restored.stat().st_mtime_ns == 10**18


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_chain_with_directories_that_may_not_be_written_is_restored_without_root(
    target: LocalDirectory,
    back_up: Callable[..., Report],
    source: Path,
    tmp_path: Path,
    archive_of: Callable[[str], Path],
) -> None:
    back_up()
    (source / "a/below/new").write_text("new")
    (source / "a/file").unlink()
    for directory in ("a/below", "a"):
        (source / directory).chmod(0o555)
    back_up()
    for directory in ("a/below", "a"):
        (source / directory).chmod(0o755)
    (source / "a/below/new").unlink()
    (source / "a/below/newer").write_text("newer")
    for directory in ("a/below", "a"):
        (source / directory).chmod(0o500)
    report = back_up()
    for path in [*tmp_path.parents][:-2]:
        path.chmod(path.stat().st_mode | 0o055)
    for path in [tmp_path, target.path, *target.path.rglob("*")]:
        path.chmod(0o755)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    scratch.chmod(0o777)

    def restore() -> str:
        run(["sh", str(archive_of(report.id) / "RESTORE.txt"), str(scratch / "by-shell")], timeout_s=60)
        target.restore(report.id, into=scratch / "by-client")
        return ""

    assert call_as("nobody", restore) == ""
    for restored in (scratch / "by-shell", scratch / "by-client"):
        assert [path.name for path in (restored / "a").rglob("*")] == ["below", "newer"]
        assert (restored / "a").stat().st_mode & 0o777 == 0o500


def test_increment_is_not_restored_over_other_files(
    target: LocalDirectory, back_up: Callable[..., Report], tmp_path: Path
) -> None:
    back_up()
    report = back_up()
    (tmp_path / "there").mkdir()
    (tmp_path / "there/precious").write_text("precious")
    with pytest.raises(WrongUsage, match="it would remove what was not in the backup"):
        target.restore(report.id, into=tmp_path / "there", overwrite=True)
    assert (tmp_path / "there/precious").read_text() == "precious"


def test_without_gnu_tar_the_backup_is_full_and_says_why(back_up: Callable[..., Report], no_gnu_tar: None) -> None:
    back_up()
    assert back_up().full_because == "increments need GNU tar, which is not there"


def test_state_directory_that_cannot_be_used_leads_to_a_full_backup(
    back_up: Callable[..., Report], tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("a file")
    report = back_up()
    assert report.full_because.startswith(f"cannot prepare {tmp_path}/state")
    assert report.parent is None


def test_snapshot_file_that_cannot_be_kept_is_a_warning(
    back_up: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = back_up()
    with monkeypatch.context() as patch:
        patch.setattr("thaniya_client.incremental.state.write_atomic", _disk_is_full)
        report = back_up()
    assert report.parent == first.id
    assert report.warnings[0].startswith("no increment can be made on this backup: ")
    assert back_up().parent == first.id


def test_only_one_backup_of_a_task_runs_at_a_time(tmp_path: Path, back_up: Callable[..., Report]) -> None:
    back_up()
    (state,) = (tmp_path / "state").iterdir()
    lock = try_lock(state / "lock")
    assert lock is not None
    with pytest.raises(Busy, match="another incremental backup of source for nightly is running"):
        back_up()
    os.close(lock)
    assert back_up().parent is not None


def test_snapshot_files_are_kept_in_the_xdg_state_directory(
    target: LocalDirectory, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    first = target.backup(Directory(source, incremental=True), name="nightly", host="web1")
    second = target.backup(Directory(source, incremental=True), name="nightly", host="web1")
    (place,) = (tmp_path / "xdg/thaniya/increments").iterdir()
    assert place.name.startswith("web1-nightly-source-")
    assert {path.name for path in place.iterdir()} == {
        "lock",
        *(f"{second.id}.{part}" for part in ("json", "snapshot", "tree")),
    }
    assert place.stat().st_mode & 0o777 == 0o700
    assert second.parent == first.id
