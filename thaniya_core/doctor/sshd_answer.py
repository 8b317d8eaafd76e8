"""Whether sshd runs, and with the configuration that it should have read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from thaniya_core.doctor.examination import Subject
from thaniya_core.doctor.finding import Finding, fail, ok, skipped
from thaniya_core.doctor.programs import last_line
from thaniya_core.doctor.sshd import Settings, ask_settings


def check_answer(subject: Subject) -> Iterator[Finding]:
    """Whether sshd runs and has read its configuration: what it offers to a stranger tells."""
    name, account = "sshd answers", subject.installation.service_user
    settings = ask_settings(subject, account)
    for host, port in listening_places(settings):
        try:
            banner = subject.machine.first_line(host, port)
        except OSError as exc:
            yield fail(name, f"nobody answers on {host} port {port}: {exc.strerror or exc}", start_sshd(subject))
            continue
        if not banner.startswith("SSH-2.0-"):
            what = f"{host} port {port} does not speak SSH: {banner!r}"
            yield fail(name, what, find_listener(port))
            continue
        if "OpenSSH" not in banner:
            what = f"another SSH server has {host} port {port}: {banner}"
            yield fail(name, what, f"{find_listener(port)} shows which; end it, then: {start_sshd(subject)}")
            continue
        yield ok(name, f"{host} port {port}: {banner}")
        yield judge_offer(account, _ask_offer(subject, account, host, port), _reload(subject, settings))


def find_listener(port: int) -> str:
    """The command that shows who listens on a port."""
    return f"ss --listening --tcp --processes sport = :{port}"


def listening_places(settings: Settings) -> list[tuple[str, int]]:
    """Where sshd can be reached from here, one address for each of its ports."""
    places: dict[int, str] = {}
    for address in settings.get("listenaddress", ("0.0.0.0:22",)):
        host, _, port = address.rpartition(":")
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host.strip("[]"), host.strip("[]"))
        if int(port) not in places or host == "127.0.0.1":
            places[int(port)] = host
    return [(host, port) for port, host in places.items()]


def start_sshd(subject: Subject) -> str:
    return "systemctl start ssh" if subject.machine.has_systemd else "service ssh start"


def restart_sshd(subject: Subject) -> str:
    return "systemctl restart ssh" if subject.machine.has_systemd else "service ssh restart"


def _reload(subject: Subject, settings: Settings) -> str:
    pid_file = settings.get("pidfile", ("/run/sshd.pid",))[0]
    return "systemctl reload ssh" if subject.machine.has_systemd else f"kill -HUP $(cat {pid_file})"


def _ask_offer(subject: Subject, account: str, host: str, port: int) -> str:
    options = {
        "PreferredAuthentications": "none",
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": "/dev/null",
    }
    return last_line(subject.machine.run(ssh_command(account, host, port, options)))


def ssh_command(account: str, host: str, port: int, options: Mapping[str, str]) -> list[str]:
    """A login that asks nothing, whatever is set on this machine (ssh_config(5))."""
    common = {"BatchMode": "yes", "ConnectTimeout": "5", "GlobalKnownHostsFile": "/dev/null", "LogLevel": "ERROR"}
    words = [word for key, value in (common | dict(options)).items() for word in ("-o", f"{key}={value}")]
    return ["ssh", "-F", "none", *words, "-p", str(port), f"{account}@{host}", "help"]


def judge_offer(account: str, answer: str, cure: str) -> Finding:
    """From `… Permission denied (publickey,password).`, which ways to log in a running sshd offers."""
    name = "sshd as it runs"
    _, found, methods = answer.partition("Permission denied (")
    offered = methods.partition(")")[0]
    if not found:
        return skipped(name, f"it does not tell how one may log in: {answer}")
    if offered == "publickey":
        return ok(name, f"{account} may log in with a key only")
    return fail(name, f"{account} may log in by {offered}: it has not read its configuration since setup", cure)
