"""A machine of its own, with real accounts, real sudo and a real sshd: namespaces, so that the host stays as it is."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paramiko

REPOSITORY = Path(__file__).resolve().parents[3]
DEADLINE_S = 120.0
PROGRAMS = Path("/opt/thaniya-tests")
PATH = f"{PROGRAMS}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NEEDED = {
    "sshd": "openssh-server",
    "sudo": "sudo",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "useradd": "passwd",
}
HELPER = "/usr/local/lib/thaniya/thaniya-root"
SPOOL = "/var/lib/thaniya/spool"
SSHD_CONFIG = """\
Include /etc/ssh/sshd_config.d/*.conf
ListenAddress 127.0.0.1
HostKey /etc/ssh/ssh_host_ed25519_key
KbdInteractiveAuthentication no
X11Forwarding yes
AcceptEnv LANG LC_*
Subsystem sftp /usr/lib/openssh/sftp-server
"""
"""As Debian has it, but for where it listens."""


def why_no_machine() -> str:
    """Why there can be none here; empty when there can."""
    if os.geteuid() != 0:
        return "root is needed to make accounts in namespaces"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    for program, package in NEEDED.items():
        if shutil.which(program, path=path) is None:
            return f"{program} is missing (package {package})"
    command = ["unshare", "--mount", "--pid", "--fork", "mount", "--make-rprivate", "/"]
    tried = subprocess.run(command, capture_output=True, timeout=DEADLINE_S, check=False)
    return f"no namespaces here: {tried.stderr.decode().strip()}" if tried.returncode else ""


class Machine:
    """Namespaces of mounts and processes, and commands in them."""

    def __init__(self, *wrapper: str, ways: dict[str, str] | None = None, **environment: str) -> None:
        """Make it.

        Args:
            wrapper: what starts its first process, as the beginning of a command line.
            ways: directories that are made empty but for what is needed below them.
            environment: variables for machine.sh.
        """
        # User ids that only this /etc knows are given to others in a second machine: with processes of its own neither
        # can end those of the other.
        closed = {
            str(part): str(needed)
            for needed in (Path(sys.base_prefix), Path(sys.prefix), REPOSITORY)
            if (part := next((part for part in reversed(needed.parents) if not part.stat().st_mode & 0o001), None))
        }
        opened = [word for pair in (closed | (ways or {})).items() for word in pair]
        command = [
            *wrapper,
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--propagation",
            "private",
            "bash",
        ]
        self._holder = subprocess.Popen(
            [*command, str(Path(__file__).with_name("machine.sh")), *opened],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n", "the machine could not be made"
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children")
        (self._pid,) = children.read_text().split()
        for name, module in (("thaniya", "thaniya_core.__main__"), ("thaniya-client", "thaniya_client.cli")):
            self._make_program(PROGRAMS / name, module)
        self.write("/etc/ssh/sshd_config", SSHD_CONFIG)
        self.path("/etc/ssh/sshd_config.d").mkdir(exist_ok=True)
        self.run("ssh-keygen", "-A")

    def path(self, path: Path | str) -> Path:
        """A path of the machine, as this process reaches it."""
        return Path("/proc") / self._pid / "root" / str(path).lstrip("/")

    def write(self, path: Path | str, text: str) -> None:
        self.path(path).write_text(text)

    def command(self, *command: str) -> list[str]:
        """A command line that runs a command in the machine, as root."""
        return ["nsenter", "--mount", "--pid", "--target", self._pid, "--wd=/", "--", *command]

    def environment(self, **more: str) -> dict[str, str]:
        return {"PATH": PATH, "LANG": "C.UTF-8", "HOME": "/root", "LOGNAME": "root", **more}

    def run(
        self, *command: str, stdin: str = "", check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine, as root."""
        done = subprocess.run(
            self.command(*command),
            input=stdin,
            text=True,
            capture_output=True,
            timeout=DEADLINE_S,
            env=self.environment(**environment),
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert not check or done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def end(self) -> None:
        """End every process of the machine; its mounts go with them."""
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        self._holder.stdin.close()
        self._holder.wait(DEADLINE_S)
        self._holder.stdout.close()

    def kill(self) -> None:
        """The same, for a machine whose first process does not end by itself."""
        os.kill(int(self._pid), signal.SIGKILL)
        self.end()

    def _make_program(self, file: Path, module: str) -> None:
        """A program of this repository, as an installation makes it."""
        self.path(file).parent.mkdir(exist_ok=True)
        lines = [f"#!{sys.executable}", "import sys", f"sys.path.insert(0, {str(REPOSITORY)!r})"]
        self.write(file, "\n".join([*lines, f"from {module} import main", "sys.exit(main())", ""]))
        self.path(file).chmod(0o755)


class RealServer:
    """A server that `thaniya setup openssh` has made on a machine: its sshd, its service, its clients."""

    slots = 2

    def __init__(self, machine: Machine, keys: Path, work: Path) -> None:
        self.machine = machine
        self.keys = keys
        self.work = work
        self.port = 0
        self.sshd_log = Path("/var/log/sshd.log")
        self.service: subprocess.Popen[str] | None = None

    def thaniya(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a headless command, as root of the machine."""
        return self.machine.run("thaniya", *arguments, **options)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.thaniya(*arguments, "--json").stdout)

    def set_legacy_scp(self, is_on: bool) -> str:
        """Change the option, and run setup again; gives what it printed."""
        config = self.machine.path("/etc/thaniya/thaniya.toml")
        on, off = "\nlegacy_scp = true\n", "\n# legacy_scp = false\n"
        old, new = (off, on) if is_on else (on, off)
        text = config.read_text()
        assert text.count(old) == 1
        config.write_text(text.replace(old, new))
        return self.thaniya("setup", "openssh", "--slots", str(self.slots)).stdout

    def start_sshd(self, use_pam: str, *, logs_to_file: bool = True) -> None:
        """Start sshd, on top of what is in effect with or without PAM; it logs to a file or, as usual, to syslog."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        log = ["-E", str(self.sshd_log)] if logs_to_file else []
        self.machine.run("/usr/sbin/sshd", "-o", f"UsePAM={use_pam}", "-p", str(self.port), *log)
        public = self.machine.path("/etc/ssh/ssh_host_ed25519_key.pub").read_text()
        (self.work / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {public}")

    def stop_sshd(self) -> None:
        """End sshd and every login."""
        self.machine.run("pkill", "-KILL", "sshd", check=False)

    def start_service(self) -> None:
        with (self.work / "service.log").open("ab") as log:
            self.service = subprocess.Popen(
                self.machine.command("thaniya", "serve", "--json"),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self.machine.environment(),
            )
        assert self.service.stdout is not None
        assert json.loads(self.service.stdout.readline())["message_type"] == "ready"

    def stop_service(self) -> None:
        """End the service."""
        service = self.service
        assert service is not None
        self.signal_service("TERM")
        assert service.wait(DEADLINE_S) == 0
        assert service.stdout is not None
        service.stdout.close()
        log = (self.work / "service.log").read_text()
        assert "Traceback" not in log, log

    def signal_service(self, name: str) -> None:
        """Send a signal to the service; nsenter does not hand signals on."""
        self.machine.run("pkill", f"-{name}", "-f", "thaniya serve")

    @contextmanager
    def paused_service(self) -> Iterator[None]:
        """A service that is stopped (SIGSTOP) and goes on afterwards."""
        assert self.service is not None
        self.signal_service("STOP")
        try:
            yield
        finally:
            self.signal_service("CONT")
            self.service.send_signal(signal.SIGCONT)  # nsenter stops with what it has started

    # Clients, outside of the machine.

    def ssh_options(self, user: str) -> list[str]:
        settings = {
            "UserKnownHostsFile": self.work / "known_hosts",
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "IdentityFile": self.keys / user,
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
            "LogLevel": "ERROR",
        }
        return ["-F", "/dev/null", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}"))]

    def client(self, *command: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program of a client to its end."""
        return subprocess.run(
            command,
            input=stdin,
            text=True,
            capture_output=True,
            timeout=DEADLINE_S,
            env={**os.environ, **environment},
            check=False,
        )

    def ssh(self, user: str, *words: str, account: str = "thaniya", stdin: str = "") -> Any:
        options = [*self.ssh_options(user), "-p", str(self.port)]
        return self.client("ssh", *options, f"{account}@127.0.0.1", *words, stdin=stdin)

    def scp(self, user: str, file: Path, account: str, *options: str) -> Any:
        command = ["scp", *options, *self.ssh_options(user), "-P", str(self.port)]
        return self.client(*command, str(file), f"{account}@127.0.0.1:upload/")

    def sftp_command(self, user: str, account: str) -> list[str]:
        return ["sftp", *self.ssh_options(user), "-P", str(self.port), "-b", "-", f"{account}@127.0.0.1"]

    def sftp(self, user: str, account: str, batch: str) -> Any:
        return self.client(*self.sftp_command(user, account), stdin=batch)

    def script(self, user: str, name: str, *arguments: str) -> Any:
        """Run one of the example scripts."""
        settings = {"THANIYA_HOST": "127.0.0.1", "THANIYA_PORT": str(self.port), "TMPDIR": str(self.work)}
        settings["THANIYA_SSH"] = " ".join(self.ssh_options(user))
        return self.client("sh", str(REPOSITORY / "docs" / "examples" / name), *arguments, **settings)

    def allocate(self, user: str = "alice", name: str = "nightly") -> tuple[str, str]:
        """Open an upload; gives its id and its slot."""
        done = self.ssh(user, "allocate", "--host", "web1", "--name", name)
        assert done.returncode == 0, done.stderr
        facts = dict(line.split("=", 1) for line in done.stdout.splitlines())
        return facts["upload"], facts["slot"]

    def abort(self, upload: str, user: str = "alice") -> None:
        done = self.ssh(user, "abort", upload)
        assert done.returncode == 0, done.stderr

    def back_up(self, file: Path, user: str = "alice", name: str = "nightly") -> str:
        """Make a backup of one file, with its sum; gives its id. Nobody can do so on a server that is disturbed."""
        upload, slot = self.allocate(user, name)
        done = self.scp(user, file, slot)
        assert done.returncode == 0, done.stderr
        sums = f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
        done = self.ssh(user, "complete", upload, "--sums", stdin=sums)
        assert (done.returncode, done.stdout) == (0, "state=archived\n"), done.stderr
        assert (self.archived(upload) / file.name).read_bytes() == file.read_bytes()
        self.wait_until_ready(slot)
        return upload

    @contextmanager
    def transport(self, user: str, account: str = "thaniya") -> Iterator[paramiko.Transport]:
        """A login whose requests a test makes by itself, as no well-meant client would."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S) as connection:
            transport = paramiko.Transport(connection)
            try:
                transport.start_client(timeout=DEADLINE_S)
                key = paramiko.Ed25519Key.from_private_key_file(str(self.keys / user))
                transport.auth_publickey(account, key)
                yield transport
            finally:
                transport.close()

    @staticmethod
    def ask(transport: paramiko.Transport, command: str | bytes) -> tuple[int, bytes]:
        """The exit code and all output of a command on a connection that is there."""
        session = transport.open_session(timeout=DEADLINE_S)
        session.set_combine_stderr(True)
        session.settimeout(DEADLINE_S)
        session.exec_command(command)
        session.shutdown_write()
        output = b"".join(iter(lambda: session.recv(65536), b""))
        return session.recv_exit_status(), output

    # Who has got further in than a client should.

    def run_as(self, account: str, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine as a process of an account, outside of any chroot."""
        return self.machine.run(*become(account), *command, **options)

    def python_as(self, account: str, program: str, *arguments: str, **options: Any) -> Any:
        """Run a program in Python as a process of an account; gives what it prints as JSON."""
        done = self.run_as(account, sys.executable, "-I", "-c", program, *arguments, **options)
        return json.loads(done.stdout or "null")

    @contextmanager
    def running_as(self, account: str, program: str, *arguments: str) -> Iterator[None]:
        """A program in Python that runs meanwhile as a process of an account; it prints `ready` when it is."""
        command = self.machine.command(*become(account), sys.executable, "-I", "-c", program, *arguments)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=self.machine.environment()) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            try:
                yield
            finally:
                # nsenter waits for the program, whose number it alone knows.
                children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
                for child in children.read_text().split() if process.poll() is None else []:
                    os.kill(int(child), signal.SIGKILL)

    def helper(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the root helper as the service does."""
        return self.run_as("thaniya", "sudo", "--non-interactive", HELPER, *arguments, **options)

    # What is really there.

    def archived(self, upload: str) -> Path:
        """The directory of an archived backup."""
        (found,) = self.machine.path("/var/lib/thaniya/volume/archive").glob(f"*/*/*/{upload}")
        return found

    def service_uid(self) -> int:
        """The number of the service user, whose name only the machine knows."""
        return int(self.machine.run("id", "-u", "thaniya").stdout)

    def upload_directory(self, slot: str) -> Path:
        return self.machine.path(f"/srv/thaniya/slots/{slot}/upload")

    def wait_until_ready(self, slot: str) -> None:
        wait_until(lambda: self.slot_states()[slot] == "ready")

    def wait_for_end(self, upload: str) -> dict[str, Any]:
        """What is known of an upload once it has ended and its slot is ready again."""
        facts: dict[str, Any] = wait_until(
            lambda: (told := self.json("upload", "show", upload)).get("ended_at") and told, timeout_s=60.0
        )
        self.wait_until_ready(facts["slot"])
        return facts

    def events(self, action: str = "") -> list[dict[str, Any]]:
        """The newest events in the audit log, of one kind or of all, the oldest first."""
        lines = self.thaniya("log", "--limit", "1000", "--json").stdout.splitlines()
        return [event for event in map(json.loads, lines) if action in ("", event["action"])]

    def refusals(self, upload: str) -> list[dict[str, Any]]:
        """The events of what a client tried in the slot of an upload and was refused."""
        return [event for event in self.events("slot.refused") if upload in event["detail"]]

    def log_of_sshd(self) -> str:
        return self.machine.path(self.sshd_log).read_text(errors="replace")

    def slot_states(self) -> dict[str, str]:
        return {name: slot.get("state", "ready") for name, slot in self._read_state()["slots"].items()}

    def is_open(self, upload: str) -> bool:
        """Whether an upload is open; quicker than asking with a command."""
        found = self._read_state()["uploads"].get(upload)
        return found is not None and found.get("state", "open") == "open"

    def _read_state(self) -> Any:
        return json.loads(self.machine.path("/var/lib/thaniya/state.json").read_bytes())


def become(account: str) -> list[str]:
    """What begins a command line that root runs as an account of the machine."""
    return ["setpriv", f"--reuid={account}", f"--regid={account}", "--init-groups", "--"]


def wait_until(condition: Callable[[], Any], timeout_s: float = 30.0) -> Any:
    """What the condition gives, as soon as it is true."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {timeout_s:g} s in vain"
        time.sleep(0.02)
    return value
