"""`thaniya retention …`, `backup pin|unpin|tag`: as an administrator uses them."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from thaniya_core.cli.main import run
from thaniya_core.server import open_server
from thaniya_core.testing import FixedClock

END = datetime(2026, 3, 31, 2, tzinfo=UTC)


@pytest.fixture
def backups(config):
    """Ten daily backups of a series; their ids, the oldest first."""
    clock = FixedClock(END - timedelta(days=9))
    server = open_server(config, clock)
    server.users.add("alice", [], "test")
    made = []
    for _ in range(10):
        upload = server.allocator.allocate("alice", "web1", "nightly", 10, "peer", "alice@peer")
        (server.accounts.directory(upload.slot) / "notes.txt").write_bytes(b"some notes")
        server.uploads.complete(upload.id, None, "alice")
        server.close_slots()
        while server.worker.run_due():
            server.worker.drain()
        made.append(upload.id)
        clock.advance(86400)
    return made


def back_up(config, name):
    server = open_server(config)
    if not server.users.all():
        server.users.add("alice", [], "test")
    upload = server.allocator.allocate("alice", "web1", name, 10, "peer", "alice@peer")
    (server.accounts.directory(upload.slot) / "notes.txt").write_bytes(b"some notes")
    server.uploads.complete(upload.id, None, "alice")
    server.close_slots()
    while server.worker.run_due():
        server.worker.drain()


def lines(out):
    return [json.loads(line) for line in out.splitlines()]


def test_policy_is_set_looked_at_applied_and_taken_back(command, backups):
    assert command("retention", "show")[1] == "no policy: everything is kept\n"
    assert command("retention", "set", "alice", "keep-daily=3")[0] == 0
    assert json.loads(command("retention", "show", "--json")[1]) == [
        {"scope": "alice", "policy": "keep-daily=3", "set_in": "state", "series": 1}
    ]
    decisions = lines(command("retention", "plan", "--json")[1])
    assert [decision["keep"] for decision in decisions] == [True] * 3 + [False] * 7
    assert decisions[0]["reasons"] == ["daily 1"]
    assert [decision["id"] for decision in decisions] == backups[::-1]
    tried = lines(command("retention", "plan", "--policy", "keep-last=4", "--removals", "--json")[1])
    assert [decision["id"] for decision in tried] == backups[5::-1]
    out = command("retention", "plan", "--series", "alice/web1/nightly")[1]
    assert "alice/web1/nightly: keep-daily=3 (set for alice)" in out
    assert "3 kept, " in out and "7 to remove, " in out
    assert command("retention", "apply", "--dry-run", "--json")[1].count('"keep":false') == 7
    assert len(json.loads(command("backup", "list", "--json")[1])) == 10

    (pruned,) = lines(command("retention", "apply", "--json")[1])

    assert pruned["removed"] == backups[6::-1]
    assert pruned["freed_bytes"] == 0  # those that stay have the same files
    assert [backup["document"]["id"] for backup in json.loads(command("backup", "list", "--json")[1])] == backups[:6:-1]
    assert command("retention", "apply")[:2] == (0, "")
    assert command("retention", "plan", "--removals")[1].startswith("nothing to remove; 3 kept, ")
    assert command("retention", "apply", "--dry-run")[1].startswith("nothing to remove; 3 kept, ")
    assert command("retention", "unset", "alice")[0] == 0
    assert command("retention", "unset", "alice", told="no policy was set")[0] == 4


def test_series_that_fails_is_told_and_the_others_are_pruned(command, backups, config):
    server = open_server(config, FixedClock(END))
    upload = server.allocator.allocate("alice", "web1", "aside", 10, "peer", "alice@peer")
    (server.accounts.directory(upload.slot) / "notes.txt").write_bytes(b"some notes")
    server.uploads.complete(upload.id, None, "alice")
    server.close_slots()
    server.worker.run_due()
    server.worker.drain()
    archive = config.parent / "volume/archive/alice/web1"
    (archive / "aside/20200101T000000Z-000000").mkdir()  # catalog and volume disagree
    command("retention", "set", "alice", "keep-last=4")

    exit_code, out, _ = command("retention", "apply", "--json", told="catalog and volume disagree")

    failed, pruned = lines(out)
    assert (exit_code, failed["message_type"], failed["series"]) == (1, "failed", "alice/web1/aside")
    assert (pruned["message_type"], pruned["removed"]) == ("pruned", backups[5::-1])


def test_mistyped_scope_is_seen_to_hold_for_nothing(command, backups):
    assert "holds for: no series that has backups" in command("retention", "set", "alcie", "keep-daily=3")[1]
    assert "holds for: 1 series" in command("retention", "set", "default", "keep-daily=3")[1]
    assert json.loads(command("retention", "set", "alice", "keep-daily=3", "--json")[1])["series"] == 1
    shown = {each["scope"]: each["series"] for each in json.loads(command("retention", "show", "--json")[1])}
    assert shown == {"alcie": 0, "alice": 1, "default": 0}  # alice's goes before the default


def test_plan_of_several_series_ends_with_a_sum_and_one_of_nothing_says_so(command, config):
    assert command("retention", "plan")[1] == "no backup is here\n"
    for name in ("nightly", "weekly"):
        back_up(config, name)
    out = command("retention", "plan")[1]
    assert out.endswith("2 series: 2 kept, 20 B; 0 to remove, 0 B\n")
    assert command("retention", "plan", "--json")[1].count('"keep":true') == 2


def test_series_that_fails_is_told_once_with_the_cure_and_stops_no_other(command, backups, config):
    back_up(config, "weekly")
    assert command("retention", "set", "default", "keep-last=1")[0] == 0
    (config.parent / "volume/archive/alice/web1/nightly" / backups[0]).rename(config.parent / "away")

    exit_code, _, err = command("retention", "apply", "--series", "alice/web1/nightly")
    assert (exit_code, err.count("catalog and volume disagree")) == (1, 1)
    exit_code, _, err = command("retention", "apply")
    assert (exit_code, err.count("alice/web1/nightly: catalog and volume disagree")) == (1, 1)
    assert "thaniya catalog rebuild" in err
    assert len(json.loads(command("backup", "list", "--json")[1])) == 11

    (config.parent / "volume/archive/alice/web1/weekly/20200101T000000Z-000000").mkdir()
    err = command("retention", "apply", told="2 of 2 series failed")[2]
    assert [err.count(f"alice/web1/{name}: catalog and volume disagree") for name in ("nightly", "weekly")] == [1, 1]


def test_policies_may_stand_in_the_configuration(command, backups, config):
    config.write_text(
        config.read_text()
        + '\n[retention]\ndefault = "keep-last=1"\nalice = {keep-daily = 2, minimum = 4}\n"alice/web1/other" = ""\n'
    )
    shown = json.loads(command("retention", "show", "--json")[1])
    assert {each["scope"]: each["policy"] for each in shown} == {
        "default": "keep-last=1",
        "alice": "keep-daily=2 minimum=4",
        "alice/web1/other": "",
    }
    assert command("retention", "apply", "--json")[1].count("Z-") == 6
    config.write_text(config.read_text().replace("keep-last=1", "keep-lst=1"))
    assert command("retention", "show", told=f'{config}: [retention] "default": a policy knows no keep-lst')[0] == 2


def test_pinned_and_tagged_backups_are_shown_and_kept(command, backups):
    assert command("backup", "pin", backups[0])[0] == 0
    assert command("backup", "tag", backups[0], "before-upgrade", "v1")[0] == 0
    assert command("backup", "tag", backups[0], "--remove", "v1", "--json")[1] == (
        f'{{"id":"{backups[0]}","tags":["before-upgrade"]}}\n'
    )
    found = json.loads(command("backup", "list", "--tag", "before-upgrade", "--json")[1])
    assert [backup["document"]["id"] for backup in found] == [backups[0]]
    assert "pinned" in command("backup", "list", "--tag", "before-upgrade")[1]
    command("retention", "set", "default", "keep-last=1")
    command("retention", "apply")
    left = json.loads(command("backup", "list", "--series", "alice/web1/nightly", "--json")[1])
    assert [backup["document"]["id"] for backup in left] == [backups[9], backups[0]]
    assert command("backup", "remove", backups[0], "--yes", told="is pinned")[0] == 1
    assert command("backup", "unpin", backups[0])[0] == 0
    assert command("backup", "remove", backups[0], "--yes")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "exit_code", "told"),
    [
        (("retention", "set", "alice", "keep-daily"), 2, "no part of a policy"),
        (("retention", "set", "Alice", "keep-daily=1"), 2, "legal user name"),
        (("retention", "plan", "--policy", "keep-dayly=3"), 2, "knows no keep-dayly"),
        (("retention", "plan", "--series", "alice/web1"), 2, "not a series"),
        (("retention", "plan", "--series", "alice/web1/none"), 4, "no backup of the series"),
        (("retention", "apply", "--series", "alice/web1/none"), 4, "no backup of the series"),
        (("retention", "apply", "--user", "nobody"), 4, "no backup of the user nobody"),
        (("retention", "simulate", "--policy", "keep-daily=1", "--times", "/none"), 4, "/none"),
        (("backup", "tag", "2026", "a b"), 4, "begin with"),
    ],
)
def test_wrong_input_is_told(command, backups, arguments, exit_code, told):
    assert command(*arguments, told=told)[0] == exit_code


def test_simulation_needs_no_server(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    times = tmp_path / "times"
    given = [(END - timedelta(days=day)).isoformat() for day in range(120)]
    times.write_text("\n".join(sorted(given)) + "\n\n")
    arguments = [
        "retention",
        "simulate",
        "--policy",
        "keep-daily=7 keep-weekly=4 keep-monthly=3",
        "--times",
        str(times),
    ]
    assert run([*arguments, "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert [each["time"] for each in told] == given
    assert sum(each["keep"] for each in told) == 11
    assert told[2] == {"time": given[2], "keep": True, "reasons": ["daily 3", "weekly 2"]}
    assert run(arguments) == 0
    assert capfd.readouterr().out.endswith("11 of 120 kept\n")
    assert run([*arguments, "--minimum", "20", "--json"]) == 0
    assert sum(each["keep"] for each in json.loads(capfd.readouterr().out)) == 20
    times.write_text(given[0] + "\n2026-03-31\n")
    assert run(arguments) == 2
    assert "line 2: '2026-03-31' is no time of a backup with an offset" in capfd.readouterr().err
    times.write_text(given[0] + "\n0001-01-01T00:00:00Z\n")
    assert run(arguments) == 2


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    """Policies count by the machine's own days."""
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    os.environ.pop("TZ", None)
    time.tzset()
