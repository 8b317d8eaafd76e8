"""`thaniya check|metrics|notify|series …`, `thaniya log --follow`: as an administrator uses them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from thaniya_core.cli.main import run
from thaniya_core.model import Event
from thaniya_core.server import open_server
from thaniya_core.system.locks import locked
from thaniya_core.system.privileges import call_as
from thaniya_core.testing import FixedClock

SERIES = "alice/web1/nightly"


def back_up(server, data=b"some notes"):
    upload = server.allocator.allocate("alice", "web1", "nightly", 10, "peer", "alice@peer")
    (server.accounts.directory(upload.slot) / "notes.txt").write_bytes(data)
    server.uploads.complete(upload.id, None, "alice")
    server.close_slots()
    while server.worker.run_due():
        server.worker.drain()
    return upload.id


@pytest.fixture
def serving(config):
    """The server, seen at work just now, with twelve daily backups; the last is a few minutes old."""
    clock = FixedClock(datetime.now(UTC) - timedelta(days=11, minutes=5))
    server = open_server(config, clock)
    server.users.add("alice", [], "test")
    for _ in range(12):
        back_up(server)
        clock.advance(86400)
    now = open_server(config)
    with now.as_service():
        now.note_alive()
    return now


def test_check_of_a_good_server_is_one_line(command, serving):
    exit_code, out, err = command("check")
    assert (exit_code, err) == (0, "")
    (line,) = out.splitlines()
    assert line.startswith("THANIYA OK - 12 backups in 1 series, the last 5 min ago | series=1;;;0 late=0;;;0 ")
    exit_code, out, _ = command("check", "--json")
    assert exit_code == 0
    told = json.loads(out)
    assert (told["status"], told["exit_code"], told["findings"], told["backups"]) == ("ok", 0, [], 12)


def test_check_tells_what_is_wrong_and_what_to_do(command, serving):
    back_up(serving, b"")
    exit_code, out, _ = command("check")
    assert exit_code == 2
    first, *details = out.splitlines()
    assert first.startswith("THANIYA CRITICAL - 2 critical: backup_empty alice/web1/nightly: ")
    assert [line.split()[:2] for line in details] == [["CRITICAL", "backup_empty"], ["CRITICAL", "backup_shrunk"]]
    assert command("check", "--lines", "0")[1].splitlines()[1:] == ["and 2 more: thaniya check --json"]
    exit_code, out, _ = command("check", "--json")
    findings = json.loads(out)["findings"]
    assert (exit_code, [finding["code"] for finding in findings]) == (2, ["backup_empty", "backup_shrunk"])
    assert set(findings[0]) == {"code", "subject", "severity", "text", "cure"}


def test_each_tick_is_a_sign_of_life(command, config):
    for _ in range(2):
        exit_code, out, _ = command("check")
        assert (exit_code, "service_not_running" in out) == (2, True)
        assert command("tick")[0] == 0
        assert command("check")[0] == 0
        os.utime(config.parent / "state" / "service.lock", (0, 0))


def test_warning_has_its_own_exit_code(command, serving):
    assert command("slot", "disable", "thaniya_02")[0] == 0
    exit_code, out, _ = command("check")
    assert (exit_code, out.partition(" - ")[0]) == (1, "THANIYA WARNING")


def test_what_cannot_be_found_out_is_unknown(command, serving, config, tmp_path, capfd):
    exit_code, out, err = command("check", "--lines", "many")
    assert (exit_code, err) == (3, "")
    assert out.startswith("THANIYA UNKNOWN - ") and "--help" in out
    assert command("check", "--nonsense")[0] == 3
    told = json.loads(command("check", "--json", "--nonsense")[1])
    assert (told["exit_code"], "--nonsense" in told["reason"]) == (3, True)
    exit_code, out, _ = command("check", "--timeout", "0")
    assert (exit_code, "'--timeout'" in out) == (3, True)
    assert "'--lines'" in json.loads(command("check", "--json", "--lines", "-1")[1])["reason"]
    (config.parent / "state" / "state.json").write_text("{")
    exit_code, out, _ = command("check")
    assert (exit_code, out.startswith("THANIYA UNKNOWN - cannot read ")) == (3, True)
    assert "state.json" in out
    told = json.loads(command("check", "--json")[1])
    assert (told["status"], told["exit_code"]) == ("unknown", 3)
    assert "state.json" in told["reason"]
    capfd.readouterr()
    assert run(["--config", str(tmp_path / "none.toml"), "check"]) == 3
    assert capfd.readouterr().out.startswith("THANIYA UNKNOWN - ")


def test_check_that_takes_too_long_is_unknown(command, serving, config):
    catalog = config.parent / "state" / "catalog" / "alice" / "web1"
    os.mkfifo(catalog / "slow.json")
    try:
        exit_code, out, _ = command("check", "--timeout", "0.3")
    finally:
        with (catalog / "slow.json").open("wb"):
            pass  # lets the reader go
    assert (exit_code, out) == (3, "THANIYA UNKNOWN - the check did not answer within 0.3 s\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read")
def test_somebody_who_may_not_read_the_state_gets_unknown(command, serving, config, capfd):
    (config.parent / "state").chmod(0o700)
    capfd.readouterr()
    exit_code = call_as("nobody", lambda: str(run(["--config", str(config), "check"])))
    (line,) = capfd.readouterr().out.splitlines()
    assert (exit_code, line.startswith("THANIYA UNKNOWN - ")) == ("3", True), line
    assert "ermission" in line


def test_expectation_of_a_series_is_learned_set_shown_and_taken_back(command, serving):
    (listed,) = json.loads(command("series", "list", "--json")[1])
    assert (listed["series"], listed["expects"], listed["every_s"], listed["allowed_s"]) == (
        SERIES,
        "learned",
        86400,
        86400 + 6 * 3600,
    )
    assert "every 24 h, late after 30 h (learned)" in command("series", "list")[1]
    out = command("series", "set", SERIES, "--expect-every", "1h", "--grace", "30m")[1]
    assert "every 60 min, late after 1 h 30 min" in out or "every 1 h" in out
    shown = json.loads(command("series", "show", SERIES, "--json")[1])
    assert (shown["expects"], shown["every_s"], shown["allowed_s"], shown["findings"]) == ("set", 3600, 5400, [])
    assert command("series", "set", SERIES, "--expect-every", "1m", "--grace", "1s")[0] == 0
    assert "series_late" in command("series", "show", SERIES)[1]
    assert command("check")[0] == 2
    assert [each["series"] for each in json.loads(command("series", "list", "--with-findings", "--json")[1])] == [
        SERIES
    ]
    assert "retired" in command("series", "set", SERIES, "--retired")[1]
    assert command("check")[0] == 0
    assert command("series", "list", "--with-findings")[1] == "no series fits\n"
    assert command("series", "unset", SERIES)[0] == 0
    assert json.loads(command("series", "list", "--user", "alice", "--json")[1])[0]["expects"] == "learned"
    assert json.loads(command("series", "list", "--user", "bob", "--json")[1]) == []


@pytest.mark.parametrize(
    ("arguments", "exit_code", "told"),
    [
        (("series", "set", SERIES), 2, "--expect-every"),
        (("series", "set", SERIES, "--expect-every", "1d", "--retired"), 2, "either"),
        (("series", "set", SERIES, "--retired", "--grace", "1h"), 2, "either"),
        (("series", "set", SERIES, "--expect-every", "daily"), 2, "'daily' is not a duration"),
        (("series", "set", "bob/web1/nightly", "--expect-every", "1d"), 4, "no user 'bob'"),
        (("series", "set", "alice/web1", "--expect-every", "1d"), 2, "not a series"),
        (("series", "show", "alice/web1/none"), 4, "nothing is known"),
        (("series", "unset", SERIES), 4, "nothing was set"),
        (("notify", "test"), 1, "no channel is configured"),
        (("series", "set", SERIES, "--expect-every", "1000000d"), 2, "longer than ten years"),
        (("series", "set", SERIES, "--expect-every", "1d", "--grace", "1000000d"), 2, "longer than ten years"),
        (("metrics", "--textfile", "/tmp"), 2, "node_exporter reads no metrics from /tmp"),
        (("metrics", "--textfile", "/tmp/metrics.txt"), 2, "a file that ends in .prom"),
        (("metrics", "--textfile", "/typing/eror/x.prom"), 4, "there is no directory /typing/eror"),
    ],
)
def test_wrong_input_is_told(command, serving, arguments, exit_code, told):
    assert command(*arguments, told=told)[0] == exit_code


def test_metrics_are_printed_or_written(command, serving, tmp_path, monkeypatch):
    out = command("metrics")[1]
    assert '\nthaniya_backups{user="alice",host="web1",series="nightly"} 12\n' in out
    file = tmp_path / "collector.prom"
    assert command("metrics", "--textfile", str(file))[:2] == (0, "")
    assert json.loads(command("metrics", "--textfile", str(file), "--json")[1]) == {"textfile": str(file)}
    assert [line for line in file.read_text().splitlines() if line.startswith("#")] == [
        line for line in out.splitlines() if line.startswith("#")
    ]
    monkeypatch.chdir(tmp_path)
    assert command("metrics", "--textfile", "here.prom")[0] == 0
    assert (tmp_path / "here.prom").exists()
    names = {gauge["name"] for gauge in json.loads(command("metrics", "--json")[1])}
    assert "thaniya_backup_last_success_timestamp_seconds" in names


def test_retention_that_is_applied_to_all_is_remembered(command, serving):
    command("retention", "set", "default", "keep-daily=20")
    assert "retention_not_applied" in command("check")[1]
    command("retention", "apply", "--user", "alice")
    command("retention", "apply", "--dry-run")
    assert "retention_not_applied" in command("check")[1]
    command("retention", "apply")
    assert command("check")[0] == 0
    assert 'thaniya_schedule_last_run_timestamp_seconds{name="retention"}' in command("metrics")[1]


def test_channels_are_tried_and_told_what_changes(command, serving, config, tmp_path):
    tell = tmp_path / "tell"
    tell.write_text(f"#!/bin/sh\ncat >> {tmp_path}/told\n")
    tell.chmod(0o755)
    with config.open("a") as file:
        file.write(f'[notify]\ncommand = ["{tell}"]\n')
    assert json.loads(command("notify", "test", "--json")[1]) == [
        {"channel": f"command {tell}", "changes": 1, "reason": ""}
    ]
    assert command("notify", "send")[:2] == (0, "nothing to tell\n")
    command("slot", "disable", "thaniya_02")
    assert "sent" in command("notify", "send")[1]
    assert command("notify", "send")[1] == "nothing to tell\n"
    with locked(config.parent / "state" / "notify.lock"):
        assert command("notify", "send")[:2] == (0, "another process is just telling it\n")
    assert command("slot", "enable", "thaniya_02")[0] == 0
    command("notify", "send")
    messages = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert [(message["status"], message["changes"][0]["kind"]) for message in messages] == [
        ("ok", "new"),
        ("warning", "new"),
        ("ok", "resolved"),
    ]
    tell.write_text("#!/bin/sh\nexit 9\n")
    exit_code, out, _ = command("notify", "test", told="not told: command")
    assert (exit_code, "exit code 9" in out) == (1, True)
    assert "notification_failed" in command("check")[1]
    assert [event["action"] for event in map(json.loads, command("log", "--failed", "--json")[1].splitlines())] == [
        "notify.failed"
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[notify]\nmail = ["a b@example.org"]\n', "$.notify.mail"),
        ('[notify]\nmail = ["-oQ/tmp"]\n', "$.notify.mail"),
        ('[notify]\nmail = ["|/bin/sh"]\n', "$.notify.mail"),
        ('[notify]\nwebhooks = ["file:///etc/passwd"]\n', "http://"),
        ('[notify]\nwebhooks = [""]\n', "http://"),
        ('[notify]\nwebhooks = ["http://[::1/hook"]\n', "http://"),
        ('[ping]\nfail = "http://host:port/{user}"\n', "http://"),
        ('[notify]\nmai = ["root"]\n', "mai"),
        ('[ping]\nstart = "https://x/{users}"\n', "{user}, {host} and {name}"),
        ("[check]\nshrunk_to = 1.5\n", "$.check.shrunk_to"),
        ('[check]\nstuck = "long"\n', "$.check.stuck"),
        ("[notify]\ntimeout = 0\n", "a second at least, got 0 - at `$.notify.timeout`"),
        ("[ping]\ntimeout = 0\n", "a second at least, got 0 - at `$.ping.timeout`"),
    ],
)
def test_wrong_configuration_names_its_key(command, config, text, told):
    with config.open("a") as file:
        file.write(text)
    assert command("user", "list", told=told)[0] == 2


@pytest.fixture
def follow(config):
    """Starts `thaniya log --follow`; what it prints goes into a file or a pipe."""
    started = []

    def start(*arguments, stdout):
        argv = [sys.executable, "-m", "thaniya_core", "--config", str(config), "log", "--follow", *arguments]
        started.append(subprocess.Popen(argv, stdout=stdout, stderr=subprocess.PIPE))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return value


def test_log_is_followed_across_the_end_of_a_month_until_interrupted(follow, config, tmp_path):
    server = open_server(config)
    now = datetime.now(UTC)
    for number in range(3):
        server.store.add_event(Event(now, "test", "early", str(number)))
    server.store.add_event(Event(now - timedelta(hours=2), "test", "early", "too long ago"))
    out = tmp_path / "out"
    with out.open("wb") as stream:
        process = follow("--json", "--since", "1h", "--limit", "2", stdout=stream)
    subjects = lambda: [json.loads(line)["subject"] for line in out.read_text().splitlines()]  # noqa: E731
    wait_until(lambda: subjects() == ["1", "2"])
    with (config.parent / "state" / "log" / f"{now:%Y-%m}.jsonl").open("a") as log:
        log.write('{"at": "torn')  # another process is writing
        log.flush()
        server.store.add_event(Event(now, "test", "late", "3"))
    server.store.add_event(Event(now + timedelta(days=32), "test", "late", "next month"))
    wait_until(lambda: subjects() == ["1", "2", "3", "next month"])
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert process.stderr.read() == b""


def test_followed_log_shows_failures_only_and_as_text(follow, config, tmp_path):
    server = open_server(config)
    out = tmp_path / "out"
    with out.open("wb") as stream:
        process = follow("--failed", stdout=stream)
    server.store.add_event(Event(datetime.now(UTC), "test", "good"))
    server.store.add_event(Event(datetime.now(UTC), "test", "bad", ok=False, detail="a\x1b[31m"))
    wait_until(lambda: out.read_text().count("\n") == 1)
    assert out.read_text().split()[2:] == ["test", "bad", "FAILED", "-", "a\\x1b[31m"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130


def test_followed_log_ends_quietly_when_nobody_reads_any_more(follow, config):
    process = follow(stdout=subprocess.PIPE)
    assert b"volume.add" in process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == b""
