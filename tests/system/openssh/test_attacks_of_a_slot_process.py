"""Who has got a process as a slot account, or as the service user, beyond what SFTP lets a client do.

What it leaves in the slot, and what it goes on doing while the upload is collected, harms neither archive nor others.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from real_server import HELPER, SPOOL

pytestmark = pytest.mark.parametrize("server", ["yes"], indirect=True, ids=["pam"], scope="module")


def place_of(slot):
    return f"/srv/thaniya/slots/{slot}/upload"


def complete(server, upload, user="alice"):
    return server.ssh(user, "complete", upload)


def processes_of(server, account):
    return server.machine.run("pgrep", "--uid", account, check=False).stdout.split()


@pytest.fixture
def upload(server, upload):
    """An open upload of alice with one good file in it."""
    _, slot = upload
    server.python_as(slot, "import sys; open(sys.argv[1], 'w').write('good')", f"{place_of(slot)}/good.bin")
    return upload


# What lies in the slot.

PLANT = """
import json, os, socket, sys
os.chdir(sys.argv[1])
for kind, name in json.load(sys.stdin):
    name = os.fsencode(name)
    if kind == "link": os.symlink("/etc/shadow", name)
    elif kind == "second name": os.link("good.bin", name)
    elif kind == "pipe": os.mkfifo(name)
    elif kind == "socket": socket.socket(socket.AF_UNIX).bind(name)
    elif kind == "file": open(name, "w").close()
"""


def plant(server, slot, *things):
    server.python_as(slot, PLANT, place_of(slot), stdin=json.dumps(things))


@pytest.mark.parametrize(
    "things",
    [
        {
            "link": "is a symbolic link",
            "pipe": "is a pipe",
            "socket": "is a socket",
            "second name": "has a second name",
        },
        {
            "-rf": "has a name that is not legal",
            "two\nlines": "has a name that is not legal",
            "\x1b]0;evil\x07": "has a name that is not legal",
            "\udcff\udcfe": "has a name that is not legal",
            "x" * 255: "has a name that is not legal",
        },
    ],
    ids=["kinds", "names"],
)
def test_what_is_no_plain_file_with_a_legal_name_is_refused_with_its_reason(server, upload, things):
    upload, slot = upload
    kinds = [
        ("file", name) if "name that" in reason else (name, name.replace(" ", "")) for name, reason in things.items()
    ]
    plant(server, slot, *kinds)
    done = complete(server, upload)
    assert (done.returncode, done.stdout) == (8, "")
    facts = server.wait_for_end(upload)
    assert facts["state"] == "rejected"
    for (_, name), reason in zip(kinds, things.values(), strict=True):
        assert f"{name!r} {reason}" in facts["reason"]
    shown = server.thaniya("upload", "show", upload).stdout + server.thaniya("log").stdout + done.stderr
    assert not {"\x1b", "\x07"} & set(shown)
    assert list(server.upload_directory(slot).iterdir()) == []


def test_device_and_file_of_root_are_refused(server, upload):
    upload, slot = upload
    server.machine.run("mknod", f"{place_of(slot)}/device", "c", "1", "5")
    server.machine.run("cp", "/etc/shadow", f"{place_of(slot)}/foreign")
    assert complete(server, upload).returncode == 8
    reason = server.wait_for_end(upload)["reason"]
    assert "'device' is a device" in reason
    assert "'foreign' belongs to somebody else" in reason


def test_modes_and_set_id_bits_of_the_client_do_not_survive(server, upload):
    upload, slot = upload
    for name, mode in (("nobody", "0000"), ("suid", "6777"), ("world", "0666")):
        server.run_as(slot, "sh", "-c", f"cp /bin/true {place_of(slot)}/{name}; chmod {mode} {place_of(slot)}/{name}")
    done = complete(server, upload)
    assert (done.returncode, done.stdout) == (0, "state=archived\n"), done.stderr
    modes = {path.name: path.stat().st_mode & 0o7777 for path in server.archived(upload).iterdir()}
    assert modes == dict.fromkeys(
        ["nobody", "suid", "world", "good.bin", "backup.json", "SHA256SUMS", "RESTORE.txt"], 0o440
    )


DEEP = """
import os, sys
os.chdir(sys.argv[1])
os.mkdir("closed")
for number in range(10):
    os.mkdir(f"closed/{number}")
    open(f"closed/{number}/file", "w").write("x")
os.chmod("closed", 0)
for number in range(int(sys.argv[2])):
    os.mkdir("deep")
    os.chdir("deep")
"""


def test_directory_ends_the_upload_at_once_and_no_depth_keeps_the_slot_from_being_cleaned(server, upload, make_file):
    """In a directory, bytes would not be counted; and a walk that calls itself ends at a thousand levels."""
    upload, slot = upload
    server.python_as(slot, DEEP, place_of(slot), "3000")
    facts = server.wait_for_end(upload)
    assert (facts["state"], "is a directory" in facts["reason"]) == ("rejected", True)
    assert list(server.upload_directory(slot).iterdir()) == []
    assert server.events("slot.degraded") == []
    server.back_up(make_file("after.bin"), "bob")


FILES = """
import os, sys
os.chdir(sys.argv[1])
for number in range(int(sys.argv[2])):
    os.close(os.open(str(number), os.O_CREAT))
"""


def test_hundred_thousand_files_are_rejected_and_the_slot_is_cleaned(server, upload):
    upload, slot = upload
    done = server.run_as(slot, sys.executable, "-I", "-c", FILES, place_of(slot), "100000", check=False)
    facts = server.wait_for_end(upload)
    assert (facts["state"], "files, and 10,000 are taken at the most" in facts["reason"]) == ("rejected", True)
    assert done.returncode in (0, 137, -9)  # to its end, or ended with the slot
    assert list(server.upload_directory(slot).iterdir()) == []


# What goes on meanwhile.

GROW = """
import os, sys
file = open(sys.argv[1] + "/grows", "ab", buffering=0)
print("ready", flush=True)
while True:
    file.write(b"x" * 1000)
"""

# Each process lives for an instant only: it forks and is gone, which a walk through /proc hardly keeps up with.
FORK = """
import os, sys
file = os.open(sys.argv[1] + "/forks", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
print("ready", flush=True)
sys.stdout.close()
for _ in range(8):
    if os.fork() == 0:
        while True:
            os.write(file, b"x")
            if os.fork():
                os._exit(0)
"""


@pytest.mark.parametrize("program", [GROW, FORK], ids=["keeps writing", "forks"])
def test_process_that_goes_on_is_ended_before_its_files_are_collected(server, upload, wait_until, program):
    upload, slot = upload
    with server.running_as(slot, program, place_of(slot)):
        assert wait_until(lambda: processes_of(server, slot))
        # With sums: without them the server waits for the last login to end, as files might not be whole yet.
        sums = f"{hashlib.sha256(b'good').hexdigest()}  good.bin\n"
        done = server.ssh("alice", "complete", upload, "--sums", stdin=sums)
        assert (done.returncode, "is there and was not promised" in done.stderr) == (8, True)
        assert processes_of(server, slot) == []
    assert "is there and was not promised" in server.wait_for_end(upload)["reason"]


# Opens a file as one slot account, becomes the other one, and writes on when it is told to.
ACCOMPLICE = """
import os, pwd, sys
first, second = pwd.getpwnam("thaniya_01"), pwd.getpwnam("thaniya_02")
os.setegid(first.pw_gid); os.seteuid(first.pw_uid)
file = os.open(sys.argv[1] + "/kept", os.O_RDWR | os.O_CREAT)
os.write(file, b"good")
os.seteuid(0); os.setgroups([])
os.setresgid(second.pw_gid, second.pw_gid, second.pw_gid)
os.setresuid(second.pw_uid, second.pw_uid, second.pw_uid)
print("ready", flush=True)
sys.stdin.read()
"""


def test_file_that_an_accomplice_holds_open_is_not_archived(server, wait_until):
    """A handle outlives the account's processes when it was passed on; by it archived bytes could be changed later."""
    server.machine.run("install", "--directory", "--owner=thaniya", f"{SPOOL}/20200101T000000Z-000000/data")
    command = server.machine.command(sys.executable, "-I", "-c", ACCOMPLICE, place_of("thaniya_01"))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=server.machine.environment(), **pipes) as accomplice:
        assert accomplice.stdout.readline() == b"ready\n"
        told = json.loads(server.helper("collect", "thaniya_01", "20200101T000000Z-000000").stdout)
        assert told == {"refused": ["'kept' is still open for writing"]}
        accomplice.communicate(timeout=30)
    told = json.loads(server.helper("collect", "thaniya_01", "20200101T000000Z-000000").stdout)
    assert told == {"refused": []}
    server.machine.run("rm", "-r", f"{SPOOL}/20200101T000000Z-000000")


# Exchanges a name, again and again, for a plain file, a link, a pipe; the upload directory is the service user's.
SWAP = """
import os, sys
os.chdir(sys.argv[1])
print("ready", flush=True)
number = 0
while True:
    number += 1
    try:
        with open("new", "w") as file:
            file.write("own")
        os.rename("new", "x")
        if number % 3: os.symlink("/etc/shadow", "new")
        else: os.mkfifo("new")
        os.rename("new", "x")
    except OSError:
        pass
"""


def test_link_to_shadow_swapped_in_while_collect_runs_brings_nothing_foreign(server, spool):
    shadow = server.machine.path("/etc/shadow")
    shadow_before = (shadow.read_bytes(), shadow.stat().st_uid, shadow.stat().st_mode)
    data = server.machine.path(f"{spool}/20200101T000000Z-000000/data")
    brought = 0
    with server.running_as("thaniya", SWAP, place_of("thaniya_01")):
        for _ in range(40):
            server.run_as("thaniya", "mkdir", "-p", f"{spool}/20200101T000000Z-000000/data")
            server.helper("collect", "thaniya_01", "20200101T000000Z-000000", check=False)
            for path in data.iterdir():
                assert path.is_file() and not path.is_symlink()
                assert path.read_text() in ("", "own")
                brought += 1
                path.unlink()
    server.helper("clean", "thaniya_01")
    server.machine.run("rm", "-r", f"{spool}/20200101T000000Z-000000")
    assert brought, "no file was collected: the race was not run"
    assert (shadow.read_bytes(), shadow.stat().st_uid, shadow.stat().st_mode) == shadow_before


def test_slot_account_reaches_nothing_of_others(server, upload, make_file):
    """Even outside of its chroot."""
    backup = server.back_up(make_file("precious.bin"), "bob")
    archived = "/" + str(server.archived(backup).relative_to(server.machine.path("/")))
    _, slot = upload
    other = {"thaniya_01": "thaniya_02", "thaniya_02": "thaniya_01"}[slot]
    for command in (
        ["cat", f"{archived}/backup.json"],
        ["ls", "/var/lib/thaniya"],
        ["cat", "/etc/thaniya/thaniya.toml"],
        ["ls", place_of(other)],
        ["touch", f"{place_of(other)}/x"],
        ["touch", f"/srv/thaniya/slots/{slot}/x"],
        ["chmod", "0777", place_of(slot)],
        ["mv", place_of(slot), f"/srv/thaniya/slots/{slot}/moved"],
        ["ln", f"{archived}/backup.json", f"{place_of(slot)}/backup"],
        ["sudo", "-n", HELPER, "unlock", other],
        ["pkill", "--uid", "thaniya"],
    ):
        assert server.run_as(slot, *command, check=False).returncode != 0, command


MOUNT = """
import ctypes, os, sys
handle = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={handle},rootmode=40000,user_id={sys.argv[2]},group_id={sys.argv[2]}"
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"accomplice", os.fsencode(sys.argv[1]), b"fuse", 6, options.encode()):
    sys.exit(os.strerror(ctypes.get_errno()))
"""


@pytest.mark.parametrize("name", ["trap", "a trap's \\ name"])
@pytest.mark.skipif(not Path("/dev/fuse").exists(), reason="the kernel has no FUSE")
def test_mount_that_an_account_leaves_is_named_with_the_command_that_undoes_it(server, wait_until, make_file, name):
    """By fusermount any account may mount; what it serves is gone with its processes, and only root can unmount it."""
    upload, slot = server.allocate("alice")
    place = f"{place_of(slot)}/{name}"
    server.run_as(slot, "mkdir", place)
    uid = server.machine.run("id", "--user", slot).stdout.strip()
    server.machine.run(sys.executable, "-c", MOUNT, place, uid)
    complete(server, upload)
    wait_until(lambda: server.slot_states()[slot] == "degraded")
    assert server.json("upload", "show", upload)["state"] == "rejected"

    done = server.machine.run("thaniya", "slot", "reset", slot, "--json", check=False)

    words, _, command = json.loads(done.stderr)["message"].partition("as root: ")
    assert (done.returncode, "something is mounted in it" in words) == (1, True)
    server.machine.run("sh", "-c", command)
    assert server.json("slot", "reset", slot)["state"] == "ready"
    server.back_up(make_file("after.bin"))


@pytest.fixture
def small_disk(server):
    """The slots lie on a disk of 48 MB, with margins that fit it."""
    server.stop_service()
    config = server.machine.path("/etc/thaniya/thaniya.toml")
    before = config.read_text()
    config.write_text(
        before.replace('# margin = "256M"', 'margin = "16M"').replace('# assumed = "1G"', 'assumed = "1M"')
    )
    server.machine.run("mount", "-t", "tmpfs", "-o", "size=48M,mode=0755", "tmpfs", "/srv/thaniya/slots")
    try:
        for slot in server.slot_states():
            server.helper("create", slot)
        server.start_service()
        yield
        server.stop_service()
    finally:
        server.machine.run("umount", "--lazy", "/srv/thaniya/slots")
        config.write_text(before)
        server.start_service()


@pytest.mark.usefixtures("small_disk")
def test_upload_that_fills_the_disk_of_the_slots_is_ended_and_others_go_on(server, make_file):
    """An upload that does not say how large it will be gives way before the disk is full for all."""
    upload, slot = server.allocate("alice")
    server.run_as(slot, "dd", "if=/dev/zero", f"of={place_of(slot)}/big", "bs=1M", "count=60", check=False)
    facts = server.wait_for_end(upload)
    assert (facts["state"], "are free on the disk of the slots" in facts["reason"]) == ("rejected", True)
    server.back_up(make_file("after.bin"), "bob")
