"""Configurations with profiles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from thaniya_client.config import load_config
from thaniya_client.profiles.profile import Profile
from thaniya_client.profiles.reading import read_profile

Write = Callable[[str], Path]
Read = Callable[..., Profile]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two directories for backups, and something to back up."""
    for name in ("disk", "other", "source"):
        (tmp_path / name).mkdir()
    (tmp_path / "source/file").write_text("hello")
    return tmp_path


@pytest.fixture
def write(place: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """A function that writes profiles into a configuration whose backups go to `disk`."""
    file = place / "client.toml"
    monkeypatch.setenv("THANIYA_CLIENT_CONFIG", str(file))

    def put(profiles: str) -> Path:
        file.write_text(f'directory = "{place}/disk"\n{profiles.replace("SOURCE", f"{place}/source")}')
        file.chmod(0o600)
        return file

    return put


@pytest.fixture
def read(write: Write) -> Read:
    """A function that writes profiles and reads one of them."""

    def get(profiles: str, name: str = "nightly") -> Profile:
        file = write(profiles)
        return read_profile(file, load_config(file), name)

    return get
