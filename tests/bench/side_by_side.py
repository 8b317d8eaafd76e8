"""Measures a real server side by side with what people use otherwise: same data, same sshd, same run.

    python tests/bench/side_by_side.py [--data DIRECTORY] [--work DIRECTORY] [--rounds N] [--files N] [--size BYTES]

Needs root, and `borg`, `restic` and `igzip` for their lines; without root it says so and measures nothing. Accounts,
sshd and service live in namespaces of their own (tests/system/openssh); all that is written lies in one directory on
disk. Times are wall seconds until the client's command has ended: for Thaniya that is when the backup is archived and
verified. Memory is the peak resident set: of the client's process, and of the service.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system" / "openssh"))

from data import add_data_options, change_some, copy_data, make_data
from real_server import HELPER, Machine, RealServer, why_no_machine

T = TypeVar("T")

STORE = "/srv"
"""The one place on disk where the server keeps everything."""
CONFIG = f"""\
[paths]
state = "/srv/thaniya/state"
spool = "/srv/thaniya/spool"
slots = "/srv/thaniya/slots"

[gate]
kind = "openssh"
root_helper = "{HELPER}"
"""
SLOTS = 8
CLIENTS = 50

BACKUP = "thaniya: full backup, archived and verified"
RESTORE = "thaniya: full restore"
UNCHANGED = "thaniya: second backup, nothing changed"
CHANGED = "thaniya: third backup, 1 % of the files changed"
CHAIN = "thaniya: restore of full and two increments"
SMALL = "thaniya: 10 KB, archived, Python's start included"
CROWD = f"thaniya: {CLIENTS} clients at once on {SLOTS} slots"

CLIENT = """
import json, sys, time
from pathlib import Path
begun = time.perf_counter()
from thaniya_client import Directory, Incremental, ThaniyaServer
verb, port, key, known_hosts, what, target = sys.argv[1:]
with ThaniyaServer("127.0.0.1", port=int(port), key=key, known_hosts=known_hosts) as server:
    if verb in ("backup", "increment"):
        incremental = verb == "increment" and Incremental(state_directory=Path(known_hosts).parent / "state")
        report = server.backup(Directory(what, incremental=incremental), name=target, host="bench", patience_s=600)
        told = {"id": report.id, "state": report.state, "bytes": report.original_bytes,
                "stored": report.stored_bytes, "entries": report.entries, "parent": report.parent}
    else:
        told = {"bytes": server.restore(what, into=target).original_bytes}
status = Path("/proc/self/status").read_text()
told["peak_kib"] = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
print(json.dumps(told))
"""


RESTIC_SETTINGS = {"RESTIC_PASSWORD": "x"}


class Bench:
    """A machine with a real server, accounts for the other tools, and the data."""

    def __init__(self, work: Path, data: Path) -> None:
        self.work = work
        self.data = data
        self.times: defaultdict[str, list[float]] = defaultdict(list)
        keys = work / "keys"
        keys.mkdir()
        for name in ("alice", "bench"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name)], check=True)
        self.machine = Machine()
        store = work / "store"
        store.mkdir()
        self.machine.run("mount", "--bind", str(store), STORE)
        self.server = RealServer(self.machine, keys, work)
        self._make_account(keys)
        self.machine.path("/etc/thaniya").mkdir()
        self.machine.write("/etc/thaniya/thaniya.toml", CONFIG)
        self.machine.run("mkdir", "-p", f"{STORE}/thaniya/volume")
        self.server.start_sshd("yes")
        self.server.thaniya("setup", "openssh", "--slots", str(SLOTS), "--volume", f"{STORE}/thaniya/volume")
        self.server.thaniya("user", "add", "alice", "--key", (keys / "alice.pub").read_text())
        self.server.thaniya("user", "set", "alice", "--max-uploads", str(CLIENTS))
        self.server.start_service()
        self.ssh = " ".join(["ssh", *self.server.ssh_options("bench"), "-p", str(self.server.port)])

    def _make_account(self, keys: Path) -> None:
        """An ordinary account on the same sshd, for `ssh cat`, borg and restic."""
        self.machine.run("useradd", "--home-dir", f"{STORE}/bench", "--create-home", "--shell", "/bin/sh", "bench")
        self.machine.run("usermod", "--password", "*", "bench")
        home = self.machine.path(f"{STORE}/bench")
        (home / ".ssh").mkdir()
        (home / ".ssh" / "authorized_keys").write_text((keys / "bench.pub").read_text())
        self.machine.run("chown", "-R", "bench:bench", f"{STORE}/bench")

    def end(self) -> None:
        self.server.stop_service()
        self.machine.end()

    # What is measured.

    def measure(self, what: str, step: Callable[[], T]) -> T:
        """Time a step and show it at once."""
        os.sync()  # what the one before has left to write must not be this one's burden
        begun = time.perf_counter()
        result = step()
        seconds = time.perf_counter() - begun
        self.times[what].append(seconds)
        print(f"    {what:<44} {seconds:7.2f} s", flush=True)
        return result

    def shell(self, command: str, **environment: str) -> None:
        settings = {**os.environ, "HOME": str(self.work), **environment}
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command], env=settings, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{command} ended with {done.returncode}: {done.stderr[-2000:]}")

    def client(self, verb: str, what: str, target: str) -> dict[str, Any]:
        arguments = [str(self.server.port), str(self.server.keys / "alice"), str(self.work / "known_hosts")]
        command = [sys.executable, "-c", CLIENT, verb, *arguments, what, target]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"the client ended with {done.returncode}: {done.stderr[-2000:]}")
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def service_peak_kib(self) -> int:
        """The peak memory of the service."""
        pid = self.machine.run("pgrep", "-o", "-f", "thaniya serve").stdout.strip()
        status = self.machine.run("cat", f"/proc/{pid}/status").stdout
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))

    def round(self, number: int) -> None:
        """Each tool once: backup, then restore."""
        name = f"round-{number}"
        if shutil.which("igzip"):
            self.tar(f"{STORE}/bench/{name}.tar.gz")
        made = self.measure(BACKUP, lambda: self.client("backup", str(self.data), name))
        print(
            f"        {made['entries']:,} entries, {made['bytes'] / 1e6:,.0f} MB, stored {made['stored'] / 1e6:,.0f} MB"
        )
        self.show_memory(made)
        target = self.emptied()
        self.show_memory(self.measure(RESTORE, lambda: self.client("restore", made["id"], str(target))))
        if shutil.which("borg"):
            self.borg(f"ssh://bench@127.0.0.1:{self.server.port}{STORE}/bench/{name}-borg")
        if shutil.which("restic"):
            self.restic(f"sftp:bench@127.0.0.1:{STORE}/bench/{name}-restic")
        self.later(name)
        shutil.rmtree(target)

    def later(self, name: str) -> None:
        """Each tool again: with nothing changed, then with some of the files changed."""
        made = self.client("increment", str(self.data), f"{name}-chain")
        for ours, what in ((UNCHANGED, "nothing changed"), (CHANGED, "1 % changed")):
            if ours == CHANGED:
                change_some(self.data)
            parent = made["id"]
            made = self.measure(ours, partial(self.client, "increment", str(self.data), f"{name}-chain"))
            if made["parent"] != parent:
                raise SystemExit(f"the backup {made['id']} is no increment")
            print(f"        {made['entries']:,} entries, stored {made['stored'] / 1e6:,.1f} MB")
            self.show_memory(made)
            if shutil.which("borg"):
                create = f"cd {self.data} && borg create ::'{what}' ."
                settings = self.borg_settings(f"ssh://bench@127.0.0.1:{self.server.port}{STORE}/bench/{name}-borg")
                self.measure(f"borg create, {what}", partial(self.shell, create, **settings))
            if shutil.which("restic"):
                restic = self.restic_command(f"sftp:bench@127.0.0.1:{STORE}/bench/{name}-restic")
                backup = f"cd {self.data} && {restic} backup --quiet ."
                self.measure(f"restic backup, {what}", partial(self.shell, backup, **RESTIC_SETTINGS))
        target = self.emptied()
        self.show_memory(self.measure(CHAIN, lambda: self.client("restore", made["id"], str(target))))

    def tar(self, packed: str) -> None:
        ssh = f"{self.ssh} bench@127.0.0.1"
        pack = f"tar -C {self.data} -cf - . | igzip -1 | {ssh} 'cat > {packed}'"
        self.measure("tar | igzip -1 | ssh cat", lambda: self.shell(pack))
        unpack = f"{ssh} 'cat {packed}' | gunzip | tar -C {self.emptied()} -xf -"
        self.measure("ssh cat | gunzip | tar x", lambda: self.shell(unpack))
        self.machine.run("rm", packed)

    def borg(self, repository: str) -> None:
        settings = self.borg_settings(repository)
        self.shell("borg init --encryption=none", **settings)
        create = f"cd {self.data} && borg create ::one ."
        self.measure("borg create (lz4, its default)", lambda: self.shell(create, **settings))
        extract = f"cd {self.emptied()} && borg extract ::one"
        self.measure("borg extract", lambda: self.shell(extract, **settings))

    def borg_settings(self, repository: str) -> dict[str, str]:
        return {"BORG_RSH": self.ssh, "BORG_BASE_DIR": str(self.work), "BORG_REPO": repository}

    def restic_command(self, repository: str) -> str:
        command = f"{self.ssh} bench@127.0.0.1 -s sftp"
        return f"restic --cache-dir {self.work}/cache -o 'sftp.command={command}' --repo {repository}"

    def restic(self, repository: str) -> None:
        restic, settings = self.restic_command(repository), RESTIC_SETTINGS
        self.shell(f"{restic} init", **settings)
        backup = f"cd {self.data} && {restic} backup --quiet ."
        self.measure("restic backup", lambda: self.shell(backup, **settings))
        restore = f"{restic} restore latest --target {self.emptied()}"
        self.measure("restic restore", lambda: self.shell(restore, **settings))

    def emptied(self) -> Path:
        """The directory to restore into."""
        target = self.work / "restored"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        return target

    def show_memory(self, told: dict[str, Any]) -> None:
        client, service = told["peak_kib"] / 1024, self.service_peak_kib() / 1024
        print(f"        peak memory: client {client:.0f} MiB, service {service:.0f} MiB")

    def small(self) -> None:
        """10 KB from end to end, with the start of Python."""
        source = self.work / "small"
        source.mkdir()
        (source / "small.bin").write_bytes(os.urandom(10_240))
        for _ in range(5):
            self.measure(SMALL, lambda: self.client("backup", str(source), "small"))

    def crowd(self) -> None:
        """Many clients at once on a few slots."""
        source = self.work / "crowd"
        source.mkdir()
        (source / "some.bin").write_bytes(os.urandom(1_000_000))

        def one(number: int) -> tuple[float, str]:
            begun = time.perf_counter()
            told = self.client("backup", str(source), f"crowd-{number}")
            return time.perf_counter() - begun, told["state"]

        with ThreadPoolExecutor(CLIENTS) as pool:
            done = self.measure(CROWD, lambda: list(pool.map(one, range(CLIENTS))))
        states = {state for _, state in done}
        found = self.server.json("backup", "list", "--user", "alice", "--host", "bench")
        archived = sum("crowd-" in backup["document"]["name"] for backup in found)
        waits = sorted(seconds for seconds, _ in done)
        print(
            f"        each ended {', '.join(states)}; {archived} backups are listed; "
            f"a client took {waits[0]:.1f} to {waits[-1]:.1f} s, median {statistics.median(waits):.1f} s"
        )

    def sum_up(self) -> None:
        """Medians, and the ratios that matter."""
        medians = {what: statistics.median(seconds) for what, seconds in self.times.items()}
        print("\nmedians, and how many times as long as Thaniya:")
        for what, median in medians.items():
            ours = _compared_with(what)
            ratio = "" if what in (SMALL, CROWD) else f"{median / medians[ours]:6.2f} x"
            print(f"    {what:<52} {median:7.2f} s {ratio}")


def _compared_with(what: str) -> str:
    """Which of our own times another is compared with."""
    if "nothing changed" in what:
        return UNCHANGED
    if "changed" in what:
        return CHANGED
    return RESTORE if any(word in what for word in ("restore", "extract", "tar x")) else BACKUP


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_options(parser, files=100_000, size_bytes=1_700_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    reason = why_no_machine()
    if reason:
        print(f"nothing is measured side by side: {reason}")
        return
    work = Path(tempfile.mkdtemp(prefix="thaniya-bench-", dir=arguments.work))
    try:
        if arguments.data:
            data = copy_data(arguments.data, work / "data")  # some of it will be changed
        else:
            data = make_data(work / "data", arguments.files, arguments.size)
        work.chmod(0o755)
        bench = Bench(work, data)
        try:
            for number in range(arguments.rounds):
                print(f"round {number + 1}")
                bench.round(number)
            bench.small()
            bench.crowd()
            bench.sum_up()
        finally:
            bench.end()
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
