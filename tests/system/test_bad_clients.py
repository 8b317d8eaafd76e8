"""Bad input and bad intent: a clear error, nothing lost, nobody else disturbed."""

import hashlib
import json
import os
import socket
import subprocess
import threading

import pytest


def session_process(box, user):
    """A session that stays open; `ask` sends a line and gives the answer."""
    return box.background(
        box.ssh_command(user, "session"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def ask(process, request):
    line = request if isinstance(request, bytes) else json.dumps(request).encode()
    process.stdin.write(line + b"\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


HELLO = {"type": "hello", "versions": [1]}


# Who may come in.


def test_a_wrong_key_comes_in_nowhere(running_server, wait_until):
    box = running_server
    allocated = box.allocate()
    for account in ("thaniya", allocated.slot, "root"):
        done = box.ssh("mallory", "help", account=account)
        assert done.exit_code == 255
        assert "Permission denied (publickey)" in done.stderr
    refused = wait_until(lambda: len(box.thaniya("log", "--failed", "--json").json_lines) == 3)
    assert refused


def test_a_disabled_user_comes_in_no_more(running_server):
    box = running_server
    box.thaniya("user", "disable", "alice")
    assert box.ssh("alice", "help").exit_code == 255
    assert box.ssh("bob", "help").exit_code == 0
    box.thaniya("user", "enable", "alice")
    assert box.ssh("alice", "help").exit_code == 0


def test_disabling_a_user_ends_the_open_upload_and_its_logins(running_server, make_file, wait_until):
    box = running_server
    file = make_file("big.bin", 4_000_000)
    allocated, other = box.allocate("alice"), box.allocate("bob")
    with (
        session_process(box, "alice") as session,
        box.background(box.scp_command("alice", "-l", "2000", str(file), f"{allocated.slot}@127.0.0.1:upload/")) as scp,
    ):
        assert ask(session, HELLO)["type"] == "welcome"
        wait_until(lambda: list(box.slot_directory(allocated.slot).iterdir()))
        assert box.thaniya("user", "disable", "alice").exit_code == 0
        assert scp.wait(30) != 0
        assert session.wait(30) != 0
    ended = box.wait_for_end(allocated.upload)
    assert (ended.state, ended.reason) == ("aborted", "the user was disabled")
    assert box.upload(other.upload).state == "open"
    assert box.slots()[allocated.slot].state == "ready"


def test_somebody_elses_slot_upload_and_backup_are_out_of_reach(running_server, make_file):
    box = running_server
    file = make_file("data.bin", 1000)
    backup = box.back_up(file)
    allocated = box.allocate("alice")
    assert box.scp("bob", str(file), f"{allocated.slot}@127.0.0.1:upload/").exit_code == 255
    for verb in (f"complete {allocated.upload}", f"abort {allocated.upload}", f"status {allocated.upload}"):
        done = box.ssh("bob", verb)
        assert (done.exit_code, done.stdout) == (4, "")
        assert f"you have no upload {allocated.upload}" in done.stderr
    for verb in (f"contents {backup}", f"fetch {backup} data.bin", f"fetch {backup} backup.json"):
        done = box.ssh("bob", verb)
        assert (done.exit_code, done.stdout) == (4, "")
        assert f"you have no backup {backup}" in done.stderr
    assert box.ssh("bob", "uploads --json").stdout == box.ssh("bob", "backups --json").stdout == ""
    assert box.upload(allocated.upload).state == "open"


def test_a_slot_lets_its_user_in_only_while_the_upload_is_open(running_server, make_file):
    box = running_server
    file = make_file("data.bin", 1000)
    assert box.scp("alice", str(file), "thaniya_01@127.0.0.1:upload/").exit_code == 255
    allocated = box.allocate()
    box.put(allocated, file)
    assert box.complete(allocated.upload, file).exit_code == 0
    assert box.scp("alice", str(file), f"{allocated.slot}@127.0.0.1:upload/").exit_code == 255
    box.assert_sound()


# Where the files go.

BAD_TARGETS = [
    "../escaped",
    "upload/../escaped",
    "upload/../../escaped",
    "/escaped",
    "/upload/../escaped",
    "upload/sub/escaped",
    "upload/" + "x" * 300,
    "upload/.hidden",
    "upload/backup.json",
    "upload/two\nlines",
    "upload/ünïcode",
    "upload/with space",
    "upload/-dash",
]


@pytest.mark.parametrize("old", [True, False], ids=["scp -O", "scp"])
def test_scp_cannot_leave_the_upload_directory(running_server, make_file, tmp_path, old):
    box = running_server
    file = make_file("escaped", 1000)
    allocated = box.allocate()
    before = {path for path in tmp_path.rglob("*") if "state" not in path.parts}
    for target in BAD_TARGETS:
        done = box.scp("alice", *(["-O"] if old else []), str(file), f"{allocated.slot}@127.0.0.1:{target}")
        assert done.exit_code == 1, target
        assert done.stderr, target
    assert {path for path in tmp_path.rglob("*") if "state" not in path.parts} == before
    box.put(allocated, file)
    assert box.complete(allocated.upload, file).exit_code == 0
    box.assert_sound()


def test_sftp_cannot_leave_the_upload_directory(running_server, make_file, tmp_path):
    box = running_server
    file = make_file("escaped", 1000)
    allocated = box.allocate()
    before = {path for path in tmp_path.rglob("*") if "state" not in path.parts}
    for line in (
        f"put {file} ../escaped",
        f"put {file} /etc/escaped",
        f"put {file} upload/{'x' * 300}",
        f'put {file} "upload/with space"',
        f"put -r {file.parent} upload",
        "ls /etc",
        "get /etc/passwd /dev/null",
        "get ../../../state/state.json /dev/null",
        "mkdir upload/sub",
        "symlink /etc/passwd upload/link",
        "rm ../../state/state.json",
        "rename upload/none ../none",
    ):
        assert box.sftp("alice", allocated.slot, line).exit_code == 1, line
    after = {path for path in tmp_path.rglob("*") if "state" not in path.parts}
    assert after - before <= {box.slot_directory(allocated.slot) / "escaped"}  # `put -r` brings the plain files in it


def plant_link(place):
    (place / "planted").symlink_to("/etc/passwd")


def plant_directory(place):
    (place / "planted" / "deep").mkdir(parents=True)
    (place / "planted" / "deep" / "file").write_text("x")


def plant_pipe(place):
    os.mkfifo(place / "planted")


def plant_device(place):
    if os.geteuid() != 0:
        pytest.skip("only root can make a device")
    os.mknod(place / "planted", 0o600 | 0o020000, os.makedev(1, 5))


def plant_socket(place):
    here = os.open(".", os.O_RDONLY)
    os.chdir(place)  # the path of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as endless:
            endless.bind("planted")
    finally:
        os.fchdir(here)
        os.close(here)


def plant_hard_link(place):
    os.link(place.parents[2] / "state" / "state.json", place / "planted")


def plant_illegal_name(place):
    (place / os.fsdecode(b"planted\n\x1b[2J\xff")).write_text("x")


PLANTS = {
    "is a symbolic link": plant_link,
    "is a directory": plant_directory,
    "is a pipe": plant_pipe,
    "is a device": plant_device,
    "is no plain file": plant_socket,
    "has a second name (hard link)": plant_hard_link,
    "has a name that is not legal": plant_illegal_name,
}


@pytest.mark.parametrize("reason", PLANTS)
def test_what_is_no_plain_file_is_rejected_with_the_reason(running_server, make_file, reason):
    box = running_server
    file = make_file("good.bin", 1000)
    allocated = box.allocate()
    box.put(allocated, file)
    PLANTS[reason](box.slot_directory(allocated.slot))
    done = box.complete(allocated.upload)
    assert (done.exit_code, done.stdout) == (8, "")
    assert "rejected: only plain files with legal names are taken" in done.stderr
    assert "planted" in done.stderr and reason in done.stderr
    assert "\x1b" not in done.stderr and done.stderr.count("\n") == 1
    assert box.wait_for_end(allocated.upload).state == "rejected"
    assert reason in box.thaniya("upload", "show", allocated.upload).stdout
    assert (box.directory / "state" / "state.json").stat().st_size > 0
    box.assert_sound()


# What was promised.


def test_sums_that_do_not_fit_are_rejected_with_the_reason(running_server, make_file):
    box = running_server
    one, two = make_file("one.bin", 1000), make_file("two.bin", 2000)
    line = {file.name: f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in (one, two)}
    for sums, reason in (
        (f"{'0' * 64}  one.bin\n" + line["two.bin"], "one.bin has another SHA-256 than promised"),
        (line["one.bin"], "two.bin is there and was not promised"),
        ("".join(line.values()) + f"{'0' * 64}  three.bin\n", "three.bin was promised and is not there"),
    ):
        allocated = box.allocate()
        box.put(allocated, one, two)
        done = box.ssh("alice", f"complete {allocated.upload} --sums", sums)
        assert (done.exit_code, done.stdout) == (8, "")
        assert reason in done.stderr
        ended = box.wait_for_end(allocated.upload)
        assert (ended.state, reason in ended.reason) == ("rejected", True)
    box.assert_sound()
    assert box.archived() == {}


def test_sums_that_are_none_change_nothing(running_server, make_file):
    box = running_server
    file = make_file("one.bin", 1000)
    allocated = box.allocate()
    box.put(allocated, file)
    for sums, said in (
        ("", "there are no sums"),
        ("hello\n", "line 1 is not a line of sha256sum"),
        (f"{'0' * 64}  ../../etc/-x\n", "is not a legal file name"),
        (f"{'0' * 64}  a\n{'1' * 64}  dir/a\n", "a is there twice"),
        (f"{'0' * 64}  a\n" * 20_000, "longer than"),
    ):
        done = box.ssh("alice", f"complete {allocated.upload} --sums", sums)
        assert (done.exit_code, done.stdout) == (2, "")
        assert said in done.stderr
    assert box.upload(allocated.upload).state == "open"
    assert box.complete(allocated.upload, file).exit_code == 0


def described(file, **changes):
    size = file.stat().st_size
    return {"name": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "size_bytes": size} | changes


def test_a_manifest_that_does_not_fit_is_rejected_with_the_reason(running_server, make_file):
    box = running_server
    file = make_file("one.bin", 1000)
    for files, reason in (
        ([described(file, sha256="0" * 64)], "one.bin has another SHA-256 than promised"),
        ([described(file, size_bytes=999)], "one.bin has 1000 bytes, 999 were promised"),
        ([described(file), described(file, name="two.bin")], "two.bin was promised and is not there"),
        ([], "one.bin is there and was not promised"),
    ):
        allocated = box.allocate()
        box.put(allocated, file)
        complete = {"type": "complete", "upload": allocated.upload, "manifest": {"files": files}}
        status = {"type": "status", "upload": allocated.upload, "known_state": "spooled", "wait_s": 20}
        answers = box.session("alice", complete, status)
        assert (answers[1]["state"], answers[1]["reason"]) == ("rejected", reason)
        box.wait_for_end(allocated.upload)
    box.assert_sound()
    assert box.archived() == {}


def test_an_illegal_manifest_leaves_the_upload_open(running_server, make_file):
    box = running_server
    file = make_file("one.bin", 1000)
    allocated = box.allocate()
    box.put(allocated, file)
    illegal = [
        [described(file, name="../x")],
        [described(file, name="backup.json")],
        [described(file), described(file)],
        [described(file, sha256="A" * 64)],
        [described(file, size_bytes=-1)],
        [described(file, kind="program")],
        [described(file, compression="rar")],
    ]
    answers = box.session(
        "alice", *({"type": "complete", "upload": allocated.upload, "manifest": {"files": files}} for files in illegal)
    )
    assert [answer["type"] for answer in answers] == ["error"] * len(illegal)
    assert {answer["code"] for answer in answers} == {"illegal_name", "wrong_usage", "protocol_violated"}
    assert box.upload(allocated.upload).state == "open"
    assert box.complete(allocated.upload, file).exit_code == 0
    box.assert_sound()


def test_an_empty_upload_is_rejected(running_server):
    box = running_server
    done = box.complete(box.allocate().upload)
    assert (done.exit_code, "no file was uploaded" in done.stderr) == (8, True)
    box.assert_sound()


def test_a_second_complete_is_answered_as_the_first_or_refused(running_server, make_file):
    box = running_server
    file, other = make_file("one.bin", 1000), make_file("other.bin", 1000)
    backup = box.back_up(file)
    again = box.complete(backup, file)
    assert (again.exit_code, again.stdout) == (0, "state=archived\n")
    different = box.complete(backup, other)
    assert (different.exit_code, different.stdout) == (1, "")
    assert "was completed with another manifest and is archived" in different.stderr
    without = box.complete(backup)
    assert (without.exit_code, without.stdout) == (1, "")
    box.assert_sound()


def test_two_completes_at_once_make_one_backup(running_server, make_file):
    box = running_server
    file = make_file("one.bin", 3_000_000)
    allocated = box.allocate()
    box.put(allocated, file)
    results = []
    threads = [threading.Thread(target=lambda: results.append(box.complete(allocated.upload, file))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(done.exit_code, done.stdout) for done in results] == [(0, "state=archived\n")] * 4
    box.assert_sound()
    assert set(box.archived()) == {allocated.upload}


# Timing.


@pytest.mark.parametrize("old", [True, False], ids=["scp -O", "scp"])
def test_complete_while_scp_is_writing_archives_nothing_that_was_not_promised(
    running_server, make_file, wait_until, old
):
    box = running_server
    file = make_file("big.bin", 4_000_000)
    allocated = box.allocate()
    there = box.slot_directory(allocated.slot) / file.name
    options = ["-l", "8000", *(["-O"] if old else [])]
    with box.background(box.scp_command("alice", *options, str(file), f"{allocated.slot}@127.0.0.1:upload/")) as scp:
        wait_until(lambda: there.exists() and there.stat().st_size > 0)
        done = box.complete(allocated.upload, file)
        assert (done.exit_code, done.stdout) == (8, "")
        assert "big.bin has another SHA-256 than promised" in done.stderr
        assert scp.wait(30) != 0
    box.assert_sound()
    assert box.archived() == {}


def test_abort_while_scp_is_writing_ends_it(running_server, make_file, wait_until):
    box = running_server
    file = make_file("big.bin", 4_000_000)
    allocated = box.allocate()
    target = f"{allocated.slot}@127.0.0.1:upload/"
    with box.background(box.scp_command("alice", "-l", "2000", str(file), target)) as scp:
        wait_until(lambda: list(box.slot_directory(allocated.slot).iterdir()))
        assert box.ssh("alice", f"abort {allocated.upload}").stdout == "state=aborted\n"
        assert scp.wait(30) != 0
    box.assert_sound()


def test_two_clients_race_for_the_last_slot(running_server):
    box = running_server
    box.allocate("alice", "first")
    results = []
    commands = [("alice", "allocate --host web1 --name a"), ("bob", "allocate --host web2 --name b")]
    threads = [threading.Thread(target=lambda c=c: results.append(box.ssh(*c))) for c in commands]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done.exit_code for done in results) == [0, 6]
    (loser,) = (done for done in results if done.exit_code)
    assert "no free slot: 2 of 2 taken" in loser.stderr
    held = [slot.upload_id for slot in box.slots().values()]
    assert None not in held and len(set(held)) == 2


def test_a_user_has_no_more_uploads_than_allowed(new_box):
    box = new_box
    box.initialise(slots=3)
    box.add_user("alice", max_uploads=1)
    box.start()
    first = box.allocate()
    done = box.ssh("alice", "allocate --host web1 --name weekly")
    assert (done.exit_code, first.upload in done.stderr) == (6, True)


def test_an_upload_that_outgrows_its_size_is_rejected_while_it_comes_in(running_server, make_file):
    box = running_server
    file = make_file("big.bin", 6_000_000)
    allocated = box.allocate(size=1000)
    target = f"{allocated.slot}@127.0.0.1:upload/"
    with box.background(box.scp_command("alice", "-l", "16000", str(file), target)) as scp:
        assert scp.wait(60) != 0
    ended = box.wait_for_end(allocated.upload)
    assert (ended.state, "were allowed" in ended.reason) == ("rejected", True)
    done = box.complete(allocated.upload, file)
    assert (done.exit_code, "were allowed" in done.stderr) == (1, True)
    box.assert_sound()


def test_an_upload_that_outgrew_its_size_in_a_moment_is_rejected_at_complete(running_server, make_file):
    box = running_server
    file = make_file("big.bin", 6_000_000)
    allocated = box.allocate(size=1000)
    box.scp("alice", str(file), f"{allocated.slot}@127.0.0.1:upload/")
    done = box.complete(allocated.upload, file)
    assert done.exit_code in (1, 8) and "were allowed" in done.stderr
    box.assert_sound()
    assert box.archived() == {}


def test_the_quota_holds(new_box, make_file):
    box = new_box
    box.initialise()
    box.add_user("alice", quota_bytes=2_000_000)
    box.start()
    box.back_up(make_file("one.bin", 1_500_000))
    done = box.ssh("alice", "allocate --host web1 --name nightly --bytes 1M")
    assert (done.exit_code, "quota" in done.stderr) == (7, True)
    allocated = box.allocate(size=100_000)
    box.scp("alice", str(make_file("two.bin", 1_000_000)), f"{allocated.slot}@127.0.0.1:upload/")
    assert "were allowed" in box.complete(allocated.upload).stderr
    box.assert_sound()


def test_a_silent_upload_expires(box, make_file, wait_until):
    box.configure("slots", silence="1s")
    box.start()
    allocated = box.allocate()
    box.put(allocated, make_file("data.bin", 1000))
    with box.background(box.sftp_command("alice", allocated.slot), stdin=subprocess.PIPE) as silent:
        ended = box.wait_for_end(allocated.upload)
        silent.communicate(b"ls\n", timeout=30)
        assert silent.returncode != 0
    assert (ended.state, ended.reason.startswith("nothing came for")) == ("expired", True)
    done = box.complete(allocated.upload)
    assert (done.exit_code, "nothing came for" in done.stderr) == (1, True)
    box.assert_sound()


def test_a_slow_upload_does_not_expire(box, make_file):
    box.configure("slots", silence="2s")
    box.start()
    allocated = box.allocate()
    file = make_file("data.bin", 400_000)
    assert box.scp("alice", "-l", "1000", str(file), f"{allocated.slot}@127.0.0.1:upload/").exit_code == 0
    assert box.complete(allocated.upload, file).exit_code == 0
    box.assert_sound()


# Messages that are none.

GARBAGE = [
    b"",
    b"hello",
    b"\x00\xff\xfe garbage \x80",
    b"[]",
    b"null",
    b"{}",
    b'{"type": "open the door"}',
    b'{"type": ["hello"]}',
    b'{"type": "allocate"}',
    b'{"type": "allocate", "host": 7, "name": "x"}',
    b'{"type": "allocate", "host": "h", "name": "n", "expected_bytes": -1}',
    b'{"type": "allocate", "host": "h", "name": "n", "expected_bytes": 1e400}',
    b'{"type": "status", "upload": "x", "wait_s": 1e9}',
    b'{"type": "complete", "upload": {"a": 1}}',
    b'{"type": "abort", "upload": "x", "reason": "' + b"y" * 2000 + b'"}',
    b'{"type": "contents", "backup": "\\ud800"}',
    b"[" * 100_000,
]


def test_garbage_is_answered_and_disturbs_nobody(running_server, make_file):
    box = running_server
    file = make_file("data.bin", 100_000)
    with session_process(box, "bob") as neighbour, session_process(box, "alice") as session:
        assert ask(neighbour, HELLO)["type"] == "welcome"
        assert ask(session, {"type": "uploads"})["code"] == "protocol_violated"
        assert ask(session, {"type": "hello", "versions": [99]})["code"] == "versions_differ"
        assert ask(session, HELLO)["type"] == "welcome"
        for line in GARBAGE:
            answer = ask(session, line)
            assert (answer["type"], answer["code"]) == ("error", "protocol_violated"), line[:60]
            assert len(answer["message"]) < 500
            assert ask(session, {"type": "uploads"}) == {"type": "uploads", "uploads": []}
        answer = ask(session, b'{"type": "backups", "host": "' + b"x" * 1024 * 1024 + b'"}')
        assert (answer["code"], "longer than" in answer["message"]) == ("protocol_violated", True)
        for upload in ("", "x", "../../state", "20200101T000000Z-zzzzzz"):
            assert ask(session, {"type": "status", "upload": upload})["code"] == "illegal_name"
        allocated = ask(neighbour, {"type": "allocate", "host": "web1", "name": "nightly"})
        assert box.scp("bob", str(file), f"{allocated['slot']}@127.0.0.1:upload/").exit_code == 0
        manifest = {"files": [described(file)]}
        ask(neighbour, {"type": "complete", "upload": allocated["upload"], "manifest": manifest})
        wait = {"type": "status", "upload": allocated["upload"], "known_state": "spooled", "wait_s": 20}
        assert ask(neighbour, wait)["state"] == "archived"
    box.assert_sound()


def test_a_client_that_sends_only_garbage_is_shown_out(running_server):
    box = running_server
    done = box.ssh("alice", "session", b"garbage\n" * 1000)
    assert done.exit_code == 1
    assert 0 < len(done.json_lines) <= 20
    assert box.ssh("alice", "help").exit_code == 0


def test_strangers_that_speak_no_ssh_disturb_nobody(running_server):
    box = running_server
    for data in (b"", b"GET / HTTP/1.1\r\n\r\n", os.urandom(100_000), b"SSH-2.0-x\r\n" + b"\0" * 100_000):
        with socket.create_connection(("127.0.0.1", box.port), timeout=10) as stranger:
            try:
                stranger.sendall(data)
            except OSError:
                continue  # shown out before it had said everything
    assert box.ssh("alice", "help").exit_code == 0


@pytest.mark.parametrize(
    "command", ["session\0", "'", "allocate " + "x" * 20_000, "complete --sums", "fetch ../x y", "\n"]
)
def test_odd_commands_get_one_line(running_server, command):
    done = running_server.ssh("alice", command.replace("\0", "\x01"))
    assert done.exit_code in (0, 2)
    assert done.stderr.count("\n") <= 1
