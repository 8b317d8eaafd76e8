"""The schedule in real processes: the service, ticks side by side, and what a killed one leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from thaniya_core.server import open_server
from thaniya_core.testing import FixedClock

DEADLINE_S = 60


@pytest.fixture
def command(run_command):
    """Runs a command; gives exit code and stdout."""
    return lambda *arguments, told="": run_command(*arguments, told=told)[:2]


def add(config, text):
    config.write_text(f"{config.read_text()}\n{text}\n")


def tick(config):
    words = [sys.executable, "-m", "thaniya_core", "--config", str(config), "tick", "--json"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process):
    out, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, err
    return json.loads(out)


def runs_of(box):
    return {record.name: record for record in box.store.read().runs.all()}


def test_schedule_is_shown_and_its_parts_are_run_when_asked(command):
    exit_code, out = command("schedule")
    assert exit_code == 0
    assert [line.split()[0] for line in out.splitlines()] == [
        *("name", "volumes", "health", "metrics", "retention", "verify", "history")
    ]
    assert "no policy is set" in out
    assert json.loads(command("tick", "--json")[1]) == {"ran_jobs": 0, "ran_tasks": 4, "other_service": False}
    told = {task["name"]: task for task in json.loads(command("schedule", "--json")[1])}
    ran_at = datetime.fromisoformat(told["verify"]["ran_at"])
    assert datetime.fromisoformat(told["verify"]["next_at"]) >= ran_at + timedelta(hours=23)
    assert (told["verify"]["state"], told["verify"]["detail"]) == ("waiting", "0 backups read")
    assert (told["retention"]["state"], told["retention"]["next_at"]) == ("off", None)
    assert command("schedule", "--run", "nothing", told="there are volumes, health")[0] == 4
    assert command("schedule", "--run", "retention", told="no policy is set")[0] == 1
    command("retention", "set", "default", "keep-last=3")
    assert "0 series, 0 backups removed" in command("schedule", "--run", "retention")[1]
    events = [json.loads(line) for line in command("log", "--json")[1].splitlines()]
    (asked,) = [event for event in events if event["action"] == "schedule.ask"]
    assert (asked["actor"].split(":")[0], asked["subject"]) == ("login", "retention")


def test_part_that_fails_is_shown_and_told(command, config, tmp_path):
    (tmp_path / "file").touch()
    add(config, f'[metrics]\ntextfile = "{tmp_path}/file/thaniya.prom"')
    assert command("schedule", "--run", "metrics", told="metrics failed: cannot write the metrics")[0] == 1
    (line,) = [line for line in command("schedule")[1].splitlines() if line.startswith("metrics")]
    assert datetime.fromisoformat(" ".join(line.split()[3:5])).year >= 2020  # when it ran, though it failed
    assert f"FAILED, last good -: cannot write the metrics to {tmp_path}/file/thaniya.prom" in line
    assert "cannot write the metrics" in command("log", "--failed")[1]
    assert "schedule_failed metrics" in command("check")[1]
    (tmp_path / "file").unlink()
    (tmp_path / "file").mkdir()
    assert command("schedule", "--run", "metrics")[0] == 0
    assert (tmp_path / "file/thaniya.prom").read_text()
    assert "schedule_failed" not in command("check")[1]


def test_applying_retention_by_hand_counts(command):
    command("retention", "set", "default", "keep-last=3")
    assert command("retention", "apply")[0] == 0
    told = {task["name"]: task for task in json.loads(command("schedule", "--json")[1])}
    assert told["retention"]["state"] == "waiting"
    assert "0 series by login:" in told["retention"]["detail"]


def test_ticks_at_the_same_moment_do_each_part_once(config, tmp_path):
    add(config, f'[notify]\ncommand = ["/bin/sh", "-c", "echo told >> {tmp_path}/told; cat > /dev/null"]')
    add(config, '[metrics]\ntextfile = "thaniya.prom"')
    open_server(config).slots.disable("thaniya_01", "test")  # something to tell
    done = [ended(process) for process in [tick(config) for _ in range(4)]]
    assert sum(each["ran_tasks"] for each in done) == 5
    assert {task.name for task in open_server(config).schedule.show() if task.last.ran_at} == {
        *("volumes", "health", "metrics", "verify", "history")
    }
    assert (tmp_path / "told").read_text() == "told\n"


def test_tick_whose_schedule_takes_long_keeps_no_other_from_working(config, tmp_path, wait_until):
    os.mkfifo(tmp_path / "held")
    add(config, f'[notify]\ncommand = ["/bin/sh", "-c", "cat > /dev/null; cat {tmp_path}/held"]')
    open_server(config).slots.disable("thaniya_01", "test")  # something to tell
    long = tick(config)
    server = open_server(config)
    wait_until(lambda: {task.name: task.state for task in server.schedule.show()}["health"] == "running")
    other = ended(tick(config))
    assert (other["other_service"], other["ran_jobs"]) == (False, 0)
    with (tmp_path / "held").open("w"):
        pass
    assert ended(long)["ran_tasks"] + other["ran_tasks"] == 4


def test_killed_tick_leaves_nothing_begun_for_ever(config, tmp_path, wait_until):
    os.mkfifo(tmp_path / "held")
    add(config, f'[notify]\ncommand = ["/bin/sh", "-c", "cat > /dev/null; cat {tmp_path}/held"]')
    server = open_server(config)
    server.slots.disable("thaniya_01", "test")
    killed = tick(config)
    wait_until(lambda: {task.name: task.state for task in server.schedule.show()}["health"] == "running")
    killed.kill()
    killed.communicate(timeout=DEADLINE_S)
    os.close(os.open(tmp_path / "held", os.O_RDWR))  # lets the program go that it had started, if it lives

    later = FixedClock(datetime.now(UTC) + timedelta(minutes=3))
    server = open_server(config, later)
    health = {task.name: task for task in server.schedule.show()}["health"]
    assert health.failure.endswith(f":{killed.pid} began it and died before its end")
    assert "schedule_failed" in {finding.code for finding in server.monitoring.check().findings}
    later.advance(300)
    config.write_text(config.read_text().replace(f"; cat {tmp_path}/held", ""))
    server = open_server(config, later)
    assert server.schedule.run_due() >= 1
    assert server.schedule.drain(DEADLINE_S)
    assert {task.name: task for task in server.schedule.show()}["health"].failure == ""


def test_stopped_tick_gives_back_what_it_had_begun(config, tmp_path, wait_until):
    os.mkfifo(tmp_path / "held")
    add(config, f'[notify]\ncommand = ["/bin/sh", "-c", "cat > /dev/null; cat {tmp_path}/held"]')
    server = open_server(config)
    server.slots.disable("thaniya_01", "test")
    stopped = tick(config)
    wait_until(lambda: {task.name: task.state for task in server.schedule.show()}["health"] == "running")
    stopped.send_signal(signal.SIGTERM)
    out, err = stopped.communicate(timeout=DEADLINE_S)
    os.close(os.open(tmp_path / "held", os.O_RDWR))  # lets the program go that it had started

    assert (stopped.returncode, out) == (130, ""), err
    health = {task.name: task for task in server.schedule.show()}["health"]
    assert (health.state, health.failure, health.last.was_stopped) == ("due", "", True)


def test_service_does_it_all_again_and_again(box, make_file, wait_until):
    add(box.config, '[schedule]\nvolumes = "1s"\nmetrics = "1s"\nretention = "1s"\nverify = "1s"')
    add(box.config, '[metrics]\ntextfile = "thaniya.prom"')
    box.start()
    box.back_up(make_file("a"))
    last = box.back_up(make_file("a"))
    assert box.thaniya("retention", "set", "alice", "keep-last=1").exit_code == 0
    wait_until(lambda: set(box.archived()) == {last}, "the older backup is removed")
    wait_until(lambda: (box.directory / "thaniya.prom").exists(), "metrics are written")
    first = wait_until(lambda: runs_of(box)["volumes"].ran_at)
    wait_until(lambda: runs_of(box)["volumes"].ran_at > first + timedelta(seconds=1), "the volumes are looked at again")
    assert not any(record.failure for record in runs_of(box).values())
    box.stop()
    assert all(record.claim_until is None for record in runs_of(box).values())


def test_slots_close_while_a_backup_is_read_and_the_service_ends_at_once(box, make_file, wait_until):
    add(box.config, '[schedule]\nverify = "1s"')
    add(box.config, '[verify]\nevery = "1s"\nlimit_rate = 1')
    box.start()
    box.back_up(make_file("a"))

    def reads() -> bool:  # one that finds nothing to read is over at once
        verify = runs_of(box)["verify"]
        return verify.claim_until is not None and datetime.now(UTC) - verify.began_at > timedelta(seconds=2)

    wait_until(reads, "a run that reads")
    box.back_up(make_file("b"))
    assert {task["name"]: task["state"] for task in box.thaniya("schedule", "--json").json}["verify"] == "running"
    box.stop()
    verify = runs_of(box)["verify"]
    assert (verify.was_stopped, verify.claim_until, verify.failure) == (True, None, "")
