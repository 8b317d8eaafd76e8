import base64
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaniya_core.gate import keys as program
from thaniya_core.gate.keys import format_authorized_keys
from thaniya_core.model import PublicKey, Slot, SlotState, Upload, User
from thaniya_core.store import TinyStore

NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)


def make_user(name="alice", algorithm="ssh-ed25519", blob="AAAA"):
    return {"name": name, "keys": [{"algorithm": algorithm, "blob": blob}]}


def make_state(*users):
    """A state in which the first user's open upload holds thaniya_03."""
    name = users[0]["name"]
    return {
        "format": 1,
        "users": {user["name"]: user for user in users},
        "slots": {"thaniya_03": {"state": "taken", "upload_id": "u"}, "thaniya_04": {"state": "ready"}},
        "uploads": {"u": {"user": name, "state": "open"}},
    }


def lines(account, *users, broker=("/usr/bin/thaniya", "broker")):
    return format_authorized_keys(make_state(*users), account, control_account="thaniya", broker=broker)


def test_a_control_key_runs_the_broker_for_its_user():
    assert lines("thaniya", make_user(), make_user("bob")) == (
        'restrict,command="/usr/bin/thaniya broker alice" ssh-ed25519 AAAA\n'
        'restrict,command="/usr/bin/thaniya broker bob" ssh-ed25519 AAAA\n'
    )


@pytest.mark.parametrize("fingerprint", ["", "MD5:00", "SHA256:" + "A" * 42, "SHA256:" + "A" * 42 + '"', "\n"])
def test_the_broker_is_told_by_which_key_its_user_comes(fingerprint):
    user = make_user()
    user["keys"][0]["fingerprint"] = "SHA256:" + "A" * 42 + "/"
    assert lines("thaniya", user) == (
        f'restrict,command="/usr/bin/thaniya broker alice --key SHA256:{"A" * 42}/" ssh-ed25519 AAAA\n'
    )
    user["keys"][0]["fingerprint"] = fingerprint
    assert lines("thaniya", user) == lines("thaniya", make_user())


def test_a_slot_key_is_restricted_and_runs_nothing():
    assert lines("thaniya_03", make_user()) == "restrict ssh-ed25519 AAAA\n"


@pytest.mark.parametrize("account", ["thaniya", "thaniya_03"])
def test_a_new_server_whose_state_has_no_tables_yet_has_no_keys(account):
    assert format_authorized_keys({"format": 1}, account, control_account="thaniya", broker=["thaniya"]) == ""


def test_a_path_with_blanks_and_quotes_is_quoted_for_the_shell_and_for_sshd():
    assert lines("thaniya", make_user(), broker=('/opt/my "own"/thaniya', "broker")) == (
        'restrict,command="\'/opt/my \\"own\\"/thaniya\' broker alice" ssh-ed25519 AAAA\n'
    )


@pytest.mark.parametrize("account", ["root", "", "thaniya_", "thaniya_1", "thaniya_0001", "THANIYA", "thaniya\n"])
def test_an_account_that_is_not_ours_has_no_keys(account):
    assert lines(account, make_user()) == ""


@pytest.mark.parametrize(
    "user",
    [
        make_user(name='alice" ssh-ed25519 BBBB\n'),
        make_user(name="Alice"),
        make_user(algorithm='command="sh" ssh-ed25519'),
        make_user(blob="AAAA\nssh-ed25519 BBBB"),
        make_user(blob=""),
    ],
)
def test_a_key_that_could_say_more_than_it_should_is_left_out(user):
    assert lines("thaniya", user) == ""
    assert lines("thaniya_03", user) == ""


LEGAL = {
    "name": st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True),
    "algorithm": st.sampled_from(["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "sk-ssh-ed25519@openssh.com"]),
    "blob": st.binary(min_size=1, max_size=60).map(lambda raw: base64.b64encode(raw).decode()),
}
PRESCRIBED = {
    "thaniya": 'restrict,command="/usr/bin/thaniya broker {name}" {algorithm} {blob}\n',
    "thaniya_03": "restrict {algorithm} {blob}\n",
}


@given(st.fixed_dictionaries(LEGAL))
def test_each_legal_key_is_written_as_prescribed(words):
    for account, line in PRESCRIBED.items():
        assert lines(account, make_user(**words)) == line.format(**words)


@given(
    st.fixed_dictionaries(LEGAL),
    st.sampled_from(sorted(LEGAL)),
    st.floats(0, 1),
    st.sampled_from(
        ["\n", "\r", "\0", " ", '"', "\\", ",", "'", "#", "\n ssh-ed25519 BBBB", '" ssh-rsa B', "\x85", "\u2028"]
    ),
)
def test_nothing_that_is_slipped_in_anywhere_gets_into_a_line(words, where, place, injected):
    at = round(place * len(words[where]))
    changed = words | {where: words[where][:at] + injected + words[where][at:]}
    for account in PRESCRIBED:
        assert lines(account, make_user(**changed)) == ""


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["users"]["alice"].update(enabled=False),
        lambda state: state["slots"]["thaniya_03"].update(state="closing"),
        lambda state: state["slots"]["thaniya_03"].update(upload_id=None),
        lambda state: state["uploads"]["u"].update(state="closing"),
        lambda state: state["uploads"].clear(),
        lambda state: state["users"].clear(),
    ],
)
def test_a_slot_lets_only_the_enabled_holder_of_an_open_upload_in(change):
    state = make_state(make_user(), make_user("bob"))
    assert "AAAA" in format_authorized_keys(state, "thaniya_03", control_account="thaniya", broker=["b"])
    change(state)
    assert format_authorized_keys(state, "thaniya_03", control_account="thaniya", broker=["b"]) == ""


def test_the_look_up_runs_alone_and_reads_what_the_store_writes(tmp_path):
    """As it is installed: a copy, isolated, without the project on its path."""
    store = TinyStore(tmp_path / "state")
    key = PublicKey("ssh-ed25519", "AAAA", "", "SHA256:x", NOW)
    with store.transaction() as state:
        state.users.put(User("alice", NOW, keys=(key,)))
        state.slots.put(Slot("thaniya_03", SlotState.TAKEN, "20261123T211500Z-7f3a2c"))
        state.uploads.put(Upload("20261123T211500Z-7f3a2c", "alice", "h", "n", "thaniya_03", NOW, NOW))
    copy = tmp_path / "thaniya-keys"
    config = {"state": str(tmp_path / "state"), "user": "thaniya", "broker": ["/usr/bin/thaniya", "broker"]}
    (tmp_path / "root.json").write_text(json.dumps(config))
    source = Path(program.__file__).read_text()
    copy.write_text(source.replace(program.CONFIG, str(tmp_path / "root.json")))

    def look_up(account):
        command = [sys.executable, "-I", "-S", str(copy), account]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert look_up("thaniya_03").stdout == "restrict ssh-ed25519 AAAA\n"
    assert look_up("thaniya").stdout.startswith('restrict,command="/usr/bin/thaniya broker alice" ssh-ed25519 AAAA')
    (tmp_path / "state" / "state.json").write_text("{")
    broken = look_up("thaniya")
    assert (broken.returncode, broken.stdout, broken.stderr) == (1, "", "")


def test_sshd_would_read_back_what_is_written(tmp_path, key_directory):
    """ssh-keygen reads authorized_keys files with options, by the rules of sshd."""
    algorithm, blob, _ = (key_directory / "alice.pub").read_text().split()
    file = tmp_path / "authorized_keys"
    file.write_text(lines("thaniya", make_user("alice", algorithm, blob), broker=('/opt/my "own"/x', "broker")))
    found = subprocess.run(["ssh-keygen", "-l", "-f", str(file)], capture_output=True, text=True, check=True)
    assert "SHA256:" in found.stdout


@pytest.fixture
def complaints(monkeypatch):
    """What the look-up tells the system's log."""
    told = []
    monkeypatch.setattr(program, "complain", told.append)
    return told


@pytest.fixture
def look_up(tmp_path):
    """Looks keys up in a state of which thaniya_03 is taken, thaniya_04 ready."""
    (tmp_path / "state.json").write_text(json.dumps(make_state(make_user())))
    broker = ["/usr/bin/thaniya", "broker"]
    return lambda account: program.look_up(tmp_path / "state.json", account, control_account="thaniya", broker=broker)


def write_probe(directory, name="probe-0123456789abcdef.json", **changes):
    probe = {"account": "thaniya", "expires": time.time() + 30, "algorithm": "ssh-ed25519", "blob": "PROBE"}
    file = directory / name
    file.write_text(json.dumps(probe | changes))
    file.chmod(0o600)
    return file


USERS_LINE = 'restrict,command="/usr/bin/thaniya broker alice" ssh-ed25519 AAAA\n'
PROBES_LINE = 'restrict,command="/usr/bin/thaniya broker --probe" ssh-ed25519 PROBE\n'


def test_probe_is_let_in_beside_the_users_and_runs_one_command_only(tmp_path, look_up, complaints):
    write_probe(tmp_path)
    assert look_up("thaniya") == USERS_LINE + PROBES_LINE
    assert complaints == []


@pytest.mark.parametrize("asked", ["thaniya_03", "thaniya_04", "thaniya_05", "root"])
def test_probe_is_for_its_account_only(tmp_path, look_up, asked):
    write_probe(tmp_path)
    assert "PROBE" not in look_up(asked)


@pytest.mark.parametrize(("slot", "line"), [("thaniya_04", PROBES_LINE), ("thaniya_03", ""), ("root", "")])
def test_probe_of_a_slot_counts_while_the_slot_is_ready(tmp_path, look_up, slot, line):
    write_probe(tmp_path, account=slot)
    assert look_up(slot).replace("restrict ssh-ed25519 AAAA\n", "") == line
    assert look_up("thaniya") == USERS_LINE


def test_probe_that_has_expired_is_not_let_in(tmp_path, look_up):
    write_probe(tmp_path, expires=time.time() - 1)
    assert look_up("thaniya") == USERS_LINE


@pytest.mark.parametrize(
    "changes",
    [
        {"expires": time.time() + 3600},
        {"expires": float("inf")},
        {"expires": "9999999999"},
        {"expires": None},
        {"algorithm": 'command="sh" ssh-ed25519'},
        {"blob": "AAAA\nssh-ed25519 BBBB"},
        {"blob": ""},
        {"blob": "A" * 5000},
    ],
)
def test_probe_that_says_more_than_it_should_is_told_and_keeps_no_user_out(tmp_path, look_up, complaints, changes):
    write_probe(tmp_path, **changes)
    assert look_up("thaniya") == USERS_LINE
    assert ["probe-0123456789abcdef.json is not heeded" in line for line in complaints] == [True]


def test_probe_that_never_ends_is_not_let_in(tmp_path, look_up):
    write_probe(tmp_path, expires=float("nan"))
    assert look_up("thaniya") == USERS_LINE


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.chmod(0o606),
        lambda file: file.chmod(0o640),
        lambda file: file.write_text("{"),
        lambda file: file.write_text("[]"),
        lambda file: file.write_bytes(b"\xff\x00"),
        lambda file: file.rename(file.with_name("elsewhere")).chmod(0o600) or file.symlink_to("elsewhere"),
        lambda file: file.unlink() or os.mkfifo(file, 0o600),
        lambda file: file.unlink() or file.mkdir(),
    ],
)
def test_hostile_probe_is_told_and_keeps_no_user_out(tmp_path, look_up, complaints, spoil):
    spoil(write_probe(tmp_path))
    assert look_up("thaniya") == USERS_LINE
    assert len(complaints) == 1


@pytest.mark.parametrize(
    "name", ["probe.json", "probe-.json", "probe-0123456789abcdeF.json", ".probe-0123456789abcdef.json"]
)
def test_file_of_another_name_is_no_probe(tmp_path, look_up, complaints, name):
    write_probe(tmp_path, name)
    assert (look_up("thaniya"), complaints) == (USERS_LINE, [])
