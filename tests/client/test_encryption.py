"""Encrypted backups: restored with the program `age` alone and by the client, and closed to whoever has no key."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from thaniya_client import (
    Compression,
    Directory,
    FileKind,
    IdentityNeeded,
    IntegrityFailed,
    LocalDirectory,
    NotFound,
    Packer,
    Report,
    SourceFailed,
    ThaniyaServer,
    WrongUsage,
)
from thaniya_client.cli.main import run as run_client
from thaniya_client.encryption import library
from thaniya_client.encryption.encrypting import EncryptingWriter
from thaniya_client.encryption.recipients import read_recipients
from thaniya_core.cli.main import run
from thaniya_core.errors import ExitCode
from thaniya_core.formats.manifest import BackupDocument
from thaniya_core.server import Server, open_server

Snapshot = dict[bytes, tuple[object, ...]]

pytestmark = pytest.mark.skipif(shutil.which("age") is None, reason="the program age is needed (package age)")


class Key:
    """A private key in a file, and its public half."""

    def __init__(self, file: Path, public: str) -> None:
        self.file = file
        self.public = public


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Key]:
    """Keys that age-keygen and ssh-keygen have made."""
    place = tmp_path_factory.mktemp("keys")
    made: dict[str, Key] = {}
    for name in ("own", "other"):
        subprocess.run(["age-keygen", "-o", place / name], check=True, capture_output=True)
        public = subprocess.run(["age-keygen", "-y", place / name], check=True, capture_output=True, text=True).stdout
        made[name] = Key(place / name, public.strip())
    for name, kind, passphrase in (("ssh", "ed25519", ""), ("rsa", "rsa", ""), ("locked", "ed25519", "secret")):
        command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "a comment", "-f", str(place / name)]
        subprocess.run(command, check=True)
        made[name] = Key(place / name, (place / f"{name}.pub").read_text())
    return made


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small tree with a name that nobody is to see."""
    root = tmp_path / "home"
    (root / "alice").mkdir(parents=True)
    (root / "alice/secret-name").write_bytes(b"secret text\n" * 1000)
    (root / "alice/random").write_bytes(os.urandom(300_000))
    return root


class Dump:
    """A plain file, compressed, and how to use it."""

    def estimate_bytes(self) -> int | None:
        return None

    def pack(self, out: Packer) -> None:
        with out.open("dump.sql", compression=Compression.GZIP) as file:
            file.write(b"select 1")
        out.add_recipe("the dump", f"{file.read_command} | sqlite3 new.db")


def restore_by_text(directory: Path, into: Path, key: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Do what RESTORE.txt says."""
    command = ["sh", directory / "RESTORE.txt", into]
    return subprocess.run(command, env={**os.environ, "KEY": str(key), **env}, capture_output=True, text=True)


@pytest.mark.parametrize("compression", ["gzip", "none", "xz"])
def test_age_alone_restores_what_the_client_encrypted(
    target: LocalDirectory,
    odd_tree: Path,
    tmp_path: Path,
    keys: dict[str, Key],
    archive_of: Callable[[str], Path],
    snapshot: Callable[[Path], Snapshot],
    compression: str,
) -> None:
    report = target.backup(Directory(odd_tree, compression=compression), name="n", encrypt_to=[keys["own"].public])

    done = restore_by_text(archive_of(report.id), tmp_path / "by-text", keys["own"].file)
    target.restore(report.id, into=tmp_path / "by-client", identities=[keys["own"].file])

    assert done.returncode == 0, done.stderr
    assert snapshot(tmp_path / "by-text") == snapshot(tmp_path / "by-client") == snapshot(odd_tree)


def test_each_of_several_recipients_opens_it(
    target: LocalDirectory, source: Path, tmp_path: Path, keys: dict[str, Key], archive_of: Callable[[str], Path]
) -> None:
    (tmp_path / "team").write_text(f"# the team\n\n{keys['rsa'].public}\n{keys['own'].public}\n")
    report = target.backup(Directory(source), name="n", encrypt_to=[keys["ssh"].public, tmp_path / "team"])

    for name in ("own", "ssh", "rsa"):
        target.restore(report.id, into=tmp_path / name, identities=[keys["other"].file, keys[name].file])
        done = restore_by_text(archive_of(report.id), tmp_path / f"{name}-text", keys[name].file)
        assert done.returncode == 0, done.stderr
        for restored in (tmp_path / name, tmp_path / f"{name}-text"):
            assert (restored / "alice/secret-name").read_bytes() == b"secret text\n" * 1000


def test_plain_file_comes_back_under_the_name_that_its_recipe_has(
    target: LocalDirectory, tmp_path: Path, keys: dict[str, Key], archive_of: Callable[[str], Path]
) -> None:
    report = target.backup(Dump(), name="n", encrypt_to=[keys["own"].public])

    done = restore_by_text(archive_of(report.id), tmp_path / "by-text", keys["own"].file)
    restored = target.restore(report.id, into=tmp_path / "by-client", identities=[keys["own"].file])

    assert done.returncode == 0, done.stderr
    assert restored.recipes[0].lines == ("gzip -dc ./dump.sql.gz | sqlite3 new.db",)
    for place in ("by-text", "by-client"):
        assert [path.name for path in (tmp_path / place).iterdir()] == ["dump.sql.gz"]
        plain = subprocess.run(["gzip", "-dc", tmp_path / place / "dump.sql.gz"], check=True, capture_output=True)
        assert plain.stdout == b"select 1"


def test_nothing_that_is_stored_tells_a_name_or_a_text(
    target: LocalDirectory, source: Path, keys: dict[str, Key], archive_of: Callable[[str], Path]
) -> None:
    class Warning(Directory):
        def pack(self, out: Packer) -> None:
            super().pack(out)
            out.warn("secret-name cannot be read")

    report = target.backup(Warning(source, compression="none"), name="n", encrypt_to=[keys["own"].public])

    files = {path.name: path.read_bytes() for path in archive_of(report.id).iterdir()}
    assert files.keys() > {"home.tar.age", "home.files.gz.age", "client.log.age"}
    assert [name for name, data in files.items() if b"secret" in data] == []
    assert [name for name in files if name.endswith(".age")] == [
        name for name, data in files.items() if data.startswith(b"age-encryption.org/v1\n")
    ]
    document = target.show(report.id)
    assert (document.format, document.warning_count, len(document.warnings)) == (3, 1, 1)
    assert report.warnings == ("secret-name cannot be read",)


def test_lists_and_the_log_are_read_with_the_key_only(
    target: LocalDirectory, source: Path, keys: dict[str, Key]
) -> None:
    report = target.backup(Directory(source), name="n", encrypt_to=[keys["own"].public])
    log = io.BytesIO()
    target.fetch(report.id, "client.log", log, identities=[keys["own"].file])

    listed = [entry.path for entry in target.files(report.id, identities=[keys["own"].file])]
    assert sorted(listed) == [b"./", b"./alice/", b"./alice/random", b"./alice/secret-name"]
    assert f"backup {report.id} of" in log.getvalue().decode()
    with pytest.raises(IdentityNeeded, match=r"home\.files\.gz\.age"):
        list(target.files(report.id))
    with pytest.raises(IdentityNeeded, match=r"client\.log\.age"):
        target.fetch(report.id, "client.log", io.BytesIO())


def test_some_paths_are_restored(target: LocalDirectory, source: Path, tmp_path: Path, keys: dict[str, Key]) -> None:
    report = target.backup(Directory(source), name="n", encrypt_to=[keys["own"].public])

    target.restore(report.id, into=tmp_path / "part", paths=["alice/random"], identities=[keys["own"].file])
    with pytest.raises(NotFound, match="nobody"):
        target.restore(report.id, into=tmp_path / "none", paths=["nobody"], identities=[keys["own"].file])

    assert [path.name for path in (tmp_path / "part").rglob("*") if path.is_file()] == ["random"]


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_wrong_key_restores_nothing_and_says_so(
    target: LocalDirectory,
    source: Path,
    tmp_path: Path,
    keys: dict[str, Key],
    archive_of: Callable[[str], Path],
    compression: str,
) -> None:
    report = target.backup(Directory(source, compression=compression), name="n", encrypt_to=[keys["own"].public])

    with pytest.raises(IdentityNeeded, match="encrypted to other keys"):
        target.restore(report.id, into=tmp_path / "by-client", identities=[keys["other"].file])
    with pytest.raises(IdentityNeeded, match="is encrypted"):
        target.restore(report.id, into=tmp_path / "not-there")
    done = restore_by_text(archive_of(report.id), tmp_path / "by-text", keys["other"].file)

    assert not (tmp_path / "not-there").exists()
    assert done.returncode != 0
    assert "no identity matched" in done.stderr
    assert list((tmp_path / "by-text").iterdir()) == []


def test_tampering_is_found_by_the_client_and_by_restore_txt(
    target: LocalDirectory, source: Path, tmp_path: Path, keys: dict[str, Key], archive_of: Callable[[str], Path]
) -> None:
    report = target.backup(Directory(source), name="n", encrypt_to=[keys["own"].public])
    archive = archive_of(report.id) / "home.tar.gz.age"
    data = bytearray(archive.read_bytes())
    data[-100] ^= 1
    archive.chmod(0o600)
    archive.write_bytes(data)

    with pytest.raises(IntegrityFailed, match="SHA-256"):
        target.restore(report.id, into=tmp_path / "by-client", identities=[keys["own"].file])
    done = restore_by_text(archive_of(report.id), tmp_path / "by-text", keys["own"].file)

    assert done.returncode != 0
    assert "home.tar.gz.age: FAILED" in done.stdout
    assert list((tmp_path / "by-text").iterdir()) == []


def test_increments_are_encrypted_and_restored_as_a_chain(
    target: LocalDirectory,
    source: Path,
    tmp_path: Path,
    keys: dict[str, Key],
    archive_of: Callable[[str], Path],
    snapshot: Callable[[Path], Snapshot],
) -> None:
    def back_up(*public: str) -> Report:
        return target.backup(Directory(source, incremental=True), name="n", encrypt_to=public)

    full = back_up(keys["own"].public)
    (source / "alice/random").unlink()
    (source / "new").write_bytes(b"new")
    increment = back_up(keys["own"].public)
    expected = snapshot(source)
    done = restore_by_text(archive_of(increment.id), tmp_path / "by-text", keys["own"].file)
    target.restore(increment.id, into=tmp_path / "by-client", identities=[keys["own"].file])
    with_another_key = back_up(keys["own"].public, keys["other"].public)

    assert (full.parent, increment.parent) == (None, full.id)
    assert done.returncode == 0, done.stderr
    assert snapshot(tmp_path / "by-text") == snapshot(tmp_path / "by-client") == expected
    assert with_another_key.parent is None
    assert "whom it is encrypted to" in with_another_key.full_because


def test_failure_of_a_source_tells_the_server_no_name(
    target: LocalDirectory, keys: dict[str, Key], all_archived: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(Dump):
        def pack(self, out: Packer) -> None:
            with out.open("dump.sql") as file:
                file.write(b"x" * 3_000_000)
                raise SourceFailed("/home/secret-name cannot be read")

    reasons: list[str] = []
    upload = type(target._connector.begin("host", "n", None))
    monkeypatch.setattr(upload, "abort", lambda self, reason: reasons.append(reason))
    with pytest.raises(SourceFailed, match="secret-name"):
        target.backup(Failing(), name="n", encrypt_to=[keys["own"].public])

    assert reasons == ["The source cannot be backed up"]
    assert all_archived() == []


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_error_of_the_place_of_backups_is_the_one_that_is_told(keys: dict[str, Key], size: int) -> None:
    class Full:
        def write(self, data: bytes) -> int:
            raise OSError("no space")

    recipients = read_recipients([keys["own"].public])
    assert recipients is not None
    writer = EncryptingWriter(Full(), recipients)
    with pytest.raises(OSError, match="no space"):
        writer.write(b"x" * size)
        writer.close()
    writer.abandon()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("age1nonsense", "no public key"),
        ("ssh-ed25519 AAAA", "no public key"),
        ("ecdsa-sha2-nistp256 AAAA", "no public key"),
        ("own", "secret key was given in"),
        ("empty", "there is no public key in"),
    ],
)
def test_what_is_no_public_key_is_refused(
    target: LocalDirectory, source: Path, tmp_path: Path, keys: dict[str, Key], given: str, message: str
) -> None:
    (tmp_path / "empty").write_text("# nobody\n")
    files = {"own": keys["own"].file, "empty": tmp_path / "empty"}
    with pytest.raises(WrongUsage, match=message):
        target.backup(Directory(source), name="n", encrypt_to=[files.get(given, given)])


def test_keys_behind_a_passphrase_are_refused_with_what_to_do(
    target: LocalDirectory, tmp_path: Path, keys: dict[str, Key]
) -> None:
    (tmp_path / "locked").write_bytes(b"age-encryption.org/v1\n-> scrypt\n")
    for file, hint in ((keys["locked"].file, "ssh-keygen -p"), (tmp_path / "locked", "age -d -o")):
        with pytest.raises(WrongUsage, match="passphrase") as refused:
            target.restore("20261123T211500Z-7f3a2c", into=tmp_path / "new", identities=[file])
        assert hint in refused.value.hint


def test_without_the_library_the_extra_is_named(
    target: LocalDirectory, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(library.importlib, "import_module", missing)
    with pytest.raises(WrongUsage) as refused:
        target.backup(Directory(source), name="n", encrypt_to=["age1x"])
    assert refused.value.hint == "pip install 'thaniya[encryption]'"


MEMORY_SCRIPT = r"""
import re, sys
from pathlib import Path
from thaniya_client import Command, LocalDirectory
disk, public, private, restored = sys.argv[1:]
target = LocalDirectory(disk)
command = Command(["head", "-c", "150M", "/dev/zero"], name="zeros", compression="none")
report = target.backup(command, name="large", encrypt_to=[public])
target.restore(report.id, into=restored, identities=[private])
peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
print(report.stored_bytes, int(peak[1]))
"""


def test_memory_does_not_grow_with_what_is_encrypted(tmp_path: Path, keys: dict[str, Key]) -> None:
    (tmp_path / "disk").mkdir()
    own = keys["own"]
    arguments = [tmp_path / "disk", own.public, own.file, tmp_path / "restored"]
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_SCRIPT, *arguments],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    stored_bytes, peak_kb = map(int, done.stdout.split())
    assert stored_bytes > 150 * 1024 * 1024
    assert peak_kb < 100 * 1024


def test_simulation_tells_of_the_keys(target: LocalDirectory, source: Path, keys: dict[str, Key]) -> None:
    report = target.backup(Directory(source), name="n", encrypt_to=[keys["own"].public], simulate=True)
    assert "encrypt all of it to 1 public key" in report.plan


def test_command_encrypts_lists_and_restores(
    target: LocalDirectory,
    source: Path,
    tmp_path: Path,
    keys: dict[str, Key],
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    config = tmp_path / "client.toml"
    config.write_text(f'directory = "{target.path}"\n')
    options, identity = ["--config", str(config)], ["--identity", str(keys["own"].file)]

    assert run_client(["backup", str(source), "--name", "n", "--encrypt-to", keys["own"].public, *options]) == 0
    (backup,) = LocalDirectory(target.path).backups()
    assert run_client(["files", backup.id, *options]) == ExitCode.NOT_ALLOWED
    capsysbinary.readouterr()
    assert run_client(["files", *identity, backup.id, *options]) == 0
    assert b"./alice/secret-name" in capsysbinary.readouterr().out
    assert run_client(["fetch", *identity, backup.id, "client.log", *options]) == 0
    assert backup.id.encode() in capsysbinary.readouterr().out
    assert run_client(["restore", *identity, backup.id, str(tmp_path / "restored"), *options]) == 0
    assert (tmp_path / "restored/alice/random").read_bytes() == (source / "alice/random").read_bytes()


@pytest.fixture
def server(server: Server, tmp_path: Path) -> Server:
    """One that compresses all that it may."""
    config = tmp_path / "server/thaniya.toml"
    config.write_text(config.read_text() + '\n[compression]\n"*" = "gzip"\n')
    return open_server(config)


def test_server_keeps_and_verifies_what_it_cannot_read(
    server: Server,
    client: ThaniyaServer,
    source: Path,
    tmp_path: Path,
    keys: dict[str, Key],
    snapshot: Callable[[Path], Snapshot],
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = client.backup(Directory(source, compression="none"), name="n", encrypt_to=[keys["own"].public])
    client.restore(report.id, into=tmp_path / "by-client", identities=[keys["own"].file])
    backup = server.catalog.get(report.id)
    directory = server.catalog.directory(backup)
    done = restore_by_text(directory, tmp_path / "by-text", keys["own"].file)
    config = ["--config", str(tmp_path / "server/thaniya.toml")]

    assert done.returncode == 0, done.stderr
    assert snapshot(tmp_path / "by-client") == snapshot(tmp_path / "by-text") == snapshot(source)
    assert _by_kind(backup.document)[FileKind.TAR] == "home.tar.age"
    capsys.readouterr()
    assert run([*config, "backup", "verify", report.id, "--test-restore"]) == 0
    assert "good: all sums are right; it is encrypted" in capsys.readouterr().out
    assert not server.catalog.get(report.id).broken
    with pytest.raises(IdentityNeeded, match=r"home\.files\.gz\.age"):
        list(server.backups.inside(backup))
    with pytest.raises(IdentityNeeded, match=r"home\.tar\.age"):
        server.backups.restore(backup, tmp_path / "by-server", (), False, "test")

    archive = directory / "home.tar.age"
    archive.chmod(0o600)
    archive.write_bytes(archive.read_bytes()[:-1] + b"x")
    assert "home.tar.age has another SHA-256" in server.backups.verify(backup, "test").broken


def _by_kind(document: BackupDocument) -> dict[FileKind, str]:
    return {file.kind: file.name for file in document.files}
