"""`thaniya setup openssh` and `thaniya setup remove` on a machine of their own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from real_server import HELPER

DROP_IN = "/etc/ssh/sshd_config.d/thaniya.conf"
WRITTEN = [DROP_IN, "/etc/sudoers.d/thaniya", "/etc/thaniya/thaniya.toml", "/etc/thaniya/root.json"]
PROGRAMS = [HELPER, "/usr/local/lib/thaniya/thaniya-keys"]


def tree(machine, *places):
    """All below some directories: owners, modes, contents."""
    found = {}
    for place in places:
        top = machine.path(place)
        for path in sorted([top, *top.rglob("*")]):
            status = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else ""
            name = "/" + str(path.relative_to(machine.path("/")))
            found[name] = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, content)
    return found


def everything(machine):
    return tree(machine, "/etc", "/srv", "/var/lib/thaniya", "/usr/local/lib/thaniya")


def settings(machine, account):
    done = machine.run("sshd", "-T", "-C", f"user={account},host=localhost,addr=127.0.0.1")
    return done.stdout.splitlines()


def test_dry_run_tells_the_changes_and_makes_none(machine):
    before = tree(machine, "/etc", "/srv")
    told = machine.run("thaniya", "setup", "openssh", "--slots", "2", "--dry-run").stdout
    assert tree(machine, "/etc", "/srv") == before
    assert not machine.path("/var/lib/thaniya").exists()
    made = machine.run("thaniya", "setup", "openssh", "--slots", "2").stdout
    expected = [line for line in told.splitlines() if not line.endswith("would be made")]
    assert [line for line in made.splitlines() if line in expected] == expected
    assert expected[0] == "make the group thaniya-slots"
    assert f"write {DROP_IN} (root:root 0644)" in expected


def test_what_is_made_belongs_to_whom_it_should(machine):
    machine.run("thaniya", "setup", "openssh", "--slots", "2")
    stat = ["stat", "--format=%U:%G %a %n"]
    assert machine.run(*stat, *WRITTEN, *PROGRAMS).stdout.splitlines() == [
        "root:root 644 /etc/ssh/sshd_config.d/thaniya.conf",
        "root:root 440 /etc/sudoers.d/thaniya",
        "root:thaniya 640 /etc/thaniya/thaniya.toml",
        "root:root 644 /etc/thaniya/root.json",
        "root:root 755 /usr/local/lib/thaniya/thaniya-root",
        "root:root 755 /usr/local/lib/thaniya/thaniya-keys",
    ]
    places = [
        "/etc/thaniya",
        "/var/lib/thaniya",
        "/var/lib/thaniya/spool",
        "/var/lib/thaniya/volume",
        "/srv/thaniya/slots",
    ]
    assert machine.run(*stat, *places).stdout.splitlines() == [
        "root:root 755 /etc/thaniya",
        "thaniya:thaniya 750 /var/lib/thaniya",
        "thaniya:thaniya 750 /var/lib/thaniya/spool",
        "thaniya:thaniya 750 /var/lib/thaniya/volume",
        "root:root 755 /srv/thaniya/slots",
    ]
    slot = "/srv/thaniya/slots/thaniya_02"
    assert machine.run(*stat, slot, f"{slot}/upload", f"{slot}/dev").stdout.splitlines() == [
        f"root:root 755 {slot}",
        f"thaniya:thaniya_02 2770 {slot}/upload",
        f"thaniya:thaniya_02 2710 {slot}/dev",
    ]
    shadow = machine.path("/etc/shadow").read_text().splitlines()
    expiry = {line.split(":")[0]: line.split(":")[7] for line in shadow if line.startswith("thaniya")}
    assert expiry == {"thaniya": "", "thaniya_01": "0", "thaniya_02": "0"}
    (account,) = [line for line in machine.path("/etc/passwd").read_text().splitlines() if line.startswith("thaniya:")]
    assert account.endswith(":/var/lib/thaniya:/bin/sh")
    assert [line.split(":")[1] for line in shadow if line.startswith("thaniya")] == ["*", "*", "*"]


def test_sshd_heeds_it_for_the_service_and_the_slots_and_for_nobody_else(machine):
    before = settings(machine, "root")
    machine.run("thaniya", "setup", "openssh", "--slots", "1")
    for account in ("thaniya", "thaniya_01"):
        found = settings(machine, account)
        for line in (
            "authorizedkeysfile none",
            "authorizedkeyscommand /usr/local/lib/thaniya/thaniya-keys %u",
            "authorizedkeyscommanduser thaniya",
            "authenticationmethods publickey",
            "disableforwarding yes",
            "permittty no",
            "permituserrc no",
            "acceptenv LANG",
        ):
            assert line in found, (account, line)
        assert "acceptenv LC_*" not in found
    assert "chrootdirectory /srv/thaniya/slots/%u" in settings(machine, "thaniya_01")
    (command,) = [line for line in settings(machine, "thaniya_01") if line.startswith("forcecommand ")]
    assert command.startswith("forcecommand internal-sftp -u 0027 -l VERBOSE -P mkdir,")
    assert "chrootdirectory none" in settings(machine, "thaniya")
    changed = set(settings(machine, "root")) ^ set(before)
    assert {line.split()[0] for line in changed} == {"maxstartups"}


def test_second_run_changes_nothing(machine):
    machine.run("thaniya", "setup", "openssh", "--slots", "2")
    before = everything(machine)
    done = machine.run("thaniya", "setup", "openssh", "--slots", "2")
    assert "nothing was changed" in done.stdout
    after = everything(machine)
    lock_files = {name for name in before if name.endswith(".lock")}
    assert {name for name in before | after if before.get(name) != after.get(name)} <= lock_files


def test_what_was_changed_by_hand_is_put_right_and_the_configuration_is_kept(machine):
    machine.run("thaniya", "setup", "openssh", "--slots", "2")
    config = machine.path("/etc/thaniya/thaniya.toml")
    config.write_text(config.read_text().replace('# silence = "15m"', 'silence = "5m"'))
    machine.path(DROP_IN).write_text("")
    machine.path("/var/lib/thaniya/spool").chmod(0o777)
    machine.run("userdel", "thaniya_02")
    machine.path("/srv/thaniya/slots/thaniya_01/dev").rmdir()  # as a slot of an earlier version
    done = machine.run("thaniya", "setup", "openssh", "--slots", "3", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["change"] for line in lines if line["message_type"] == "change"] == [
        "set the mode of /var/lib/thaniya/spool to 0750",
        "make what is missing of the slot thaniya_01",
        "make what is missing of the slot thaniya_02",
        "make the slot thaniya_03",
        f"write {DROP_IN} (root:root 0644)",
        "let sshd read its configuration: sshd is not running: nothing to reload",
    ]
    assert lines[-1]["message_type"] == "done"
    assert 'silence = "5m"' in config.read_text()
    assert "authorizedkeysfile none" in settings(machine, "thaniya_02")


@pytest.mark.parametrize("old", ["# as it was\n", None])
def test_drop_in_that_is_not_heeded_is_rolled_back(machine, old):
    if old is not None:
        machine.write(DROP_IN, old)
    config = machine.path("/etc/ssh/sshd_config")
    config.write_text(config.read_text().replace("Include", "# Include"))
    done = machine.run("thaniya", "setup", "openssh", "--slots", "1", check=False)
    assert (done.returncode, "does not heed" in done.stderr, "Include" in done.stderr) == (1, True, True)
    assert (machine.path(DROP_IN).read_text() if old else machine.path(DROP_IN).exists()) == (old or False)


def test_drop_in_that_sshd_does_not_accept_is_rolled_back(machine):
    machine.run("thaniya", "setup", "openssh", "--slots", "1")
    old = "# as it was\n"
    machine.write(DROP_IN, old)
    # Right by itself; with ours included, MaxStartups stands within a Match block, where sshd does not allow it.
    machine.write("/etc/ssh/sshd_config", "Match User nobody\nInclude /etc/ssh/sshd_config.d/*.conf\n")
    done = machine.run("thaniya", "setup", "openssh", "--slots", "1", check=False)
    assert (done.returncode, "sshd does not accept" in done.stderr) == (1, True), done.stderr
    assert machine.path(DROP_IN).read_text() == old
    machine.run("sshd", "-t")


def test_broken_sshd_configuration_stops_everything_before_it_begins(machine):
    machine.write("/etc/ssh/sshd_config", "Nonsense yes\n")
    before = tree(machine, "/etc", "/srv")
    done = machine.run("thaniya", "setup", "openssh", check=False)
    assert (done.returncode, "Nonsense" in done.stderr) == (1, True)
    assert tree(machine, "/etc", "/srv") == before


def test_directory_above_the_slots_that_others_may_write_is_told_with_its_cure(machine):
    machine.path("/srv").chmod(0o775)
    done = machine.run("thaniya", "setup", "openssh", check=False)
    assert (done.returncode, "chown root:root /srv && chmod g-w,o-w /srv" in done.stderr) == (1, True)


def test_program_that_the_service_user_cannot_reach_is_told(machine):
    machine.path("/opt/thaniya-tests").chmod(0o700)
    done = machine.run("thaniya", "setup", "openssh", check=False)
    assert (done.returncode, "/opt/thaniya-tests is closed to others" in done.stderr) == (1, True)


def test_umask_of_root_does_not_matter(machine):
    machine.run("bash", "-c", "umask 077; thaniya setup openssh --slots 1")
    assert machine.run("stat", "--format=%a", "/srv/thaniya", "/srv/thaniya/slots").stdout == "755\n755\n"
    machine.run("thaniya", "slot", "list")


def test_cron_keeps_the_service_going_where_it_is_chosen(machine):
    machine.path("/etc/cron.d").mkdir(exist_ok=True)
    machine.run("thaniya", "setup", "openssh", "--slots", "1", "--run-by", "cron")
    line = machine.path("/etc/cron.d/thaniya").read_text().splitlines()[-1]
    user, command = line.split(maxsplit=6)[5:]
    assert user == "thaniya"
    machine.run("su", "thaniya", "-c", command)
    machine.run("thaniya", "setup", "remove", "--yes")
    assert not machine.path("/etc/cron.d/thaniya").exists()


def test_volume_of_ones_own_is_given_to_the_service_and_kept_by_later_runs(machine):
    done = machine.run("thaniya", "setup", "openssh", "--slots", "1", "--volume", "/srv/disk", check=False)
    assert (done.returncode, "there is no directory /srv/disk" in done.stderr) == (4, True)
    assert not machine.path("/srv/disk").exists()
    machine.path("/srv/disk").mkdir()
    machine.run("thaniya", "setup", "openssh", "--slots", "1", "--volume", "/srv/disk")
    assert machine.run("stat", "--format=%U %a", "/srv/disk").stdout == "thaniya 750\n"
    assert "nothing was changed" in machine.run("thaniya", "setup", "openssh", "--slots", "1").stdout
    assert not machine.path("/var/lib/thaniya/volume").exists()


def test_configuration_of_an_embedded_server_is_refused(machine):
    machine.run("thaniya", "init", "/srv/embedded")
    done = machine.run("thaniya", "--config", "/srv/embedded/thaniya.toml", "setup", "openssh", check=False)
    assert (done.returncode, "embedded server" in done.stderr) == (1, True)


def test_setup_needs_root(machine):
    done = machine.run("setpriv", "--reuid=65534", "--clear-groups", "thaniya", "setup", "openssh", check=False)
    assert (done.returncode, "sudo" in done.stderr) == (5, True)


def test_running_sshd_reads_it_at_once(machine, server_on):
    server = server_on(machine)
    server.start_sshd("yes")
    done = machine.run("thaniya", "setup", "openssh", "--slots", "1")
    assert "let sshd read its configuration: SIGHUP to sshd, process" in done.stdout
    server.thaniya("user", "add", "alice", "--key", (server.keys / "alice.pub").read_text())
    assert server.ssh("alice", "help").returncode == 0


def test_remove_takes_everything_back_and_leaves_the_archive(machine, server_on, make_file):
    before = tree(machine, "/etc", "/srv")
    server = server_on(machine)
    server.start_sshd("yes")
    machine.run("thaniya", "setup", "openssh", "--slots", "2")
    server.thaniya("user", "add", "alice", "--key", (server.keys / "alice.pub").read_text())
    upload, slot = server.allocate()
    assert server.scp("alice", make_file("done.bin"), slot).returncode == 0
    assert server.ssh("alice", "complete", upload, "--no-wait").returncode == 0
    open_upload, open_slot = server.allocate(name="open")
    assert server.scp("alice", make_file("open.bin"), open_slot).returncode == 0
    done = machine.run("thaniya", "setup", "remove", "--yes")
    assert "Left as they are: the archive on all volumes, /var/lib/thaniya, /etc/thaniya" in done.stdout

    assert (server.archived(upload) / "done.bin").is_file()
    assert "server is taken down" in machine.run("thaniya", "upload", "show", open_upload).stdout
    assert server.ssh("alice", "help").returncode == 255
    assert not machine.path("/usr/local/lib/thaniya").exists()
    after = tree(machine, "/etc", "/srv")
    accounts = {
        f"/etc/{name}{end}"
        for name in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid")
        for end in ("", "-")
    }
    changed = {name for name in before | after if before.get(name, ())[-1:] != after.get(name, ())[-1:]} - accounts
    assert changed - {"/etc/.pwd.lock"} == {"/etc/thaniya/thaniya.toml", "/etc/thaniya"}
    assert "thaniya_0" not in machine.path("/etc/passwd").read_text()
    assert "thaniya-slots" not in machine.path("/etc/group").read_text()

    assert "nothing was there to remove" in machine.run("thaniya", "setup", "remove", "--yes").stdout
    machine.run("thaniya", "setup", "openssh", "--slots", "2")
    assert upload in machine.run("thaniya", "backup", "list").stdout
    assert server.ssh("alice", "help").returncode == 0


def test_the_host_stays_as_it_is(machine):
    files = [
        Path(name) for name in ("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/ssh/sshd_config")
    ]
    before = [file.read_bytes() for file in files]
    machine.run("thaniya", "setup", "openssh", "--slots", "2")
    assert [file.read_bytes() for file in files] == before
    assert b"thaniya" not in b"".join(before)
    for made in (*WRITTEN, *PROGRAMS, "/srv/thaniya", "/var/lib/thaniya"):
        assert not Path(made).exists()


def _owner_mode_and_change(path):
    found = path.stat()  # not the time of the last access: setup looks into it
    return found.st_uid, found.st_gid, found.st_mode, found.st_ctime_ns


@pytest.mark.parametrize(
    ("directory", "content", "told"),
    [
        ("/srv/shared", "somebody's.txt", "is not empty and no volume"),
        ("/srv", "", "lies in it"),
        ("/", "", "lies in it"),
    ],
)
def test_directory_that_holds_other_things_is_not_given_to_the_service(machine, directory, content, told):
    machine.run("mkdir", "-p", directory)
    if content:
        machine.write(f"{directory}/{content}", "x")
    before = _owner_mode_and_change(machine.path(directory))

    done = machine.run("thaniya", "setup", "openssh", "--volume", directory, check=False)

    assert (done.returncode, told in done.stderr) == (1, True), done.stderr
    assert _owner_mode_and_change(machine.path(directory)) == before
    assert machine.run("id", "thaniya", check=False).returncode == 1


def test_account_of_a_person_is_not_taken(machine):
    machine.run("useradd", "--create-home", "--home-dir", "/srv/person", "thaniya")

    done = machine.run("thaniya", "setup", "openssh", check=False)

    assert (done.returncode, "it may be a person's" in done.stderr) == (1, True)
    assert "/srv/person" in machine.run("getent", "passwd", "thaniya").stdout


def test_run_again_keeps_the_slots_that_are_there(machine):
    machine.run("thaniya", "setup", "openssh", "--slots", "3")
    machine.run("thaniya", "slot", "remove", "thaniya_02")

    assert "all is as it should be" in machine.run("thaniya", "setup", "openssh").stdout
    slots = json.loads(machine.run("thaniya", "slot", "list", "--json").stdout)
    assert [slot["name"] for slot in slots] == ["thaniya_01", "thaniya_03"]


def test_setup_that_died_before_sshd_read_its_part_is_carried_on(machine, server_on):
    server = server_on(machine)
    server.start_sshd("yes")
    machine.run("thaniya", "setup", "openssh", "--slots", "1")
    mark = machine.path("/etc/ssh/sshd_config.d/.thaniya.unread")
    assert not mark.exists()
    mark.touch()

    done = machine.run("thaniya", "setup", "openssh")

    assert "which was written by a run that did not come to its end" in done.stdout
    assert "let sshd read its configuration: SIGHUP" in done.stdout
    assert not mark.exists()
    assert "all is as it should be" in machine.run("thaniya", "setup", "openssh").stdout


def test_what_keeps_the_service_going_is_exchanged(machine):
    machine.run("thaniya", "setup", "openssh", "--slots", "1", "--run-by", "cron")
    assert machine.path("/etc/cron.d/thaniya").exists()
    machine.run("thaniya", "setup", "openssh", "--run-by", "nothing")
    assert not machine.path("/etc/cron.d/thaniya").exists()
