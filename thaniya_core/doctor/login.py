"""Logging in for real through the sshd that runs, with a key made for this one examination."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from thaniya_core import __version__
from thaniya_core.doctor.examination import SETUP, Subject
from thaniya_core.doctor.finding import Finding, Level, fail, ok, skipped
from thaniya_core.doctor.machine import Account
from thaniya_core.doctor.probe import key_pair, let_in
from thaniya_core.doctor.programs import find_service, last_line
from thaniya_core.doctor.sshd import Settings, ask_settings
from thaniya_core.doctor.sshd_answer import find_listener, listening_places, restart_sshd, ssh_command, start_sshd
from thaniya_core.model import SlotState
from thaniya_core.system.run import Completed

NAME = "login"
SSH_FAILED = 255
"""What ssh(1) ends with when there was no login."""
_ALIAS = "thaniya"
_NO_LOGINS = (Path("/etc/nologin"), Path("/run/nologin"))
"""While one is there, PAM lets nobody in but root (pam_nologin(8))."""


class Cures(Struct, frozen=True):
    """Commands of this machine that mend what a login may fail on."""

    start: str
    restart: str
    host_keys: str
    """Writes the public halves of the host keys anew, and lets sshd read the private ones again."""
    show_log: str
    listener: str
    broker: str
    """Runs what sshd would run."""
    shell: str
    """Gives the service's account the shell of setup; empty when it has it."""
    nologin: str
    """Allows logins again; empty when they are."""


def check_login(subject: Subject) -> Iterator[Finding]:
    """A login to the control account runs the broker; one to a slot that no upload holds is refused."""
    place, machine = subject.installation, subject.machine
    service = find_service(subject)
    if service is None:
        yield fail(NAME, f"there is no account {place.service_user}", SETUP)
        return
    if not machine.is_root and machine.user != place.service_user:
        yield skipped(NAME, f"only root and {place.service_user} can try it")
        return
    owner = service if machine.is_root else None
    with key_pair(machine) as key:
        settings = ask_settings(subject, service.name, None if machine.is_root else key)
        known = known_hosts(subject, settings)
        if not known:
            yield fail(NAME, "no public key of this host is there to know it by", "ssh-keygen -A")
            return
        key.with_name("known_hosts").write_text(known)
        slot = next(iter(_ready_slots(subject)), "")
        for host, port in listening_places(settings):
            with let_in(place.state, service.name, key, subject.clock.now(), owner):
                begin = subject.clock.monotonic()
                done = _log_in(subject, service.name, host, port, key)
                seconds = subject.clock.monotonic() - begin
            where = f"{service.name} at {host} port {port}"
            finding = judge_login(where, done, seconds, _cures(subject, service, port, settings))
            yield finding
            if slot and finding.level is Level.OK:
                with let_in(place.state, slot, key, subject.clock.now(), owner):
                    done = _log_in(subject, slot, host, port, key, log_level="DEBUG1")
                if slot in _ready_slots(subject):  # otherwise an upload took it in between, and it is open
                    yield judge_refusal(slot, done)
                slot = ""


def known_hosts(subject: Subject, settings: Settings) -> str:
    """This host's public keys, as the files beside sshd's private ones tell, for ssh under one name."""
    files = [Path(f"{file}.pub") for file in settings.get("hostkey", ())]
    lines = [(subject.machine.read(file) or b"").decode("utf-8", "replace").strip() for file in files]
    return "".join(f"{_ALIAS} {line}\n" for line in lines if line)


def _ready_slots(subject: Subject) -> list[str]:
    """The slots that no upload holds now."""
    return [slot.name for slot in subject.store.read().slots.all() if slot.state is SlotState.READY]


def _log_in(subject: Subject, account: str, host: str, port: int, key: Path, log_level: str = "ERROR") -> Completed:
    options = {
        "LogLevel": log_level,
        "IdentityFile": str(key),
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "PreferredAuthentications": "publickey",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(key.with_name("known_hosts")),
        "HostKeyAlias": _ALIAS,
    }
    return subject.machine.run(ssh_command(account, host, port, options))


def _cures(subject: Subject, service: Account, port: int, settings: Settings) -> Cures:
    place, machine = subject.installation, subject.machine
    start = start_sshd(subject)
    restart = restart_sshd(subject)
    host_keys = " ".join(settings.get("hostkey", ()))
    programs = ("sshd", "sshd-session", "thaniya-keys", "thaniya-broker", "thaniya-slot")
    shown = f"journalctl --since -5min {' '.join(f'-t {name}' for name in programs)}"
    nologin = " ".join(str(file) for file in _NO_LOGINS if machine.status(file))
    return Cures(
        start=start,
        restart=restart,
        host_keys=f"for key in {host_keys}; do ssh-keygen -y -f $key >$key.pub; done; {restart}",
        show_log=shown if machine.has_systemd else "grep -E 'sshd|thaniya' /var/log/auth.log | tail",
        listener=find_listener(port),
        broker=f"sudo -u {service.name} {place.program} --config {place.config} broker --probe",
        shell="" if service.shell == "/bin/sh" else f"usermod --shell /bin/sh {service.name}",
        nologin=f"rm {nologin}" if nologin else "",
    )


def judge_login(where: str, done: Completed, seconds: float, cures: Cures) -> Finding:
    """What a login came to that should have run `broker --probe`.

    Args:
        where: account and address.
        done: ssh, ended.
        seconds: how long it took.
        cures: what helps on this machine.
    """
    told = done.stdout.decode("utf-8", "replace").strip()
    if done.exit_code == 0 and told == f"thaniya {__version__}":
        return ok(NAME, f"{where}: sshd let a key in and the broker answered, in {seconds:.2f} s")
    if done.exit_code == SSH_FAILED:
        return _explain_no_login(where, done, cures)
    reason = last_line(done) or (f"it said {told[:80]!r}" if told else "it said nothing")
    what = f"{where}: sshd let a key in, but the broker did not run, exit code {done.exit_code}: {reason}"
    return fail(NAME, what, cures.shell or f"{SETUP}; {cures.broker} shows whether it helped")


def _explain_no_login(where: str, done: Completed, cures: Cures) -> Finding:
    errors = done.stderr.decode("utf-8", "replace")
    last = last_line(done)
    if "Connection refused" in errors:
        return fail(NAME, f"{where}: nobody listens: {last}", cures.start)
    if "timed out" in errors:
        return fail(NAME, f"{where}: no answer in time: {last}", f"{cures.listener} shows who should; {cures.restart}")
    if "Host key verification failed" in errors:
        what = f"{where}: the sshd that runs shows another host key than its files name, so that this may not be ours"
        return fail(NAME, what, cures.host_keys)
    if cures.nologin:
        return fail(NAME, f"{where}: the machine allows no logins now: {last}", cures.nologin)
    if "Permission denied" in errors:
        return fail(NAME, f"{where}: sshd refused a key that should be let in: {last}", f"{cures.show_log} # tells why")
    what = f"{where}: sshd broke the login off: {last or 'it said nothing'}"
    return fail(NAME, what, f"{cures.show_log} # tells why; often it is PAM: /etc/pam.d/sshd")


def judge_refusal(slot: str, done: Completed) -> Finding:
    """A slot that no upload holds must refuse even a key that the look-up accepts, as its account is expired.

    Without PAM sshd refuses such an account's keys, with PAM it accepts the key and then breaks the login off. Whatever
    else keeps ssh from logging in tells nothing of the lock.
    """
    name = "locked slot"
    errors = done.stderr.decode("utf-8", "replace")
    if done.exit_code == SSH_FAILED and ("Permission denied" in errors or "Server accepts key" in errors):
        return ok(name, f"{slot} let nobody in, though the key was right: no upload holds it")
    if done.exit_code == SSH_FAILED:
        return skipped(name, f"{slot} could not be tried: {last_line(done) or 'ssh said nothing'}")
    cure = "let the account part of /etc/pam.d/sshd have pam_unix, which heeds that an account is expired"
    return fail(name, f"{slot} let a key in though no upload holds it: its lock has no effect", cure)
