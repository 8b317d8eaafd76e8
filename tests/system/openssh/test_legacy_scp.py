"""`legacy_scp = true`: slots take the old SCP protocol, confined by bwrap, and all that they took before."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess

import pytest
from real_server import DEADLINE_S, HELPER

from thaniya_client import Directory, ThaniyaServer

# PAM lets nobody in or keeps nobody out here that it does not in the chroot, which is tried with it and without.
pytestmark = pytest.mark.parametrize("server", ["yes"], ids=["pam"], indirect=True, scope="module")

PROGRAM = "/usr/local/lib/thaniya/thaniya-slot"
POSSIBLE = "a slot takes files and does nothing else: use sftp, scp or scp -O to put them into upload/"

IN_A_USER_NAMESPACE = """\
coproc unshare --user bash -c 'echo there; read -r _; exec bash -c "$0"' "$0" 2>&1
exec 3<&"${COPROC[0]}"
read -r _ <&3
for kind in uid gid; do echo '0 0 65536' >"/proc/$COPROC_PID/${kind}_map"; done
echo go >&"${COPROC[1]}"
cat <&3 >&2
wait "$COPROC_PID"
"""
"""A script that runs another one, $0, as the root of a user namespace in which every account is what it is outside."""
SETUP_WITHOUT_NAMESPACES = "echo 0 >/proc/sys/user/max_user_namespaces && exec thaniya setup openssh"


@pytest.fixture(scope="module", autouse=True)
def switched_on(server):
    server.set_legacy_scp(True)
    # The port stands on sshd's command line; doctor asks `sshd -T`, which sees the configuration only.
    file = server.machine.path("/etc/ssh/sshd_config")
    file.write_text(f"{file.read_text()}Port {server.port}\n")


def scp(server, *words, user="alice"):
    return server.client("scp", *server.ssh_options(user), "-P", str(server.port), *map(str, words))


def complete(server, upload, *files):
    sums = "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)
    done = server.ssh("alice", "complete", upload, "--sums", stdin=sums)
    assert (done.returncode, done.stdout) == (0, "state=archived\n"), done.stderr
    for file in files:
        assert (server.archived(upload) / file.name).read_bytes() == file.read_bytes()


def entries(server, slot):
    return sorted(path.name for path in server.upload_directory(slot).iterdir())


def shell_of(server, slot):
    return server.machine.run("getent", "passwd", slot).stdout.strip().split(":")[6]


def processes(server, slot):
    """The processes of a slot's account by their programs, as they are seen from outside."""
    done = server.machine.run("ps", "--user", slot, "-o", "pid=,comm=", check=False)
    return {comm: int(pid) for pid, comm in (line.split(None, 1) for line in done.stdout.splitlines())}


def doctor(server):
    """What is wrong; that a busy machine answers slowly is not."""
    findings = json.loads(server.thaniya("doctor", "--json", check=False).stdout)
    return [finding for finding in findings if finding["level"] == "fail"]


# What works.


@pytest.mark.parametrize("options", [[], ["-O"], ["-O", "-p", "-v"], ["-O", "-C", "-q"]], ids=" ".join)
def test_file_that_scp_puts_is_archived_byte_for_byte(server, upload, make_file, options):
    upload_id, slot = upload
    file = make_file("home.tar.gz", 300_000)
    done = scp(server, *options, file, f"{slot}@127.0.0.1:upload/")
    assert done.returncode == 0, done.stderr
    complete(server, upload_id, file)


def test_several_files_with_their_times_are_archived_byte_for_byte(server, upload, make_file):
    upload_id, slot = upload
    files = [make_file("data.bin", 3_000_000), make_file("empty", 0), make_file("with.many-legal_signs+@=,%", 10)]
    os.utime(files[0], (1_000_000_000, 1_000_000_000))
    done = scp(server, "-O", "-p", *files, f"{slot}@127.0.0.1:upload/")
    assert (done.returncode, done.stderr) == (0, "")
    assert server.upload_directory(slot).joinpath("data.bin").stat().st_mtime == 1_000_000_000
    complete(server, upload_id, *files)


def test_files_are_for_the_service_to_read_and_for_nobody_else(server, upload, make_file):
    _, slot = upload
    file = make_file("data.bin")
    file.chmod(0o666)
    assert scp(server, "-O", file, f"{slot}@127.0.0.1:upload/a").returncode == 0
    assert scp(server, file, f"{slot}@127.0.0.1:upload/b").returncode == 0
    modes = {path.name: path.stat().st_mode & 0o777 for path in server.upload_directory(slot).iterdir()}
    assert modes == {"a": 0o640, "b": 0o640}


@pytest.mark.parametrize("path", ["upload/", "upload", "/upload/", "./upload/", "upload/data.bin", "/upload/data.bin"])
def test_path_means_the_same_for_every_client(server, kept_upload, make_file, path):
    _, slot = kept_upload
    file = make_file("data.bin")
    there = server.upload_directory(slot) / "data.bin"
    for options in (["-O"], []):
        done = scp(server, *options, file, f"{slot}@127.0.0.1:{path}", user="bob")
        assert done.returncode == 0, done.stderr
        assert there.read_bytes() == file.read_bytes()
        there.unlink()


@pytest.mark.parametrize("path", ["", ".", "/", "missing/data.bin", "../data.bin"])
@pytest.mark.parametrize("options", [["-O"], []], ids=["old", "sftp"])
def test_file_that_would_lie_elsewhere_is_refused(server, kept_upload, make_file, path, options):
    _, slot = kept_upload
    done = scp(server, *options, make_file("data.bin"), f"{slot}@127.0.0.1:{path}", user="bob")
    assert done.returncode == 1
    assert done.stderr
    assert entries(server, slot) == []


def test_sftp_begins_in_the_root_and_renames_and_lists(server, upload, make_file):
    upload_id, slot = upload
    file = make_file("data.bin", 700_000)
    batch = f"pwd\nput {file} upload/.part\nrename upload/.part upload/data.bin\ncd upload\nls -l\n"
    done = server.sftp("alice", slot, batch)
    assert done.returncode == 0, done.stderr
    assert "Remote working directory: /\n" in done.stdout
    assert "700000" in done.stdout
    complete(server, upload_id, file)


def test_library_and_example_script_back_up_and_restore(server, make_file, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    data = make_file("data.bin", 500_000).rename(source / "data.bin").read_bytes()
    known_hosts = server.work / "known_hosts"
    with ThaniyaServer("127.0.0.1", port=server.port, key=server.keys / "alice", known_hosts=known_hosts) as client:
        report = client.backup(Directory(source), name="nightly")
        client.restore(report.id, into=tmp_path / "by_library")
    done = server.script("alice", "backup.sh", str(source), "scripted")
    assert done.returncode == 0, done.stderr
    done = server.script("alice", "restore.sh", done.stdout.strip(), str(tmp_path / "by_script"))
    assert done.returncode == 0, done.stderr
    assert [(tmp_path / name / "data.bin").read_bytes() for name in ("by_library", "by_script")] == [data, data]


# What is refused.


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "there is no shell here"),
        ([""], "there is no shell here"),
        (["id"], "'id' is not run here"),
        (["/bin/sh -i"], "'/bin/sh -i' is not run here"),
        (["scp -f upload/data.bin"], "nothing is fetched from a slot"),
        (["scp -t -f upload/"], "nothing is fetched from a slot"),
        (["scp -r -t upload/"], "pack them with tar"),
        (["scp upload/ upload/x"], "no scp command that an upload needs"),
        (["scp -S /bin/sh -t upload/"], "no scp command that an upload needs"),
        (["scp -t upload/; touch upload/made"], "no scp command that an upload needs"),
        (["scp -t upload/ 'x"], "the quotes of the command do not match"),
        (["touch upload/made"], "is not run here"),
    ],
)
def test_anything_but_files_is_refused_with_what_is_possible(server, kept_upload, words, why):
    _, slot = kept_upload
    done = server.ssh("bob", *words, account=slot)
    assert (done.returncode, done.stdout) == (1, "")
    assert why in done.stderr
    assert done.stderr.strip().endswith(POSSIBLE)
    assert entries(server, slot) == []


@pytest.mark.parametrize("path", ["$(touch upload/made)", "`touch upload/made`", "upload/*", "upload/|id", "~root/x"])
def test_path_is_taken_to_the_letter(server, kept_upload, make_file, path):
    _, slot = kept_upload
    server.ssh("bob", f"scp -t '{path}'", account=slot)
    scp(server, "-O", make_file("data.bin"), f"{slot}@127.0.0.1:{path}", user="bob")
    assert not {"made", "data.bin"} & {*entries(server, slot)}


def test_nothing_is_fetched_and_no_directory_taken_by_old_scp(server, upload, make_file, tmp_path):
    _, slot = upload
    file = make_file("data.bin")
    assert scp(server, "-O", file, f"{slot}@127.0.0.1:upload/").returncode == 0
    done = scp(server, "-O", f"{slot}@127.0.0.1:upload/data.bin", tmp_path / "got")
    assert (done.returncode, "nothing is fetched" in done.stderr) == (1, True)
    assert not (tmp_path / "got").exists()
    done = scp(server, "-O", "-r", file.parent, f"{slot}@127.0.0.1:upload/")
    assert (done.returncode, "pack them with tar" in done.stderr) == (1, True)
    assert entries(server, slot) == ["data.bin"]


# What is out of reach.


def test_nothing_outside_of_the_slot_is_read(server, upload, kept_upload, tmp_path):
    (_, slot), (_, other) = upload, kept_upload
    secret = server.upload_directory(other) / "secret"
    secret.write_text("of bob\n")
    places = [
        "/etc/thaniya/thaniya.toml",
        "/etc/thaniya/root.json",
        "/etc/shadow",
        "/etc/group",
        "/etc/ssh/sshd_config",
        "/var/lib/thaniya/state.json",
        "/var/lib/thaniya/volume/volume.json",
        f"/srv/thaniya/slots/{other}/upload/secret",
        f"/srv/thaniya/slots/{slot}/upload",
        f"../../{other}/upload/secret",
        PROGRAM,
        "/proc/1/status",
        "/proc/self/environ",
        "/home",
        "/root",
        "/tmp",
        "/run",
    ]
    for place in places:
        assert server.machine.path(place).exists() or "self" in place or ".." in place, place
    asked = [f"-get -r {place} {tmp_path}/{number}" for number, place in enumerate(places)]
    done = server.sftp("alice", slot, "\n".join([*asked, "pwd\n"]))
    assert "Remote working directory: /\n" in done.stdout
    refused = done.stderr.splitlines()
    assert (len(refused), [line for line in refused if not line.endswith(" not found.")]) == (len(places), [])
    assert list(tmp_path.iterdir()) == []
    shown = server.sftp("alice", slot, "ls -a1 /\nls -a1 /etc\nls -a1 /dev\n").stdout.split()
    names = {word.rsplit("/", 1)[-1] for word in shown} - {".", "..", "sftp>", "ls", "-a1", ""}
    assert names - {"lib64"} == {"dev", "etc", "lib", "upload", "usr", "null", "log", "ld.so.cache", "passwd"}
    assert server.sftp("alice", slot, f"get /etc/passwd {tmp_path}/passwd\n").returncode == 0
    assert [line.split(":")[0] for line in (tmp_path / "passwd").read_text().splitlines()] == [slot]
    secret.unlink()


@pytest.mark.parametrize("place", ["/", "/usr/", "/usr/bin/", "/usr/local/", "/etc/", "/dev/", "/lib/", "/tmp/"])
def test_nothing_outside_of_the_slot_is_written(server, kept_upload, make_file, place):
    _, slot = kept_upload
    file = make_file("data.bin")
    assert scp(server, "-O", file, f"{slot}@127.0.0.1:{place}data.bin", user="bob").returncode == 1
    done = server.sftp("bob", slot, f"-put {file} {place}data.bin\n-mkdir {place}made\n-chmod 777 {place}\n")
    told = [line.partition('"')[0] for line in done.stderr.splitlines()]
    assert (done.returncode, told) == (0, ["dest open ", "remote mkdir ", "remote setstat "]), done.stderr
    assert not {"data.bin", "made"} & {path.name for path in server.machine.path(place).iterdir()}


def test_what_was_tried_is_in_the_audit_log_as_it_is_with_the_chroot(server, upload, make_file, wait_until):
    upload, slot = upload
    server.sftp("alice", slot, f"-mkdir upload/d\n-put {make_file('x')} /x\n")

    first, second = wait_until(lambda: len(found := server.refusals(upload)) >= 2 and found)

    assert first["detail"].startswith("mkdir request: permission denied")
    assert second["detail"].startswith('open "/x" for WRITE,CREATE,TRUNCATE: ')


def test_links_in_the_slot_do_not_lead_out(server, upload, make_file, tmp_path):
    _, slot = upload
    file = make_file("data.bin")
    links = {
        "volume": "/var/lib/thaniya/volume/volume.json",
        "etc": "/etc",
        "up": "../..",
        "slots": "/srv/thaniya/slots",
    }
    for name, target in links.items():
        # sftp-server makes none; as if it had a hole.
        server.run_as(slot, "ln", "-s", target, f"/srv/thaniya/slots/{slot}/upload/{name}")
    before = server.machine.path(links["volume"]).read_bytes()
    for place in ("upload/volume", "upload/etc/shadow", "upload/up/etc/shadow", f"upload/slots/{slot}/upload"):
        assert server.sftp("alice", slot, f"get {place} {tmp_path}/got\n").returncode == 1
        assert not (tmp_path / "got").exists()
    for place in ("upload/volume", "upload/etc/data.bin", "upload/up/data.bin", "upload/slots/data.bin"):
        assert scp(server, "-O", file, f"{slot}@127.0.0.1:{place}").returncode == 1
        assert server.sftp("alice", slot, f"put {file} {place}\n").returncode == 1
    assert server.machine.path(links["volume"]).read_bytes() == before
    for place in ("/etc", "/", "/srv/thaniya/slots", f"/srv/thaniya/slots/{slot}"):
        assert "data.bin" not in {path.name for path in server.machine.path(place).iterdir()}


def test_what_runs_has_no_rights_and_namespaces_of_its_own(server, upload, wait_until):
    _, slot = upload
    with subprocess.Popen(server.sftp_command("alice", slot), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as session:
        pid = wait_until(lambda: processes(server, slot).get("sftp-server"))
        inside, outside = server.machine.path(f"/proc/{pid}"), server.machine.path("/proc/1")
        status = dict(line.split(":\t", 1) for line in (inside / "status").read_text().splitlines())
        environment = (inside / "environ").read_bytes()
        spaces = [kind for kind in ("user", "mnt", "pid", "ipc", "net", "uts")
                  if (inside / "ns" / kind).readlink() == (outside / "ns" / kind).readlink()]  # fmt: skip
        session.communicate(timeout=DEADLINE_S)
    assert spaces == []
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert (status["NoNewPrivs"], status["Umask"]) == ("1", "0027")
    assert environment == b"PWD=/\0"


# Sessions and slots.


def test_sessions_end_with_all_that_runs_in_them(server, upload, wait_until):
    _, slot = upload
    with subprocess.Popen(
        server.sftp_command("alice", slot), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as session:
        wait_until(lambda: {"sshd", "bwrap", "sftp-server"} <= processes(server, slot).keys())
        server.machine.run(HELPER, "end-sessions", slot)
        assert processes(server, slot) == {}
        _, told = session.communicate(timeout=DEADLINE_S)
    assert b"closed by remote host" in told


def test_client_that_vanishes_leaves_nothing_running(server, upload, wait_until):
    _, slot = upload
    with subprocess.Popen(server.sftp_command("alice", slot), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as session:
        wait_until(lambda: "sftp-server" in processes(server, slot))
        session.kill()
    wait_until(lambda: processes(server, slot) == {})


def test_old_scp_that_is_still_sending_is_ended_when_its_slot_closes(server, upload, make_file, wait_until):
    upload_id, slot = upload
    command = ["scp", "-O", "-l", "4000", *server.ssh_options("alice"), "-P", str(server.port)]
    target = f"{slot}@127.0.0.1:upload/"
    with subprocess.Popen([*command, str(make_file("big.bin", 5_000_000)), target], stderr=subprocess.PIPE) as sending:
        wait_until(lambda: "scp" in processes(server, slot) and entries(server, slot))
        server.abort(upload_id)
        server.wait_until_ready(slot)
        assert processes(server, slot) == {}
        assert entries(server, slot) == []
        sending.communicate(timeout=DEADLINE_S)
    assert sending.returncode != 0


def test_slot_that_is_added_later_works_alike_and_goes_again(server, make_file):
    server.thaniya("slot", "add", "7")
    assert shell_of(server, "thaniya_07") == PROGRAM
    assert doctor(server) == []
    server.thaniya("slot", "remove", "thaniya_07")
    assert server.machine.run("id", "thaniya_07", check=False).returncode == 1


# Setting it up.


def test_second_run_changes_nothing_and_all_is_well(server):
    done = server.thaniya("setup", "openssh", "--slots", str(server.slots))
    assert "nothing was changed" in done.stdout
    assert {shell_of(server, slot) for slot in server.slot_states()} == {PROGRAM}
    assert server.machine.run("stat", "--format=%U:%G %a", PROGRAM).stdout == "root:root 755\n"
    assert doctor(server) == []


@pytest.mark.parametrize(
    ("sabotage", "words"),
    [
        ("usermod --shell /bin/sh thaniya_01", f"the shell /bin/sh instead of {PROGRAM}"),
        ("usermod --shell /usr/sbin/nologin thaniya_01", f"the shell /usr/sbin/nologin instead of {PROGRAM}"),
        (f"echo '# old' >>{PROGRAM}", "not the one of this version"),
        (f"chmod o+w {PROGRAM}", f"mode 0755 was expected: {PROGRAM}"),
        ("sed -i '/thaniya-slot/d' /etc/ssh/sshd_config.d/thaniya.conf", "forcecommand is none"),
        ("sed -i /shell/d /etc/thaniya/root.json; sed -i 's/broker\"$/&/' /etc/thaniya/root.json", "root.json"),
    ],
)
def test_doctor_finds_what_is_broken_and_its_cure_mends_it(server, sabotage, words):
    server.machine.run("bash", "-c", sabotage)
    found = doctor(server)
    told = [finding for finding in found if words in finding["what"]]
    assert told, found
    for command in dict.fromkeys(finding["cure"] for finding in told):
        server.machine.run("bash", "-c", command)
    assert doctor(server) == []


def test_missing_bwrap_is_told_by_setup_doctor_and_to_the_client(server, upload):
    _, slot = upload
    server.machine.run("mount", "--bind", "/dev/null", "/usr/bin/bwrap")
    try:
        done = server.thaniya("setup", "openssh", check=False)
        found = doctor(server)
        client = server.ssh("alice", "scp -t upload/", account=slot)
    finally:
        server.machine.run("umount", "/usr/bin/bwrap")
    assert (done.returncode, "install bubblewrap" in done.stderr) == (4, True), done.stderr
    assert [finding["cure"].startswith("apt install bubblewrap") for finding in found] == [True]
    assert (client.returncode, "bwrap is missing on the server" in client.stderr) == (1, True)


def test_forbidden_user_namespaces_are_told_by_setup_with_what_allows_them(server):
    # The limit is of the user namespace in which it is set: the machine's own stays as it is.
    done = server.machine.run("bash", "-c", IN_A_USER_NAMESPACE, SETUP_WITHOUT_NAMESPACES, check=False)
    assert done.returncode == 1, done.stderr
    assert "cannot be confined: bwrap: " in done.stderr
    assert "sysctl -w user.max_user_namespaces=10000" in done.stderr
    assert "legacy_scp = false" in done.stderr


def test_switched_off_slots_are_chrooted_and_without_a_shell_again_and_on_again_confined(server, upload, make_file):
    _, slot = upload
    file = make_file("data.bin")
    drop_in = server.machine.path("/etc/ssh/sshd_config.d/thaniya.conf")
    on = drop_in.read_text()
    told = server.set_legacy_scp(False)
    try:
        assert f"give the account {slot} the shell /usr/sbin/nologin\n" in told
        assert f"remove {PROGRAM}\n" in told
        assert "nothing was changed" in server.thaniya("setup", "openssh", "--slots", str(server.slots)).stdout
        assert {shell_of(server, name) for name in server.slot_states()} == {"/usr/sbin/nologin"}
        assert not server.machine.path(PROGRAM).exists()
        assert "ChrootDirectory /srv/thaniya/slots/%u" in drop_in.read_text()
        assert doctor(server) == []
        assert scp(server, "-O", file, f"{slot}@127.0.0.1:upload/").returncode == 1
        assert server.ssh("alice", "id", account=slot).stdout == "This service allows sftp connections only.\n"
        assert scp(server, file, f"{slot}@127.0.0.1:upload/by_sftp").returncode == 0
        # Between two steps of a switch the shell is already, or still, the program: the chroot asks for none.
        server.machine.run("usermod", "--shell", PROGRAM, slot)
        assert scp(server, file, f"{slot}@127.0.0.1:upload/by_sftp").returncode == 0
    finally:
        server.set_legacy_scp(True)
    assert drop_in.read_text() == on
    assert doctor(server) == []
    assert scp(server, "-O", file, f"{slot}@127.0.0.1:upload/").returncode == 0
    assert entries(server, slot) == ["by_sftp", "data.bin"]


def test_session_from_before_a_switch_goes_on_and_ends_with_its_slot(server, upload, wait_until):
    upload_id, slot = upload
    with subprocess.Popen(server.sftp_command("alice", slot), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as session:
        wait_until(lambda: "sftp-server" in processes(server, slot))
        server.set_legacy_scp(False)
        try:
            assert "sftp-server" in processes(server, slot)
            server.abort(upload_id)
            server.wait_until_ready(slot)
            assert processes(server, slot) == {}
        finally:
            server.set_legacy_scp(True)
        session.communicate(timeout=DEADLINE_S)


def test_server_is_taken_back_with_the_option_on(machine, server_on):
    server = server_on(machine)
    machine.run("thaniya", "setup", "openssh", "--slots", str(server.slots))
    server.set_legacy_scp(True)
    machine.run("thaniya", "setup", "remove", "--yes")
    assert not machine.path("/usr/local/lib/thaniya").exists()
    assert "thaniya_0" not in machine.path("/etc/passwd").read_text()
