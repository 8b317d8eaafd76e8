"""Backs up MariaDB and MySQL databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thaniya_client.packer import Packer
from thaniya_client.tasks.database_names import check_databases, file_stem
from thaniya_client.tasks.secret_file import secret_file
from thaniya_client.tasks.stream import pack_output
from thaniya_client.tasks.tools import Tool, find_tool
from thaniya_core.errors import WrongUsage
from thaniya_core.formats.compression import Compression, check_level
from thaniya_core.formats.names import check_file

DUMP = Tool("mariadb-dump", install="apt install mariadb-client, or dnf install mariadb", other_names=("mysqldump",))

_SYSTEM_FILES = ("/etc/my.cnf", "/etc/mysql/my.cnf")
_DUMP_OPTIONS = (
    "--single-transaction",
    "--quick",
    "--routines",
    "--events",
    "--triggers",
    "--hex-blob",
    "--no-tablespaces",
    "--default-character-set=utf8mb4",
)


class MySQL:
    """Databases of a MariaDB or MySQL server: tables, views, routines, events and triggers.

        MySQL("shop")                         # one database
        MySQL("shop", "blog")                 # several, as they were at the same moment
        MySQL()                               # all of the server, with its accounts
        MySQL("shop", user="backup", password=os.environ["SHOP_PASSWORD"])

    mariadb-dump reads all tables in one transaction, so nobody waits and the dump is of one moment; tables of engines
    without transactions (MyISAM, Aria) are read one after the other.
    """

    def __init__(
        self,
        *databases: str,
        host: str | None = None,
        port: int | None = None,
        socket: str | Path | None = None,
        user: str | None = None,
        password: str | None = None,
        defaults_file: str | Path | None = None,
        name: str = "mysql",
        compression: Compression | str = Compression.GZIP,
        level: int | None = None,
    ) -> None:
        """Describe what to back up; nothing is read yet.

        With nothing said of the server, the programs' own settings hold: ~/.my.cnf, or the local server by its socket.

        Args:
            databases: their names; none: all of the server.
            host: the server; by default this machine by its socket.
            port: the server's TCP port.
            socket: the server's socket.
            user: the account.
            password: the account's password. It is handed over in a file that nobody else can open, and never logged.
            defaults_file: an option file with all of this, `[client]` and so on, instead.
            name: what the file's name in the backup begins with: `mysql-shop.sql.gz`; `mysql.sql.gz` for several.
            compression: `gzip`, `bzip2`, `xz` or `none`.
            level: the compressor's level; by default fast rather than small.

        Raises:
            IllegalName: no file of a backup may bear that name.
            WrongUsage: a database that cannot be named to a program, or an option file and settings beside it.
        """
        settings = {"host": host, "port": port, "socket": socket, "user": user, "password": password}
        self._settings = {key: str(value) for key, value in settings.items() if value is not None}
        self.defaults_file = None if defaults_file is None else Path(defaults_file).expanduser().absolute()
        if self.defaults_file is not None and self._settings:
            raise WrongUsage("an option file and settings beside it are given", hint="write them into the file")
        for key, value in self._settings.items():
            if "\n" in value or "\0" in value:
                raise WrongUsage(f"the {key} of the database server has a line break in it")
        self.databases = check_databases(databases)
        self.name = check_file(f"{name}-{file_stem(databases[0])}" if len(databases) == 1 else name)
        self.compression = Compression(compression)
        self.level = check_level(self.compression, level)

    def __repr__(self) -> str:
        return f"MySQL({', '.join(map(repr, self.databases))})"

    def describe(self) -> str:
        """What will be dumped."""
        return f"{self._subject}, as {self.name}.sql{self.compression.suffix}"

    def tools(self) -> list[Tool]:
        """mariadb-dump or mysqldump."""
        return [DUMP]

    def estimate_bytes(self) -> int | None:
        """The server's statistics are no bound for the size of a dump."""
        return None

    def pack(self, out: Packer) -> None:
        """Write `NAME-DATABASE.sql.gz`.

        Raises:
            SourceFailed: the server refuses, a database is not there, or a table changed its form meanwhile.
        """
        selection = ["--databases", "--", *self.databases] if self.databases else ["--all-databases"]
        with (
            self._option_file() as (options, descriptors),
            out.open(f"{self.name}.sql", compression=self.compression, level=self.level) as file,
        ):
            argv = [find_tool(DUMP), *options, *_DUMP_OPTIONS, *selection]
            pack_output(out, file, argv, subject=self._subject, pass_fds=descriptors)
        out.add_recipe(
            self._subject,
            "# This makes the databases and replaces their tables. Add --host, --user and so on as the server needs",
            "# them; for MySQL the program is mysql.",
            f"{file.read_command} | mariadb --binary-mode",
            *([] if self.databases else ["mariadb --execute='FLUSH PRIVILEGES'"]),
        )

    @property
    def _subject(self) -> str:
        if not self.databases:
            return "all MySQL databases"
        return f"the MySQL database{'s' if len(self.databases) > 1 else ''} {', '.join(self.databases)}"[:300]

    @contextmanager
    def _option_file(self) -> Iterator[tuple[list[str], list[int]]]:
        if self.defaults_file is not None:
            yield [f"--defaults-file={self.defaults_file}"], []
        elif not self._settings:
            yield [], []
        else:
            with secret_file(encode_options(self._settings)) as file:
                yield [f"--defaults-file={file.path}"], [file.descriptor]


def encode_options(settings: dict[str, str]) -> str:
    """An option file of the programs of MariaDB and MySQL: the system's own, and these settings over it."""
    lines = [f"!include {path}" for path in _SYSTEM_FILES if Path(path).exists()]
    lines.append("[client]")
    for key, value in settings.items():
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'{key}="{quoted}"')
    return "\n".join(lines) + "\n"
