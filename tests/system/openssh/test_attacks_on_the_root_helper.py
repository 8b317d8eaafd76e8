"""The service user turns on root: whatever it says to the helper and to sudo, root does no more than the verbs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing

import pytest
from real_server import DEADLINE_S, HELPER, SPOOL

NOBODYS_ID = "20200101T000000Z-000000"
SUDO_LOG = "/var/log/sudo.log"

pytestmark = pytest.mark.parametrize("server", ["yes"], indirect=True, ids=["pam"], scope="module")

VERBS = ["create", "remove", "lock", "unlock", "end-sessions", "clean", "collect"]
NO_VERBS = [
    "",
    "shell",
    "LOCK",
    "lock\n",
    " lock",
    "lock;id",
    "-h",
    "--help",
    "-c",
    "main",
    "run",
    "move",
    "__init__",
    "ｌock",
]
NO_SLOTS = [
    "",
    ".",
    "..",
    "/",
    "/etc",
    "root",
    "thaniya",
    "thaniya_",
    "thaniya_1",
    "thaniya_1234",
    "thaniya_01\n",
    " thaniya_01",
    "thaniya_01 ",
    "thaniya_01/",
    "thaniya_01/../../../etc",
    "../slots/thaniya_01",
    "THANIYA_01",
    "thaniya_٠١",
    "thaniya_０１",
    "thaniya_0x",
    "-thaniya_01",
    "--",
    "--slot=thaniya_01",
    "thaniya_01\x01",
    "thaniya_\udcff1",
    "thaniya_01;id",
    "$(id)",
    "thaniya_" + "1" * 100_000,
]
NO_IDS = [
    "",
    ".",
    "..",
    "/etc",
    "../../../etc",
    f"../spool/{NOBODYS_ID}",
    f"{NOBODYS_ID}/",
    f"{NOBODYS_ID}/data",
    f"{NOBODYS_ID}\n",
    f" {NOBODYS_ID}",
    NOBODYS_ID.upper() + "A",
    NOBODYS_ID.replace("T", "t"),
    "20200101T000000Z-00000g",
    "2020010１T000000Z-000000",
    f"--{NOBODYS_ID}",
    NOBODYS_ID * 5000,
]
WRONG = [
    [],
    *([verb] for verb in [*VERBS, *NO_VERBS]),
    *([verb, "thaniya_01"] for verb in [*NO_VERBS, "collect"]),
    *([VERBS[number % 6], slot] for number, slot in enumerate(NO_SLOTS)),
    *([verb, "thaniya_01", more] for verb in ("lock", "remove") for more in ("", NOBODYS_ID, "thaniya_02", "--force")),
    *(["collect", "thaniya_01", upload] for upload in NO_IDS),
    ["collect", NOBODYS_ID, "thaniya_01"],
    ["collect", "thaniya_01", NOBODYS_ID, ""],
    ["collect", "--", "thaniya_01", NOBODYS_ID],
]

# Runs command lines, given as JSON, and prints the exit code and the first line of stderr of each.
TRY_ALL = """
import json, subprocess, sys
def attempt(command):
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, errors="replace")
    return [done.returncode, (done.stderr.splitlines() or [""])[0], done.stdout]
json.dump([attempt(command) for command in json.load(sys.stdin)], sys.stdout)
"""


@pytest.fixture(scope="module", autouse=True)
def sudo_log(server):
    """sudo tells the system's log; here a file stands for it (sudoers(5), `logfile`)."""
    server.machine.write("/etc/sudoers.d/log", f'Defaults logfile="{SUDO_LOG}", loglinelen=0\n')
    server.machine.path("/etc/sudoers.d/log").chmod(0o440)


def try_all(server, commands):
    """What comes of each command line that the service user runs."""
    return server.python_as("thaniya", TRY_ALL, stdin=json.dumps(commands))


def sudo(*command):
    return ["sudo", "--non-interactive", *command]


def helper(*arguments):
    return sudo(HELPER, *arguments)


def accounts(server):
    """All that chage, useradd and userdel change."""
    return [server.machine.path(f"/etc/{name}").read_text() for name in ("passwd", "shadow", "group", "gshadow")]


def tree(server, *tops):
    """Owners, modes and sizes of all below some directories."""
    find = ["find", *tops, "-printf", "%p %u:%g %m %s %y %l\\n"]
    return sorted(server.machine.run(*find).stdout.splitlines())


def put(server, name, data="data"):
    """A file in the first slot, as its account leaves it."""
    write = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"
    server.python_as("thaniya_01", write, f"/srv/thaniya/slots/thaniya_01/upload/{name}", stdin=data)
    return server.upload_directory("thaniya_01") / name


@pytest.fixture
def make_spool(server):
    """Makes the place of an upload in the spool, as the service does."""
    made = []

    def make(number):
        upload = f"20200101T000000Z-{number:06x}"
        server.run_as("thaniya", "mkdir", "-p", f"{SPOOL}/{upload}/data")
        made.append(upload)
        return upload

    yield make
    server.machine.run("rm", "-rf", *(f"{SPOOL}/{upload}" for upload in made))
    server.helper("clean", "thaniya_01")


def test_every_kind_of_wrong_argument_is_wrong_usage_and_changes_nothing(server):
    before = accounts(server), tree(server, "/srv", "/etc")
    got = try_all(server, [helper(*arguments) for arguments in WRONG])
    different = [
        (arguments, answer)
        for arguments, answer in zip(WRONG, got, strict=True)
        if answer != [2, "thaniya-root: wrong arguments", ""]
    ]
    assert different == []
    assert (accounts(server), tree(server, "/srv", "/etc")) == before
    log = server.machine.path(SUDO_LOG).read_text(errors="replace")
    assert f"COMMAND={HELPER} shell thaniya_01" in log


def test_account_that_is_no_slot_is_not_touched(server):
    """An account of the right name that `create` has not made."""
    server.machine.run("useradd", "--system", "--no-create-home", "thaniya_77")
    try:
        before = accounts(server)
        for verb in ("lock", "unlock", "end-sessions", "clean", "remove", "create"):
            done = server.helper(verb, "thaniya_77", check=False)
            assert (done.returncode, "is not a slot account" in done.stderr) == (1, True), verb
        assert accounts(server) == before
    finally:
        server.machine.run("userdel", "thaniya_77")


def test_sudo_runs_nothing_but_the_helper(server):
    server.run_as("thaniya", "ln", "-sfn", HELPER, "/var/lib/thaniya/own-helper")
    commands = [
        sudo("id"),
        sudo("sh", "-c", "id"),
        sudo("python3", "-I", HELPER, "lock", "thaniya_01"),
        sudo("--shell"),
        sudo("--login"),
        sudo("--edit", "/etc/thaniya/root.json"),
        sudo("--user=thaniya_01", HELPER, "lock", "thaniya_01"),
        sudo("--group=shadow", HELPER, "lock", "thaniya_01"),
        sudo("--preserve-env", HELPER, "lock", "thaniya_01"),
        ["env", "PYTHONPATH=/tmp", *sudo("--preserve-env=PYTHONPATH", HELPER, "lock", "thaniya_01")],
        sudo("LD_PRELOAD=/tmp/x.so", HELPER, "lock", "thaniya_01"),
        sudo("PYTHONPATH=/tmp", HELPER, "lock", "thaniya_01"),
        sudo("--chdir=/root", HELPER, "lock", "thaniya_01"),
        sudo("--chroot=/tmp", HELPER, "lock", "thaniya_01"),
        sudo("/var/lib/thaniya/own-helper", "lock", "thaniya_01"),
        sudo("/usr/local/lib/thaniya/thaniya-keys", "root"),
        sudo("/usr/local/lib/thaniya/../../../bin/sh"),
    ]
    got = try_all(server, commands)
    assert [(command, answer[0], answer[2]) for command, answer in zip(commands, got, strict=True)] == [
        (command, 1, "") for command in commands
    ]
    log = server.machine.path(SUDO_LOG).read_text(errors="replace")
    assert "a password is required ; PWD=/ ; USER=root ; COMMAND=/usr/bin/id" in log
    server.run_as("thaniya", "rm", "/var/lib/thaniya/own-helper")


def test_hostile_environment_reaches_nothing_that_root_runs(server):
    evil = "/var/lib/thaniya/evil"
    server.run_as("thaniya", "mkdir", evil)
    for name in ("chage", "useradd", "userdel", "python3", "sudo_hook"):
        server.machine.write(f"{evil}/{name}", f"#!/bin/sh\ntouch {evil}/ran-$(id -u)\n")
        server.machine.path(f"{evil}/{name}").chmod(0o755)
    for module in ("sitecustomize", "usercustomize", "json", "fcntl", "resource"):
        server.machine.write(f"{evil}/{module}.py", f"open('{evil}/ran-' + __name__, 'w')\n")
    environment = {
        "PATH": f"{evil}:/usr/bin:/bin",
        "PYTHONPATH": evil,
        "PYTHONHOME": evil,
        "PYTHONSTARTUP": f"{evil}/json.py",
        "PYTHONINSPECT": "1",
        "PYTHONBREAKPOINT": "os.system",
        "PYTHONWARNINGS": "error",
        "LD_PRELOAD": f"{evil}/x.so",
        "LD_LIBRARY_PATH": evil,
        "BASH_ENV": f"{evil}/chage",
        "ENV": f"{evil}/chage",
        "IFS": "/",
        "LANG": "../../../var/lib/thaniya/evil",
        "LC_ALL": "xx_XX.utf-99",
        "TMPDIR": evil,
        "SUDO_ASKPASS": f"{evil}/chage",
        "SUDO_EDITOR": f"{evil}/chage",
        "THANIYA_CONFIG": f"{evil}/thaniya.toml",
    }
    words = [f"{name}={value}" for name, value in environment.items()]
    got = try_all(
        server,
        [
            ["env", "-i", *words, "/usr/bin/sudo", "-n", HELPER, verb, "thaniya_07"]
            for verb in ("create", "unlock", "remove")
        ],
    )
    assert [answer[0] for answer in got] == [0, 0, 0]
    assert [path.name for path in server.machine.path(evil).glob("ran-*")] == []
    server.run_as("thaniya", "rm", "-rf", evil)


# Links where the helper expects directories.


def test_spool_that_leads_elsewhere_takes_no_file(server, make_spool):
    """The spool is the service user's: it may put a link wherever it likes there."""
    file = put(server, "good.bin")
    server.machine.path("/run/roots").mkdir()
    before = tree(server, "/etc", "/run/roots")
    places = {
        "data to /etc": ("data", "/etc"),
        "data to a directory of root": ("data", "/run/roots"),
        "the upload to /etc": ("", "/etc"),
    }
    for number, (what, (inner, target)) in enumerate(places.items()):
        upload = make_spool(number)
        link = f"{SPOOL}/{upload}/{inner}".rstrip("/")
        server.run_as("thaniya", "rm", "-r", link)
        server.run_as("thaniya", "ln", "-s", target, link)
        done = server.helper("collect", "thaniya_01", upload, check=False)
        assert (done.returncode, done.stdout) == (1, ""), what
    upload = make_spool(9)
    moved = f"/var/lib/thaniya/moved-{upload}"
    server.run_as("thaniya", "mv", SPOOL, moved)
    server.run_as("thaniya", "ln", "-s", moved, SPOOL)
    done = server.helper("collect", "thaniya_01", upload, check=False)
    server.run_as("thaniya", "rm", SPOOL)
    server.run_as("thaniya", "mv", moved, SPOOL)
    assert done.returncode == 1
    server.machine.path(f"{SPOOL}/{upload}/data").chmod(0o755)
    server.machine.run("chown", "root", f"{SPOOL}/{upload}/data")
    done = server.helper("collect", "thaniya_01", upload, check=False)
    assert (done.returncode, "does not belong to the service user" in done.stderr) == (1, True)
    assert file.read_text() == "data"
    assert tree(server, "/etc", "/run/roots") == before


def test_upload_that_the_spool_does_not_know_is_not_collected(server):
    file = put(server, "good.bin")
    done = server.helper("collect", "thaniya_01", NOBODYS_ID, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert file.read_text() == "data"
    server.helper("clean", "thaniya_01")


def test_slot_that_is_a_link_is_not_followed(server, make_spool):
    """Only root can make one there; an administrator's mistake must not become a hole."""
    upload = make_spool(1)
    server.helper("create", "thaniya_55")
    home = "/srv/thaniya/slots/thaniya_55"
    server.machine.run("rm", "-r", home)
    server.machine.run("cp", "-a", "/etc/ssh", "/run/precious")
    server.machine.run("mkdir", "-p", "/run/precious/upload")
    before = tree(server, "/run/precious")
    server.machine.run("ln", "-s", "/run/precious", home)
    for arguments in (["clean"], ["create"], ["remove"]):
        done = server.helper(*arguments, "thaniya_55", check=False)
        assert done.returncode == 1, arguments
    # The account is gone by now, as far as it could be removed.
    server.machine.run("rm", home)
    server.helper("create", "thaniya_55")
    server.machine.run("rmdir", f"{home}/upload")
    server.machine.run("ln", "-s", "/run/precious/upload", f"{home}/upload")
    for arguments in (["clean", "thaniya_55"], ["create", "thaniya_55"], ["collect", "thaniya_55", upload]):
        assert server.helper(*arguments, check=False).returncode == 1, arguments
    assert tree(server, "/run/precious") == before
    server.helper("remove", "thaniya_55")
    assert tree(server, "/run/precious") == before


def test_settings_of_root_that_others_can_write_are_not_read(server):
    path = server.machine.path("/etc/thaniya/root.json")
    for place, mode in ((path, 0o666), (path, 0o664), (path.parent, 0o777)):
        before = place.stat().st_mode & 0o777
        place.chmod(mode)
        done = server.helper("lock", "thaniya_01", check=False)
        place.chmod(before)
        assert (done.returncode, "writable by nobody else" in done.stderr) == (1, True)
    server.helper("lock", "thaniya_01")


def test_file_of_somebody_else_is_not_given_to_the_service(server, make_spool):
    """Where the system lets anybody make hard links, the old /etc/shadow would be left with this one name."""
    upload = make_spool(1)
    place = server.upload_directory("thaniya_01")
    (place / "shadow").write_text("secret")
    (place / "shadow").chmod(0o600)
    os.chown(place / "shadow", 0, 0)
    told = json.loads(server.helper("collect", "thaniya_01", upload).stdout)
    assert told == {"refused": ["'shadow' belongs to somebody else"]}
    assert ((place / "shadow").stat().st_uid, (place / "shadow").stat().st_mode & 0o777) == (0, 0o600)


# Interrupted, starved, without streams.


def test_closed_and_full_streams_lose_no_file(server, make_spool):
    for number, streams in enumerate(
        ("<&-", ">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", ">&- 2>/dev/full")
    ):
        upload = make_spool(number)
        put(server, "good.bin", streams)
        server.run_as("thaniya", "sh", "-c", f"sudo -n {HELPER} collect thaniya_01 {upload} {streams}", check=False)
        server.helper("collect", "thaniya_01", upload)
        got = server.machine.path(f"{SPOOL}/{upload}/data/good.bin")
        assert (got.read_text(), got.stat().st_uid) == (streams, server.service_uid())


@pytest.mark.parametrize(
    "limit",
    [
        "--fsize=0",
        "--fsize=200",
        "--nofile=3",
        "--nofile=8",
        "--as=20000000",
        "--cpu=1",
        "--data=1000000",
        "--nproc=1",
        "--stack=65536",
    ],
)
def test_starved_helper_spoils_no_file_of_the_system(server, make_spool, limit):
    """Limits are inherited: with a small enough one, chage would leave half a shadow file."""
    upload = make_spool(1)
    put(server, "big.bin", "x" * 3_000_000)
    server.helper("lock", "thaniya_02")
    before = accounts(server)
    results = try_all(
        server,
        [
            ["prlimit", limit, *helper("unlock", "thaniya_02")],
            ["prlimit", limit, *helper("create", "thaniya_66")],
            ["prlimit", limit, *helper("collect", "thaniya_01", upload)],
            ["prlimit", limit, *helper("remove", "thaniya_66")],
        ],
    )
    assert all("Traceback" not in error for _, error, _ in results), results
    server.helper("remove", "thaniya_66")
    server.helper("lock", "thaniya_02")
    assert accounts(server) == before
    server.helper("collect", "thaniya_01", upload)
    got = server.machine.path(f"{SPOOL}/{upload}/data/big.bin")
    assert (got.stat().st_size, got.stat().st_uid) == (3_000_000, server.service_uid())


MANY = """
import os, sys
os.chdir("/srv/thaniya/slots/thaniya_01/upload")
for number in range(int(sys.argv[1])):
    with open(f"file-{number:05}", "w") as file:
        file.write(str(number))
"""


@pytest.mark.parametrize("moved_files", [1, 300])
def test_collect_that_is_killed_is_carried_on(server, spool, wait_until, moved_files):
    count = 600
    data = server.machine.path(f"{spool}/{NOBODYS_ID}/data")
    server.run_as("thaniya", "mkdir", "-p", f"{spool}/{NOBODYS_ID}/data")
    server.python_as("thaniya_01", MANY, str(count))
    account = (server.upload_directory("thaniya_01") / "file-00000").stat().st_uid
    command = server.machine.command("/usr/bin/python3", "-I", HELPER, "collect", "thaniya_01", NOBODYS_ID)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=server.machine.environment()) as collect:
        wait_until(lambda: len(list(data.iterdir())) >= moved_files or collect.poll() is not None)
        server.machine.run("pkill", "-KILL", "-f", f"^/usr/bin/python3 -I {HELPER}", check=False)
    assert len(list(data.iterdir())) >= moved_files
    assert account not in {path.stat().st_uid for path in data.iterdir()}
    told = json.loads(server.helper("collect", "thaniya_01", NOBODYS_ID).stdout)
    assert told == {"refused": []}
    assert {path.name: path.read_text() for path in data.iterdir()} == {
        f"file-{number:05}": str(number) for number in range(count)
    }
    assert {(path.stat().st_uid, path.stat().st_mode & 0o777) for path in data.iterdir()} == {
        (server.service_uid(), 0o640)
    }
    server.machine.run("rm", "-r", f"{spool}/{NOBODYS_ID}")


# Becomes the program of its arguments as soon as its stdin ends; until then it looks like a sudo that starts slowly.
LATE = "import os, sys; print('ready', flush=True); sys.stdin.read(); os.execv(sys.argv[1], sys.argv[1:])"


def test_late_unlock_of_a_killed_process_does_not_undo_the_lock(server, wait_until):
    """What a killed broker has begun runs on: the helper is root's. Whoever locks waits for it."""
    machine = server.machine
    environment = machine.environment()
    late = machine.command(sys.executable, "-I", "-c", LATE, "/usr/bin/python3", "-I", HELPER, "unlock", "thaniya_02")
    command = machine.command("/usr/bin/python3", "-I", HELPER, "lock", "thaniya_02")
    with (
        subprocess.Popen(late, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as unlock,
        closing(unlock.stdin),
    ):
        assert unlock.stdout.readline() == b"ready\n"
        lock = subprocess.Popen(command, env=environment)
        wait_until(lambda: machine.run("pgrep", "-f", f"^/usr/bin/python3 -I {HELPER} lock", check=False).stdout)
        with pytest.raises(subprocess.TimeoutExpired):
            lock.wait(0.3)
        unlock.stdin.close()
        assert (unlock.wait(30), lock.wait(30)) == (0, 0)
    line = next(line for line in machine.path("/etc/shadow").read_text().splitlines() if line.startswith("thaniya_02:"))
    assert line.split(":")[7] == "0"


def test_server_still_serves_after_all_of_it(server, make_file):
    server.back_up(make_file("after.bin"), "bob")


def test_sudo_of_somebody_else_does_not_keep_a_slot_from_being_locked(server):
    upload, slot = server.allocate()
    server.machine.run("useradd", "--system", "eve")
    script = "import os, signal, subprocess, sys\n" + (
        "process = subprocess.Popen(['sudo', '--non-interactive', 'x/thaniya-root', 'unlock', sys.argv[1]])\n"
        "os.kill(process.pid, signal.SIGSTOP)\nprint('stopped', flush=True)\nsys.stdin.read()\n"
    )
    command = server.machine.command("setpriv", "--reuid=eve", "--clear-groups", sys.executable, "-c", script, slot)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=server.machine.environment()
    ) as eve:
        assert eve.stdout.readline() == b"stopped\n"
        server.abort(upload)
        server.wait_until_ready(slot)
        eve.stdin.close()
        server.machine.run("pkill", "-KILL", "-x", "sudo", check=False)
        eve.wait(DEADLINE_S)


def test_attributes_and_access_lists_of_a_client_do_not_survive(server):
    upload, slot = server.allocate()
    place = f"/srv/thaniya/slots/{slot}/upload/notes.txt"
    server.run_as(slot, "sh", "-c", f"echo x >{place}")
    server.run_as(slot, sys.executable, "-c", f"import os; os.setxattr({place!r}, 'user.evil', b'x')")

    done = server.ssh("alice", "complete", upload)

    assert "state=archived" in done.stdout, done.stderr
    assert os.listxattr(server.archived(upload) / "notes.txt") == []
