"""docs/client-library.md is true: the Python in it is run."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import pytest

import thaniya_client
from thaniya_client import LocalDirectory
from thaniya_core.system.run import run

DOCUMENT = Path(__file__).parents[2] / "docs/client-library.md"


def _sections(title: str) -> dict[str, str]:
    text = DOCUMENT.read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^### (.+?)\n(.*?)(?=^### |\Z)", text, re.DOTALL | re.MULTILINE))


_SECTIONS = _sections("What is backed up: tasks")
_AROUND = _sections("Around a run")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What stands for the directories that the examples back up."""
    for name in ("home/alice", "etc/app", "var/lib/app", "dev/vg0", "srv/git"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "home/alice/notes.txt").write_text("notes")
    (tmp_path / "etc/crontab").write_text("# nothing\n")
    (tmp_path / "etc/hostname").write_text("web1\n")
    (tmp_path / "etc/app/app.conf").write_text("key = value\n")
    (tmp_path / "dev/vg0/mail-snapshot").write_bytes(bytes(1024 * 1024))
    with closing(sqlite3.connect(tmp_path / "var/lib/app/app.db")) as database:
        database.execute("CREATE TABLE orders(id)")
    git = ["git", "-C", str(tmp_path / "srv/git"), "-c", "user.name=Alice", "-c", "user.email=alice@example.org"]
    run([*git, "init", "--quiet"], timeout_s=60)
    run([*git, "commit", "--quiet", "--allow-empty", "-m", "first"], timeout_s=60)
    run([*git, "clone", "--quiet", "--mirror", ".", "shop.git"], timeout_s=60)
    return tmp_path


@pytest.mark.parametrize("section", [name for name, text in _SECTIONS.items() if "needs a server" not in text])
def test_examples_of_tasks_make_backups(section: str, target: LocalDirectory, source: Path) -> None:
    examples = re.findall(r"```python\n(.*?)```", _SECTIONS[section], re.DOTALL)
    assert examples
    for example in examples:
        exec(re.sub(r"(?<=\")/(?=home|etc|var|dev|srv)", f"{source}/", example), {"target": target})
    assert len(list(target.backups())) == len(examples)


@pytest.mark.parametrize("section", [name for name, text in _AROUND.items() if "```python" in text])
def test_examples_of_what_is_around_a_run_make_backups(section: str, target: LocalDirectory, source: Path) -> None:
    for example in re.findall(r"```python\n(.*?)```", _AROUND[section], re.DOTALL):
        exec(
            re.sub(r"(?<=\")/(?=home)", f"{source}/", example),
            {**vars(thaniya_client), "target": target},
        )
    assert list(target.backups())


def test_examples_that_need_a_server_are_valid_and_name_a_test() -> None:
    known = {"os": SimpleNamespace(environ={"SHOP_PASSWORD": "secret"})}
    for text in [*_SECTIONS.values(), *_AROUND.values()]:
        for test, example in re.findall(r"<!-- needs a server: (\S+) -->\n\n((?:    .*\n|\n)+)", text):
            assert (DOCUMENT.parents[1] / test).exists()
            backups: list[str] = []
            target = SimpleNamespace(backup=lambda *tasks, name, before=(), to=backups: to.append(name))
            exec(dedent(example), {**known, "target": target})
            assert backups
