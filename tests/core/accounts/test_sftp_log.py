"""What of sshd's log is a refusal. The lines are those that OpenSSH 9.2 logged for real clients."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaniya_core.accounts.sftp_log import DETAIL_CHARACTERS, LogLine, SlotSessions, judge, parse_datagram
from thaniya_core.testing import FixedClock

SLOT = "thaniya_01"

ADVERTISING = """\
session opened for local user thaniya_01 from [192.0.2.7]
received client version 3
Refusing denylisted hardlink request
Refusing denylisted copy-data request
"""
SCP = """\
stat name "upload/b.bin"
sent status No such file
open "upload/b.bin" flags WRITE,CREATE mode 0644
set "upload/b.bin" size 1000
set "upload/b.bin" mode 0644
set "upload/b.bin" modtime 20261124-10:00:11
close "upload/b.bin" bytes read 0 written 1000
"""
SFTP = """\
realpath "."
stat name "/upload/.part"
sent status No such file
open "/upload/.part" flags WRITE,CREATE,TRUNCATE mode 0644
fsync "/upload/.part"
close "/upload/.part" bytes read 0 written 1000
posix-rename old "/upload/.part" new "/upload/c.bin"
lstat name "/upload"
opendir "/upload/"
closedir "/upload/"
statvfs "/"
"""
RCLONE = """\
realpath "upload/"
stat name "/upload"
stat name "/upload/a2.bin"
sent status No such file
open "/upload/a2.bin" flags WRITE,CREATE,TRUNCATE mode 0666
close "/upload/a2.bin" bytes read 0 written 1000
set "/upload/a2.bin" modtime 20261124-10:00:11
set "/upload" modtime 20261124-10:00:11
sent status Permission denied
"""
SSHFS = """\
lstat name "upload"
lstat name "upload/fs.bin"
sent status No such file
lstat name "upload/fs.bin"
sent status No such file
open "upload/fs.bin" flags WRITE,CREATE,EXCL mode 0100644
set "upload/fs.bin" owner 1000 group 1000
sent status Permission denied
close "upload/fs.bin" bytes read 0 written 1000
lstat name "/.Trash"
sent status No such file
"""
LIBRARY = """\
open "upload/src.tar.gz" flags WRITE,CREATE mode 0666
close "upload/src.tar.gz" bytes read 0 written 264
"""
HOSTILE = """\
lstat name "/../../etc/passwd"
sent status No such file
stat name "/x"
sent status No such file
open "/x" flags WRITE,CREATE,TRUNCATE mode 0644
sent status Permission denied
Refusing denylisted mkdir request
sent status Permission denied
Refusing denylisted symlink request
sent status Permission denied
posix-rename old "/upload/a.bin" new "/a"
sent status Permission denied
remove name "/dev/log"
sent status Permission denied
set "/dev" mode 0777
sent status Permission denied
opendir "/dev/"
sent status Permission denied
open "/etc/passwd" flags READ mode 0666
sent status No such file
"""


@pytest.fixture
def clock():
    return FixedClock()


@pytest.fixture
def sessions(clock):
    return SlotSessions(SLOT, clock)


def follow(sessions, text, pid=255):
    lines = [LogLine("internal-sftp", line) for line in text.splitlines()]
    return [refusal for line in lines if (refusal := sessions.follow(pid, line)) is not None]


def test_datagram_of_syslog_is_read():
    data = b'<38>Nov 24 10:00:16 internal-sftp[255]: stat name "/x"'

    assert parse_datagram(data) == LogLine("internal-sftp", 'stat name "/x"')
    assert parse_datagram(data + b"\n\0") == LogLine("internal-sftp", 'stat name "/x"')
    assert parse_datagram(b"<35>Nov  4 10:00:16 sshd[2]: error: x") == LogLine("sshd", "error: x")


@pytest.mark.parametrize("data", [b"", b"hello", b"<38>", b"<38>Nov 24 10:00:16 internal-sftp: no process"])
def test_what_is_no_message_is_passed_over(data):
    assert parse_datagram(data) is None


@pytest.mark.parametrize(
    "lines", [SCP, SFTP, RCLONE, SSHFS, LIBRARY], ids=["scp", "sftp", "rclone", "sshfs", "library"]
)
def test_clients_in_good_faith_are_refused_nothing(sessions, lines):
    assert follow(sessions, ADVERTISING + lines) == []


def test_what_was_refused_is_told_with_the_clients_address_and_the_time(sessions, clock):
    refusals = follow(sessions, ADVERTISING + HOSTILE)

    assert [refusal.detail for refusal in refusals] == [
        'lstat "/../../etc/passwd": no such file',
        'open "/x" for WRITE,CREATE,TRUNCATE: permission denied',
        "mkdir request: permission denied",
        "symlink request: permission denied",
        'posix-rename old "/upload/a.bin" new "/a": permission denied',
        'remove "/dev/log": permission denied',
        'set "/dev" mode 0777: permission denied',
        'opendir "/dev/": permission denied',
        'open "/etc/passwd" for READ: no such file',
    ]
    assert {(refusal.slot, refusal.at, refusal.peer) for refusal in refusals} == {(SLOT, clock.now(), "192.0.2.7")}
    assert not any(refusal.is_no_sftp for refusal in refusals)


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ('open "upload/no/such" flags WRITE,CREATE mode 0644', "No such file"),
        ('open "upload/there" flags WRITE,CREATE,EXCL mode 0644', "Failure"),
        ('stat name "/mine"', "No such file"),
        ('lstat name "upload/../upload/a"', "No such file"),
        ("Refusing denylisted copy-data request", "Failure"),
        ("received client version 3", "Permission denied"),
        ('open "/x" flags READ mode 0666', "Operation unsupported"),
        ("", "Permission denied"),
    ],
)
def test_what_only_failed_is_no_refusal(operation, status):
    assert judge(operation, status) == ""


@pytest.mark.parametrize(
    "operation",
    [
        'stat name "../x"',
        'lstat name "etc/passwd"',
        'realpath "/home/alice/data"',
        'opendir "/etc"',
        'open "upload/../../etc/shadow" flags READ mode 0666',
        'rename old "upload/a" new "/a"',
        'remove name "upload/../dev/log"',
        'mkdir name "/x" mode 0777',
    ],
)
def test_looking_and_reaching_outside_of_the_upload_directory_is_a_refusal(operation):
    assert judge(operation, "No such file").endswith(": no such file")


def test_requests_of_two_processes_are_kept_apart(sessions):
    follow(sessions, 'open "/etc/passwd" flags READ mode 0666\n', pid=1)
    follow(sessions, 'stat name "upload/a"\n', pid=2)

    assert follow(sessions, "sent status No such file\n", pid=2) == []
    assert len(follow(sessions, "sent status No such file\n", pid=1)) == 1


def test_answer_to_a_request_that_is_not_logged_is_not_taken_for_one_to_an_earlier(sessions):
    assert len(follow(sessions, HOSTILE.splitlines()[0] + "\nsent status No such file\nsent status Failure\n")) == 1


def test_names_are_made_harmless_and_short(sessions):
    name = 'a" flags READ\x1b[2J' + "/deep" * 90
    (refusal,) = follow(sessions, f'open "/{name}\nsent status Permission denied\n')

    assert "\x1b" not in refusal.detail
    assert len(refusal.detail) < DETAIL_CHARACTERS + 50


def test_login_that_asks_for_no_sftp_is_told_with_the_last_sftp_session(sessions, clock):
    line = LogLine("sshd", "error: Connection from user thaniya_01 192.0.2.9 port 53196: refusing non-sftp session")

    first = sessions.follow(195, line)
    follow(sessions, ADVERTISING)
    opened_at = clock.now()
    clock.advance(5)
    second = sessions.follow(296, line)

    assert (first.is_no_sftp, first.peer, first.sftp_at) == (True, "192.0.2.9", None)
    assert (second.is_no_sftp, second.sftp_at) == (True, opened_at)


def test_what_a_client_can_name_a_file_is_no_line_of_sshd(sessions):
    line = "error: Connection from user thaniya_01 192.0.2.9 port 53196: refusing non-sftp session"

    assert follow(sessions, f'open "{line}" flags READ mode 0666\n{line}\n') == []


def test_sessions_that_never_end_are_not_kept_for_ever(sessions):
    for pid in range(10_000):
        follow(sessions, 'session opened for local user thaniya_01 from [192.0.2.7]\nstat name "upload/a"\n', pid)

    assert max(len(sessions._peers), len(sessions._operations)) <= 200


@given(st.lists(st.binary(max_size=80) | st.text(max_size=80).map(str.encode)))
def test_no_bytes_upset_it(messages):
    sessions = SlotSessions(SLOT, FixedClock())
    for message in messages:
        for head in (b"", b"<38>Nov 24 10:00:16 internal-sftp[2]: "):
            line = parse_datagram(head + message)
            if line is not None:
                sessions.follow(2, line)
                sessions.follow(2, LogLine("internal-sftp", "sent status Permission denied"))
