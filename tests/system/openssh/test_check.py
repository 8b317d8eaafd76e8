"""`thaniya check` on a real server: as root, as a monitor, as somebody who may not; the commands are the manual's."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

MANUAL = (Path(__file__).resolve().parents[3] / "docs" / "monitoring.md").read_text()

pytestmark = pytest.mark.parametrize("server", ["yes"], ids=["pam"], indirect=True, scope="module")


def status(done):
    return done.returncode, done.stdout.partition(" - ")[0]


def test_running_server_is_well_for_whoever_may_read_its_state(server):
    service_user = ("setpriv", "--reuid=thaniya", "--regid=thaniya", "--init-groups")
    reader = ("setpriv", "--reuid=65534", "--regid=thaniya", "--clear-groups")
    for before in ((), service_user, reader):
        done = server.machine.run(*before, "thaniya", "check", check=False)
        assert status(done) == (0, "THANIYA OK"), (done.stdout, done.stderr)


def test_who_may_not_read_the_state_gets_unknown(server):
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    done = server.machine.run(*nobody, "thaniya", "check", check=False)
    assert status(done) == (3, "THANIYA UNKNOWN")
    assert done.stdout.count("\n") == 1
    assert "ermission denied" in done.stdout


def test_monitor_gets_in_by_the_manuals_line_of_sudoers(server):
    (line,) = re.findall(r"^ {4}(nagios ALL=.*)$", MANUAL, re.MULTILINE)
    (call,) = re.findall(r"^ {4}command\[check_thaniya\]=(.*)$", MANUAL, re.MULTILINE)
    program = server.machine.run("which", "thaniya").stdout.strip()
    server.machine.run("useradd", "--system", "nagios")
    server.machine.write("/etc/sudoers.d/nagios", line.replace("/usr/local/bin/thaniya", program) + "\n")
    server.machine.run("chmod", "0440", "/etc/sudoers.d/nagios")
    command = call.replace("/usr/local/bin/thaniya", program)
    done = server.machine.run(
        "setpriv", "--reuid=nagios", "--regid=nagios", "--init-groups", "sh", "-c", command, check=False
    )
    assert status(done) == (0, "THANIYA OK"), (done.stdout, done.stderr)


def test_service_that_stopped_is_found_and_metrics_and_notices_come_all_the_same(server, wait_until):
    server.stop_service()
    server.machine.run("touch", "-d", "2 hours ago", "/var/lib/thaniya/service.lock")
    for before in ((), ("setpriv", "--reuid=65534", "--regid=thaniya", "--clear-groups")):
        done = server.machine.run(*before, "thaniya", "check", check=False)
        assert status(done) == (2, "THANIYA CRITICAL"), (done.stdout, done.stderr)
        assert "service_not_running" in done.stdout
    (cron,) = re.findall(r"root {2}(thaniya metrics --textfile .*)$", MANUAL, re.MULTILINE)
    file = server.machine.path(cron.split()[-1])
    assert server.machine.run("sh", "-c", cron, check=False).returncode == 4
    assert not file.parent.exists()
    file.parent.mkdir(parents=True)
    server.machine.run("sh", "-c", cron)
    assert (file.stat().st_mode & 0o777, file.stat().st_uid) == (0o644, 0)
    assert 'thaniya_check_findings{severity="critical"} 1' in file.read_text()
    (cron,) = re.findall(r"root {2}(thaniya notify send .*)$", MANUAL, re.MULTILINE)
    server.machine.run("sh", "-c", cron)
    (cron,) = re.findall(r"thaniya {2}(out=.*)$", MANUAL, re.MULTILINE)
    assert "service_not_running" in server.machine.run("sh", "-c", cron).stdout
    server.start_service()
    assert status(server.machine.run("thaniya", "check", check=False)) == (0, "THANIYA OK")
    mark = server.machine.path("/var/lib/thaniya/service.lock")
    wait_until(lambda: mark.stat().st_mtime > time.time() - 600)
