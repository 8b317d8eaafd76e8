"""README.md is true: what it shows is run, against a real server."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

import thaniya_client
from thaniya_client.cli.main import run as run_client
from thaniya_core.cli.main import run as run_server
from thaniya_core.server import open_server
from thaniya_core.service import Service

README = Path(__file__).parents[2] / "README.md"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with somebody's `home` in it."""
    (tmp_path / "home/alice").mkdir(parents=True)
    (tmp_path / "home/alice/notes.txt").write_text("notes")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def here(place: Path) -> Callable[..., str]:
    """A function that gives a text of README.md with this test's places and names in it."""

    def change(text: str, **others: str) -> str:
        changes = {"backup.example.org": "127.0.0.1", "/home": f"{place}/home", "/tmp/restored": f"{place}/restored"}
        changes |= {"~": str(Path.home())} | others
        return re.sub("|".join(map(re.escape, changes)), lambda match: changes[match[0]], text)

    return change


def shell_commands(program: str) -> list[str]:
    """The lines of README.md that run a program, without their comments."""
    lines = [line.strip() for line in README.read_text().splitlines() if line.startswith(f"    {program} ")]
    return [shlex.join(shlex.split(line, comments=True)) for line in lines]


def test_shell_and_python_of_the_readme_do_what_it_says(place: Path, here: Callable[..., str], capsys: Capture) -> None:
    client_init, check, backup, list_all, restore = shell_commands("thaniya-client")
    server_init, add_user, serve, *of_a_whole_machine = shell_commands("thaniya")
    assert all(line.split()[1] in ("setup", "doctor") for line in of_a_whole_machine)

    assert run_client(shlex.split(here(client_init))[1:]) == 0
    public_key = Path.home() / ".config/thaniya/id_ed25519.pub"
    (place / "alice.pub").write_text(public_key.read_text())
    assert run_server([*shlex.split(here(server_init))[1:], "--port", "0"]) == 0
    assert run_server(shlex.split(here(add_user))[1:]) == 0
    _, option, config, verb = shlex.split(here(serve))
    assert (option, verb) == ("--config", "serve")

    with Service(open_server(Path(config))) as service:
        settings = Path.home() / ".config/thaniya/client.toml"
        settings.write_text(f"port = {service.gate.port}\n{settings.read_text()}")
        assert run_client([*shlex.split(here(check))[1:], "--accept-new"]) == 0
        assert run_client(shlex.split(here(backup))[1:]) == 0
        capsys.readouterr()
        assert run_client(shlex.split(here(list_all))[1:]) == 0
        backup_id = capsys.readouterr().out.splitlines()[1].split()[0]
        assert run_client(shlex.split(here(restore, ID=backup_id))[1:]) == 0
        assert (place / "restored/alice/notes.txt").read_text() == "notes"

        (place / "restored").rename(place / "restored before")
        (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
        exec(here(example).replace('"127.0.0.1"', f'"127.0.0.1", port={service.gate.port}'), {})
        assert (place / "restored/alice/notes.txt").read_text() == "notes"


def test_the_readme_and_the_package_show_the_same_example() -> None:
    assert thaniya_client.__doc__ is not None
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    calls = re.compile(r"\b(?:server|report|backup)\.\w+")
    assert set(calls.findall(thaniya_client.__doc__)) <= set(calls.findall(example))
