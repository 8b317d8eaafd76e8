"""`thaniya doctor` on a real server: all is well after setup; what is broken is found, and the cure mends it."""

from __future__ import annotations

import json
import subprocess
import time

import pytest
from real_server import become

SETUP = "thaniya setup openssh"

# What is examined is the same with PAM and without.
pytestmark = pytest.mark.parametrize("server", ["yes"], ids=["pam"], indirect=True, scope="module")


@pytest.fixture
def examine(server):
    """Runs the command on the server's machine; gives its exit code and its findings."""
    # The port stands on sshd's command line; `sshd -T` sees the configuration only.
    file = server.machine.path("/etc/ssh/sshd_config")
    if "Port " not in file.read_text():
        file.write_text(f"{file.read_text()}Port {server.port}\n")

    def run(*before: str):
        done = server.machine.run(*before, "thaniya", "doctor", "--json", check=False)
        return done.returncode, json.loads(done.stdout)

    return run


def of_level(findings, *levels):
    return [finding for finding in findings if finding["level"] in levels]


def named(findings, name):
    (finding,) = [finding for finding in findings if finding["name"] == name]
    return finding


def probes(server):
    return list(server.machine.path("/var/lib/thaniya").glob("*probe*"))


def test_all_is_well_after_setup(server, examine):
    exit_code, findings = examine()

    assert of_level(findings, "fail", "warn") == []
    assert [finding["name"] for finding in of_level(findings, "skipped")] in ([], ["clock's source"])
    assert "the broker answered" in named(findings, "login")["what"]
    assert "let nobody in, though the key was right" in named(findings, "locked slot")["what"]
    assert exit_code == 0
    assert probes(server) == []


def test_who_may_not_read_the_configuration_is_told_so(examine):
    exit_code, findings = examine("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

    (finding,) = findings
    assert "Permission denied" in finding["what"]
    assert (exit_code, finding["cure"]) == (1, "run this as root")


def test_member_of_the_services_group_sees_nothing_wrong_and_what_was_skipped(examine):
    exit_code, findings = examine("setpriv", "--reuid=65534", "--regid=thaniya", "--clear-groups")

    skipped = [finding["name"] for finding in of_level(findings, "skipped")]
    assert of_level(findings, "fail") == []
    assert {"locks of the slots", "sshd's configuration", "sudo", "key look-up", "login"} <= set(skipped)
    assert exit_code == 0


def test_service_user_sees_nothing_wrong(examine):
    exit_code, findings = examine(*become("thaniya"))

    assert of_level(findings, "fail") == []
    assert {named(findings, name)["level"] for name in ("sudo", "login", "locked slot")} == {"ok"}
    assert named(findings, "key look-up")["level"] in ("ok", "warn")  # it is told when the machine is slow
    assert exit_code == 0


@pytest.mark.parametrize(
    ("sabotage", "words", "cure"),
    [
        ("chmod g+w /srv", "/srv is writable by others", "chown root:root /srv && chmod g-w,o-w /srv"),
        ("chmod o+w /usr/local/lib/thaniya", "/usr/local/lib/thaniya is writable by others", None),
        ("echo '# old' >>/usr/local/lib/thaniya/thaniya-root", "not the one of this version", SETUP),
        ("rm /etc/sudoers.d/thaniya", "a password is required", SETUP),
        ("rm /etc/ssh/sshd_config.d/thaniya.conf", "authorizedkeyscommand is none", SETUP),
        ("rm /etc/thaniya/root.json", "root.json is missing", SETUP),
        ("chown root: /var/lib/thaniya/state.json", "state.json", "chown --recursive thaniya: "),
        ("chmod 0755 /srv/thaniya/slots/thaniya_01/upload", "mode 2755", None),
        ("usermod --shell /bin/bash thaniya_01", "it has the shell /bin/bash", None),
        ("usermod --password '!' thaniya_02", "password field", None),
        ("gpasswd --delete thaniya_01 thaniya-slots", "not in the group", None),
        (": >/etc/shadow.lock", "names no process", "rm /etc/shadow.lock"),
        ("chage --expiredate -1 thaniya_01", "not locked", "/usr/local/lib/thaniya/thaniya-root lock thaniya_01"),
    ],
)
def test_what_is_broken_is_found_and_its_cure_mends_it(server, examine, sabotage, words, cure):
    server.machine.run("bash", "-c", sabotage)

    exit_code, findings = examine()
    found = of_level(findings, "fail")
    told = [finding for finding in found if words in finding["what"]]

    assert exit_code == 1
    assert told, found
    assert told[0]["cure"].startswith(cure or "")
    for command in dict.fromkeys(finding["cure"] for finding in told):
        server.machine.run("bash", "-c", command)
    assert of_level(examine()[1], "fail") == []


def test_line_of_the_administrator_that_comes_first_is_found(server, examine):
    first = server.machine.path("/etc/ssh/sshd_config.d/00-first.conf")
    first.write_text("Match User thaniya_01\nPermitTTY yes\nMatch all\n")
    try:
        (finding,) = of_level(examine()[1], "fail")
    finally:
        first.unlink()

    assert finding["what"] == "for thaniya_01: permittty is yes instead of no"
    shown = server.machine.run("bash", "-c", "grep -rniE permittty /etc/ssh/sshd_config.d").stdout
    assert finding["cure"].startswith("grep -rniE 'permittty' ")
    assert "thaniya.conf" in shown


def test_sshd_that_has_not_read_its_configuration_is_found(server, examine, wait_until):
    drop_in = server.machine.path("/etc/ssh/sshd_config.d/thaniya.conf")
    content = drop_in.read_text()
    stranger = [*server.ssh_options("alice"), "-o", "PreferredAuthentications=none", "-p", str(server.port)]
    drop_in.unlink()
    server.machine.run("bash", "-c", "kill -HUP $(cat /run/sshd.pid)")
    wait_until(lambda: "password" in server.client("ssh", *stranger, "thaniya@127.0.0.1").stderr)
    drop_in.write_text(content)

    finding, login = of_level(examine()[1], "fail")

    assert "has not read its configuration" in finding["what"]
    assert "refused a key that should be let in" in login["what"]
    server.machine.run("bash", "-c", finding["cure"])
    wait_until(lambda: of_level(examine()[1], "fail") == [])


@pytest.mark.parametrize(
    ("sabotage", "words", "mend"),
    [
        ("usermod --shell /bin/true thaniya", "the broker did not run, exit code 0: it said nothing", None),
        ("touch /etc/nologin", "the machine allows no logins now", None),
        (
            "sed -i.old 's|/opt/thaniya-tests/thaniya|/opt/gone/thaniya|' /etc/thaniya/root.json",
            "exit code 127: ",
            "mv /etc/thaniya/root.json.old /etc/thaniya/root.json",
        ),
        (
            "cp -p /etc/pam.d/sshd /etc/pam.d/sshd.old && echo '-:thaniya:ALL' >/etc/security/no-thaniya.conf && "
            "sed -i '1i account required pam_access.so accessfile=/etc/security/no-thaniya.conf' /etc/pam.d/sshd",
            "sshd broke the login off",
            "mv /etc/pam.d/sshd.old /etc/pam.d/sshd",
        ),
        (
            "ssh-keygen -q -t ed25519 -N '' -f /run/other && cp /run/other.pub /etc/ssh/ssh_host_ed25519_key.pub",
            "another host key than its files",
            "cd /etc/ssh && ssh-keygen -y -f ssh_host_ed25519_key >ssh_host_ed25519_key.pub",
        ),
        ("chmod a-x /usr/local/lib/thaniya/thaniya-keys", "sshd refused a key", "chmod a+x /usr/local/lib/thaniya/*"),
        (
            "cp -p /etc/pam.d/sshd /etc/pam.d/sshd.old && "
            "sed -i 's/^@include common-account/account required pam_permit.so/' /etc/pam.d/sshd",
            "let a key in though no upload holds it",
            "mv /etc/pam.d/sshd.old /etc/pam.d/sshd",
        ),
    ],
    ids=["shell", "nologin", "program", "pam_access", "host_key", "lookup", "expiry"],
)
def test_what_only_a_login_shows_is_found(server, examine, sabotage, words, mend):
    server.machine.run("bash", "-c", sabotage)
    try:
        exit_code, findings = examine()
    finally:
        if mend:
            server.machine.run("bash", "-c", mend)
    found = [finding for finding in of_level(findings, "fail") if finding["name"] in ("login", "locked slot")]

    assert (exit_code, len(found), probes(server)) == (1, 1, []), findings
    assert words in found[0]["what"]
    if not mend:
        server.machine.run("bash", "-c", found[0]["cure"])
    assert of_level(examine()[1], "fail") == []


def test_examinations_at_once_do_not_disturb_each_other(server, examine):
    command = server.machine.command("thaniya", "doctor", "--json")
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, env=server.machine.environment()) for _ in range(3)]
    for each in running:
        stdout, _ = each.communicate(timeout=60)
        assert named(json.loads(stdout), "login")["level"] == "ok"
        assert each.returncode == 0
    assert probes(server) == []


def test_examination_that_is_ended_leaves_no_key(server, examine, wait_until):
    temporary = server.machine.path("/run/temporary")
    temporary.mkdir()
    with subprocess.Popen(
        server.machine.command("sh", "-c", "echo $$; exec thaniya doctor"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=server.machine.environment(TMPDIR="/run/temporary"),
    ) as running:
        assert running.stdout is not None
        pid = running.stdout.readline().strip()
        wait_until(lambda: probes(server))
        assert list(temporary.iterdir()) != []
        server.machine.run("kill", "-TERM", pid)
        assert running.wait(60) != 0
    assert probes(server) == []
    assert list(temporary.iterdir()) == []


@pytest.fixture
def put_probe(server):
    """Puts a key of nobody's into the state as a probe, as the service user or as anybody else."""
    made = []

    def put(owner="thaniya", mode=0o600, **changes):
        algorithm, blob = (server.keys / "mallory.pub").read_text().split()[:2]
        probe = {"account": "thaniya", "expires": time.time() + 50, "algorithm": algorithm, "blob": blob}
        name = "/var/lib/thaniya/probe-0123456789abcdef.json"
        file = server.machine.path(name)
        made.append(file)
        file.write_text(json.dumps(probe | changes))
        file.chmod(mode)
        server.machine.run("chown", owner, name)
        return file

    yield put
    for file in made:
        file.unlink(missing_ok=True)


LISTENER = """
import socket, subprocess
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind("/dev/log")
log.settimeout(10)
subprocess.run(["chmod", "666", "/dev/log"], check=True)
subprocess.run(["setpriv", "--reuid=thaniya", "--regid=thaniya", "--init-groups",
                "/usr/local/lib/thaniya/thaniya-keys", "thaniya"], check=True, stdout=subprocess.DEVNULL)
print(log.recv(2000).decode())
"""


def log_of_lookup(server):
    """What the look-up tells the system's log, with a /dev of its own."""
    script = 'mount -t tmpfs tmpfs /dev && mknod -m 666 /dev/null c 1 3 && exec /usr/bin/python3 -c "$0"'
    return server.machine.run("unshare", "--mount", "bash", "-c", script, LISTENER).stdout


def test_probe_runs_nothing_but_the_probe(server, put_probe):
    put_probe()
    done = server.ssh("mallory", "session")
    assert (done.returncode, done.stdout.startswith("thaniya ")) == (0, True)


def test_probe_that_has_expired_is_refused(server, put_probe):
    put_probe(expires=time.time() - 1)
    assert server.ssh("mallory", "help").returncode == 255


@pytest.mark.parametrize(
    "how",
    [
        {"mode": 0o606},
        {"owner": "root"},
        {"owner": "thaniya_01"},
        {"expires": time.time() + 10**6},
        {"algorithm": 'command="id" ssh-ed25519'},
        {"blob": 'AAAA\ncommand="id" ssh-ed25519 AAAA'},
    ],
    ids=["writable", "of_root", "of_a_slot", "for_ever", "options", "second_line"],
)
def test_probe_that_is_hostile_lets_nobody_in_and_is_told(server, put_probe, how):
    put_probe(**how)
    assert server.ssh("mallory", "help").returncode == 255
    assert server.ssh("alice", "help").returncode == 0
    assert "thaniya-keys" in log_of_lookup(server)


def test_probe_that_is_a_link_or_garbage_lets_nobody_in_and_is_told(server, put_probe):
    file = put_probe()
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")
    assert server.ssh("mallory", "help").returncode == 255
    assert "is not heeded" in log_of_lookup(server)
    file.with_name("elsewhere").unlink()
    file.unlink()
    put_probe().write_text("{")
    assert server.ssh("alice", "help").returncode == 0
    assert "is not heeded" in log_of_lookup(server)
