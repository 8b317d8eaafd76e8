import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaniya_core.gate.keys import format_authorized_keys
from thaniya_core.gate.services import AuthorizedKey
from thaniya_core.model import PublicKey


def make_key(user="alice", algorithm="ssh-ed25519", blob="AAAA", comment="c"):
    return AuthorizedKey(user, PublicKey(algorithm, blob, comment, "SHA256:x", None))


def lines(account, *keys, broker=("/usr/bin/thaniya", "broker")):
    return format_authorized_keys(account, keys, control_account="thaniya", broker=broker)


def test_a_control_key_runs_the_broker_for_its_user():
    assert lines("thaniya", make_key(), make_key("bob")) == (
        'restrict,command="/usr/bin/thaniya broker alice" ssh-ed25519 AAAA\n'
        'restrict,command="/usr/bin/thaniya broker bob" ssh-ed25519 AAAA\n'
    )


def test_a_slot_key_is_restricted_and_runs_nothing():
    assert lines("thaniya_03", make_key()) == "restrict ssh-ed25519 AAAA\n"


def test_a_path_with_blanks_and_quotes_is_quoted_for_the_shell_and_for_sshd():
    assert lines("thaniya", make_key(), broker=('/opt/my "own"/thaniya', "broker")) == (
        'restrict,command="\'/opt/my \\"own\\"/thaniya\' broker alice" ssh-ed25519 AAAA\n'
    )


@pytest.mark.parametrize("account", ["root", "", "thaniya_", "thaniya_1", "thaniya_0001", "THANIYA", "thaniya\n"])
def test_an_account_that_is_not_ours_has_no_keys(account):
    assert lines(account, make_key()) == ""


@pytest.mark.parametrize(
    "key",
    [
        make_key(user='alice" ssh-ed25519 BBBB\n'),
        make_key(user="Alice"),
        make_key(algorithm='command="sh" ssh-ed25519'),
        make_key(blob="AAAA\nssh-ed25519 BBBB"),
        make_key(blob=""),
    ],
)
def test_a_key_that_could_say_more_than_it_should_is_left_out(key):
    assert lines("thaniya", key) == ""
    assert lines("thaniya_01", key) == "" or key.user != "alice"


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_each_line_is_one_restricted_key(user, algorithm, blob):
    for account in ("thaniya", "thaniya_01"):
        output = lines(account, make_key(user, algorithm, blob))
        assert output == "" or (output.startswith("restrict") and output.count("\n") == 1)


def test_the_look_up_loads_no_ssh_server():
    code = "import sys, thaniya_core.gate.keys; print('paramiko' in sys.modules, 'xopen' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False False\n"


def test_sshd_would_read_back_what_is_written(tmp_path, key_directory):
    """ssh-keygen reads authorized_keys files with options, by the rules of sshd."""
    algorithm, blob, comment = (key_directory / "alice.pub").read_text().split()
    file = tmp_path / "authorized_keys"
    file.write_text(lines("thaniya", make_key("alice", algorithm, blob, comment), broker=('/opt/my "own"/x', "broker")))
    found = subprocess.run(["ssh-keygen", "-l", "-f", str(file)], capture_output=True, text=True, check=True)
    assert "SHA256:" in found.stdout
