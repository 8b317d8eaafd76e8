"""Server and clients that are killed: each backup is wholly there or not at all, and the next start carries on."""

import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from thaniya_core.model import UploadState
from thaniya_core.server import open_server

KILLS = 5
SPARSE_BYTES = 600_000_000


def make_sparse(place, size=SPARSE_BYTES):
    """A large file that is there at once, and takes a while to read."""
    with place.open("wb") as stream:
        stream.truncate(size)


def test_server_killed_while_an_upload_comes_in(running_server, make_file, wait_until):
    box = running_server
    file = make_file("big.bin", 4_000_000)
    allocated = box.allocate()
    there = box.slot_directory(allocated.slot) / file.name
    target = f"{allocated.slot}@127.0.0.1:upload/"
    with box.background(box.scp_command("alice", "-l", "8000", str(file), target)) as scp:
        wait_until(lambda: there.exists() and there.stat().st_size > 100_000)
        box.restart()
        assert scp.wait(30) != 0
    assert box.upload(allocated.upload).state == "open"
    done = box.sftp("alice", allocated.slot, f"reput {file} upload/big.bin\n")
    assert (done.exit_code, done.stderr) == (0, "")
    done = box.complete(allocated.upload, file)
    assert (done.exit_code, done.stdout) == (0, "state=archived\n")
    box.assert_sound({allocated.upload: {file.name: box_sum(box, file)}})


def box_sum(box, file):
    return box.run("sha256sum", str(file)).stdout.split()[0]


def test_an_upload_whose_server_and_client_died_expires(box, make_file):
    box.configure("slots", silence="1s")
    box.start()
    allocated = box.allocate()
    box.put(allocated, make_file("data.bin", 1000))
    box.restart()
    assert box.wait_for_end(allocated.upload).state == "expired"
    box.assert_sound()


def test_server_killed_while_it_archives(running_server, wait_until):
    box = running_server
    allocated = box.allocate()
    make_sparse(box.slot_directory(allocated.slot) / "large.bin")
    command = box.ssh_command("alice", f"complete {allocated.upload}")
    with box.background(command) as complete:
        wait_until(lambda: any((box.volume / ".incoming").glob("*/large.bin")))
        box.kill()
        assert complete.wait(30) != 0
    assert box.archived() == {}
    assert box.upload(allocated.upload).state == "spooled"
    box.start()
    assert box.wait_for_end(allocated.upload).state == "archived"
    done = box.complete(allocated.upload)
    assert (done.exit_code, done.stdout) == (0, "state=archived\n")
    assert set(box.archived()) == {allocated.upload}
    box.assert_sound()


def test_server_told_to_stop_while_it_archives_finishes_the_backup(running_server, wait_until):
    box = running_server
    allocated = box.allocate()
    make_sparse(box.slot_directory(allocated.slot) / "large.bin", SPARSE_BYTES // 4)
    box.ssh("alice", f"complete {allocated.upload} --no-wait")
    wait_until(lambda: any((box.volume / ".incoming").glob("*/large.bin")) or box.archived())
    box.stop()
    assert box.upload(allocated.upload).state == "archived"
    box.assert_sound()


def test_cron_carries_on_what_a_killed_server_left(running_server, wait_until):
    box = running_server
    allocated = box.allocate()
    make_sparse(box.slot_directory(allocated.slot) / "large.bin", SPARSE_BYTES // 4)
    with box.background(box.ssh_command("alice", f"complete {allocated.upload}")):
        wait_until(lambda: box.store.read().uploads.get(allocated.upload).state != "open")
        box.kill()
    ticked = box.thaniya("tick", "--json")
    assert (ticked.exit_code, ticked.json["other_service"]) == (0, False)
    assert box.upload(allocated.upload).state == "archived"
    box.assert_sound()


def test_client_killed_in_the_middle_gives_its_slot_back_after_the_silence(box, make_file, wait_until):
    box.configure("slots", silence="1s")
    box.start()
    file = make_file("big.bin", 4_000_000)
    allocated = box.allocate()
    target = f"{allocated.slot}@127.0.0.1:upload/"
    with box.background(box.scp_command("alice", "-l", "2000", str(file), target)) as scp:
        wait_until(lambda: list(box.slot_directory(allocated.slot).iterdir()))
        scp.kill()
    assert box.wait_for_end(allocated.upload).state == "expired"
    box.assert_sound()


def test_client_killed_in_the_middle_may_abort(running_server, make_file, wait_until):
    box = running_server
    file = make_file("big.bin", 4_000_000)
    allocated = box.allocate()
    target = f"{allocated.slot}@127.0.0.1:upload/"
    with box.background(box.scp_command("alice", "-l", "2000", str(file), target)) as scp:
        wait_until(lambda: list(box.slot_directory(allocated.slot).iterdir()))
        scp.kill()
    assert box.ssh("alice", f"abort {allocated.upload}").stdout == "state=aborted\n"
    box.assert_sound()


def test_client_killed_while_it_waits_for_complete_has_its_backup(running_server, wait_until):
    box = running_server
    allocated = box.allocate()
    make_sparse(box.slot_directory(allocated.slot) / "large.bin", SPARSE_BYTES // 4)
    with box.background(box.ssh_command("alice", f"complete {allocated.upload}")) as complete:
        wait_until(lambda: box.upload(allocated.upload).state != "open")
        complete.kill()
    assert box.wait_for_end(allocated.upload).state == "archived"
    box.assert_sound()


def test_a_killed_restore_can_be_repeated(running_server, tmp_path, wait_until):
    box = running_server
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(3):
        make_sparse(tree / f"large{number}", 60_000_000)
    subprocess.run(["tar", "-cf", str(tmp_path / "home.tar"), "-C", str(tree), "."], check=True, timeout=60)
    backup = box.back_up(tmp_path / "home.tar")
    target = tmp_path / "restored"
    command = [sys.executable, "-m", "thaniya_core", "--config", str(box.config), "backup", "restore", backup]
    with box.background([*command, str(target)]) as restore:
        wait_until(lambda: any(target.glob(".thaniya-restoring-*/large*")) or restore.poll() is not None)
        restore.kill()
    assert restore.returncode == -signal.SIGKILL, "it was quicker than the kill"
    again = box.thaniya("backup", "restore", backup, str(target))
    assert again.exit_code == 0, again.stderr
    assert box.run("diff", "-r", str(tree), str(target)).exit_code == 0
    box.assert_sound()


@pytest.mark.parametrize("after", range(3))
def test_server_killed_in_the_midst_of_complete(running_server, make_file, after):
    box = running_server
    file = make_file("data.bin", 200_000)
    allocated = box.allocate()
    box.put(allocated, file)
    told = []
    for delay in (0.12 + 0.03 * after, 0.15 + 0.05 * after, 0.3):
        command = box.ssh_command("alice", f"complete {allocated.upload} --sums")
        with box.background(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as complete:
            complete.stdin.write(box.run("sha256sum", str(file)).stdout.encode())
            complete.stdin.close()
            time.sleep(delay)  # the instant of death, not a wait
            box.kill()
            told.append(complete.stdout.read())
        box.start()
        assert box.complete(allocated.upload, file).stdout == "state=archived\n"
    assert set(told) <= {b"", b"state=archived\n"}
    box.assert_sound({allocated.upload: {file.name: box_sum(box, file)}})
    assert set(box.archived()) == {allocated.upload}


MANY_BACKUPS = 'for name in a b c d e; do sh "$0" "$1" $name || exit; done'


def kill_the_server_again_and_again(box, tree, kills, seed):
    """Two clients make backups by the example script, one after the other, while the server dies at random instants.

    Gives what the clients were told: the ids of backups that are archived.
    """
    instants = random.Random(seed)
    box.configure("slots", silence="3s")
    server = open_server(box.config)
    # Silence counts anew at each start: what a kill leaves open keeps its slot until the end.
    server.slots.ensure(min(999, 2 + 2 * kills))
    for user in ("alice", "bob"):
        server.users.change(user, "test", max_uploads=2 + 2 * kills)
    told = set()
    for _ in range(kills):
        box.start()
        with ExitStack() as stack:
            clients = [
                stack.enter_context(
                    box.background(
                        ["sh", "-c", MANY_BACKUPS, str(box.examples / "backup.sh"), str(tree)],
                        env=box.script_environment(user),
                        stdout=subprocess.PIPE,
                    )
                )
                for user in ("alice", "bob")
            ]
            time.sleep(instants.uniform(0.2, 1.2))  # the instant of death, not a wait
            box.kill()
            for client in clients:
                told |= set(client.communicate(timeout=60)[0].decode().split())
    box.configure("slots", silence="1s")
    box.start()
    box.wait_until_idle()
    return told


def check_what_is_left(box, tree, told):
    """Everything that was told is there, once and whole, and everything that is there can be restored."""
    box.assert_sound()
    archived = box.archived()
    assert told <= set(archived)
    states = {upload.id: upload.state for upload in box.store.read_upload_history()}
    assert set(states.values()) <= {UploadState.ARCHIVED, UploadState.EXPIRED, UploadState.ABORTED}
    for backup, directory in list(archived.items())[:5]:
        target = box.work / backup
        done = box.run("sh", str(directory / "RESTORE.txt"), str(target))
        assert done.exit_code == 0, done.stderr
        assert box.run("diff", "-r", str(tree), str(target)).exit_code == 0
    verified = box.thaniya("backup", "verify", "--all")
    assert verified.exit_code == 0, (verified.stdout, verified.stderr)
    assert box.thaniya("catalog", "rebuild", "--json").json["added"] == 0


def test_server_killed_at_random_instants(box, tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "data").write_bytes(random.Random(1).randbytes(300_000))
    told = kill_the_server_again_and_again(box, tree, KILLS, seed=1)
    check_what_is_left(box, tree, told)
