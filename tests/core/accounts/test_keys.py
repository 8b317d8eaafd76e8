"""SSH public keys, as `ssh-keygen` makes them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaniya_core.accounts import parse_public_key
from thaniya_core.errors import AlreadyExists, IllegalKey, NotFound, WrongUsage
from thaniya_core.system.run import run

NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)
ACCEPTED = {
    "ed25519": ["-t", "ed25519"],
    "ecdsa256": ["-t", "ecdsa", "-b", "256"],
    "ecdsa384": ["-t", "ecdsa", "-b", "384"],
    "ecdsa521": ["-t", "ecdsa", "-b", "521"],
    "rsa3072": ["-t", "rsa", "-b", "3072"],
}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys of every kind that is taken, and a short one."""
    directory = tmp_path_factory.mktemp("keys")
    for name, options in (ACCEPTED | {"rsa2048": ["-t", "rsa", "-b", "2048"]}).items():
        file = str(directory / name)
        run(["ssh-keygen", "-q", "-N", "", "-C", f"{name} of alice", *options, "-f", file], timeout_s=120)
    return directory


def _line(keys: Path, name: str) -> str:
    return (keys / f"{name}.pub").read_text()


@pytest.mark.parametrize("name", ACCEPTED)
def test_key_is_accepted_and_has_the_fingerprint_of_ssh_keygen(keys, name):
    shown = run(["ssh-keygen", "-lf", str(keys / f"{name}.pub")], timeout_s=30).stdout.decode().split()

    key = parse_public_key(_line(keys, name), NOW)

    assert key.fingerprint == shown[1]
    assert key.comment == f"{name} of alice"
    assert key.line == " ".join(_line(keys, name).split()[:2])
    assert key.added_at == NOW


def test_short_rsa_key_is_refused(keys):
    with pytest.raises(IllegalKey, match="RSA key of 2048 bits is too short"):
        parse_public_key(_line(keys, "rsa2048"), NOW)


def test_private_key_is_refused_as_such_and_not_shown(keys):
    with pytest.raises(IllegalKey, match="private key") as caught:
        parse_public_key((keys / "ed25519").read_text(), NOW)
    assert "BEGIN" not in str(caught.value)


@pytest.mark.parametrize(
    "options", ['command="sh" ', 'from="*",no-pty ', "cert-authority ", "@cert-authority ", "restrict "]
)
def test_options_before_the_key_are_refused(keys, options):
    with pytest.raises(IllegalKey):
        parse_public_key(options + _line(keys, "ed25519"), NOW)


DSA = base64.b64encode(b"\0\0\0\x07ssh-dss" + b"\0\0\0\x01\x05" * 4).decode()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 ",
        "ssh-ed25519 AAAA",
        "ssh-ed25519 not!base64",
        f"ssh-dss {DSA} old",
        f"ssh-rsa {DSA}",
        "ssh-ed25519-cert-v01@openssh.com AAAA",
        "sk-ssh-ed25519@openssh.com AAAA",
        "1024 35 12345 old@host",
        "\udcff\udcfe",
    ],
)
def test_what_is_no_key_is_refused(line):
    with pytest.raises(IllegalKey):
        parse_public_key(line, NOW)


def test_two_keys_at_once_are_refused(keys):
    with pytest.raises(IllegalKey, match="more than one line"):
        parse_public_key(_line(keys, "ed25519") + _line(keys, "rsa3072"), NOW)


def test_key_of_another_algorithm_than_it_says_is_refused(keys):
    blob = _line(keys, "ecdsa256").split()[1]

    with pytest.raises(IllegalKey, match="damaged"):
        parse_public_key(f"ecdsa-sha2-nistp384 {blob}", NOW)


@given(st.text())
def test_any_text_is_a_key_or_refused(text):
    with pytest.raises(IllegalKey):
        parse_public_key(text, NOW)


def test_comment_keeps_no_control_characters(keys):
    algorithm, blob = _line(keys, "ed25519").split()[:2]

    key = parse_public_key(f"{algorithm} {blob} alice\x1b[2J\x07 {'x' * 500}\udcff", NOW)

    assert key.comment.isprintable()
    assert len(key.comment) == 200


def test_key_belongs_to_one_user(server, keys):
    server.users.add("alice", [_line(keys, "ed25519")], "login:root")

    with pytest.raises(AlreadyExists, match="belongs to alice already"):
        server.users.add("bob", [_line(keys, "ed25519")], "login:root")
    with pytest.raises(AlreadyExists, match="belongs to alice already"):
        server.users.add_key("alice", _line(keys, "ed25519"), "login:root")
    assert [user.name for user in server.users.all()] == ["alice"]


def test_key_in_another_spelling_is_the_same_key(server, keys):
    algorithm, blob = _line(keys, "rsa3072").split()[:2]
    assert blob.endswith("=")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    count = len(blob) - len(blob.rstrip("="))
    last = alphabet[alphabet.index(blob[-count - 1]) ^ 1]
    respelled = blob[: -count - 1] + last + "=" * count
    server.users.add("alice", [f"{algorithm} {blob}"], "login:root")

    with pytest.raises((AlreadyExists, IllegalKey)):
        server.users.add("bob", [f"{algorithm} {respelled}"], "login:root")


def test_same_key_given_twice_makes_no_user(server, keys):
    with pytest.raises(AlreadyExists):
        server.users.add("alice", [_line(keys, "ed25519")] * 2, "login:root")
    assert server.users.all() == []


def test_key_is_removed_by_the_beginning_of_its_fingerprint(server, keys):
    user = server.users.add("alice", [_line(keys, "ed25519"), _line(keys, "rsa3072")], "login:root")
    first, second = user.keys

    left = server.users.remove_key("alice", first.fingerprint.removeprefix("SHA256:")[:12], "login:root")

    assert left.keys == (second,)


@pytest.mark.parametrize(("fingerprint", "error"), [("", NotFound), ("SHA256:", NotFound), ("zzzzzz", NotFound)])
def test_fingerprint_that_no_key_has_is_told(server, keys, fingerprint, error):
    server.users.add("alice", [_line(keys, "ed25519")], "login:root")

    with pytest.raises(error):
        server.users.remove_key("alice", fingerprint, "login:root")


def test_fingerprint_that_several_keys_have_is_told(server, tmp_path):
    lines: dict[str, str] = {}
    while len(set(lines)) == len(lines) and len(lines) < 65:
        file = tmp_path / f"key{len(lines)}"
        run(["ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-f", str(file)], timeout_s=30)
        line = file.with_suffix(".pub").read_text()
        first = parse_public_key(line, NOW).fingerprint.removeprefix("SHA256:")[0]
        if first in lines:
            server.users.add("alice", [lines[first], line], "login:root")
            with pytest.raises(WrongUsage, match="2 keys of alice begin with"):
                server.users.remove_key("alice", first, "login:root")
            return
        lines[first] = line
    pytest.fail("65 keys and no two begin alike")
