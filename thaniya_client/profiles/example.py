"""The profile that `thaniya-client init` writes: it works as it is, and shows what else there is."""

from __future__ import annotations

from pathlib import Path

import msgspec

from thaniya_client.tasks.web_application import escape_pattern

_TEXT = """
# What is backed up: a table [profile.NAME] for each backup, run by `thaniya-client backup NAME`.
# Lines that begin with `#` and a space explain; take the `#` away from others to have what they say.
# docs/profiles.md has every key; `thaniya-client profiles --types` lists the tasks with theirs.

[profile.nightly]
schedule = "daily 02:30"
# When `thaniya-client schedule install nightly` has it run. hourly, every 6h, weekly sun 03:00, monthly 1 03:00
#random_delay = "30m"
# Up to so much later, so that many machines do not come at once.
#policy = "keep-daily=7 keep-weekly=4 keep-monthly=12"
# What should be kept, for the server's administrator, who decides.
#tags = ["nightly"]
#encrypt_to = ["/etc/thaniya/recipients"]
# Public keys of age or SSH, or files of them; without the private key nothing can be restored (docs/encryption.md).
#retries = 2
#retry_pause = "10m"
#time_limit = "6h"
#rate = "20M"
# Bytes a second.
#nice = 19
#idle_disk = true
#incremental = { full_every = "7d" }
#before = [["sync"], { type = "stopped_service", units = ["shop.service"] }]
# Programs, and ready-made steps that are taken back by themselves.
#after = [["logger", "the backup has ended"]]
#on_error = [["logger", "-t", "backup", "the nightly backup failed"]]

[[profile.nightly.tasks]]
type = "directory"
path = {path}
exclude = {exclude}
#one_file_system = true

#[[profile.nightly.tasks]]
#type = "sqlite"
#path = "/var/lib/app/app.db"

#[[profile.nightly.tasks]]
#type = "mysql"
#databases = ["shop"]
#defaults_file = "/etc/thaniya/shop.cnf"
# An option file with user and password, readable by its owner only.
"""


def example_profile(path: Path, directory: str = "") -> str:
    """A profile `nightly` in TOML that backs a directory up.

    Args:
        path: the directory.
        directory: where backups go, when that is a directory too: it is left out, should it lie in `path`.
    """
    exclude = [".cache"]
    if directory and Path(directory).is_relative_to(path):
        exclude.append("/" + escape_pattern(str(Path(directory).relative_to(path))))
    return _TEXT.replace("{path}", _toml(str(path))).replace("{exclude}", _toml(exclude))


def _toml(value: object) -> str:
    # Strings and lists of them are written alike in JSON and in TOML.
    return msgspec.json.encode(value).decode()
