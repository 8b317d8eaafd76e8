"""Backs up a TYPO3."""

from __future__ import annotations

import os
import re
from pathlib import Path

from thaniya_client.tasks.interface import Task
from thaniya_client.tasks.php_settings import NotUnderstood, Settings, Value
from thaniya_client.tasks.postgresql import PostgreSQL
from thaniya_client.tasks.sqlite import SQLite
from thaniya_client.tasks.web_application import (
    Installation,
    MaintenanceFlag,
    WebApplication,
    doubts,
    mysql_at,
    read_settings,
    text_of,
)
from thaniya_core.errors import SourceFailed

_CONFIGURATIONS = (
    ("config/system/settings.php", "config/system/additional.php"),
    ("typo3conf/system/settings.php", "typo3conf/system/additional.php"),
    ("public/typo3conf/LocalConfiguration.php", "public/typo3conf/AdditionalConfiguration.php"),
    ("typo3conf/LocalConfiguration.php", "typo3conf/AdditionalConfiguration.php"),
)
"""Of TYPO3 12 and later with Composer, 12 and later without, and both of the versions before."""

_CACHES = ("/var/cache", "/typo3temp/*", "/public/typo3temp/*")
_CONF = "TYPO3_CONF_VARS"


class Typo3(WebApplication):
    """A TYPO3: its database (MariaDB, MySQL, PostgreSQL or SQLite), as its configuration says, and its files without
    caches.

        Typo3("/srv/www/site")
        Typo3("/srv/www/site", maintenance=True)

    Read are `settings.php` and `additional.php` (before TYPO3 12 `LocalConfiguration.php` and
    `AdditionalConfiguration.php`), and for what they take from the environment `.env`. In maintenance mode the backend
    is locked, so that editors change nothing; visitors notice nothing.
    """

    title = "TYPO3"

    def read_installation(self) -> Installation:
        """Read the configuration; see `WebApplication`."""
        files = self._find_configuration()
        environment = {**read_dotenv(self.path / ".env"), **os.environ}
        settings = read_settings(files[:1], environment)
        settings.variables[_CONF] = settings.returned if isinstance(settings.returned, dict) else {}
        for file in files[1:]:
            _read_on_top(settings, file)
        return Installation(
            database=self.database or self._database(settings, files),
            exclude=_CACHES,
            flag=MaintenanceFlag(self._lock_file(settings), lambda: ""),
            warnings=() if self.database else doubts(settings, [_CONF]),
        )

    def _find_configuration(self) -> list[Path]:
        for names in _CONFIGURATIONS:
            found = [self.path / name for name in names if (self.path / name).exists()]
            if found and found[0].name in ("settings.php", "LocalConfiguration.php"):
                return found
        raise SourceFailed(
            f"{self.path} has neither config/system/settings.php nor typo3conf/LocalConfiguration.php",
            hint="is it a TYPO3? With Composer, give the directory that holds composer.json",
        )

    def _database(self, settings: Settings, files: list[Path]) -> Task:
        def setting(name: str, default: str | None = None) -> str:
            value = _at(settings.variables.get(_CONF), "DB", "Connections", "Default", name)
            what = f"{_CONF}[DB][Connections][Default][{name}]"
            return text_of(default if value is None else value, what, files, settings)

        driver = setting("driver", "mysqli")
        if driver in ("mysqli", "pdo_mysql"):
            socket = setting("unix_socket", "")
            address = f"localhost:{socket}" if socket else setting("host", "localhost")
            port = "" if socket or address == "localhost" else setting("port", "")
            return mysql_at(address, setting("dbname"), setting("user"), setting("password"), self.name, port)
        if driver == "pdo_pgsql":
            return PostgreSQL(
                setting("dbname"),
                host=setting("host", "localhost"),
                port=int(setting("port", "5432")),
                user=setting("user"),
                password=setting("password"),
                name=self.name,
            )
        if driver == "pdo_sqlite":
            return SQLite(setting("path"))
        raise SourceFailed(f"{files[0]}: the database driver {driver!r} is not known", hint="give database=…")

    def _lock_file(self, settings: Settings) -> Path:
        """Where TYPO3 looks for LOCK_BACKEND: by its setting, or where its version and way of installing has it."""
        told = _at(settings.variables.get(_CONF), "BE", "lockBackendFile")
        if isinstance(told, str) and told:
            return self.path / told
        with_composer = (self.path / "composer.json").exists()
        before_13 = self.path / ("public/typo3conf" if with_composer else "typo3conf")
        directory = self.path / ("var/lock" if with_composer else "config")
        return (directory if directory.is_dir() else before_13) / "LOCK_BACKEND"


def read_dotenv(file: Path) -> dict[str, str]:
    """The variables of a `.env` file; none where there is no such file."""
    try:
        lines = file.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return {}
    found: dict[str, str] = {}
    for line in lines:
        match = re.fullmatch(
            r"""\s*(?:export\s+)?(\w+)\s*=\s*(?:'([^']*)'|"((?:[^"\\]|\\.)*)"|([^#'"]*?))\s*(?:\s\#.*)?""", line
        )
        if match is None or "$" in (match[3] or match[4] or ""):
            continue  # what refers to other variables is not guessed at
        double = None if match[3] is None else re.sub(r"\\(.)", r"\1", match[3])
        found[match[1]] = next(text for text in (match[2], double, match[4]) if text is not None)
    return found


def _read_on_top(settings: Settings, file: Path) -> None:
    try:
        settings.read(file)
    except (OSError, RecursionError) as exc:
        raise SourceFailed(f"the configuration {file} cannot be read: {exc}") from exc


def _at(value: Value, *path: str) -> Value:
    for key in path:
        if not isinstance(value, dict):
            return value if isinstance(value, NotUnderstood) else None
        value = value.get(key)
    return value
