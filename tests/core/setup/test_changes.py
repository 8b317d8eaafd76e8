"""Changes: what differs is told and made, what is right is left alone."""

from __future__ import annotations

import getpass
import grp
import os

import pytest

from thaniya_core.errors import NotFound, WrongState
from thaniya_core.setup.apply import carry_out
from thaniya_core.setup.changes import Directory, File, Gone, Group, ServiceUser, find_difference
from thaniya_core.setup.preconditions import find_hidden, find_unsafe

OWNER = getpass.getuser()
GROUP = grp.getgrgid(os.getgid()).gr_name


@pytest.fixture
def told():
    return []


def mode_of(path):
    return path.stat().st_mode & 0o7777


def test_file_is_written_once(tmp_path, told):
    wanted = File(tmp_path / "new" / "file", "content", OWNER, GROUP, 0o600)
    assert carry_out([wanted], told.append) == 1
    assert wanted.path.read_text() == "content"
    assert mode_of(wanted.path) == 0o600
    written_at = wanted.path.stat().st_mtime_ns
    assert carry_out([wanted], told.append) == 0
    assert wanted.path.stat().st_mtime_ns == written_at
    assert told == [f"write {wanted.path} ({OWNER}:{GROUP} 0600)"]


def test_dry_run_tells_and_makes_nothing(tmp_path, told):
    wanted = [Directory(tmp_path / "a", OWNER, GROUP), File(tmp_path / "a" / "b", "text", OWNER, GROUP)]
    assert carry_out(wanted, told.append, dry_run=True) == 2
    assert list(tmp_path.iterdir()) == []
    assert len(told) == 2


def test_mode_alone_is_put_right_without_touching_the_content(tmp_path, told):
    wanted = File(tmp_path / "file", "content", OWNER, GROUP, 0o640)
    carry_out([wanted], told.append)
    wanted.path.chmod(0o666)
    assert find_difference(wanted) == f"set the mode of {wanted.path} to 0640"
    carry_out([wanted], told.append)
    assert mode_of(wanted.path) == 0o640
    assert find_difference(wanted) == ""
    assert wanted.path.read_text() == "content"


def test_kept_file_keeps_its_content(tmp_path, told):
    file = tmp_path / "thaniya.toml"
    file.write_text("mine")
    file.chmod(0o644)
    carry_out([File(file, "theirs", OWNER, GROUP, 0o640, is_kept=True)], told.append)
    assert (file.read_text(), mode_of(file)) == ("mine", 0o640)


def test_file_that_its_check_refuses_is_not_put_in_place(tmp_path, told):
    wanted = File(tmp_path / "file", "bad", OWNER, GROUP, check=("grep", "good"))
    if os.geteuid() != 0:
        pytest.skip("root is needed: a candidate is root's")
    wanted.path.write_text("good")
    with pytest.raises(WrongState, match="nothing was written"):
        carry_out([wanted], told.append)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert wanted.path.read_text() == "good"


def test_directory_that_is_a_link_is_not_followed(tmp_path, told):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(Exception, match="cannot"):
        carry_out([Directory(tmp_path / "link", OWNER, GROUP, 0o777)], told.append)
    assert mode_of(tmp_path / "elsewhere") == 0o700


def test_what_should_be_gone_is_removed(tmp_path, told):
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    wanted = [Gone(tmp_path / "file"), Gone(tmp_path / "empty"), Gone(tmp_path / "never")]
    assert carry_out(wanted, told.append) == 2
    assert list(tmp_path.iterdir()) == []


def test_account_and_group_that_are_missing_are_told(tmp_path):
    assert find_difference(Group("no-such-group")) == "make the group no-such-group"
    assert find_difference(ServiceUser("no-such-user", tmp_path)).startswith("make the account no-such-user")


def test_missing_program_is_told_with_its_package():
    from thaniya_core.setup.system import find

    with pytest.raises(NotFound, match="install no-such-program"):
        find("no-such-program")


def test_way_that_others_may_change_or_not_pass_is_found(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "program").touch()
    assert find_hidden(closed / "program") is not None
    assert find_unsafe(tmp_path / "closed" / "program") is not None  # /tmp itself
