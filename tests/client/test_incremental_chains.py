"""Random trees, random changes: what is restored from a chain equals the source after each step."""

# pathlib knows no names that are bytes.
# ruff: noqa: PTH101, PTH102, PTH104, PTH108, PTH112, PTH114, PTH116, PTH118, PTH123, PTH211

from __future__ import annotations

import os
import random
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thaniya_client import Directory, Incremental, LocalDirectory, Report, ThaniyaError, WrongUsage
from thaniya_client.connectors.local import LocalUpload
from thaniya_client.incremental import snapshot as snapshot_module
from thaniya_core.system.files import remove_tree
from thaniya_core.system.marked_directory import make_writable

NAMES = [b"a", b"b", b"new\nline", b"-x", b"back\\slash", b"not-utf-8-\xff", b" ", b"*", b'quote"', b"Dir", b"R"]
OPERATIONS = [
    *("create", "change", "touch", "delete", "rename", "make directory", "remove directory", "swap", "hard link"),
    *("replace by directory", "replace by file", "symlink", "sparse", "mode", "rename directory", "fifo"),
    "same size and time",
]
MISHAPS = ["", "", "", "", "killed before", "killed after", "state lost", "state damaged", "parent pruned"]

Snapshot = dict[bytes, tuple[object, ...]]


class _Killed(BaseException):
    """Stands for the end of the process."""


class _Tree:
    """A directory, and changes to it that a seed decides."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = os.fsencode(root)
        self.random = random.Random(seed)

    def change(self, operation: str) -> None:
        """Do one thing to the tree, or nothing where it is not possible."""
        try:
            getattr(self, "_" + operation.replace(" ", "_"))()
        except (OSError, IndexError, ValueError):
            pass

    def _all(self, *, directories: bool) -> list[bytes]:
        found: list[bytes] = []
        for place, below, files in os.walk(self.root):
            found += [os.path.join(place, name) for name in (below if directories else files)]
        return sorted(found)

    def _file(self) -> bytes:
        return self.random.choice(self._all(directories=False))

    def _directory(self) -> bytes:
        return self.random.choice(self._all(directories=True))

    def _new(self) -> bytes:
        place = self.random.choice([self.root, *self._all(directories=True)])
        return os.path.join(place, self.random.choice(NAMES))

    def _write(self, path: bytes, mode: str = "xb") -> None:
        with open(path, mode) as file:
            file.write(self.random.randbytes(self.random.randrange(3000)))

    def _create(self) -> None:
        self._write(self._new())

    def _change(self) -> None:
        self._write(self._file(), "r+b")

    def _touch(self) -> None:
        os.utime(self._file(), ns=(0, self.random.randrange(10**18)))

    def _delete(self) -> None:
        os.unlink(self._file())

    def _rename(self) -> None:
        os.rename(self._file(), self._new())

    def _rename_directory(self) -> None:
        os.rename(self._directory(), self._new())

    def _make_directory(self) -> None:
        os.mkdir(self._new())

    def _remove_directory(self) -> None:
        shutil.rmtree(self._directory())

    def _swap(self) -> None:
        every = self._all(directories=True) + self._all(directories=False)
        one, other = self.random.sample(every, 2)
        aside = self.root + b"/aside"
        os.rename(one, aside)
        try:
            os.rename(other, one)
        finally:
            os.rename(aside, other if not os.path.lexists(other) else one)

    def _replace_by_directory(self) -> None:
        path = self._file()
        os.unlink(path)
        os.mkdir(path)
        self._write(path + b"/inside")

    def _replace_by_file(self) -> None:
        path = self._directory()
        shutil.rmtree(path)
        self._write(path)

    def _hard_link(self) -> None:
        path = self._file()
        if not stat.S_ISFIFO(os.stat(path, follow_symlinks=False).st_mode):  # GNU tar packs each name of one by itself
            os.link(path, self._new(), follow_symlinks=False)

    def _symlink(self) -> None:
        os.symlink(self.random.choice(NAMES), self._new())

    def _sparse(self) -> None:
        with open(self._new(), "xb") as file:
            file.seek(self.random.randrange(10**6))
            file.write(b"data")
            file.truncate(2 * 10**6)

    def _mode(self) -> None:
        path = self.random.choice(self._all(directories=False) + self._all(directories=True))
        if not os.path.islink(path):
            os.chmod(
                path, self.random.choice([0o700, 0o755, 0o1777] if os.path.isdir(path) else [0o600, 0o4755, 0o444])
            )

    def _fifo(self) -> None:
        os.mkfifo(self._new())

    def _same_size_and_time(self) -> None:
        path = self._file()
        status = os.stat(path, follow_symlinks=False)
        with open(path, "r+b") as file:
            file.write(self.random.randbytes(status.st_size))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


class _Place:
    """A target, a source and the client's state, and what may go wrong between them."""

    def __init__(self, top: Path, seed: int) -> None:
        self.top = top
        (top / "disk").mkdir()
        (top / "source").mkdir()
        self.target = LocalDirectory(top / "disk", user="alice")
        self.tree = _Tree(top / "source", seed)
        self.last = "none"

    def back_up(self) -> Report:
        policy = Incremental(state_directory=self.top / "state", longest_chain=3, largest_percent=10_000)
        source = Directory(self.top / "source", name="tree", incremental=policy)
        report = self.target.backup(source, name="n", host="h")
        self.last = report.id
        return report

    def killed_before(self) -> None:
        with pytest.MonkeyPatch.context() as patch, pytest.raises(_Killed):
            patch.setattr(LocalUpload, "finish", _raise_killed)
            patch.setattr(LocalUpload, "abort", lambda self, reason: os.close(self._lock))
            self.back_up()

    def killed_after(self) -> None:
        finish = LocalUpload.finish

        def finish_and_end(*arguments: object) -> None:
            finish(*arguments)  # type: ignore[arg-type]
            raise _Killed

        with pytest.MonkeyPatch.context() as patch, pytest.raises(_Killed):
            patch.setattr(LocalUpload, "finish", finish_and_end)
            self.back_up()

    def state_lost(self) -> None:
        shutil.rmtree(self.top / "state", ignore_errors=True)

    def state_damaged(self) -> None:
        for file in sorted((self.top / "state").glob("*/*.snapshot"))[-1:]:
            data = file.read_bytes()
            file.write_bytes(data[: len(data) // 2])

    def parent_pruned(self) -> None:
        for found in self.target.path.glob(f"archive/*/*/*/{self.last}"):
            remove_tree(found)

    def restored_path(self, backup_id: str, path: bytes, describe: Callable[[Path], Snapshot]) -> Snapshot | None:
        """What restoring one path gives; None where it is a hard link to a file that is not asked for."""
        into = self.top / "restored-path"
        try:
            self.target.restore(backup_id, into=into, paths=["./" if path == b"." else os.fsdecode(path)])
        except WrongUsage as error:
            assert "is a hard link to" in error.message
            return None
        described = describe(into)
        make_writable(into)
        remove_tree(into)
        return described

    def restored(self, backup_id: str, describe: Callable[[Path], Snapshot], *, by_shell: bool) -> Snapshot:
        into = self.top / "restored"
        if by_shell:
            (found,) = self.target.path.glob(f"archive/*/*/*/{backup_id}")
            done = subprocess.run(["sh", str(found / "RESTORE.txt"), str(into)], capture_output=True, check=False)
            assert done.returncode == 0, done.stderr
        else:
            self.target.restore(backup_id, into=into)
        described = describe(into)
        make_writable(into)
        remove_tree(into)
        return described


def _below(described: Snapshot | None, path: bytes) -> Snapshot | None:
    """What is described at and below a path, without which names are one file."""
    if described is None:
        return None
    is_below = (lambda _: True) if path == b"." else lambda name: name == path or name.startswith(path + b"/")
    return {name: facts[:-1] for name, facts in described.items() if is_below(name)}


def _listed(place: LocalDirectory, backup_id: str, expected: Snapshot) -> dict[bytes, tuple[object, ...]]:
    """What the list of the whole tree says: mode, owner, seconds and where a symbolic link points, each path once.

    Of what a hard link is another name it does not say, so that is taken from what is expected.
    """
    of_links = _as_listed(expected)
    entries = list(place.files(backup_id))
    told: dict[bytes, tuple[object, ...]] = {}
    for entry in entries:
        path = entry.path.removeprefix(b"./").rstrip(b"/") or b"."
        kind, points_to = entry.mode[0], entry.target if entry.mode[0] == "l" else None
        if entry.mode[0] == "h" and path in of_links:
            kind, points_to = str(of_links[path][0])[0], of_links[path][3]
        told[path] = kind + entry.mode[1:], entry.owner, entry.mtime, points_to
    assert len(told) == len(entries)
    return told


def _as_listed(described: Snapshot) -> dict[bytes, tuple[object, ...]]:
    told: dict[bytes, tuple[object, ...]] = {}
    for path, (mode, uid, gid, mtime_us, content, _) in described.items():
        assert isinstance(mode, int) and isinstance(mtime_us, int)
        mtime = datetime.fromtimestamp(mtime_us // 10**6, UTC)
        is_link = stat.S_ISLNK(mode)
        told[path] = stat.filemode(mode), f"{uid}/{gid}", f"{mtime:%Y-%m-%dT%H:%M:%SZ}", content if is_link else None
    return told


def _raise_killed(*_: object) -> None:
    raise _Killed


_STEP = st.tuples(st.sampled_from(MISHAPS), st.lists(st.sampled_from(OPERATIONS), max_size=12))


@settings(
    max_examples=int(os.environ.get("THANIYA_EXAMPLES", "12")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 2**32),
    first=st.lists(st.sampled_from(OPERATIONS), min_size=5, max_size=40),
    steps=st.lists(_STEP, min_size=1, max_size=5),
)
def test_a_restored_chain_equals_the_source(
    seed: int,
    first: list[str],
    steps: list[tuple[str, list[str]]],
    snapshot: Callable[[Path], Snapshot],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(snapshot_module, "_CLOCK_STEP_NS", 20_000_000)  # what is unchanged is to be left out here too
    with tempfile.TemporaryDirectory() as directory:
        place = _Place(Path(directory), seed)
        for number, (mishap, operations) in enumerate([("", first), *steps]):
            if mishap.startswith("killed"):
                getattr(place, mishap.replace(" ", "_"))()
            for operation in operations:
                place.tree.change(operation)
            if mishap and not mishap.startswith("killed"):
                getattr(place, mishap.replace(" ", "_"))()
            report = place.back_up()
            assert report.warnings == ()
            if mishap in ("state lost", "state damaged"):
                assert report.full_because
            found = place.restored(report.id, snapshot, by_shell=bool(number % 2))
            expected = snapshot(Path(directory) / "source")
            assert found == expected, (report.parent, report.full_because)
            assert _listed(place.target, report.id, expected) == _as_listed(expected)
            wanted = place.tree.random.choice(sorted(expected))
            assert _below(place.restored_path(report.id, wanted, snapshot), wanted) in (_below(expected, wanted), None)
        make_writable(Path(directory) / "source")


def test_a_pruned_or_damaged_parent_leads_to_a_full_backup(tmp_path: Path) -> None:
    place = _Place(tmp_path, 1)
    place.tree.change("create")
    first, second = place.back_up(), place.back_up()
    assert (second.parent, second.full_because) == (first.id, "")
    place.parent_pruned()
    third = place.back_up()
    assert third.parent is None
    assert third.full_because == f"{tmp_path / 'disk'} has no backup {second.id} of alice"
    place.state_damaged()
    assert "damaged" in place.back_up().full_because


def test_an_increment_without_its_parent_is_refused_and_nothing_is_restored(tmp_path: Path) -> None:
    place = _Place(tmp_path, 1)
    place.tree.change("create")
    first, second = place.back_up(), place.back_up()
    (found,) = place.target.path.glob(f"archive/*/*/*/{first.id}")
    remove_tree(found)
    with pytest.raises(ThaniyaError, match=f"cannot be restored: it builds on {first.id}, which is not there"):
        place.target.restore(second.id, into=tmp_path / "restored")
    assert not (tmp_path / "restored").exists()
    (found,) = place.target.path.glob(f"archive/*/*/*/{second.id}")
    done = subprocess.run(
        ["sh", str(found / "RESTORE.txt"), str(tmp_path / "restored")], capture_output=True, check=False
    )
    assert done.returncode != 0
    assert first.id.encode() in done.stderr
