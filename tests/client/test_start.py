"""What the library and the command load before they know what is wanted: programs that make no backup do not wait."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOADED = "; import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"


def loaded_by(statement: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", statement + LOADED], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_the_library_loads_no_ssh_before_a_server_is_named() -> None:
    loaded = loaded_by("from thaniya_client import Directory, LocalDirectory, ThaniyaServer; LocalDirectory('x')")
    assert "msgspec" in loaded
    assert not loaded & {"paramiko", "cryptography", "asyncio", "xopen", "typer", "rich", "tinydb"}


@pytest.mark.parametrize("arguments", [["--help"], ["backup", "--help"], ["list", "--config", "none.toml"]])
def test_the_command_loads_no_ssh_and_draws_nothing_unasked(arguments: list[str]) -> None:
    loaded = loaded_by(f"from thaniya_client.cli.main import run; run({arguments!r})")
    assert "typer" in loaded
    assert not loaded & {"paramiko", "cryptography", "xopen", "tinydb"}


def test_a_server_loads_what_it_needs() -> None:
    assert "paramiko" in loaded_by("from thaniya_client import ThaniyaServer; ThaniyaServer('backup.example.org')")
