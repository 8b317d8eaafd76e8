"""What docs/client-library.md says of increments is true: the Python in it is run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from thaniya_client import LocalDirectory

DOCUMENT = Path(__file__).parents[2] / "docs/client-library.md"


def test_examples_of_increments_make_backups(
    target: LocalDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    section = DOCUMENT.read_text().partition("## Incremental backups")[2].partition("\n## ")[0]
    examples = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (tmp_path / "home").mkdir()
    for example in examples:
        exec(example.replace('"/home"', f'"{tmp_path}/home"'), {"target": target})
    made = list(target.backups())
    assert len(made) == len(examples) == 2
    assert capsys.readouterr().out.strip() in {backup.id for backup in made}
