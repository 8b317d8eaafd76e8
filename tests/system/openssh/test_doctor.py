"""`thaniya doctor` on a real server: all is well after setup; what is broken is found, and the cure mends it."""

from __future__ import annotations

import json

import pytest

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


def test_all_is_well_after_setup(examine):
    exit_code, findings = examine()

    assert of_level(findings, "fail", "warn") == []
    assert [finding["name"] for finding in of_level(findings, "skipped")] in ([], ["clock's source"])
    assert exit_code == 0


def test_who_may_not_read_the_configuration_is_told_so(examine):
    exit_code, findings = examine("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

    (finding,) = findings
    assert "Permission denied" in finding["what"]
    assert (exit_code, finding["cure"]) == (1, "run this as root")


def test_member_of_the_services_group_sees_nothing_wrong_and_what_was_skipped(examine):
    exit_code, findings = examine("setpriv", "--reuid=65534", "--regid=thaniya", "--clear-groups")

    skipped = [finding["name"] for finding in of_level(findings, "skipped")]
    assert of_level(findings, "fail") == []
    assert {"locks of the slots", "sshd's configuration", "sudo", "key look-up"} <= set(skipped)
    assert exit_code == 0


def test_service_user_sees_nothing_wrong(examine):
    exit_code, findings = examine("setpriv", "--reuid=thaniya", "--regid=thaniya", "--init-groups")

    assert of_level(findings, "fail") == []
    assert "skipped" not in [finding["level"] for finding in findings if finding["name"] in ("sudo", "key look-up")]
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

    (finding,) = of_level(examine()[1], "fail")

    assert "has not read its configuration" in finding["what"]
    server.machine.run("bash", "-c", finding["cure"])
    wait_until(lambda: of_level(examine()[1], "fail") == [])
