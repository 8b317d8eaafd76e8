import io
import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thaniya_core.formats import protocol
from thaniya_core.formats.manifest import BackupFile, Manifest
from thaniya_core.gate.broker import run_command
from thaniya_core.gate.session import REFUSALS_LIMIT

HELLO = protocol.encode(protocol.Hello(versions=(1,), client="test"))
GOOD_SUM = "0" * 64


def test_hello_agrees_the_version_and_names_the_user(session):
    (welcome,) = session(HELLO)
    assert isinstance(welcome, protocol.Welcome)
    assert (welcome.version, welcome.user) == (1, "alice")


def test_a_client_of_another_version_is_told_both(session):
    (reply,) = session(protocol.encode(protocol.Hello(versions=(7, 8))))
    assert (reply.code, "7, 8" in reply.message) == ("versions_differ", True)


def test_anything_before_hello_is_an_error_and_changes_nothing(session, services):
    replies = session(protocol.encode(protocol.Allocate("web1", "nightly")), HELLO)
    assert replies[0].code == "protocol_violated"
    assert isinstance(replies[1], protocol.Welcome)
    assert services.found == {}


def test_a_whole_backup_over_one_session(session):
    upload = "20261123T211500Z-000001"
    manifest = Manifest((BackupFile("a.tar", GOOD_SUM, 3),))
    _, allocated, status, completed, uploads = session(
        HELLO,
        protocol.encode(protocol.Allocate("web1", "nightly", 100)),
        protocol.encode(protocol.Status(upload)),
        protocol.encode(protocol.Complete(upload, manifest)),
        protocol.encode(protocol.Uploads()),
    )
    assert (allocated.upload, allocated.slot, allocated.directory) == (upload, "thaniya_01", "upload")
    assert (status.state, status.free_bytes) == ("open", 1_000_000)
    assert completed.state == "archived"
    assert [entry.state for entry in uploads.uploads] == ["archived"]


def test_backups_and_contents_are_shown(session):
    _, backups, contents, missing = session(
        HELLO,
        protocol.encode(protocol.Backups(host="web1")),
        protocol.encode(protocol.Contents("20261122T211500Z-00000a")),
        protocol.encode(protocol.Contents("20261122T211500Z-00000b")),
    )
    assert [backup.files for backup in backups.backups] == [2]
    assert contents.document.host == "web1"
    assert missing.code == "not_found"


def test_abort_gives_the_upload_up(session):
    upload = "20261123T211500Z-000001"
    replies = session(
        HELLO,
        protocol.encode(protocol.Allocate("web1", "nightly")),
        protocol.encode(protocol.Abort(upload, "enough")),
        protocol.encode(protocol.Abort(upload, "again")),
    )
    assert (replies[2].state, replies[2].reason, replies[3].code) == ("aborted", "enough", "wrong_state")


def test_an_illegal_manifest_does_not_reach_the_server(session, services):
    replies = session(
        HELLO,
        protocol.encode(protocol.Allocate("web1", "nightly")),
        protocol.encode(protocol.Complete("20261123T211500Z-000001", Manifest((BackupFile("../x", GOOD_SUM),)))),
    )
    assert replies[2].code == "illegal_name"
    assert services.manifests == {}


def test_a_line_that_is_too_long_is_skipped_and_the_session_goes_on(session):
    replies = session(HELLO, b"x" * (3 * protocol.LINE_LIMIT) + b"\n", HELLO)
    assert [type(reply) for reply in replies] == [protocol.Welcome, protocol.ErrorReply, protocol.Welcome]


def test_a_line_that_is_too_long_is_not_held_in_memory(services, caller):
    class Endless(io.RawIOBase):
        left = 40 * protocol.LINE_LIMIT
        longest = 0

        def readable(self):
            return True

        def readinto(self, buffer):
            count = min(len(buffer), self.left)
            buffer[:count] = b"x" * count
            self.left -= count
            self.longest = max(self.longest, count)
            return count

    source = Endless()
    stdout = io.BytesIO()
    assert run_command(services, caller, "session", io.BufferedReader(source), stdout, io.BytesIO()) == 0
    assert source.left == 0
    assert source.longest <= protocol.LINE_LIMIT


def test_a_line_that_was_not_finished_is_no_request(session, services):
    session(HELLO, protocol.encode(protocol.Allocate("web1", "nightly")).rstrip(b"\n"))
    assert services.found == {}


def test_a_client_that_sends_only_garbage_is_disconnected(broker):
    exit_code, stdout, _ = broker("session", HELLO + b"garbage\n" * 1000)
    assert exit_code == 1
    assert len(stdout.splitlines()) == 21


def test_an_internal_error_is_logged_with_a_reference_and_the_session_goes_on(session, services, caplog):
    services.fails = RuntimeError("secret detail")
    _, error, welcome = session(HELLO, protocol.encode(protocol.Allocate("web1", "nightly")), HELLO)
    assert (error.code, "secret" in error.message) == ("failed", False)
    assert isinstance(welcome, protocol.Welcome)
    assert error.message.rpartition(" ")[2] in caplog.text
    assert "secret detail" in caplog.text


def test_an_answer_that_is_too_long_becomes_an_error(session, monkeypatch):
    monkeypatch.setattr(protocol, "REPLY_LIMIT", 10)
    (reply,) = session(HELLO)
    assert reply.code == "wrong_usage"


requests = st.sampled_from(["hello", "allocate", "status", "complete", "abort", "uploads", "backups", "contents", "x"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(["host", "name", "upload", "manifest", "limit", "before", "wait_s", "versions", "backup"])
almost_requests = st.builds(
    lambda kind, rest: json.dumps({"type": kind, **rest}).encode(),
    requests,
    st.dictionaries(fields, values, max_size=4),
)
request_lines = st.lists(
    st.binary(max_size=200).map(lambda data: data.replace(b"\n", b"")) | almost_requests, max_size=15
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=request_lines)
def test_every_line_gets_exactly_one_answer_whatever_is_in_it(lines, services, caller):
    # `slot` belongs to the test, not to the example: each example begins with a free one.
    services.slot.upload_id = None
    services.found.clear()
    stdout, stderr = io.BytesIO(), io.BytesIO()
    stdin = io.BytesIO(HELLO + b"".join(line + b"\n" for line in lines))
    exit_code = run_command(services, caller, "session", stdin, stdout, stderr)
    answers = [protocol.decode_reply(line) for line in stdout.getvalue().splitlines()]
    assert (exit_code, len(answers), stderr.getvalue()) == (0, 1 + len(lines), b"")
    for line, answer in zip(lines, answers[1:], strict=True):
        try:
            msgspec.json.decode(line, type=protocol.Request)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            assert (answer.code, bool(answer.message)) == ("protocol_violated", True)


GARBAGE = {
    "zeros": b"\0" * 100,
    "no utf-8": b"\xff\xfe\n" * 30,
    "deep": b"{" * 100_000 + b"\n",
    "endless line": b"x" * 2_000_000,
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_in_one_session_does_not_touch_another(client, garbage):
    bad = client.ssh("session", stdin=garbage)
    good = client.ssh("session", stdin=HELLO + protocol.encode(protocol.Backups()))
    assert bad.exit_code in (0, 1)
    assert good.exit_code == 0
    assert len(good.stdout.splitlines()) == 2


def test_session_ends_after_many_refused_requests_and_each_is_noted(broker, services):
    foreign = protocol.encode(protocol.Contents("20261122T211500Z-00000b"))

    exit_code, stdout, _ = broker("session", HELLO + foreign * (REFUSALS_LIMIT + 5))

    assert (exit_code, stdout.count("\n")) == (1, 1 + REFUSALS_LIMIT)
    assert len(services.refusals) == REFUSALS_LIMIT
    user, command, detail = services.refusals[0]
    assert (user, "20261122T211500Z-00000b" in command, detail) == ("alice", True, "no backup 20261122T211500Z-00000b")


def test_answered_request_lets_the_count_of_refused_ones_begin_anew(session, services):
    foreign, own = protocol.encode(protocol.Contents("20261122T211500Z-00000b")), protocol.encode(protocol.Uploads())

    replies = session(HELLO, *[*[foreign] * (REFUSALS_LIMIT - 1), own] * 3)

    assert len(replies) == 1 + REFUSALS_LIMIT * 3
