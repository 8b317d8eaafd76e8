"""Backs up PostgreSQL databases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from msgspec import Struct

from thaniya_client.packer import Packer
from thaniya_client.tasks.database_names import check_databases, file_stem
from thaniya_client.tasks.secret_file import secret_file
from thaniya_client.tasks.stream import pack_output, run_tool
from thaniya_client.tasks.tools import Tool, find_tool
from thaniya_core.errors import SourceFailed, WrongUsage
from thaniya_core.formats.compression import Compression, check_level
from thaniya_core.formats.names import check_file

_INSTALL = "apt install postgresql-client, or dnf install postgresql"
DUMP = Tool("pg_dump", install=_INSTALL)
DUMP_ALL = Tool("pg_dumpall", install=_INSTALL)
PSQL = Tool("psql", install=_INSTALL)
RUNUSER = Tool("runuser", install="apt install util-linux")

_MAINTENANCE = "postgres"
"""The database that every server has."""

_LIST = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname"
_RECIPE_LINES = 80


class _Connection(Struct, frozen=True):
    """How the programs get to the server."""

    prefix: tuple[str, ...]
    env: dict[str, str]
    pass_fds: tuple[int, ...] = ()


class PostgreSQL:
    """Databases of a PostgreSQL server, each in a file of its own, and what they share: roles and tablespaces.

        PostgreSQL("shop")                          # one database
        PostgreSQL("shop", "blog", globals=True)    # two, and the server's roles
        PostgreSQL()                                # all databases, with roles
        PostgreSQL(system_user="postgres")          # as root, on the server itself

    pg_dump reads a database in one transaction: the dump is of one moment, and nobody waits for it.
    """

    def __init__(
        self,
        *databases: str,
        globals: bool | None = None,
        host: str | Path | None = None,
        port: int | None = None,
        user: str | None = None,
        password: str | None = None,
        passfile: str | Path | None = None,
        system_user: str | None = None,
        format: Literal["custom", "plain"] = "custom",
        name: str = "postgresql",
        compression: Compression | str = Compression.GZIP,
        level: int | None = None,
    ) -> None:
        """Describe what to back up; nothing is read yet.

        With nothing said of the server, libpq's own settings hold: PGHOST and so on, ~/.pgpass, the local socket.

        Args:
            databases: their names; none: all that can be connected to, templates left out.
            globals: roles, with the hashes of their passwords, and tablespaces too; needs a superuser. By default with
                all databases.
            host: the server, or the directory of its socket.
            port: the server's port.
            user: the role.
            password: the role's password. It is handed over in a file that nobody else can open, and never logged.
            passfile: a password file as ~/.pgpass, instead.
            system_user: the account to run the programs as, where the server knows people by their accounts (`peer`);
                needs root.
            format: `custom`, of which pg_restore can restore parts, or `plain` SQL.
            name: what the files' names in the backup begin with: `postgresql-shop.dump.gz`.
            compression: `gzip`, `bzip2`, `xz` or `none`.
            level: the compressor's level; by default fast rather than small.

        Raises:
            IllegalName: no file of a backup may bear that name.
            WrongUsage: a database that cannot be named to a program, or two ways to give a password.
        """
        if sum(each is not None for each in (password, passfile, system_user)) > 1:
            raise WrongUsage("of password, passfile and system_user one is enough")
        if password is not None and any(sign in password for sign in "\n\r\0"):
            raise WrongUsage("the password has a line break in it")
        if format not in ("custom", "plain"):
            raise WrongUsage(f"{format!r} is no format of a dump", hint="custom or plain")
        settings = {"PGHOST": host, "PGPORT": port, "PGUSER": user}
        self._env = {key: str(value) for key, value in settings.items() if value is not None}
        self._password = password
        self._passfile = None if passfile is None else Path(passfile).expanduser().absolute()
        self.system_user = system_user
        self.databases = check_databases(databases)
        self.globals = not databases if globals is None else globals
        self.format = format
        self.name = check_file(name)
        self.compression = Compression(compression)
        self.level = check_level(self.compression, level)

    def __repr__(self) -> str:
        return f"PostgreSQL({', '.join(map(repr, self.databases))})"

    def describe(self) -> str:
        """What will be dumped."""
        which = (
            f"the PostgreSQL databases {', '.join(self.databases)}" if self.databases else "all PostgreSQL databases"
        )
        return f"{which[:300]}{' and the roles' if self.globals else ''}, as {self.name}-…"

    def tools(self) -> list[Tool]:
        """pg_dump, and what lists databases and dumps roles where that is wanted."""
        return [
            DUMP,
            *([] if self.databases else [PSQL]),
            *([DUMP_ALL] if self.globals else []),
            *([RUNUSER] if self.system_user else []),
        ]

    def estimate_bytes(self) -> int | None:
        """The server's statistics are no bound for the size of a dump."""
        return None

    def pack(self, out: Packer) -> None:
        """Write `NAME-globals.sql.gz`, and `NAME-DATABASE.dump.gz` of each database.

        Raises:
            SourceFailed: the server refuses, or a database is not there.
        """
        lines: list[str] = []
        with self._connect() as server:
            if self.globals:
                lines.append(self._dump_globals(server, out))
            databases = self.databases or self._list(server)
            stems: set[str] = set()
            for database in databases:
                stem = _unused(f"{self.name}-{file_stem(database)}", stems)
                lines.append(self._dump(server, database, stem, out))
        if len(lines) > _RECIPE_LINES:
            lines[_RECIPE_LINES:] = [f"# … and likewise all further files {self.name}-*"]
        out.add_recipe(
            f"{len(databases)} PostgreSQL database{'s' if len(databases) > 1 else ''} ({self.name})",
            "# As a superuser of the server; add --host, --port, --username as it needs them. Roles that are there",
            "# already are errors that do no harm. The databases are made: they must not be there, postgres excepted.",
            *lines,
        )

    def _dump(self, server: _Connection, database: str, stem: str, out: Packer) -> str:
        """Dump a database; gives the command that restores it."""
        is_plain = self.format == "plain"
        create = ["--create"] if database != _MAINTENANCE else []
        argv = [
            *server.prefix,
            find_tool(DUMP),
            "--no-password",
            f"--format={self.format}",
            *(create if is_plain else ["--compress=0"]),
            f"--dbname={_connection_string(database)}",
        ]
        with out.open(
            f"{stem}.{'sql' if is_plain else 'dump'}", compression=self.compression, level=self.level
        ) as file:
            pack_output(
                out,
                file,
                argv,
                subject=f"the PostgreSQL database {database}",
                env=server.env,
                pass_fds=server.pass_fds,
            )
        if is_plain:
            return f"{file.read_command} | psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname=postgres"
        return f"{file.read_command} | pg_restore {' '.join(['--exit-on-error', *create])} --dbname=postgres"

    def _dump_globals(self, server: _Connection, out: Packer) -> str:
        argv = [*server.prefix, find_tool(DUMP_ALL), "--no-password", "--globals-only"]
        with out.open(f"{self.name}-globals.sql", compression=self.compression, level=self.level) as file:
            subject = "the roles of the PostgreSQL server"
            pack_output(out, file, argv, subject=subject, env=server.env, pass_fds=server.pass_fds)
        return f"{file.read_command} | psql --no-psqlrc --quiet --dbname=postgres"

    def _list(self, server: _Connection) -> Sequence[str]:
        options = ["--no-psqlrc", "--no-password", "--no-align", "--tuples-only", "--record-separator-zero"]
        argv = [*server.prefix, find_tool(PSQL), *options, f"--dbname={_MAINTENANCE}", f"--command={_LIST}"]
        subject = "the list of PostgreSQL databases"
        printed = run_tool(argv, subject=subject, env=server.env, pass_fds=server.pass_fds)
        names = [name for name in printed.decode("utf-8", "surrogateescape").rstrip("\n").split("\0") if name]
        try:
            return check_databases(names)
        except WrongUsage as exc:
            raise SourceFailed(exc.message, hint="name the databases to back up") from exc

    @contextmanager
    def _connect(self) -> Iterator[_Connection]:
        prefix = (find_tool(RUNUSER), "-u", self.system_user, "--") if self.system_user else ()
        env: Mapping[str, str] = {**self._env, "LC_MESSAGES": "C"}
        if self._passfile is not None:
            yield _Connection((), {**env, "PGPASSFILE": str(self._passfile)})
        elif self._password is not None:
            escaped = self._password.replace("\\", "\\\\").replace(":", "\\:")
            with secret_file(f"*:*:*:*:{escaped}\n") as file:
                yield _Connection((), {**env, "PGPASSFILE": file.path}, (file.descriptor,))
        else:
            yield _Connection(prefix, dict(env))


def _connection_string(database: str) -> str:
    """The database as libpq's connection string, because a name with `=` in it would be taken for one."""
    quoted = database.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{quoted}'"


def _unused(stem: str, used: set[str]) -> str:
    candidate, number = stem, 1
    while candidate in used:
        number += 1
        candidate = f"{stem}-{number}"
    used.add(candidate)
    return candidate
