"""Virtual slot accounts: logins, and what is taken out of a slot."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from thaniya_core.accounts import EmbeddedAccounts
from thaniya_core.errors import IllegalName, NotAllowed
from thaniya_core.formats.names import is_legal_file

SLOT = "thaniya_01"
DEADLINE_S = 30.0


class Holder:
    """Tells which upload holds the slot."""

    upload_id: str | None = "upload"

    def __call__(self, slot: str) -> str | None:
        return self.upload_id


@pytest.fixture
def holder() -> Holder:
    return Holder()


@pytest.fixture
def accounts(tmp_path: Path, holder: Holder) -> EmbeddedAccounts:
    made = EmbeddedAccounts(tmp_path / "slots", holder)
    made.create(SLOT)
    return made


@pytest.fixture
def upload(accounts: EmbeddedAccounts) -> Path:
    return accounts.directory(SLOT)


def _nothing() -> None:
    """Closing a login that is none."""


def test_slot_cannot_lie_outside(accounts):
    with pytest.raises(IllegalName):
        accounts.directory("../../etc")


def test_login_of_an_upload_that_holds_the_slot_no_more_is_refused(accounts, holder):
    holder.upload_id = "another"

    with pytest.raises(NotAllowed, match="does not hold"):
        accounts.begin(SLOT, "upload", _nothing)
    assert accounts.usage(SLOT).sessions == 0


def test_ended_login_is_disconnected_and_may_not_write(accounts):
    closed = threading.Event()
    session = accounts.begin(SLOT, "upload", closed.set)

    accounts.lock(SLOT)

    assert closed.is_set()
    with pytest.raises(NotAllowed), session.writing():
        pytest.fail("it may write")
    assert accounts.usage(SLOT).sessions == 0


def test_ending_logins_waits_for_the_write_under_way(accounts):
    session = accounts.begin(SLOT, "upload", _nothing)
    is_writing, may_end, has_ended = threading.Event(), threading.Event(), threading.Event()

    def write() -> None:
        with session.writing():
            is_writing.set()
            assert may_end.wait(DEADLINE_S)
            assert not has_ended.is_set()

    def end() -> None:
        accounts.lock(SLOT)
        has_ended.set()

    writer, ender = threading.Thread(target=write), threading.Thread(target=end)
    writer.start()
    assert is_writing.wait(DEADLINE_S)
    ender.start()
    may_end.set()
    writer.join(DEADLINE_S)
    ender.join(DEADLINE_S)
    assert has_ended.is_set()


def test_login_that_ends_by_itself_is_forgotten(accounts):
    accounts.begin(SLOT, "upload", _nothing).end()

    assert accounts.usage(SLOT).sessions == 0


def test_usage_counts_files_and_logins(accounts, upload):
    (upload / "a").write_bytes(b"12345")
    (upload / "b").write_bytes(b"123")
    accounts.begin(SLOT, "upload", _nothing)

    usage = accounts.usage(SLOT)

    assert (usage.size_bytes, usage.files, usage.sessions) == (8, 2, 1)
    assert usage.changed_at is not None


def test_usage_of_an_empty_slot_has_no_change(accounts):
    assert accounts.usage(SLOT).changed_at is None


def test_plain_files_are_collected(accounts, upload, tmp_path):
    (upload / "a").write_bytes(b"a")
    (upload / "b.tar.gz").write_bytes(b"b")

    collected = accounts.collect(SLOT, tmp_path / "spool" / "data")

    assert (collected.files, collected.refused) == (("a", "b.tar.gz"), ())
    assert (tmp_path / "spool" / "data" / "a").read_bytes() == b"a"
    assert list(upload.iterdir()) == []


def test_collecting_goes_on_where_it_was_interrupted(accounts, upload, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_bytes(b"moved before")
    (upload / "b").write_bytes(b"b")

    assert accounts.collect(SLOT, tmp_path / "data").files == ("a", "b")


def _device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root can make a device")


ODD = {
    "is a symbolic link": lambda path: path.symlink_to("/etc/passwd"),
    "is a directory": lambda path: path.mkdir(),
    "is a pipe": os.mkfifo,
    "is a device": _device,
    "has a second name (hard link)": lambda path: os.link(_outside(path), path),
}


def _outside(path: Path) -> Path:
    file = path.parent.parent / "outside"
    file.touch()
    return file


@pytest.mark.parametrize("why", ODD)
def test_what_is_no_plain_file_is_refused_with_its_reason(accounts, upload, tmp_path, why):
    ODD[why](upload / "odd")
    (upload / "good").touch()

    collected = accounts.collect(SLOT, tmp_path / "data")

    assert collected.refused == (f"'odd' {why}",)
    assert collected.files == ("good",)


@pytest.mark.parametrize(
    "name",
    [b".hidden", b"-rf", b"two\nlines", b"a b", b"\xff\xfe", b"caf\xc3\xa9", b"backup.json", b"SHA256SUMS", b"a" * 201],
)
def test_illegal_name_is_refused_and_shown_without_control_characters(accounts, upload, tmp_path, name):
    (upload / os.fsdecode(name)).touch()

    collected = accounts.collect(SLOT, tmp_path / "data")

    assert collected.files == ()
    (refused,) = collected.refused
    assert refused.endswith("has a name that is not legal")
    assert refused.isprintable()
    assert not is_legal_file(os.fsdecode(name))


def test_slot_is_cleaned_of_everything(accounts, upload, tmp_path):
    for number, make in enumerate(ODD.values()):
        if make is not _device:
            make(upload / str(number))
    (upload / "1" / "deep").mkdir()

    accounts.clean(SLOT)

    assert list(upload.iterdir()) == []


def test_slot_is_removed_with_what_is_in_it(accounts, upload):
    (upload / "a").touch()

    accounts.remove(SLOT)

    assert not upload.parent.exists()
    accounts.remove(SLOT)
