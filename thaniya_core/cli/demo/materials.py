"""What the demo's series hold, and what their clients have logged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

from thaniya_core.cli.demo.made import Dump, Tree
from thaniya_core.cli.demo.year import Habit, Run
from thaniya_core.formats.manifest import BackupFile

_PATHS = {
    "site": "srv/www/{directory}/page-{number:03}.html",
    "system": "etc/{directory}/part-{number:02}.conf",
    "measurements": "data/{directory}/run-{number:04}.h5",
    "photos": "photos/{directory}/IMG_{number:04}.jpg",
    "home": "home/{directory}/notes-{number:03}.odt",
    "mail": "var/mail/{directory}/{number:03}.mbox",
}
_DIRECTORIES = {
    "site": ("articles", "pictures", "shop"),
    "system": ("apt", "network", "ssl"),
    "measurements": ("calibration", "spring", "summer", "autumn"),
    "photos": ("2024", "2025", "2026"),
    "home": ("documents", "projects", "letters"),
    "mail": ("alice", "bob", "carol"),
}


def make_material(habit: Habit, begin: datetime) -> Tree | Dump:
    """What a series holds."""
    name = habit.series.name
    if habit.material == "dump":
        return Dump(f"{name}.sql", _rows(name))
    directories = _DIRECTORIES[name]
    most = habit.counts[1]
    paths = [
        _PATHS[name].format(directory=directories[number * len(directories) // most], number=number + 1)
        for number in range(most)
    ]
    content = _rows(name) if habit.is_compressed else b""
    return Tree(name, paths, habit.file_bytes, content, begin - timedelta(days=40))


def _rows(name: str) -> bytes:
    chance = Random(name)
    words = ("open", "paid", "sent", "returned")
    return b"".join(
        f"INSERT INTO {name} VALUES ({number}, '{chance.choice(words)}', {chance.randrange(10_000)});\n".encode()
        for number in range(1, 400)
    )


def client_log(run: Run, files: Sequence[BackupFile]) -> bytes:
    """What the client wrote while it made an upload."""
    lines = [f"{run.at:%Y-%m-%d %H:%M:%S} upload {run.id} of {run.habit.series}"]
    lines += [f"{run.ended_at:%Y-%m-%d %H:%M:%S} sent {file.name}, {file.size_bytes} bytes" for file in files]
    return ("\n".join([*lines, f"{run.ended_at:%Y-%m-%d %H:%M:%S} done"]) + "\n").encode()
