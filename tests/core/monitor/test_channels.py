"""Telling people through real programs: a program in sendmail's place, a command, an HTTP server, Apprise."""

from __future__ import annotations

import base64
import email
import email.policy
import json
import os
import socket
import sys
from email.headerregistry import Address
from pathlib import Path

import pytest
from msgspec.structs import replace

from thaniya_core.config import MailAddress, Notify, Url
from thaniya_core.errors import CommandFailed, ConnectionLost, ThaniyaError
from thaniya_core.model import Severity
from thaniya_core.monitor.changes import Change, ChangeKind
from thaniya_core.monitor.channels import make_channels, make_mail
from thaniya_core.monitor.message import Message, title, trial_message


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def message(make):
    change = Change(
        ChangeKind.NEW,
        "series_late",
        "alice/web1/nightly",
        Severity.CRITICAL,
        make.now,
        "no good backup for 3 d",
        "look at the client's own log",
    )
    return Message("web1", Severity.CRITICAL, make.now, (change,), 4)


def only_channel(**settings):
    (channel,) = make_channels(Notify(**settings), "thaniya")
    return channel


def test_no_settings_make_no_channel():
    assert make_channels(Notify(), "thaniya") == []


def test_mail_goes_through_sendmail(tmp_path, message):
    sendmail = script(tmp_path / "sendmail", f'echo "$@" > {tmp_path}/arguments; cat > {tmp_path}/mail')
    recipients = (MailAddress("admin@example.org"), MailAddress("root"))
    only_channel(mail=recipients, sendmail=sendmail).send(message)
    assert (tmp_path / "arguments").read_text() == "-t -oi\n"
    mail = email.message_from_bytes((tmp_path / "mail").read_bytes(), policy=email.policy.default)
    assert mail.defects == []
    assert mail["Subject"] == "[thaniya web1] CRITICAL: 1 new"
    assert [address.addr_spec for address in mail["To"].addresses] == ["admin@example.org", "root"]
    assert mail["From"].addresses == (Address(username="thaniya", domain="web1"),)
    assert mail["Date"].datetime == message.sent_at
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@web1>")
    text = mail.get_content()
    assert "CRITICAL (new): series_late alice/web1/nightly\n  no good backup for 3 d\n  look at the client's" in text
    assert text.endswith("4 findings now: thaniya check\n")


def test_foreign_text_cannot_make_headers_or_upset_a_terminal(message):
    (change,) = message.changes
    nasty = replace(change, subject="x\r\nBcc: all@example.org", text="ü\x1b[31m\n.\nBcc: b@example.org" + "y" * 3000)
    data = make_mail(replace(message, server="web1", changes=(nasty,)), "thaniya@web1", ("admin@example.org",))
    mail = email.message_from_bytes(data, policy=email.policy.default)
    assert mail["Bcc"] is None
    assert mail.defects == []
    text = mail.get_content()
    assert "\x1b" not in text
    assert "x\\x0d\\x0aBcc: all@example.org" in text
    assert "ü" in text
    assert max(len(line) for line in data.splitlines()) <= 998  # RFC 5322, 2.1.1
    assert b"\r" not in data


def test_command_gets_json_and_variables(tmp_path, message):
    command = script(tmp_path / "tell", f'cat > {tmp_path}/json; env > {tmp_path}/env; echo "$1" > {tmp_path}/argument')
    only_channel(command=(str(command), "a b; c")).send(message)
    told = json.loads((tmp_path / "json").read_text())
    assert (told["server"], told["status"], told["findings"]) == ("web1", "critical", 4)
    assert told["changes"][0]["kind"] == "new"
    assert told["changes"][0]["code"] == "series_late"
    assert (tmp_path / "argument").read_text() == "a b; c\n"
    variables = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines() if "=" in line)
    assert variables["THANIYA_STATUS"] == "critical"
    assert variables["THANIYA_SUMMARY"] == "[thaniya web1] CRITICAL: 1 new"
    assert (variables["THANIYA_CHANGES"], variables["THANIYA_FINDINGS"]) == ("1", "4")


def test_command_that_fails_or_hangs_is_told(tmp_path, message):
    failing = script(tmp_path / "fail", "cat > /dev/null; echo no such room >&2; exit 3")
    with pytest.raises(CommandFailed, match="exit code 3: no such room"):
        only_channel(command=(str(failing),)).send(message)
    hanging = script(tmp_path / "hang", "exec sleep 600")
    with pytest.raises(CommandFailed, match="did not end within 1 s"):
        only_channel(command=(str(hanging),), timeout=1).send(message)
    with pytest.raises(CommandFailed, match="is not there"):
        only_channel(command=(str(tmp_path / "none"),)).send(message)


def test_webhook_is_posted_json(web, message):
    only_channel(webhooks=(Url(f"{web.url}/hook?token=secret"),)).send(message)
    assert [request[:2] for request in web.requests] == [("POST", "/hook?token=secret")]
    assert web.headers[0]["Content-Type"] == "application/json"
    assert web.json(0)["changes"][0]["subject"] == "alice/web1/nightly"


def test_webhook_gets_the_user_and_the_password_of_its_address(web, message):
    only_channel(webhooks=(Url(f"{web.url.replace('//', '//thaniya:s%40cret@')}/hook"),)).send(message)

    assert web.headers[0]["Authorization"] == f"Basic {base64.b64encode(b'thaniya:s@cret').decode()}"
    assert web.headers[0]["Host"] == web.url.removeprefix("http://")


@pytest.mark.parametrize(
    "url", ["http://u:secret@127.0.0.1:1/", "http://127.0.0.1:1/sécret", "http://127.0.0.1:secret/"]
)
def test_address_that_leads_nowhere_is_told_without_its_secret(message, url):
    with pytest.raises(ThaniyaError) as raised:
        only_channel(webhooks=(Url(url),)).send(message)
    assert raised.value.message.startswith("127.0.0.1")
    assert "cret" not in raised.value.message


@pytest.mark.parametrize(("status", "hint"), [(500, ""), (404, ""), (302, "give the address that it redirects to")])
def test_webhook_that_does_not_take_it_is_told_without_its_secret(web, message, status, hint):
    web.status, web.location = status, f"{web.url}/elsewhere" if status == 302 else ""
    with pytest.raises(ThaniyaError) as raised:
        only_channel(webhooks=(Url(f"{web.url}/hook?token=secret"),)).send(message)
    assert f"127.0.0.1 answered {status}" in raised.value.message
    assert raised.value.hint == hint
    assert "secret" not in str(raised.value)
    assert len(web.requests) == 1  # a redirect is not followed


def test_webhook_that_is_not_there_or_hangs_is_told(message):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(ConnectionLost, match=r"127\.0\.0\.1 cannot be reached: timed out"):
            only_channel(webhooks=(Url(url),), timeout=1).send(message)
    with pytest.raises(ConnectionLost, match="refused"):
        only_channel(webhooks=(Url(url),)).send(message)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
def test_apprise_sends_where_it_is_installed(web, message):
    address = f"json://{web.url.removeprefix('http://')}/room"
    channel = only_channel(apprise=(address,))
    assert channel.name == "apprise 1 (json)"
    channel.send(message)
    told = web.json(0)
    assert told["title"] == title(message)
    assert "no good backup for 3 d" in told["message"]
    web.status = 500
    with pytest.raises(ThaniyaError, match="could not send"):
        channel.send(message)
    with pytest.raises(ThaniyaError, match="does not understand"):
        only_channel(apprise=("nonsense",)).send(message)


def test_apprise_that_is_not_installed_is_told_with_the_cure(monkeypatch, message):
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ThaniyaError) as raised:
        only_channel(apprise=("json://127.0.0.1",)).send(message)
    assert "pip install 'thaniya[notify]'" in raised.value.hint


def test_names_of_channels_tell_them_apart_and_hold_no_secret(tmp_path):
    channels = make_channels(
        Notify(
            mail=(MailAddress("root"),),
            command=("/usr/bin/tell", "token"),
            webhooks=(Url("https://u:secret@hooks.example.org/secret"), Url("https://hooks.example.org/other")),
            apprise=("ntfy://secret", "ntfy://other"),
        ),
        "thaniya",
    )
    names = [channel.name for channel in channels]
    assert len(set(names)) == len(names) == 6
    assert not any("secret" in name or "token" in name for name in names)


def test_trial_message_is_known_as_one(make):
    trial = trial_message("web1", make.now)
    assert title(trial) == "[thaniya web1] test"
    assert os.linesep not in title(trial)
