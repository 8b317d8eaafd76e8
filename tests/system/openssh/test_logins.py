"""Who is let in by a real sshd: the second lock, keys of others, sessions that outlive their slot."""

from __future__ import annotations

import subprocess

from real_server import DEADLINE_S, HELPER


def expiry(server, slot):
    """The day on which the account expires, as in the eighth field of shadow(5); empty: never."""
    shadow = server.machine.path("/etc/shadow").read_text().splitlines()
    (line,) = [line for line in shadow if line.startswith(f"{slot}:")]
    return line.split(":")[7]


def test_slot_is_locked_in_the_system_while_it_is_not_taken(server):
    upload, slot = server.allocate()
    assert expiry(server, slot) == ""
    assert server.sftp("alice", slot, "ls\n").returncode == 0
    server.abort(upload)
    server.wait_until_ready(slot)
    assert expiry(server, slot) == "0"
    assert server.sftp("alice", slot, "ls\n").returncode == 255


def test_locked_slot_lets_nobody_in_even_where_the_key_is_accepted(server, upload):
    _, slot = upload
    server.machine.run(HELPER, "lock", slot)
    assert server.sftp("alice", slot, "ls\n").returncode == 255
    server.machine.run(HELPER, "unlock", slot)
    assert server.sftp("alice", slot, "ls\n").returncode == 0


def test_locking_a_slot_ends_the_login_there_is(server, upload, make_file, wait_until):
    _, slot = upload
    with subprocess.Popen(
        server.sftp_command("alice", slot), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as session:
        assert session.stdin is not None
        session.stdin.write(f"put {make_file('early.bin')} upload/early.bin\n".encode())
        session.stdin.flush()
        wait_until(lambda: (server.upload_directory(slot) / "early.bin").exists())
        server.machine.run(HELPER, "lock", slot)
        assert server.machine.run("pgrep", "--uid", slot, check=False).returncode == 1
        session.communicate(b"ls upload\n", timeout=DEADLINE_S)
    assert session.returncode != 0
    server.machine.run(HELPER, "unlock", slot)


def test_key_of_another_user_or_of_nobody_is_refused(server, upload):
    _, slot = upload
    for user in ("bob", "mallory"):
        done = server.sftp(user, slot, "ls\n")
        assert (done.returncode, "Permission denied (publickey)" in done.stderr) == (255, True)
    assert server.ssh("mallory", "help").returncode == 255


def test_slot_of_another_user_is_refused(server, upload):
    _, own_slot = upload
    other_upload, other_slot = server.allocate("bob")
    assert other_slot != own_slot
    assert server.sftp("alice", other_slot, "ls\n").returncode == 255
    assert server.sftp("bob", own_slot, "ls\n").returncode == 255
    server.abort(other_upload, "bob")


def test_session_from_before_the_end_is_dead_and_cannot_write(server, upload, make_file, wait_until):
    upload_id, slot = upload
    file = make_file("late.bin", 100_000)
    with subprocess.Popen(
        server.sftp_command("alice", slot),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as session:
        assert session.stdin is not None
        session.stdin.write(f"put {file} upload/early.bin\n")
        session.stdin.flush()
        wait_until(lambda: (server.upload_directory(slot) / "early.bin").exists())
        server.abort(upload_id)
        server.wait_until_ready(slot)
        stdout, _ = session.communicate(f"put {file} upload/late.bin\nls upload\n", timeout=DEADLINE_S)
    assert session.returncode != 0
    assert "late.bin" not in [
        word for line in stdout.splitlines() if not line.startswith("sftp>") for word in line.split()
    ]
    assert list(server.upload_directory(slot).iterdir()) == []


def test_sessions_of_a_slot_are_seen(server, upload, wait_until):
    _, slot = upload
    (uid,) = {
        line.split(":")[2]
        for line in server.machine.path("/etc/passwd").read_text().splitlines()
        if line.startswith(f"{slot}:")
    }
    with subprocess.Popen(server.sftp_command("alice", slot), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as session:
        wait_until(lambda: server.machine.run("pgrep", "--uid", uid, check=False).returncode == 0)
        session.kill()
    wait_until(lambda: server.machine.run("pgrep", "--uid", uid, check=False).returncode == 1)


def test_disabled_user_is_out_at_once(server, upload):
    _, slot = upload
    server.thaniya("user", "disable", "alice")
    try:
        assert server.ssh("alice", "help").returncode == 255
        assert server.sftp("alice", slot, "ls\n").returncode == 255
    finally:
        server.thaniya("user", "enable", "alice")
    assert server.ssh("alice", "help").returncode == 0
