"""docs/client-library.md is true: the Python in it is run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from thaniya_client import LocalDirectory

DOCUMENT = Path(__file__).parents[2] / "docs/client-library.md"
_TASKS = DOCUMENT.read_text().partition("## What is backed up: tasks")[2].partition("\n## ")[0]
_SECTIONS = dict(re.findall(r"^### (.+?)\n(.*?)(?=^### |\Z)", _TASKS, re.DOTALL | re.MULTILINE))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What stands for the directories that the examples back up."""
    for name in ("home/alice", "etc"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "home/alice/notes.txt").write_text("notes")
    (tmp_path / "etc/crontab").write_text("# nothing\n")
    (tmp_path / "etc/hostname").write_text("web1\n")
    return tmp_path


@pytest.mark.parametrize("section", _SECTIONS)
def test_examples_of_tasks_make_backups(section: str, target: LocalDirectory, source: Path) -> None:
    examples = re.findall(r"```python\n(.*?)```", _SECTIONS[section], re.DOTALL)
    assert examples
    for example in examples:
        exec(re.sub(r"(?<=\")/(?=home|etc)", f"{source}/", example), {"target": target})
    assert len(list(target.backups())) == len(examples)
