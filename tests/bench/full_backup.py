"""Measures a full backup and restore through the embedded server, and a backup of 10 KB from end to end.

    python tests/bench/full_backup.py [--data DIRECTORY] [--work DIRECTORY] [--rounds N] [--files N] [--size BYTES]

Server and client are processes of their own; memory is each one's peak resident set. In the same run
`tar | gzip -1 | cat > file` and `gunzip | tar x` of the same data are timed, for comparison.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from data import add_data_options, make_data

CLIENT = """
import json, sys, time
from thaniya_client import Directory, ThaniyaServer
verb, port, key, fingerprint, what, target = sys.argv[1:]
begun = time.perf_counter()
with ThaniyaServer("127.0.0.1", port=int(port), key=key, fingerprint=fingerprint) as server:
    if verb == "backup":
        report = server.backup(Directory(what), name="bench", host="bench")
        told = {"id": report.id, "bytes": report.original_bytes, "stored": report.stored_bytes, "files": report.entries}
    else:
        restored = server.restore(what, into=target)
        told = {"bytes": restored.original_bytes}
print(json.dumps({**told, "seconds": time.perf_counter() - begun}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_options(parser, files=50_000, size_bytes=1_000_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="thaniya-bench-", dir=arguments.work))
    try:
        data = arguments.data or make_data(work / "data", arguments.files, arguments.size)
        small = work / "small"
        small.mkdir()
        (small / "small.bin").write_bytes(os.urandom(10_240))
        for number in range(arguments.rounds):
            measure(work / f"round-{number}", data, small)
    finally:
        shutil.rmtree(work)


def measure(work: Path, data: Path, small: Path) -> None:
    """One round, as lines of a table."""
    work.mkdir()
    thaniya = [sys.executable, "-m", "thaniya_core", "--config", str(work / "server" / "thaniya.toml")]
    subprocess.run([*thaniya, "init", str(work / "server"), "--port", "0"], check=True, stdout=subprocess.DEVNULL)
    key = work / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    add_user = [*thaniya, "user", "add", "bench", "--key-file", f"{key}.pub"]
    subprocess.run(add_user, check=True, stdout=subprocess.DEVNULL)
    with subprocess.Popen([*thaniya, "serve", "--json"], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            ready = json.loads(server.stdout.readline())
            address = [str(ready["port"]), str(key), ready["host_key"]]
            plain = time_shell(f'tar -C "{data}" -cf - . | gzip -1 | cat > "{work}/plain.tar.gz"')
            backup, client_kib = run_client("backup", address, str(data), "")
            size = backup["bytes"]
            print(f"tar | gzip -1 | cat        {plain:6.2f} s  {size / plain / 1e6:6.0f} MB/s")
            report("full backup, archived", backup["seconds"], size, client_kib, server.pid)
            print(f"    {backup['files']:,} entries, {size / 1e6:,.0f} MB, stored {backup['stored'] / 1e6:,.0f} MB")
            (work / "plain").mkdir()
            plain = time_shell(f'gunzip -c < "{work}/plain.tar.gz" | tar -C "{work}/plain" -xf -')
            restored, client_kib = run_client("restore", address, backup["id"], str(work / "restored"))
            print(f"gunzip | tar x             {plain:6.2f} s  {size / plain / 1e6:6.0f} MB/s")
            report("full restore", restored["seconds"], size, client_kib, server.pid)
            tiny, client_kib = run_client("backup", address, str(small), "")
            report("10 KB backup, archived", tiny["seconds"], None, client_kib, server.pid)
            print(f"    with the start of Python: {tiny['wall']:.2f} s")
        finally:
            server.terminate()
    shutil.rmtree(work)


def run_client(verb: str, address: list[str], what: str, target: str) -> tuple[dict[str, float], int]:
    """What the client told, and its peak memory in KiB."""
    begun = time.perf_counter()
    client = subprocess.Popen([sys.executable, "-c", CLIENT, verb, *address, what, target], stdout=subprocess.PIPE)
    assert client.stdout is not None
    told = json.loads(client.stdout.read() or "{}")
    _, status, usage = os.wait4(client.pid, 0)
    client.returncode = os.waitstatus_to_exitcode(status)
    client.stdout.close()
    if client.returncode:
        raise SystemExit(f"the client ended with {client.returncode}")
    return {**told, "wall": time.perf_counter() - begun}, usage.ru_maxrss


def time_shell(command: str) -> float:
    begun = time.perf_counter()
    subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True)
    return time.perf_counter() - begun


def report(what: str, seconds: float, size: int | None, client_kib: int, server: int) -> None:
    status = Path(f"/proc/{server}/status").read_text()
    server_kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    rate = "" if size is None else f"{size / seconds / 1e6:6.0f} MB/s"
    memory = f"peak memory: client {client_kib / 1024:.0f} MiB, server {server_kib / 1024:.0f} MiB"
    print(f"{what:<26} {seconds:6.2f} s  {rate:<11}  {memory}")


if __name__ == "__main__":
    main()
