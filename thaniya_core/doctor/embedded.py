"""What only a server of the embedded kind has."""

from __future__ import annotations

from collections.abc import Iterator

from thaniya_core.doctor.examination import Subject
from thaniya_core.doctor.finding import Finding, fail, ok, or_ok, warn

HOST_KEY = "ssh_host_ed25519_key"
_ANY_OTHER = 0o077


def check_own_files(subject: Subject) -> Iterator[Finding]:
    """One account owns everything; nobody else may write the state or read the host key."""
    paths, name = subject.config.paths, "owners and modes"
    yield from or_ok(_judge_own(subject), name, f"{paths.state}, {paths.spool} and {paths.slots} are one account's")


def _judge_own(subject: Subject) -> Iterator[Finding]:
    paths, machine = subject.config.paths, subject.machine
    owner = machine.status(paths.state)
    for path in (paths.state, paths.spool, paths.slots):
        status = machine.status(path)
        if status is None:
            yield fail(f"owner of {path}", f"{path} is missing", "thaniya serve makes it")
        elif status.mode & 0o022:
            yield fail(f"mode of {path}", f"others may write in {path} (mode {status.mode:04o})", f"chmod go-w {path}")
        elif owner is not None and status.owner != owner.owner:
            yield fail(
                f"owner of {path}",
                f"{path} belongs to {status.owner}, the state to {owner.owner}",
                f"chown --recursive {owner.owner} {path}",
            )
    key = paths.state / HOST_KEY
    status = machine.status(key)
    if status is not None and status.mode & _ANY_OTHER:
        yield fail("host key", f"others may read {key} (mode {status.mode:04o})", f"chmod 600 {key}")


def check_listening(subject: Subject) -> Iterator[Finding]:
    """Whether the server answers."""
    name, gate = "server answers", subject.config.gate
    if gate.port == 0:
        return
    host = "127.0.0.1" if gate.listen in ("0.0.0.0", "::") else gate.listen
    try:
        banner = subject.machine.first_line(host, gate.port)
    except OSError as exc:
        yield warn(name, f"nobody answers on {host} port {gate.port}: {exc}", "thaniya serve")
        return
    if banner.startswith("SSH-2.0-"):
        yield ok(name, f"{host} port {gate.port}: {banner}")
    else:
        what = f"{host} port {gate.port} does not speak SSH: {banner!r}"
        yield fail(name, what, "choose another gate.port in thaniya.toml")
