"""What backups of web applications have in common: a database, files, and a maintenance mode."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import ClassVar

from msgspec import Struct

from thaniya_client.packer import Packer
from thaniya_client.tasks.directory import Directory
from thaniya_client.tasks.interface import Task, WithTools
from thaniya_client.tasks.maintenance import MARK_SUFFIX, maintenance_mode
from thaniya_client.tasks.mysql import MySQL
from thaniya_client.tasks.php_settings import NotUnderstood, Settings, Value
from thaniya_client.tasks.tools import Tool
from thaniya_core.errors import SourceFailed
from thaniya_core.formats.compression import Compression, check_level
from thaniya_core.formats.names import check_file
from thaniya_core.system.files import os_errors


class MaintenanceFlag(Struct, frozen=True):
    """The file that switches an application's maintenance mode on."""

    file: Path
    content: Callable[[], str]
    renew_s: float | None = None


class Installation(Struct, frozen=True):
    """What an application's configuration says."""

    database: Task
    exclude: tuple[str, ...]
    """Caches and the like, as patterns of `Directory`."""
    flag: MaintenanceFlag
    beside: tuple[Path, ...] = ()
    """Configuration files that lie outside of the application's directory."""
    warnings: tuple[str, ...] = ()
    """What of the configuration is doubtful."""


class WebApplication(ABC):
    """A web application below one directory. The children say how its configuration is read."""

    title: ClassVar[str]
    """What people call it: `WordPress`."""

    def __init__(
        self,
        path: str | Path,
        *,
        database: Task | None = None,
        maintenance: bool = False,
        name: str | None = None,
        compression: Compression | str = Compression.GZIP,
        level: int | None = None,
    ) -> None:
        """Describe what to back up; nothing is read yet.

        Args:
            path: the directory of the application.
            database: how its database is backed up, as `MySQL("shop")`; by default as its configuration says.
            maintenance: switch the application's maintenance or read-only mode on meanwhile, so that database and files
                are of the same moment. It is taken back whatever happens; what a killed run leaves, the next run does.
            name: what the files' names in the backup begin with; by default the application's.
            compression: `gzip`, `bzip2`, `xz` or `none`.
            level: the compressor's level; by default fast rather than small.

        Raises:
            IllegalName: no file of a backup may bear that name.
        """
        self.path = Path(path).expanduser().absolute()
        self.database = database
        self.maintenance = maintenance
        self.name = check_file(self.title.lower() if name is None else name)
        self.compression = Compression(compression)
        self.level = check_level(self.compression, level)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    def describe(self) -> str:
        """What will be backed up."""
        mode = ", in maintenance mode" if self.maintenance else ""
        return f"{self.title} in {self.path}{mode}: its database, and the files without caches"

    def tools(self) -> list[Tool]:
        """What its database needs.

        Raises:
            SourceFailed: its configuration is not there, or the database's settings in it are not understood.
        """
        database = self.read_installation().database
        return list(database.tools()) if isinstance(database, WithTools) else []

    def estimate_bytes(self) -> int | None:
        """Files and database; None where the database's dump cannot be estimated.

        Raises:
            SourceFailed: as `tools`.
        """
        installation = self.read_installation()
        parts = [installation.database.estimate_bytes(), self._files(installation).estimate_bytes()]
        known = [part for part in parts if part is not None]
        return sum(known) + sum(path.stat().st_size for path in installation.beside) if len(known) == 2 else None

    def check_source(self) -> None:
        """Look whether the application is there and its configuration is understood.

        Raises:
            SourceFailed: as `tools`.
        """
        self._files(self.read_installation()).check_source()

    def pack(self, out: Packer) -> None:
        """Write the database's dump and `NAME.tar.gz`. What is doubtful in the configuration is a warning.

        Raises:
            SourceFailed: as `tools`, or database or files cannot be packed.
            Busy: another backup of it is at work in maintenance mode.
        """
        installation = self.read_installation()
        for warning in installation.warnings:
            out.warn(warning)
        flag = installation.flag
        mode = maintenance_mode(flag.file, flag.content, out.note, renew_s=flag.renew_s)
        with mode if self.maintenance else nullcontext():
            installation.database.pack(out)
            self._files(installation).pack(out)
            for path in installation.beside:
                with os_errors(f"back {path} up"), out.open(f"{self.name}-{path.name}") as file:
                    file.write(path.read_bytes())
        beside = [f"# ./{self.name}-{path.name} belongs beside that directory." for path in installation.beside]
        out.add_recipe(
            f"{self.title} ({self.name})",
            "# Bring the database back as said above. Then put the restored files to the application's place, owned by",
            "# the accounts that they had. Caches are made anew.",
            *beside,
        )

    @abstractmethod
    def read_installation(self) -> Installation:
        """Read the configuration.

        Raises:
            SourceFailed: it is not there, or the database's settings in it are not understood.
        """

    def _files(self, installation: Installation) -> Directory:
        exclude = list(installation.exclude)
        if installation.flag.file.is_relative_to(self.path):
            relative = escape_pattern(str(installation.flag.file.relative_to(self.path)))
            exclude += [f"/{relative}", f"/{relative}{MARK_SUFFIX}"]
        return Directory(self.path, name=self.name, exclude=exclude, compression=self.compression, level=self.level)


def read_settings(
    files: list[Path], environment: Mapping[str, str] | None = None, variables: Mapping[str, Value] | None = None
) -> Settings:
    """What PHP files set, one on top of the other.

    Raises:
        SourceFailed: one cannot be read.
    """
    settings = Settings(os.environ if environment is None else environment, variables)
    for file in files:
        try:
            settings.read(file)
        except (OSError, RecursionError) as exc:
            raise SourceFailed(f"the configuration {file} cannot be read: {exc}") from exc
    return settings


def text_of(value: Value, what: str, files: list[Path], settings: Settings) -> str:
    """A setting that must be there, as text.

    Raises:
        SourceFailed: it is missing, or only PHP could tell it.
    """
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    hint = "tell how the database is backed up, as database=MySQL(…)"
    if isinstance(value, NotUnderstood):
        raise SourceFailed(f"{what} is not understood: {value.where} has {value.text}", hint=hint)
    places = [f"{where}, under a condition" for where in settings.doubtful.get(what.split("[")[0].lstrip("$"), [])]
    places += [f"a file that is included in {where}" for where in settings.included]
    more = f"; it may be in {'; '.join(places[:3])}" if places else ""
    raise SourceFailed(f"{what} is not set in {', '.join(map(str, files))}{more}", hint=hint)


def doubts(settings: Settings, names: list[str]) -> tuple[str, ...]:
    """Warnings for settings that are also set under a condition."""
    return tuple(
        f"{name} is also set under a condition, which is not heeded: {'; '.join(settings.doubtful[name][:3])}"
        for name in names
        if name in settings.doubtful
    )


def mysql_at(address: str, database: str, user: str, password: str, name: str, port: str = "") -> MySQL:
    """A MySQL task for an address as PHP's programs have it: `db`, `db:3307`, `[::1]:3306`, `localhost:/run/socket`."""
    address = address.removeprefix("p:")
    host, socket = address, ""
    if bracketed := re.fullmatch(r"\[([^\]]+)\](?::(\d+))?", address):
        host, port = bracketed[1], bracketed[2] or port
    elif with_socket := re.fullmatch(r"[^:/]*:(/.+)", address):
        socket = with_socket[1]
    elif with_port := re.fullmatch(r"([^:]*):(\d+)", address):
        host, port = with_port[1], with_port[2]
    return MySQL(
        database,
        host=None if socket else host or None,
        port=int(port) if port else None,
        socket=socket or None,
        user=user,
        password=password,
        name=name,
    )


def escape_pattern(path: str) -> str:
    """A path as an exclude pattern that matches nothing else."""
    return re.sub(r"([\\*?\[\]])", r"\\\1", path)
