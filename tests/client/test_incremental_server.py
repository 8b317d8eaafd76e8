"""Increments on a real server of the embedded kind: what is agreed, kept, refused and restored."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from thaniya_client import Directory, NotFound, Report, ThaniyaServer, UploadState
from thaniya_client.connectors.thaniya import ThaniyaUpload
from thaniya_core.callers import CallerServices
from thaniya_core.cli.main import run
from thaniya_core.errors import UploadRejected, WrongState
from thaniya_core.formats.manifest import TREE_FORMAT, Manifest
from thaniya_core.gate.services import Caller
from thaniya_core.model import Backup
from thaniya_core.retention import parse_policy
from thaniya_core.server import Server

Snapshot = dict[bytes, tuple[object, ...]]


class _Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small tree."""
    root = tmp_path / "source"
    (root / "below").mkdir(parents=True)
    (root / "below/kept.txt").write_text("kept")
    (root / "gone.txt").write_text("gone")
    return root


@pytest.fixture
def back_up(client: ThaniyaServer, source: Path) -> Callable[..., Report]:
    """A function that makes the next backup of the tree."""

    def make(**options: object) -> Report:
        return client.backup(Directory(source, incremental=True), name="nightly", host="web1", **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def chain(back_up: Callable[..., Report], source: Path) -> list[str]:
    """The ids of a full backup and two increments: one file goes, one comes."""
    made = [back_up()]
    (source / "gone.txt").unlink()
    made.append(back_up())
    (source / "below/new.txt").write_text("new")
    made.append(back_up())
    assert [report.parent for report in made] == [None, made[0].id, made[1].id]
    return [report.id for report in made]


def _catalog(server: Server) -> dict[str, Backup]:
    return {backup.id: backup for backup in server.catalog.find()}


def test_server_knows_the_chain_and_restores_it(
    server: Server,
    client: ThaniyaServer,
    chain: list[str],
    source: Path,
    tmp_path: Path,
    snapshot: Callable[[Path], Snapshot],
) -> None:
    newest = server.catalog.get(chain[-1])
    assert newest.document.format == TREE_FORMAT

    client.restore(chain[-1], into=tmp_path / "by-client")
    server.backups.restore(newest, tmp_path / "by-server", (), False, "test")
    script = server.catalog.directory(newest) / "RESTORE.txt"
    subprocess.run(["sh", str(script), str(tmp_path / "by-shell")], check=True, capture_output=True)

    for restored in ("by-client", "by-server", "by-shell"):
        assert snapshot(tmp_path / restored) == snapshot(source)
    assert {summary.id: summary.parent for summary in client.backups()}[chain[-1]] == chain[-2]


def test_restoring_some_paths_walks_the_chain(
    server: Server, client: ThaniyaServer, chain: list[str], tmp_path: Path
) -> None:
    client.restore(chain[-1], into=tmp_path / "some", paths=["below/kept.txt"])
    assert [path.name for path in (tmp_path / "some").rglob("*.txt")] == ["kept.txt"]
    with pytest.raises(NotFound, match=r"not in backup .*: 'gone\.txt'"):
        client.restore(chain[-1], into=tmp_path / "gone", paths=["gone.txt"])
    client.restore(chain[0], into=tmp_path / "then", paths=["gone.txt"])
    assert (tmp_path / "then/gone.txt").read_text() == "gone"
    newest = server.catalog.get(chain[-1])
    server.backups.restore(newest, tmp_path / "by-server", ["below/new.txt"], False, "test")
    assert [path.name for path in (tmp_path / "by-server").rglob("*.txt")] == ["new.txt"]
    with pytest.raises(NotFound):
        server.backups.restore(newest, tmp_path / "by-server-gone", ["gone.txt"], False, "test")


def test_increments_are_verified_and_restored_on_trial(server: Server, chain: list[str], tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    for backup_id in chain:
        backup = server.catalog.get(backup_id)
        assert server.backups.verify(backup, "test", trial=tmp_path / "scratch").broken == ""


def test_broken_parent_is_seen_by_its_increments_and_leads_to_a_full_backup(
    server: Server,
    client: ThaniyaServer,
    chain: list[str],
    back_up: Callable[..., Report],
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.backups.note_damage(server.catalog.get(chain[0]), "a sum is wrong")

    told = f"it builds on {chain[0]}, which is broken: a sum is wrong"
    assert [_catalog(server)[each].broken for each in chain[1:]] == [told, told]
    assert server.catalog.get(chain[2]).broken == told
    assert all(summary.broken for summary in client.backups())
    found = {finding.code: finding.text for finding in server.monitoring.check().findings}
    assert found["backup_broken"].startswith("3 of 3 backups are broken")
    capsys.readouterr()
    assert run(["--config", str(server.config.file), "backup", "list"]) == 0
    assert capsys.readouterr().out.count("BROKEN") == 3
    report = back_up()
    assert report.parent is None
    assert report.full_because == f"{chain[2]} is broken: {told}"
    assert back_up().parent == report.id


def test_parent_that_the_server_lost_leads_to_a_full_backup(
    server: Server, chain: list[str], back_up: Callable[..., Report]
) -> None:
    server.backups.remove(server.catalog.get(chain[0]), "test", with_increments=True)
    assert _catalog(server) == {}
    assert back_up().full_because == f"{chain[2]} is not in the archive"


def test_backup_that_others_build_on_is_not_removed_unless_told(server: Server, chain: list[str]) -> None:
    with pytest.raises(WrongState, match=f"needed by .*{chain[2]}"):
        server.backups.remove(server.catalog.get(chain[1]), "test")
    assert set(_catalog(server)) == set(chain)

    removed = server.backups.remove(server.catalog.get(chain[1]), "test", with_increments=True)

    assert [backup.id for backup in removed] == [chain[2], chain[1]]
    assert set(_catalog(server)) == {chain[0]}


def test_retention_keeps_what_a_kept_increment_needs(server: Server, chain: list[str]) -> None:
    series = server.catalog.get(chain[0]).series
    server.retention_settings.set(str(series), parse_policy("keep-last=1"), "test")
    (planned,) = server.retention.plan([series])
    reasons = {decision.candidate.id: decision.reasons for decision in planned.plan.kept}
    assert set(reasons) == set(chain)
    assert (reasons[chain[0]], reasons[chain[1]]) == ((f"needed by {chain[1]}",), (f"needed by {chain[2]}",))


def test_parent_of_an_upload_on_its_way_is_kept(
    server: Server, chain: list[str], back_up: Callable[..., Report]
) -> None:
    series = server.catalog.get(chain[0]).series
    services, alice = CallerServices(server), Caller("alice")
    upload = services.allocate(alice, "web1", "nightly", None, (chain[1],))
    assert upload.parent == chain[1]
    server.backups.remove(server.catalog.get(chain[2]), "test")
    with pytest.raises(WrongState, match=upload.id):
        server.backups.remove(server.catalog.get(chain[1]), "test")
    services.abort(alice, upload.id, "")
    assert server.retention.plan([series])


@pytest.mark.parametrize("is_completed", [False, True])
def test_interrupted_backup_goes_on_from_what_the_server_has(
    is_completed: bool, chain: list[str], back_up: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = ThaniyaUpload.finish

    def end(self: ThaniyaUpload, *arguments: object) -> None:
        if is_completed:
            finish(self, *arguments)  # type: ignore[arg-type]
        raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr(ThaniyaUpload, "finish", end)
        with pytest.raises(_Killed):
            back_up()
    report = back_up()
    assert report.parent is not None
    assert (report.parent == chain[-1]) is not is_completed


def test_backup_that_nobody_waited_for_is_built_on_once_it_is_archived(
    server: Server, client: ThaniyaServer, chain: list[str], back_up: Callable[..., Report]
) -> None:
    unwatched = back_up(wait=False)
    assert server.uploads.wait(unwatched.id, "spooled", 60).state is UploadState.ARCHIVED
    assert back_up().parent == unwatched.id


def test_parent_that_was_not_agreed_is_rejected(
    back_up: Callable[..., Report], chain: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = ThaniyaUpload.finish

    def say_another(self: ThaniyaUpload, manifest: Manifest, *arguments: object) -> object:
        return finish(self, msgspec.structs.replace(manifest, parent=chain[0]), *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(ThaniyaUpload, "finish", say_another)
    with pytest.raises(UploadRejected, match=f"builds on {chain[0]}, which was not agreed"):
        back_up()


def test_server_that_knows_no_increments_gets_full_backups(
    back_up: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up()
    real = CallerServices.allocate
    monkeypatch.setattr(
        CallerServices,
        "allocate",
        lambda self, caller, host, name, size, parents=(): real(self, caller, host, name, size),
    )
    report = back_up()
    assert (report.parent, report.full_because) == (None, "the server does not know increments")


def test_chain_may_lie_on_several_volumes(
    server: Server,
    client: ThaniyaServer,
    chain: list[str],
    back_up: Callable[..., Report],
    source: Path,
    tmp_path: Path,
    snapshot: Callable[[Path], Snapshot],
) -> None:
    (tmp_path / "second").mkdir()
    first = server.catalog.get(chain[0])
    (volume,) = server.volumes.all()
    server.volumes.add(tmp_path / "second", "second", "test")
    server.volumes.set_active(volume, False, "test")
    report = back_up()
    assert report.parent == chain[-1]
    newest = server.catalog.get(report.id)
    assert newest.volume != first.volume
    client.restore(report.id, into=tmp_path / "by-client")
    script = server.catalog.directory(newest) / "RESTORE.txt"
    environment = {**os.environ, "PARENTS": f"/nowhere:{server.catalog.directory(first).parent}"}
    subprocess.run(["sh", str(script), str(tmp_path / "by-shell")], check=True, capture_output=True, env=environment)
    assert snapshot(tmp_path / "by-client") == snapshot(tmp_path / "by-shell") == snapshot(source)
