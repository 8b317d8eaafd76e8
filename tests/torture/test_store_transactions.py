"""Many processes on one store, and processes killed inside their transactions."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time

import pytest

from thaniya_core.model import Slot
from thaniya_core.store import TinyStore
from thaniya_core.system.locks import try_lock

pytestmark = pytest.mark.torture

COUNTER = """
import sys
from pathlib import Path
from msgspec.structs import replace
from thaniya_core.model import Event, Slot
from thaniya_core.store import TinyStore
from thaniya_core.system.clock import SystemClock

store = TinyStore(Path(sys.argv[1]))
own, times = sys.argv[2], int(sys.argv[3])

def add_one(slots, name):
    slot = slots.get(name) or Slot(name, reason="0")
    slots.put(replace(slot, reason=str(int(slot.reason) + 1)))

sys.stdin.readline()
for number in range(times):
    with store.transaction() as state:
        add_one(state.slots, "thaniya_99")
        add_one(state.slots, own)
    assert store.read().slots.get(own).reason == str(number + 1)
    if number % 10 == 0:
        store.add_event(Event(SystemClock().now(), own, "count", str(number)))
"""

# Forks a child for each line of the input, lets it work for so many seconds, kills it, and says what it had been told.
KILLER = """
import os, signal, sys, time
from pathlib import Path
from thaniya_core.model import Slot
from thaniya_core.store import TinyStore

def work(store, told):
    number = int((store.read().slots.get("thaniya_01") or Slot("thaniya_01", reason="0")).reason)
    os.write(told, b"ready\\n")
    while True:
        number += 1
        with store.transaction() as state:
            state.slots.put(Slot("thaniya_01", reason=str(number)))
            state.slots.put(Slot(f"thaniya_{10 + number % 50}", reason=str(number) * 20))
            state.slots.put(Slot("thaniya_02", reason=str(number)))
        os.write(told, b"%d\\n" % number)

for line in sys.stdin:
    reading, told = os.pipe()
    child = os.fork()
    if child == 0:
        work(TinyStore(Path(sys.argv[1])), told)
    os.close(told)
    with os.fdopen(reading, "rb") as lines:
        assert lines.readline() == b"ready\\n"
        time.sleep(float(line))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        numbers = lines.read().split()
    print(numbers[-1].decode() if numbers else "nothing", flush=True)
"""


def test_eight_processes_lose_no_transaction(tmp_path):
    processes, times = 8, 500
    directory = tmp_path / "state"
    names = [f"thaniya_{number:02d}" for number in range(1, processes + 1)]
    running = [
        subprocess.Popen([sys.executable, "-c", COUNTER, str(directory), name, str(times)], stdin=subprocess.PIPE)
        for name in names
    ]
    for process in running:
        process.stdin.write(b"go\n")
        process.stdin.close()
    assert [process.wait(timeout=120) for process in running] == [0] * processes

    store = TinyStore(directory)
    counts = {slot.name: int(slot.reason) for slot in store.read().slots.all()}
    assert counts == {**dict.fromkeys(names, times), "thaniya_99": processes * times}
    events = [(event.actor, int(event.subject)) for event in store.read_events()]
    assert sorted(events) == [(name, number) for name in names for number in range(0, times, 10)]


def test_a_killed_transaction_leaves_the_old_state_or_the_new(tmp_path):
    directory = tmp_path / "state"
    instants = random.Random(20261123)
    longest = 4 * transaction_seconds(TinyStore(tmp_path / "other"))
    told = 0
    with subprocess.Popen(
        [sys.executable, "-c", KILLER, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as killer:
        for _ in range(200):
            killer.stdin.write(f"{instants.uniform(0, longest)}\n")
            killer.stdin.flush()
            answer = killer.stdout.readline().strip()
            told = told if answer == "nothing" else int(answer)
            number = number_in(directory)
            assert told <= number <= told + 1
            assert_unlocked(directory)
            told = number
        killer.stdin.close()
    assert killer.returncode == 0
    assert told > 0
    with TinyStore(directory).transaction() as state:
        state.slots.put(Slot("thaniya_03"))
    assert {path.name for path in directory.iterdir()} == {"state.json", "state.json.previous", "state.lock"}


def transaction_seconds(store):
    """How long a transaction takes here, about."""
    begin = time.perf_counter()
    for number in range(20):
        with store.transaction() as state:
            state.slots.put(Slot("thaniya_01", reason=str(number)))
    return (time.perf_counter() - begin) / 20


def number_in(directory):
    """The transaction that the state is of; all that it changed must be of the same one."""
    slots = TinyStore(directory).read().slots
    if not slots.all():
        return 0
    number = int(slots.get("thaniya_01").reason)
    assert slots.get("thaniya_02").reason == str(number)
    assert slots.get(f"thaniya_{10 + number % 50}").reason == str(number) * 20
    previous = directory / "state.json.previous"
    if previous.exists():
        slots_before = json.loads(previous.read_bytes())["slots"]
        assert int(slots_before["thaniya_01"]["reason"]) in (number - 1, number)
    return number


def assert_unlocked(directory):
    descriptor = try_lock(directory / "state.lock")
    assert descriptor is not None
    os.close(descriptor)


def test_a_broken_state_survives_every_attempt_to_change_it(tmp_path):
    directory = tmp_path / "state"
    directory.mkdir()
    broken = b'{"format": 1, "slots": {"thaniya_01": '
    (directory / "state.json").write_bytes(broken)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", COUNTER, str(directory), f"thaniya_0{number}", "5"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(1, 4)
    ]
    for process in running:
        _, stderr = process.communicate(b"go\n", timeout=60)
        assert process.returncode == 1
        assert b"StateUnreadable" in stderr
        assert b"state.json" in stderr
    assert (directory / "state.json").read_bytes() == broken
