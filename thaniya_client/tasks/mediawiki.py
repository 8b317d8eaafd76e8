"""Backs up a MediaWiki."""

from __future__ import annotations

from pathlib import Path

from thaniya_client.tasks.interface import Task
from thaniya_client.tasks.php_settings import Settings
from thaniya_client.tasks.postgresql import PostgreSQL
from thaniya_client.tasks.sqlite import SQLite
from thaniya_client.tasks.web_application import (
    Installation,
    MaintenanceFlag,
    WebApplication,
    doubts,
    escape_pattern,
    mysql_at,
    read_settings,
    text_of,
)
from thaniya_core.errors import SourceFailed

_SETTINGS = ["wgDBtype", "wgDBserver", "wgDBport", "wgDBname", "wgDBuser", "wgDBpassword", "wgSQLiteDataDir"]
_LOCK_FILE = "lock_yBgMBwiR"
_MESSAGE = "The wiki is being backed up, and can be edited again soon.\n"


class MediaWiki(WebApplication):
    """A MediaWiki: its database (MariaDB, MySQL, PostgreSQL or SQLite), as `LocalSettings.php` says, and its files
    without caches and thumbnails.

        MediaWiki("/srv/www/wiki")
        MediaWiki("/srv/www/wiki", maintenance=True)

    In maintenance mode the wiki is read-only, by `$wgReadOnlyFile`; a file that is there already stays.
    """

    title = "MediaWiki"

    def read_installation(self) -> Installation:
        """Read LocalSettings.php; see `WebApplication`."""
        config = self.path / "LocalSettings.php"
        if not config.exists():
            raise SourceFailed(f"{self.path} has no LocalSettings.php", hint="is it a MediaWiki?")
        settings = read_settings([config], variables={"IP": str(self.path)})
        uploads = self._directory(settings, "wgUploadDirectory", self.path / "images")
        caches = [self._directory(settings, "wgCacheDirectory", self.path / "cache"), uploads / "thumb"]
        exclude = [f"/{self._pattern(directory)}/*" for directory in caches if directory.is_relative_to(self.path)]
        database = self.database or self._database(settings, config)
        if isinstance(database, SQLite) and database.path.parent.is_relative_to(self.path):
            exclude.append(f"/{self._pattern(database.path.parent)}/*.sqlite*")
        lock = settings.variables.get("wgReadOnlyFile")
        return Installation(
            database=database,
            exclude=tuple(exclude),
            flag=MaintenanceFlag(Path(lock) if isinstance(lock, str) else uploads / _LOCK_FILE, lambda: _MESSAGE),
            warnings=() if self.database else doubts(settings, _SETTINGS),
        )

    def _database(self, settings: Settings, config: Path) -> Task:
        def variable(name: str, default: str | None = None) -> str:
            value = settings.variables.get(name, default)
            return text_of(value, f"${name}", [config], settings)

        kind = variable("wgDBtype", "mysql")
        if kind == "sqlite":
            return SQLite(Path(variable("wgSQLiteDataDir")) / f"{variable('wgDBname')}.sqlite")
        if kind == "mysql":
            return mysql_at(
                variable("wgDBserver", "localhost"),
                variable("wgDBname"),
                variable("wgDBuser"),
                variable("wgDBpassword"),
                self.name,
            )
        if kind == "postgres":
            return PostgreSQL(
                variable("wgDBname"),
                host=variable("wgDBserver", "localhost") or None,
                port=int(variable("wgDBport", "5432")),
                user=variable("wgDBuser"),
                password=variable("wgDBpassword"),
                name=self.name,
            )
        raise SourceFailed(f"{config}: $wgDBtype is {kind!r}, which is not known", hint="give database=…")

    def _directory(self, settings: Settings, name: str, default: Path) -> Path:
        value = settings.variables.get(name)
        return Path(value) if isinstance(value, str) and value.startswith("/") else default

    def _pattern(self, path: Path) -> str:
        return escape_pattern(str(path.relative_to(self.path)))
