"""What a client tries in its slot and is refused: it is in the audit log, and costs nobody else anything."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from real_server import DEADLINE_S

from thaniya_client import Directory, ThaniyaServer
from thaniya_core.slots.refusals import SHOWN

# PAM makes no difference to what is logged.
pytestmark = pytest.mark.parametrize("server", ["yes"], ids=["pam"], indirect=True, scope="module")

SEND = """
import socket, sys, time
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.connect(sys.argv[1])
for text in ('open "/etc/passwd" flags READ mode 0666', 'sent status Permission denied'):
    log.send(f"<38>{time.strftime('%b %d %H:%M:%S')} internal-sftp[7]: {text}".encode())
"""


@pytest.fixture(scope="module", autouse=True)
def sshd_logs_to_syslog(server):
    """As on any server: into a file of its own sshd would log past the slot."""
    server.stop_sshd()
    server.start_sshd("yes", logs_to_file=False)


@pytest.fixture
def refused(server, wait_until):
    """Waits for so many refusals of an upload, and gives them."""

    def look(upload, count=0):
        return wait_until(lambda: len(found := server.refusals(upload)) >= count and (found,))[0]

    return look


def socket_of(server, slot):
    return server.machine.path(f"/srv/thaniya/slots/{slot}/dev/log")


def sync(server, refused, upload, slot, already=0):
    """Let something be refused, and wait until it is told: what came before it is told as well."""
    server.sftp("alice", slot, "-mkdir upload/marker\n")
    return refused(upload, already + 1)


def test_what_was_tried_is_in_the_audit_log_with_the_name_of_the_user(server, upload, refused, make_file, tmp_path):
    upload, slot = upload
    file = make_file("x")
    done = server.sftp(
        "alice",
        slot,
        f"-get ../../etc/passwd {tmp_path}/got\n-put {file} /x\n-mkdir upload/d\n-symlink /etc upload/l\n"
        f"put {file} upload/good\n-rename upload/good /bad\n-rm dev/log\n-ls dev\n",
    )

    events = refused(upload, 7)

    assert [event["detail"].removesuffix(f" (upload {upload})") for event in events] == [
        'lstat "/../../etc/passwd": no such file',
        'open "/x" for WRITE,CREATE,TRUNCATE: permission denied',
        "mkdir request: permission denied",
        "symlink request: permission denied",
        'posix-rename old "/upload/good" new "/bad": permission denied',
        'remove "/dev/log": permission denied',
        'opendir "/dev/": permission denied',
    ]
    told = {(event["actor"], event["subject"], event["ok"]) for event in events}
    assert told == {("alice@127.0.0.1", slot, False)}
    # The client itself is told at once.
    assert 'mkdir "/upload/d": Permission denied' in done.stderr
    assert 'remote symlink file "/etc" to "/upload/l": Permission denied' in done.stderr
    assert [path.name for path in server.upload_directory(slot).iterdir()] == ["good"]


def test_client_of_the_old_scp_protocol_ends_at_once_and_is_told_what_helps(server, upload, refused, make_file):
    upload, slot = upload
    done = server.scp("alice", make_file("old.bin"), slot, "-O")
    assert (done.returncode, done.stderr) == (1, "This service allows sftp connections only.\n")

    (event,) = refused(upload, 1)
    reason = f"a client logged in to {slot} and spoke no SFTP, as `scp -O` and scp before OpenSSH 9.0 do: use sftp"
    assert event["detail"].startswith(reason)
    assert f"reason={reason}" in server.ssh("alice", "status", upload).stdout
    completed = server.ssh("alice", "complete", upload)
    assert (completed.returncode, f"no file was uploaded: {reason}" in completed.stderr) == (8, True)


def test_client_that_goes_on_by_sftp_is_archived(server, upload, refused, make_file):
    upload, slot = upload
    assert server.scp("alice", make_file("first.bin"), slot, "-O").returncode == 1
    refused(upload, 1)
    assert server.scp("alice", make_file("second.bin"), slot).returncode == 0

    assert server.ssh("alice", "complete", upload).stdout == "state=archived\n"


@pytest.mark.parametrize("program", ["scp", "sftp", "curl", "rclone"])
def test_clients_in_good_faith_leave_no_event(server, upload, refused, make_file, tmp_path, program):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is missing")
    upload, slot = upload
    file = make_file("data.bin")
    key, port = server.keys / "alice", str(server.port)
    if program == "scp":
        done = server.scp("alice", file, slot, "-p")
    elif program == "sftp":
        batch = f"put -fp {file} upload/.part\nrename upload/.part upload/data.bin\nls -l upload\nls -l /\ndf\n"
        done = server.sftp("alice", slot, batch)
    elif program == "curl":
        keys = ["--key", str(key), "--pubkey", f"{key}.pub", "--insecure"]
        url = f"sftp://{slot}@127.0.0.1:{port}/upload/data.bin"
        done = server.client("curl", "--disable", "--silent", "--show-error", *keys, "--upload-file", str(file), url)
    else:
        # Without `shell_type = none` it tries to run commands too.
        config = tmp_path / "rclone.conf"
        config.write_text(f"[slot]\ntype = sftp\nhost = 127.0.0.1\nport = {port}\nuser = {slot}\nkey_file = {key}\n")
        done = server.client("rclone", "--config", str(config), "copy", str(file), "slot:upload")
    assert done.returncode == 0, done.stderr
    assert server.upload_directory(slot).joinpath("data.bin").read_bytes() == file.read_bytes()

    (marker,) = sync(server, refused, upload, slot)
    assert marker["detail"].startswith("mkdir request")


def test_backup_of_the_library_leaves_no_event(server, refused, make_file, tmp_path):
    source = make_file("data.bin").parent
    with ThaniyaServer(
        "127.0.0.1", port=server.port, key=server.keys / "alice", known_hosts=server.work / "known_hosts"
    ) as client:
        report = client.backup(Directory(source), name="library")

    server.stop_service()  # what was heard is told before it ends
    assert refused(report.id) == []
    server.start_service()


def test_flood_is_capped(server, upload, refused):
    upload, slot = upload
    server.sftp("alice", slot, "".join(f"-mkdir upload/d{number}\n" for number in range(3 * SHOWN)))

    assert "more was refused" in refused(upload, SHOWN + 1)[-1]["detail"]
    sync(server, refused, upload, slot)
    assert len(refused(upload)) == SHOWN + 1


@pytest.mark.parametrize(("account", "counts"), [("root", False), ("thaniya", False), ("", True)])
def test_datagrams_count_from_the_account_of_the_slot_only(server, upload, refused, account, counts):
    upload, slot = upload
    server.python_as(account or slot, SEND, f"/srv/thaniya/slots/{slot}/dev/log")

    told = sync(server, refused, upload, slot, already=int(counts))
    assert [event["detail"].split(":")[0] for event in told][:-1] == ['open "/etc/passwd" for READ'] * counts


@pytest.mark.parametrize("command", ["rm -f log", "mv log other", "touch other", "ls", "ln -s /etc/passwd other"])
def test_account_of_a_slot_cannot_touch_its_socket(server, command):
    slot = "thaniya_02"
    done = server.run_as(slot, "sh", "-c", f"cd /srv/thaniya/slots/{slot}/dev && {command}", check=False)

    assert (done.returncode != 0, "Permission denied" in done.stderr) == (True, True), done
    assert socket_of(server, slot).is_socket()


def test_account_of_another_slot_does_not_reach_it(server):
    look = "import socket, sys; sys.exit(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).connect_ex(sys.argv[1]))"
    path = "/srv/thaniya/slots/thaniya_02/dev/log"
    found = [
        server.run_as(account, sys.executable, "-I", "-c", look, path, check=False).returncode
        for account in ("thaniya_01", "thaniya_02")
    ]

    assert found == [errno.EACCES, 0]


def test_slot_that_is_added_later_is_heard_and_a_removed_one_leaves_nothing(server, wait_until):
    server.thaniya("slot", "add", "7")
    wait_until(lambda: socket_of(server, "thaniya_07").is_socket())
    server.thaniya("slot", "remove", "thaniya_07")
    assert not server.machine.path("/srv/thaniya/slots/thaniya_07").exists()


def test_socket_that_vanished_is_made_again(server, wait_until):
    path = socket_of(server, "thaniya_01")
    path.unlink()
    wait_until(path.is_socket)


@pytest.fixture
def renumbered_slot(server, wait_until):
    """A slot whose account has another number meanwhile: as when somebody removed it, and setup made it again."""
    slot = "thaniya_02"

    def identity():
        status = socket_of(server, slot).stat()
        return status.st_ino, status.st_ctime_ns

    def renumber(uid):
        before = identity()
        server.machine.run("sed", "-i", "-E", f"s/^({slot}:[^:]*):[0-9]+:/\\1:{uid}:/", "/etc/passwd")
        wait_until(lambda: socket_of(server, slot).exists() and identity() != before)

    own = server.machine.run("id", "-u", slot).stdout.strip()
    renumber("4321")
    yield slot
    renumber(own)


def test_account_that_was_made_anew_is_heard(server, renumbered_slot, refused):
    taken = {slot: upload for upload, slot in (server.allocate(name=f"n{number}") for number in range(server.slots))}
    try:
        sync(server, refused, taken[renumbered_slot], renumbered_slot)
    finally:
        for slot, upload in taken.items():
            server.abort(upload)
            server.wait_until_ready(slot)


def test_clients_wait_for_a_stopped_service_and_go_on_with_it(server, upload, make_file, tmp_path, wait_until):
    upload, slot = upload
    file = make_file("data.bin", 1000)
    # A queue takes so many lines; each file makes one at the least.
    queue = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())
    names = {f"f{number}" for number in range(queue + 50)}
    batch = tmp_path / "batch"
    batch.write_text("".join(f"put {file} upload/{name}\n" for name in names))
    counts = []

    def stands_still():
        counts.append(len(list(server.upload_directory(slot).iterdir())))
        return len(counts) > 50 and len(set(counts[-50:])) == 1 and counts[-1] > 0

    command = server.sftp_command("alice", slot)
    with batch.open() as stdin, ExitStack() as running:
        with server.paused_service():
            session = running.enter_context(subprocess.Popen(command, stdin=stdin, stdout=subprocess.DEVNULL))
            wait_until(stands_still)
            assert (session.poll(), counts[-1] < len(names)) == (None, True)
        assert session.wait(DEADLINE_S) == 0

    assert server.ssh("alice", "complete", upload).stdout == "state=archived\n"
    for name in names:
        assert (server.archived(upload) / name).read_bytes() == file.read_bytes()


def test_killed_service_holds_nobody_up_and_the_next_one_hears_again(server, upload, refused, make_file):
    upload, slot = upload
    server.signal_service("KILL")
    server.service.wait(DEADLINE_S)
    server.service.stdout.close()
    assert socket_of(server, slot).is_socket()
    file = make_file("data.bin")
    batch = "".join(f"put {file} upload/f{number}\n" for number in range(50))
    assert server.sftp("alice", slot, batch).returncode == 0
    assert len(list(server.upload_directory(slot).iterdir())) == 50

    server.start_service()
    sync(server, refused, upload, slot)


def test_service_that_ends_takes_its_sockets_with_it(server):
    server.stop_service()
    assert not socket_of(server, "thaniya_01").exists()
    server.start_service()
    assert socket_of(server, "thaniya_01").is_socket()


def test_doctor_finds_slots_that_nobody_listens_to(server, wait_until):
    def look():
        findings = json.loads(server.machine.run("thaniya", "doctor", "--json", check=False).stdout)
        return [finding for finding in findings if finding["name"] == "logs of the slots"]

    assert look()[0]["level"] == "ok"
    with server.paused_service():
        socket_of(server, "thaniya_02").unlink()
        (finding,) = look()
    assert (finding["level"], "/srv/thaniya/slots/thaniya_02/dev/log" in finding["what"]) == ("warn", True)
    wait_until(lambda: look()[0]["level"] == "ok")
