"""backup.json, SHA256SUMS and RESTORE.txt."""

from __future__ import annotations

import hashlib
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from thaniya_core.errors import IllegalName, IntegrityFailed, WrongUsage
from thaniya_core.formats.compression import Compression, open_writer
from thaniya_core.formats.documents import (
    decode_sums,
    encode_documents,
    encode_restore,
    encode_sums,
)
from thaniya_core.formats.encryption import Encryption
from thaniya_core.formats.manifest import (
    ENCRYPTED_FORMAT,
    FORMAT,
    INCREMENT_FORMAT,
    LISTS,
    TREE_FORMAT,
    BackupDocument,
    BackupFile,
    FileKind,
    Manifest,
    SumsBy,
    check_manifest,
    decode_document,
    describe_file,
    encode_document,
    make_document,
)
from thaniya_core.formats.names import (
    BACKUP_FILE,
    DOCUMENT_FILES,
    RESERVED_FILES,
    RESTORE_FILE,
    SUMS_FILE,
    Series,
    is_legal_file,
)
from thaniya_core.system.run import run

NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)
names = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._+@=,%-]{0,30}", fullmatch=True).filter(is_legal_file)
sums = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
counts = st.one_of(st.none(), st.integers(0, 2**62))
moments = st.datetimes(datetime(2000, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC))
files = st.builds(
    BackupFile,
    names,
    sums,
    counts,
    st.sampled_from(FileKind),
    st.sampled_from(Compression),
    counts,
    counts,
    st.one_of(st.none(), names),
    st.booleans(),
    st.booleans(),
).filter(lambda file: file.kind not in LISTS or file.compression is not Compression.XZ)
file_lists = st.lists(files, unique_by=lambda file: file.name, max_size=5).map(tuple)
documents = st.builds(
    BackupDocument,
    id=st.just("20261123T211500Z-7f3a2c"),
    user=st.just("alice"),
    host=st.just("web1"),
    name=st.just("nightly"),
    created_at=moments,
    completed_at=moments,
    archived_at=moments,
    files=file_lists,
    stored_bytes=st.integers(0, 2**62),
    original_bytes=st.integers(0, 2**62),
    sums_by=st.sampled_from(SumsBy),
    warnings=st.lists(st.text(), max_size=3).map(tuple),
    started_at=st.one_of(st.none(), moments),
    client=st.text(),
    parent=st.one_of(st.none(), st.just("20261122T211500Z-7f3a2c")),
    format=st.just(FORMAT),
)


@given(documents)
def test_document_is_read_as_it_is_written(document):
    assert decode_document(encode_document(document), "backup.json") == document


@given(
    st.builds(Manifest, file_lists, st.lists(st.text()).map(tuple), st.integers(0, 99), st.none(), moments, st.text())
)
def test_manifest_is_read_as_it_is_written(manifest):
    assert msgspec.json.decode(msgspec.json.encode(check_manifest(manifest)), type=Manifest) == manifest


@given(st.binary())
def test_garbage_is_no_document(data):
    with pytest.raises(IntegrityFailed, match=r"backup\.json cannot be read"):
        decode_document(data, "backup.json")


def _document(*found: BackupFile) -> BackupDocument:
    size = sum(file.size_bytes or 0 for file in found)
    return BackupDocument(
        id="20261123T211500Z-7f3a2c",
        user="alice",
        host="web1",
        name="nightly",
        created_at=NOW,
        completed_at=NOW,
        archived_at=NOW,
        files=found,
        stored_bytes=size,
        original_bytes=size,
        sums_by=SumsBy.CLIENT,
    )


def test_encrypted_file_is_restored_under_its_name_without_age():
    file = BackupFile("dump.sql.gz.age", "0" * 64, 10, encryption=Encryption.AGE, compression=Compression.GZIP)

    assert (file.restored_name, file.restored_compression) == ("dump.sql.gz", Compression.NONE)
    assert check_manifest(Manifest((file,))).files == (file,)


@pytest.mark.parametrize(
    "file",
    [
        BackupFile("home.tar", "0" * 64, encryption=Encryption.AGE),
        BackupFile("home.age.gz", "0" * 64, encryption=Encryption.AGE, compression=Compression.GZIP, uploaded_name="a"),
    ],
)
def test_file_that_cannot_be_what_age_has_made_is_refused(file):
    with pytest.raises(WrongUsage, match="is encrypted by age"):
        check_manifest(Manifest((file,)))


def test_files_that_would_be_restored_under_one_name_are_refused():
    files = (BackupFile("notes", "0" * 64), BackupFile("notes.age", "0" * 64, encryption=Encryption.AGE))
    with pytest.raises(WrongUsage, match="twice"):
        check_manifest(Manifest(files))


def test_document_of_a_later_format_is_refused():
    written = encode_document(replace(_document(BackupFile("a", "0" * 64)), format=TREE_FORMAT + 1))

    for data in (written, written.replace(b'"name": "a"', b'"kind": "later"'), written.replace(b'"a"', b'"../a"')):
        with pytest.raises(IntegrityFailed, match=f"has format {TREE_FORMAT + 1}") as refused:
            decode_document(data, "backup.json")
        assert refused.value.hint == "upgrade Thaniya"


PLAIN = BackupFile("a", "0" * 64)
AGE = BackupFile("a.age", "0" * 64, encryption=Encryption.AGE)
TREE = BackupFile("a.tree.gz", "0" * 64, kind=FileKind.TREE)
AGE_TREE = BackupFile("a.tree.gz.age", "0" * 64, kind=FileKind.TREE, encryption=Encryption.AGE)


@pytest.mark.parametrize(
    ("file", "is_increment", "number"),
    [
        (PLAIN, False, FORMAT),
        (PLAIN, True, INCREMENT_FORMAT),
        (AGE, False, ENCRYPTED_FORMAT),
        (AGE, True, ENCRYPTED_FORMAT),
        (TREE, True, TREE_FORMAT),
        (AGE_TREE, True, TREE_FORMAT),
    ],
)
def test_format_says_what_a_reader_has_to_know(file, is_increment, number):
    document = make_document(
        Series("alice", "web1", "nightly"),
        "20261123T211500Z-7f3a2c",
        (PLAIN, file),
        Manifest((), parent="20261122T211500Z-7f3a2c" if is_increment else None),
        sums_by=SumsBy.CLIENT,
        created_at=NOW,
        completed_at=NOW,
        archived_at=NOW,
    )

    assert document.format == number


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        (b'"created_at": "2026-11-23T21:15:00Z"', b'"created_at": "2026-11-23T21:15:00"'),
        (b'"archived_at": "2026-11-23T21:15:00Z"', b'"archived_at": "0001-01-01T00:00:00Z"'),
        (b'"completed_at": "2026-11-23T21:15:00Z"', b'"completed_at": "9999-12-31T23:59:59Z"'),
        (b'"stored_bytes": 0', b'"stored_bytes": -1'),
        (b'"id"', b'"id\xff"'),
        pytest.param(b"{", b'{"later": ' + b"[" * 5000, id="nested too deep"),
    ],
)
def test_document_that_would_stop_others_from_being_read_is_refused(written, instead):
    data = encode_document(_document())
    assert written in data

    with pytest.raises(IntegrityFailed, match=r"backup\.json cannot be read"):
        decode_document(data.replace(written, instead, 1), "backup.json")


def test_document_with_fields_of_a_later_version_is_read():
    data = encode_document(_document()).replace(b"{", b'{"later": [1, 2],', 1)

    assert decode_document(data, "backup.json") == _document()


@pytest.mark.parametrize(
    "file",
    [
        BackupFile("../evil", "0" * 64),
        BackupFile("backup.json", "0" * 64),
        BackupFile("a", "0" * 63),
        BackupFile("a", "A" * 64),
        BackupFile("a", "0" * 64, -1),
        BackupFile("a", "0" * 64, original_bytes=-1),
        BackupFile("a", "0" * 64, entries=-1),
    ],
)
def test_manifest_with_an_illegal_file_is_refused(file):
    with pytest.raises((IllegalName, WrongUsage)):
        check_manifest(Manifest((file,)))


def test_manifest_that_names_a_file_twice_is_refused():
    with pytest.raises(WrongUsage, match="twice"):
        check_manifest(Manifest((BackupFile("a", "0" * 64), BackupFile("a", "1" * 64))))


@given(file_lists)
def test_sums_are_read_as_they_are_written(found):
    told = {file.name: file.sha256 for file in found}

    assert decode_sums(encode_sums(told)) == told


@given(documents)
def test_sums_cover_every_other_file(document):
    written = encode_documents(document)

    assert written.keys() == DOCUMENT_FILES
    lines = dict(reversed(line.split("  ")) for line in written[SUMS_FILE].decode().splitlines())
    others = {name: hashlib.sha256(data).hexdigest() for name, data in written.items() if name != SUMS_FILE}
    assert lines == {file.name: file.sha256 for file in document.files} | others


@given(documents)
def test_documents_say_what_they_are_made_of(document):
    written = encode_documents(document)

    assert decode_document(written[BACKUP_FILE], BACKUP_FILE) == document
    assert written[RESTORE_FILE] == encode_restore(document)


@pytest.mark.parametrize("name", sorted(RESERVED_FILES))
def test_sums_that_a_client_sends_speak_of_no_document_of_the_archive(name):
    with pytest.raises(IllegalName):
        decode_sums(encode_sums({"a": "0" * 64, name: "0" * 64}))


@given(st.binary())
def test_any_bytes_are_sums_or_refused(data):
    try:
        decode_sums(data)
    except (WrongUsage, IllegalName):
        pass


def test_sums_of_sha256sum_are_read_with_directories_and_binary_marks():
    one, two = "a" * 64, "B" * 64

    assert decode_sums(f"{one}  upload/home.tar.gz\n{two} *./x\n".encode()) == {"home.tar.gz": one, "x": two.lower()}


@pytest.mark.parametrize(
    "text", ["no sum", "a" * 64, f"{'a' * 64}  a\n{'a' * 64}  b/a\n", f"\\{'a' * 64}  a\\nb", f"{'a' * 64}  a\nb"]
)
def test_what_sha256sum_does_not_write_is_refused(text):
    with pytest.raises((WrongUsage, IllegalName)):
        decode_sums(text.encode())


def _put(directory: Path, name: str, data: bytes) -> BackupFile:
    (directory / name).write_bytes(data)
    return describe_file(name, hashlib.sha256(data).hexdigest(), len(data))


def test_sha256sum_checks_our_sums(tmp_path):
    found = [_put(tmp_path, name, name.encode()) for name in ("a", "_b%20=c,d@e+f", "x" * 200, "100%")]
    (tmp_path / "SHA256SUMS").write_bytes(encode_sums({file.name: file.sha256 for file in found}))

    done = run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=tmp_path, timeout_s=30)

    assert done.stdout.count(b": OK\n") == len(found)


def test_our_sums_are_those_of_sha256sum(tmp_path):
    found = [_put(tmp_path, name, name.encode()) for name in ("a", "b", "c")]

    written = run(["sha256sum", "a", "b", "c"], cwd=tmp_path, timeout_s=30).stdout

    assert encode_sums({file.name: file.sha256 for file in found}) == written


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What was backed up."""
    tree = tmp_path / "source"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc" / "odd\n -name\\x").write_bytes(b"odd")
    (tree / "etc" / "link").symlink_to("odd")
    (tree / "etc").chmod(0o750)
    return tree


def _pack(source: Path, directory: Path, name: str, compression: Compression) -> BackupFile:
    with (
        (directory / name).open("wb") as target,
        open_writer(target, compression) as stream,
        tarfile.open(mode="w|", fileobj=stream) as tar,
    ):
        tar.add(source, ".")
    data = (directory / name).read_bytes()
    return describe_file(name, hashlib.sha256(data).hexdigest(), len(data))


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    directory = tmp_path / "a backup; with odd $path"
    directory.mkdir()
    return directory


def _write_documents(backup: Path, *found: BackupFile) -> None:
    for name, data in encode_documents(_document(*found)).items():
        (backup / name).write_bytes(data)


def _restore(backup: Path, target: str, cwd: Path, check: bool = True):
    return run(["sh", str(backup / "RESTORE.txt"), target], cwd=cwd, timeout_s=60, check=check)


@pytest.mark.parametrize("compression", Compression)
def test_shell_restores_a_backup(tmp_path, source, backup, compression):
    tar = _pack(source, backup, f"home.tar{compression.suffix}", compression)
    other = _put(backup, "notes.txt", b"some notes")
    log = _put(backup, "client.log", b"done")
    _write_documents(backup, tar, other, log)

    _restore(backup, "restored here", tmp_path)

    target = tmp_path / "restored here"
    assert sorted(path.name for path in target.iterdir()) == ["etc", "notes.txt"]
    assert (target / "etc" / "odd\n -name\\x").read_bytes() == b"odd"
    assert (target / "etc" / "link").readlink() == Path("odd")
    assert (target / "etc").stat().st_mode & 0o777 == 0o750


def test_shell_restores_several_archives_side_by_side(tmp_path, source, backup):
    one = _pack(source, backup, "one.tar.gz", Compression.GZIP)
    two = _pack(source / "etc", backup, "two.tar", Compression.NONE)
    _write_documents(backup, one, two)

    _restore(backup, str(tmp_path / "target"), tmp_path)

    assert (tmp_path / "target" / "one" / "etc" / "odd\n -name\\x").is_file()
    assert (tmp_path / "target" / "two" / "odd\n -name\\x").is_file()


def test_shell_restores_nothing_of_a_damaged_backup(tmp_path, source, backup):
    tar = _pack(source, backup, "home.tar", Compression.NONE)
    _write_documents(backup, tar)
    (backup / "home.tar").write_bytes((backup / "home.tar").read_bytes() + b"x")

    done = _restore(backup, str(tmp_path / "target"), tmp_path, check=False)

    assert done.exit_code != 0
    assert list((tmp_path / "target").iterdir()) == []


def test_shell_tells_when_an_archive_cannot_be_restored(tmp_path, source, backup):
    one = _pack(source, backup, "one.tar", Compression.NONE)
    two = _pack(source, backup, "two.tar", Compression.NONE)
    _write_documents(backup, one, two)
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "one").write_bytes(b"in the way")

    done = _restore(backup, str(tmp_path / "target"), tmp_path, check=False)

    assert done.exit_code != 0


def test_restore_without_a_directory_tells_its_usage(tmp_path, backup):
    _write_documents(backup, _put(backup, "a", b"a"))

    done = run(["sh", "RESTORE.txt"], cwd=backup, timeout_s=30, check=False)

    assert done.exit_code != 0
    assert b"usage: sh RESTORE.txt DIRECTORY" in done.stderr


@pytest.mark.parametrize("name", ["backup.json", "RESTORE.txt"])
def test_shell_restores_nothing_when_a_document_is_damaged(tmp_path, source, backup, name):
    _write_documents(backup, _pack(source, backup, "home.tar", Compression.NONE))
    (backup / name).write_bytes((backup / name).read_bytes() + b"\n")

    done = _restore(backup, str(tmp_path / "target"), tmp_path, check=False)

    assert done.exit_code != 0
    assert f"{name}: FAILED".encode() in done.stdout
    assert list((tmp_path / "target").iterdir()) == []


def test_shell_keeps_archives_of_the_same_stem_apart(tmp_path, source, backup):
    one = _pack(source, backup, "one.tar.gz", Compression.GZIP)
    other = _pack(source / "etc", backup, "one.tar", Compression.NONE)
    _write_documents(backup, one, other)

    _restore(backup, str(tmp_path / "target"), tmp_path)

    assert (tmp_path / "target" / "one.tar.gz" / "etc" / "odd\n -name\\x").is_file()
    assert (tmp_path / "target" / "one.tar" / "odd\n -name\\x").is_file()


@given(file_lists, st.integers(0, 99), st.booleans())
def test_document_is_made_of_what_lies_there_and_what_the_client_told(found, warning_count, is_summed_by_client):
    manifest = Manifest((), ("one vanished",), warning_count, NOW, NOW, "client/1")

    document = make_document(
        Series("alice", "web1", "nightly"),
        "20261123T211500Z-7f3a2c",
        found,
        manifest,
        sums_by=SumsBy.CLIENT if is_summed_by_client else SumsBy.SERVER,
        created_at=NOW,
        completed_at=NOW,
        archived_at=NOW,
    )

    assert document.files == found
    assert document.stored_bytes == sum(file.size_bytes or 0 for file in found)
    assert document.original_bytes == sum(
        (file.size_bytes or 0) if file.original_bytes is None else file.original_bytes for file in found
    )
    assert (document.warnings, document.warning_count) == (("one vanished",), max(1, warning_count))
    assert (document.started_at, document.ended_at, document.client) == (NOW, NOW, "client/1")
    assert decode_document(encode_document(document), "backup.json") == document


@pytest.mark.parametrize(
    ("name", "kind", "compression"),
    [
        ("home.tar.gz", FileKind.TAR, Compression.GZIP),
        ("home.tar", FileKind.TAR, Compression.NONE),
        ("dump.sql.xz", FileKind.FILE, Compression.NONE),
        ("client.log", FileKind.LOG, Compression.NONE),
    ],
)
def test_name_alone_tells_what_a_file_is(name, kind, compression):
    file = describe_file(name, "0" * 64)

    assert (file.kind, file.compression) == (kind, compression)


COMPRESSED = BackupFile(
    "dump.sql.xz",
    "0" * 64,
    10,
    compression=Compression.XZ,
    uploaded_name="dump.sql",
    uploaded_sha256="1" * 64,
    uploaded_bytes=100,
)


def test_file_that_the_archive_compressed_is_restored_as_it_was_uploaded():
    assert check_manifest(Manifest((COMPRESSED,)))
    assert (COMPRESSED.restored_name, COMPRESSED.restored_compression) == ("dump.sql", Compression.XZ)
    assert (COMPRESSED.restored_sha256, COMPRESSED.restored_bytes) == ("1" * 64, 100)


def test_file_that_came_compressed_is_restored_so():
    came = BackupFile("dump.sql.xz", "0" * 64, 10, compression=Compression.XZ)

    assert (came.restored_name, came.restored_compression) == ("dump.sql.xz", Compression.NONE)
    assert (came.restored_sha256, came.restored_bytes) == ("0" * 64, 10)


@pytest.mark.parametrize(
    ("lie", "others"),
    [
        ({"uploaded_name": "../dump.sql", "name": "dump.sql.xz"}, ()),
        ({"uploaded_name": "../dump.sql", "name": "../dump.sql.xz"}, ()),
        ({"uploaded_name": "other.sql"}, ()),
        ({"uploaded_name": "backup.json", "name": "backup.json.xz"}, ()),
        ({"compression": Compression.GZIP}, ()),
        ({"uploaded_sha256": "1"}, ()),
        ({"uploaded_bytes": -1}, ()),
        ({"shared_with": "../../etc"}, ()),
        ({}, (BackupFile("dump.sql", "0" * 64, 1),)),
    ],
)
def test_word_on_what_a_file_was_before_must_be_legal(lie, others):
    with pytest.raises((IllegalName, WrongUsage)):
        check_manifest(Manifest((replace(COMPRESSED, **lie), *others)))
