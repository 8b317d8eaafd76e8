"""What a login to a slot may run while `legacy_scp` is on: from a client's words to a command line."""

from __future__ import annotations

import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaniya_core.gate import slot_shell
from thaniya_core.gate.slot_shell import Refused, choose_program, confine, is_upload

OPTIONS = ["-u", "0027", "-P", "mkdir"]
SFTP = ["/usr/lib/openssh/sftp-server", *OPTIONS]


@pytest.fixture(autouse=True)
def programs_as_on_debian(monkeypatch):
    monkeypatch.setattr(slot_shell, "find", lambda places, name: places[0])


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("/usr/lib/openssh/sftp-server", SFTP),
        ("internal-sftp -f AUTH -l INFO", SFTP),
        ("/tmp/sftp-server -d /etc -u 0", SFTP),
        ("scp -t upload/", ["/usr/bin/scp", "-t", "--", "upload/"]),
        ("scp -p -d -t upload/", ["/usr/bin/scp", "-t", "-p", "-d", "--", "upload/"]),
        ("scp -v -q -pt /upload", ["/usr/bin/scp", "-t", "-p", "--", "/upload"]),
        ("scp -t -- ./upload/-x", ["/usr/bin/scp", "-t", "--", "./upload/-x"]),
        ("scp -t 'upload/a b'", ["/usr/bin/scp", "-t", "--", "upload/a b"]),
        ("scp -t upload/~*$HOME`id`", ["/usr/bin/scp", "-t", "--", "upload/~*$HOME`id`"]),
    ],
)
def test_files_come_in_by_the_systems_programs_with_options_of_ours(text, command):
    assert choose_program(text, OPTIONS) == command


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "sh",
        "scp",
        "scp -t",
        "scp -f upload/x",
        "scp -tf upload/x",
        "scp -r -t upload/",
        "scp -t upload/ x",
        "scp -t .",
        "scp -t /etc/passwd",
        "scp -t ~/upload/x",
        "scp -t upload/../etc",
        "scp -t uploads/x",
        "scp -t -- -x",
        "scp -t upload/ && id",
        "scp upload/",
        "scp -oProxyCommand=id -t upload/",
        "scp -S id -t upload/",
        "scp -t 'upload/",
        "env scp -t upload/",
    ],
)
def test_everything_else_is_refused(text):
    with pytest.raises(Refused):
        choose_program(text, OPTIONS)


@given(st.text())
def test_whatever_a_client_sends_runs_nothing_but_these_two(text):
    try:
        command = choose_program(text, OPTIONS)
    except Refused:
        return
    assert command == SFTP or command[:2] == ["/usr/bin/scp", "-t"]


@given(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])))
def test_path_arrives_as_it_was_quoted_or_is_refused(path):
    for given_path in (path, f"upload/{path}"):
        try:
            command = choose_program(f"scp -t -- {shlex.quote(given_path)}", OPTIONS)
        except Refused:
            assert not is_upload(given_path)
        else:
            assert command == ["/usr/bin/scp", "-t", "--", given_path]


@given(st.lists(st.sampled_from(["..", ".", "", "upload", "etc", "upload "]), max_size=6))
def test_path_is_in_upload_when_walking_along_it_ends_there(parts):
    place = []
    for part in parts:
        place = place[:-1] if part == ".." else [*place, part] if part not in (".", "") else place
    assert is_upload("/".join(parts)) == (place[:1] == ["upload"])


def test_only_upload_can_be_written():
    arguments = confine("/srv/thaniya/slots/thaniya_01", 5)
    written = [arguments[at + 1 : at + 3] for at, word in enumerate(arguments) if re.match("--(dev-)?bind", word)]
    assert written == [
        ["/dev/null", "/dev/null"],
        ["/srv/thaniya/slots/thaniya_01/upload", "/upload"],
        ["/srv/thaniya/slots/thaniya_01/dev/log", "/dev/log"],
    ]
    assert arguments.index("/srv/thaniya/slots/thaniya_01/upload") < arguments.index("/", arguments.index("/upload"))
