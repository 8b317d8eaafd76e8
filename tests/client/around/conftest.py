"""Something to back up."""

from __future__ import annotations

from pathlib import Path

import pytest

from thaniya_client import Directory


@pytest.fixture
def source(tmp_path: Path) -> Directory:
    """A directory with one file."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source/file").write_text("hello")
    return Directory(tmp_path / "source")
