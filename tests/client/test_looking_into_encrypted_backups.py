"""An encrypted chain: its files, what is found in it, what differs, and one file of it, with a key and without."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pyrage
import pytest

from thaniya_client import Compression, Directory, IdentityNeeded, Incremental, LocalDirectory, NotFound, Packer, Report
from thaniya_client.cli.main import run
from thaniya_client.incremental import snapshot as snapshot_module
from thaniya_core.errors import ExitCode
from thaniya_core.formats.manifest import ENCRYPTED_FORMAT, TREE_FORMAT


class Dump:
    """A plain file."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def estimate_bytes(self) -> int | None:
        return None

    def pack(self, out: Packer) -> None:
        with out.open("dump.sql", compression=Compression.GZIP) as file:
            file.write(self._data)


class Chain:
    """A full backup and two increments: a file changes and one comes, then one goes. And one backup in clear."""

    def __init__(self, base: Path) -> None:
        (base / "disk").mkdir()
        self.base = base
        self.target = LocalDirectory(base / "disk")
        identities = {name: pyrage.x25519.Identity.generate() for name in ("own", "other")}
        for name, identity in identities.items():
            (base / name).write_text(str(identity))
        self.own, self.other = base / "own", base / "other"
        self.public = str(identities["own"].to_public())
        root = base / "source"
        (root / "etc").mkdir(parents=True)
        (root / "etc/app.conf").write_text("one")
        (root / "etc/kept.conf").write_text("kept")
        (root / "gone").write_text("gone")
        (root / "large").write_bytes(os.urandom(2_000_000))
        made = [self.back_up(b"select 1")]
        (root / "etc/app.conf").write_text("second")
        (root / "new").write_text("new")
        made.append(self.back_up(b"select 1"))
        (root / "gone").unlink()
        made.append(self.back_up(b"select 2"))
        assert [report.parent for report in made] == [None, made[0].id, made[1].id]
        self.ids = [report.id for report in made]
        self.in_clear = self.target.backup(Directory(root / "etc"), name="clear", host="web1").id

    def back_up(self, dump: bytes) -> Report:
        policy = Incremental(state_directory=self.base / "state")
        task = Directory(self.base / "source", name="home", incremental=policy)
        return self.target.backup(task, Dump(dump), name="nightly", host="web1", encrypt_to=[self.public])

    def read(self, backup_id: str, path: str) -> bytes:
        into = io.BytesIO()
        size_bytes = self.target.restore_file(backup_id, path, into, identities=[self.other, self.own])
        assert size_bytes == len(into.getvalue())
        return into.getvalue()


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot_module, "_CLOCK_STEP_NS", 0)
        yield Chain(tmp_path_factory.mktemp("chain"))


def test_lists_of_the_whole_tree_are_encrypted_with_the_rest(chain: Chain) -> None:
    documents = [chain.target.show(each) for each in chain.ids]
    assert [document.format for document in documents] == [ENCRYPTED_FORMAT, TREE_FORMAT, TREE_FORMAT]
    assert all(file.is_encrypted for document in documents for file in document.files)
    (tree,) = chain.target.path.glob(f"archive/*/*/*/{chain.ids[2]}/home.tree.gz.age")
    assert tree.read_bytes().startswith(b"age-encryption.org/v1\n")


def test_with_the_key_everything_speaks_of_the_whole_tree(chain: Chain) -> None:
    first, second, third = chain.ids
    paths = {entry.path for entry in chain.target.files(third, identities=[chain.own]) if not entry.is_directory}
    assert paths == {b"./etc/app.conf", b"./etc/kept.conf", b"./large", b"./new"}
    assert [chain.read(each, "etc/app.conf") for each in chain.ids] == [b"one", b"second", b"second"]
    assert chain.read(third, "etc/kept.conf") == b"kept"
    assert chain.read(third, "large") == (chain.base / "source/large").read_bytes()
    assert chain.read(third, "dump.sql.gz").startswith(b"\x1f\x8b")
    with pytest.raises(NotFound, match="not in backup"):
        chain.read(third, "gone")
    found = chain.target.find("gone", identities=[chain.own])
    assert {(one.backup.id, one.inside.path) for one in found} == {(first, b"gone"), (second, b"gone")}


def test_plain_files_are_compared_by_what_is_in_them(chain: Chain) -> None:
    first, second, third = chain.ids

    def changes(before: str, after: str) -> list[tuple[str, bytes]]:
        found = chain.target.diff(before, after, identities=[chain.own])
        return [(one.change.value, one.path) for one in found]

    assert changes(first, second) == [("changed", b"etc/app.conf"), ("added", b"new")]
    assert changes(second, third) == [("changed", b"dump.sql.gz"), ("removed", b"gone")]


@pytest.mark.parametrize("keys", [(), ("other",)], ids=["no key", "another key"])
def test_without_the_key_each_says_that_one_is_needed(chain: Chain, keys: tuple[str, ...]) -> None:
    first, _, third = chain.ids
    identities = [chain.base / name for name in keys]
    looks: list[Callable[[], object]] = [
        lambda: list(chain.target.files(third, identities=identities)),
        lambda: list(chain.target.diff(first, third, identities=identities)),
        lambda: list(chain.target.find("*", name="nightly", identities=identities)),
        lambda: chain.target.restore_file(third, "etc/app.conf", io.BytesIO(), identities=identities),
        lambda: chain.target.restore_file(third, "dump.sql.gz", io.BytesIO(), identities=identities),
    ]
    for look in looks:
        with pytest.raises(IdentityNeeded, match="encrypted") as refused:
            look()
        assert "key" in refused.value.hint


def test_find_goes_on_after_a_backup_that_is_closed(chain: Chain) -> None:
    problems: list[str] = []
    found = list(chain.target.find("*.conf", on_problem=problems.append))
    assert {one.backup.id for one in found} == {chain.in_clear}
    assert sorted(problem.partition(" is encrypted")[0] for problem in problems) == sorted(
        f"home.{kind}.gz.age of backup {each}" for each, kind in zip(chain.ids, ("files", "tree", "tree"), strict=True)
    )


def test_commands_take_the_key(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    config = tmp_path / "client.toml"
    config.write_text(f'directory = "{chain.target.path}"\n')
    monkeypatch.setenv("THANIYA_CLIENT_CONFIG", str(config))
    identity = ["--identity", str(chain.own)]
    first, second, _ = chain.ids

    one_file = ["restore", "--at", "2999-01-01", "--name", "nightly", "--stdout", "large"]
    assert run([*one_file, *identity]) == 0
    assert capsysbinary.readouterr().out == (chain.base / "source/large").read_bytes()
    assert run(one_file) == ExitCode.NOT_ALLOWED
    refused = capsysbinary.readouterr()
    assert (refused.out, b"--identity FILE" in refused.err) == (b"", True)

    assert run(["find", "app.conf", "--json", *identity]) == 0
    assert len(capsysbinary.readouterr().out.splitlines()) == 4
    assert run(["find", "app.conf", "--json"]) == ExitCode.WARNINGS
    told = capsysbinary.readouterr()
    assert [json.loads(line)["id"] for line in told.out.splitlines()] == [chain.in_clear]
    assert told.err.count(b"is encrypted") == 3

    assert run(["diff", first, second, *identity]) == ExitCode.WARNINGS
    assert capsysbinary.readouterr().out.endswith(b"1 added, 0 removed, 1 changed\n")
    assert run(["diff", first, second]) == ExitCode.NOT_ALLOWED


def test_what_another_version_remembered_leads_to_a_full_backup(chain: Chain) -> None:
    for file in chain.base.glob("state/*/*.json"):
        remembered = msgspec.json.decode(file.read_bytes())
        del remembered["tree_sha256"]
        file.write_bytes(msgspec.json.encode(remembered | {"format": 1}))

    report = chain.back_up(b"select 2")

    assert report.parent is None
    assert "it has format 1, this version knows 2" in report.full_because
