"""Real database servers of Debian's packages, each in a directory of its own and on a socket in it."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

START_ATTEMPTS = 600
SMALL = ("--innodb-log-file-size=16M", "--innodb-buffer-pool-size=32M")


def need(program: str, package: str) -> str:
    """The path of a program; the test is skipped where it is missing."""
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", *map(str, Path("/usr/lib/postgresql").glob("*/bin"))])
    found = shutil.which(program, path=path)
    if found is None:
        pytest.skip(f"{program} is missing: apt install {package}")
    return found


@contextmanager
def directory_of(account: str) -> Iterator[Path]:
    """A short path, since a socket's may have 107 bytes, that the server's account may enter."""
    directory = Path(tempfile.mkdtemp(prefix="thaniya-db-", dir="/tmp"))
    try:
        if os.geteuid() == 0:
            shutil.chown(directory, account)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class Server:
    """A server that runs, and its client program."""

    def __init__(self, directory: Path, client: Sequence[str], database: str = "") -> None:
        self.directory = directory
        self._client = list(client)
        self._database = database

    def sql(self, text: str, database: str = "", check: bool = True) -> str:
        """Run SQL and give what it prints, tab-separated."""
        done = subprocess.run(self._command(database), input=text, capture_output=True, text=True)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout.strip()

    def answers(self) -> bool:
        return subprocess.run(self._command(""), input="SELECT 1;", capture_output=True, text=True).returncode == 0

    def _command(self, database: str) -> list[str]:
        database = database or self._database
        return [*self._client, *([database] if database else [])]

    @contextmanager
    def written_to(self, database: str, transaction: str, count: str) -> Iterator[None]:
        """Somebody runs a transaction again and again, as fast as the server takes it."""
        assert self.sql(count, database) == "0"
        endless = f"while echo '{transaction}'; do :; done 2>/dev/null"
        shell = ["sh", "-c", f'{endless} | "$@" >/dev/null', "sh", *self._command(database)]
        writer = subprocess.Popen(shell, process_group=0)
        try:
            while self.sql(count, database) == "0":
                assert writer.poll() is None
            yield
            assert writer.poll() is None
        finally:
            os.killpg(writer.pid, 15)
            writer.wait()


@cache
def _new_mariadb() -> Path:
    """The data of a server that has never run: made once, copied for each."""
    install = need("mariadb-install-db", "mariadb-server")
    directory = Path(tempfile.mkdtemp(prefix="thaniya-db-"))
    atexit.register(shutil.rmtree, directory)
    # A server that starts removes the temporary tables of others in a directory that they share.
    options = [f"--datadir={directory}/data", f"--tmpdir={directory}", *SMALL]
    options += ["--skip-test-db", "--auth-root-authentication-method=normal"]
    as_root = ["--user=root"] if os.geteuid() == 0 else []
    subprocess.run([install, "--no-defaults", *options, *as_root], check=True, capture_output=True)
    return directory / "data"


@contextmanager
def mariadb_server() -> Iterator[Server]:
    """An empty MariaDB whose root has no password."""
    daemon, client = need("mariadbd", "mariadb-server"), need("mariadb", "mariadb-client")
    as_root = ["--user=root"] if os.geteuid() == 0 else []
    with directory_of("root") as directory:
        shutil.copytree(_new_mariadb(), directory / "data")
        socket = directory / "socket"
        options = ["--no-defaults", f"--datadir={directory}/data", f"--socket={socket}", "--skip-networking", *as_root]
        options += [f"--tmpdir={directory}", *SMALL, "--innodb-flush-log-at-trx-commit=0"]
        server = Server(
            directory,
            [
                client,
                "--no-defaults",
                f"--socket={socket}",
                "--user=root",
                "--skip-column-names",
                "--default-character-set=utf8mb4",
            ],
        )
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen([daemon, *options, f"--pid-file={directory}/pid"], stdout=log, stderr=log)
        try:
            for _ in range(START_ATTEMPTS):
                assert process.poll() is None, (directory / "log").read_text()
                if server.answers():
                    break
            yield server
        finally:
            process.terminate()
            process.wait()


@contextmanager
def postgresql_server() -> Iterator[Server]:
    """An empty PostgreSQL that believes everybody on its socket who they say they are, the role `asked` excepted."""
    initdb, control, client = (need(name, "postgresql") for name in ("initdb", "pg_ctl", "psql"))
    become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    with directory_of("postgres") as directory:
        data = directory / "data"

        def run(*argv: str) -> None:
            done = subprocess.run([*become, *argv], cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            assert done.returncode == 0, done.stderr.decode()

        run(initdb, "-D", str(data), "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync")
        (data / "pg_hba.conf").write_text("local all asked scram-sha-256\nlocal all all trust\n")
        options = f"-k {directory} -c listen_addresses= -c fsync=off"
        run(control, "-D", str(data), "-w", "-l", str(directory / "log"), "-o", options, "start")
        command = [client, "-X", "-q", "-At", "-F\t", "-v", "ON_ERROR_STOP=1", "-h", str(directory), "-U", "postgres"]
        server = Server(directory, [*command, "-d"], "postgres")
        try:
            yield server
        finally:
            run(control, "-D", str(data), "-w", "-m", "immediate", "stop")
