"""The messages between client and server."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaniya_core import model
from thaniya_core.errors import (
    NotFound,
    ProtocolViolated,
    ThaniyaError,
    UploadRejected,
    VersionsDiffer,
    WrongState,
    all_errors,
    from_wire,
)
from thaniya_core.formats.manifest import BackupFile, Manifest
from thaniya_core.formats.protocol import (
    LINE_LIMIT,
    Abort,
    Allocate,
    Allocated,
    Backups,
    Complete,
    Contents,
    Hello,
    Message,
    Status,
    Uploads,
    UploadState,
    agree_version,
    decode_reply,
    decode_request,
    encode,
    ending_error,
    error_reply,
)

REQUESTS = [
    Hello((1, 2), "thaniya-client/1"),
    Allocate("web1", "nightly", 10),
    Allocate("web1", "nightly"),
    Status("id", "open", 5.0),
    Complete("id", Manifest((BackupFile("a", "0" * 64, 1),), ("a file vanished",), 1)),
    Complete("id"),
    Abort("id", "no"),
    Uploads(),
    Backups("web1", "", 5),
    Contents("id"),
]
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=8,
)
types = st.sampled_from(["hello", "allocate", "status", "complete", "abort", "uploads", "backups", "contents", "x"])
fields = st.sampled_from(
    ["versions", "host", "name", "expected_bytes", "upload", "wait_s", "manifest", "limit", "files"]
)


@pytest.mark.parametrize("message", REQUESTS, ids=lambda message: type(message).__name__)
def test_request_is_read_as_it_is_written(message: Message):
    line = encode(message)

    assert line.count(b"\n") == 1
    assert decode_request(line) == message


@pytest.mark.parametrize("decode", [decode_request, decode_reply])
@given(st.binary())
def test_garbage_is_answered_with_an_error(decode, line):
    with pytest.raises(ProtocolViolated):
        decode(line)


@pytest.mark.parametrize("decode", [decode_request, decode_reply])
@given(types, st.dictionaries(fields, json_values))
def test_message_with_any_fields_is_read_or_refused(decode, kind, values):
    line = json.dumps({"type": kind} | values).encode()

    try:
        message = decode(line)
    except ProtocolViolated:
        return
    assert encode(message)


@pytest.mark.parametrize("line", [b"[" * 100_000, b'{"a":' * 100_000, b'{"type":"hello","versions":[' + b"[" * 50_000])
def test_deep_nesting_is_refused(line):
    with pytest.raises(ProtocolViolated):
        decode_request(line)


def test_lone_surrogate_in_a_text_is_refused_or_can_be_written_again():
    try:
        message = decode_request(b'{"type":"abort","upload":"a","reason":"\\ud800 x"}')
    except ProtocolViolated:
        return
    assert encode(message)


def test_line_over_the_limit_is_refused():
    line = encode(Abort("id", "no")).rstrip().ljust(LINE_LIMIT) + b"\n"

    with pytest.raises(ProtocolViolated, match="longer"):
        decode_request(line)


def test_unknown_fields_are_passed_over():
    assert decode_request(b'{"type":"uploads","later":1}') == Uploads()


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"allocate","host":"a","name":"b","expected_bytes":-1}',
        b'{"type":"allocate","host":"a","name":"b","expected_bytes":1e99}',
        b'{"type":"status","upload":"a","wait_s":61}',
        b'{"type":"backups","limit":0}',
        b'{"type":"abort"}',
        b'{"type":"steal","upload":"a"}',
        b'{"upload":"a"}',
    ],
)
def test_value_out_of_its_range_is_refused(line):
    with pytest.raises(ProtocolViolated):
        decode_request(line)


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_error_reaches_the_client_as_the_same_error(kind: type[ThaniyaError]):
    reply = decode_reply(encode(error_reply(kind("what went wrong", hint="what to do"))))

    error = reply.to_error()
    assert (type(error), error.message, error.hint) == (kind, "what went wrong", "what to do")


def test_wire_codes_are_unique():
    codes = [kind.code for kind in all_errors()]

    assert len(set(codes)) == len(codes)


def test_error_of_a_later_version_is_a_plain_one():
    assert type(from_wire("not_known_yet", "message")) is ThaniyaError
    assert type(from_wire("not_found", "message")) is NotFound


def test_reply_is_no_request():
    with pytest.raises(ProtocolViolated):
        decode_request(encode(Allocated("id", "thaniya_01")))


def test_highest_common_version_is_agreed():
    assert agree_version([7, 1, 0]) == 1


@pytest.mark.parametrize("offered", [[], [2], list(range(2, 500))])
def test_no_common_version_is_told(offered):
    with pytest.raises(VersionsDiffer) as caught:
        agree_version(offered)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (UploadState.REJECTED, UploadRejected),
        (UploadState.ABORTED, WrongState),
        (UploadState.EXPIRED, WrongState),
        (UploadState.FAILED, ThaniyaError),
        ("of a later version", ThaniyaError),
    ],
)
def test_upload_that_ended_without_a_backup_is_an_error_with_its_reason(state, error):
    found = ending_error("20261123T211500Z-7f3a2c", state, "a sum is wrong")

    assert type(found) is error
    assert found.message == f"upload 20261123T211500Z-7f3a2c was not archived, it is {state}: a sum is wrong"
    assert ending_error("20261123T211500Z-7f3a2c", state, "").message.endswith(f"it is {state}")


def test_states_of_an_upload_are_the_same_on_the_wire_and_in_the_model():
    assert model.UploadState is UploadState
    assert [state for state in UploadState if not state.is_ended] == ["open", "closing", "spooled"]
