"""Backs up a WordPress."""

from __future__ import annotations

import time
from pathlib import Path

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

_CACHES = ("/wp-content/cache", "/wp-content/upgrade", "/wp-content/upgrade-temp-backup")
_SETTINGS = ["DB_NAME", "DB_USER", "DB_PASSWORD", "DB_HOST"]
_RENEW_S = 300.0
"""WordPress heeds the file for ten minutes."""


class WordPress(WebApplication):
    """A WordPress: its database, as `wp-config.php` says, and its files without caches.

        WordPress("/srv/www/blog")
        WordPress("/srv/www/blog", maintenance=True)

    The whole database is dumped, also where several applications share it by table prefixes. `wp-config.php` may lie in
    the directory above, as WordPress allows. In maintenance mode visitors see WordPress's own message; when the backup
    is killed, WordPress ends the mode by itself after ten minutes.
    """

    title = "WordPress"

    def read_installation(self) -> Installation:
        """Read wp-config.php; see `WebApplication`."""
        config = self._find_config()
        settings = read_settings([config])

        def constant(name: str) -> str:
            return text_of(settings.constants.get(name), name, [config], settings)

        return Installation(
            database=self.database
            or mysql_at(
                constant("DB_HOST"), constant("DB_NAME"), constant("DB_USER"), constant("DB_PASSWORD"), self.name
            ),
            exclude=_CACHES,
            flag=MaintenanceFlag(
                self.path / ".maintenance", lambda: f"<?php $upgrading = {int(time.time())}; ?>\n", _RENEW_S
            ),
            beside=() if config.parent == self.path else (config,),
            warnings=() if self.database else doubts(settings, _SETTINGS),
        )

    def _find_config(self) -> Path:
        inside, above = self.path / "wp-config.php", self.path.parent / "wp-config.php"
        if inside.exists():
            return inside
        if above.exists() and not (self.path.parent / "wp-settings.php").exists():
            return above
        raise SourceFailed(f"{self.path} has no wp-config.php, nor has the directory above", hint="is it a WordPress?")
