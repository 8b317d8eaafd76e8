"""The command `thaniya-client`."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NoReturn

import pytest
import typer

from thaniya_client import Command, config
from thaniya_client.cli import options
from thaniya_client.cli.backup import archive_names
from thaniya_client.cli.main import app, run
from thaniya_core.errors import AlreadyExists, ConfigInvalid, IllegalKey, NoSpace, NotFound, SourceFailed, WrongUsage

Capture = pytest.CaptureFixture[str]


def all_commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with its words, the groups left out."""
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from all_commands(child, (*words, name))
    else:
        yield words, command


COMMANDS = dict(all_commands(typer.main.get_command(app)))
ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("docs/*.md"), ROOT / "README.md"]


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration whose backups go to a directory; gives the configuration's file."""
    file = tmp_path / "config/client.toml"
    monkeypatch.setenv("THANIYA_CLIENT_CONFIG", str(file))
    (tmp_path / "disk").mkdir()
    assert run(["init", "--directory", str(tmp_path / "disk")]) == 0
    return file


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small directory."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source/file").write_text("hello")
    (tmp_path / "source/[bold]red").write_text("no markup")
    return tmp_path / "source"


def json_lines(capture: Capture) -> list[dict[str, object]]:
    return [json.loads(line) for line in capture.readouterr().out.splitlines()]


def test_init_makes_key_and_configuration_for_the_owner_only(capsys: Capture) -> None:
    assert run(["init", "backup.example.org", "--user", "alice"]) == 0
    home = Path.home() / ".config/thaniya"
    assert (home / "client.toml").stat().st_mode & 0o777 == 0o600
    assert (home / "id_ed25519").stat().st_mode & 0o777 == 0o600
    public = (home / "id_ed25519.pub").read_text().strip()
    assert f"thaniya user add alice --key '{public}'" in capsys.readouterr().out


def test_init_touches_nothing_that_is_there(configured: Path, capsys: Capture) -> None:
    before = configured.read_bytes()
    assert run(["init", "backup.example.org"]) == AlreadyExists.exit_code
    assert configured.read_bytes() == before
    assert "already" in capsys.readouterr().err


def test_init_makes_the_missing_key_of_a_configuration(capsys: Capture) -> None:
    home = Path.home() / ".config/thaniya"
    assert run(["init", "backup.example.org", "--port", "2222", "--key", str(home / "own")]) == 0
    before = (home / "client.toml").read_bytes()
    (home / "own").unlink()
    (home / "own.pub").unlink()
    assert run(["check"]) == IllegalKey.exit_code
    assert "thaniya-client init" in capsys.readouterr().err

    assert run(["init", "other.example.org"]) == AlreadyExists.exit_code
    assert run(["init", "--directory", str(home)]) == AlreadyExists.exit_code
    assert not (home / "own").exists()
    assert run(["init"]) == 0

    assert (home / "own.pub").read_text().strip() in capsys.readouterr().out
    assert (home / "client.toml").read_bytes() == before
    assert run(["init"]) == AlreadyExists.exit_code


def test_init_that_cannot_make_a_key_can_be_run_again(tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("no key")
    assert run(["init", "backup.example.org", "--key", str(tmp_path / "broken")]) == IllegalKey.exit_code
    assert run(["init", "backup.example.org"]) == 0


def test_keygen_makes_a_key_and_never_overwrites_one(tmp_path: Path, capsys: Capture) -> None:
    key = Path.home() / ".config/thaniya/id_ed25519"
    assert run(["keygen", "--user", "alice"]) == 0
    assert (key.stat().st_mode & 0o777, key.with_suffix(".pub").stat().st_mode & 0o777) == (0o600, 0o644)
    shown = subprocess.run(["ssh-keygen", "-y", "-f", key], capture_output=True, text=True, check=True).stdout.split()
    public = key.with_suffix(".pub").read_text().strip()
    assert shown[:2] == public.split()[:2] and shown[0] == "ssh-ed25519"
    told = capsys.readouterr().out
    assert f"thaniya user add alice --key '{public}'\n" in told
    assert f"thaniya user key add alice --key '{public}'\n" in told

    before = key.read_bytes()
    assert run(["keygen"]) == AlreadyExists.exit_code
    key.unlink()
    assert run(["keygen"]) == AlreadyExists.exit_code, "the public half of a lost key is somebody's"
    key.write_bytes(before)
    assert run(["keygen", "--key", str(tmp_path / "own"), "--json"]) == 0
    assert (tmp_path / "own.pub").exists() and key.read_bytes() == before


def test_keygen_makes_the_key_that_the_configuration_names(tmp_path: Path) -> None:
    file = tmp_path / "client.toml"
    file.write_text(f'server = "backup.example.org"\nkey = "{tmp_path}/named"\n')
    assert run(["keygen", "--config", str(file)]) == 0
    assert (tmp_path / "named").exists()
    assert run(["keygen", "--config", str(tmp_path / "nowhere.toml")]) == ConfigInvalid.exit_code


def test_root_may_have_its_configuration_in_etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Path.home() / ".config/thaniya/client.toml"
    monkeypatch.setattr(config, "SYSTEM_FILE", tmp_path / "client.toml")
    monkeypatch.setattr(config.os, "geteuid", lambda: 0)
    assert config.find_config(None) == own
    (tmp_path / "client.toml").touch()
    assert config.find_config(None) == tmp_path / "client.toml"
    monkeypatch.setattr(config.os, "geteuid", lambda: 1000)
    assert config.find_config(None) == own
    monkeypatch.setattr(config.os, "geteuid", lambda: 0)
    own.parent.mkdir(parents=True)
    own.touch()
    assert config.find_config(None) == own


@pytest.mark.usefixtures("configured")
def test_backup_list_files_restore_fetch(source: Path, tmp_path: Path, capsys: Capture) -> None:
    assert run(["backup", str(source), "--name", "nightly", "--json"]) == 0
    lines = json_lines(capsys)
    assert {line["message_type"] for line in lines[-4:-1]} == {"status"}
    report = lines[-1]
    assert report["message_type"] == "report" and report["state"] == "archived"
    backup_id = str(report["id"])

    assert run(["list"]) == 0
    assert backup_id in capsys.readouterr().out
    assert run(["list", "--json"]) == 0
    assert json_lines(capsys)[0]["id"] == backup_id
    assert run(["files", backup_id]) == 0
    assert "./[bold]red" in capsys.readouterr().out
    assert run(["files", backup_id, "--json"]) == 0
    assert {line["path"] for line in json_lines(capsys)} == {"./", "./file", "./[bold]red"}

    assert run(["restore", backup_id, str(tmp_path / "restored"), "file"]) == 0
    assert [path.name for path in (tmp_path / "restored").iterdir()] == ["file"]
    assert run(["restore", backup_id, str(tmp_path / "restored")]) == AlreadyExists.exit_code
    assert run(["restore", backup_id, str(tmp_path / "other"), "nowhere"]) == NotFound.exit_code

    assert run(["fetch", backup_id, "client.log", "-o", str(tmp_path / "log")]) == 0
    assert backup_id in (tmp_path / "log").read_text()
    output = tmp_path / "log as json"
    capsys.readouterr()
    assert run(["fetch", backup_id, "client.log", "-o", str(output), "--json"]) == 0
    (fetched,) = json_lines(capsys)
    assert fetched == {
        "message_type": "fetched",
        "id": backup_id,
        "file": "client.log",
        "output": str(output),
        "size_bytes": output.stat().st_size,
    }
    assert run(["fetch", backup_id, "client.log", "--json"]) == WrongUsage.exit_code
    assert run(["fetch", backup_id, "nothing", "-o", str(tmp_path / "nothing")]) == NotFound.exit_code
    assert not (tmp_path / "nothing").exists()


@pytest.mark.usefixtures("configured", "powerless_tar")
def test_warnings_end_with_exit_code_3(source: Path, capsys: Capture) -> None:
    (source / "[bold]red").chmod(0)
    assert run(["backup", str(source), "--name", "nightly"]) == 3
    assert 'warning: "./[bold]red"' in capsys.readouterr().out


@pytest.mark.usefixtures("configured")
def test_errors_have_exit_codes_and_json(tmp_path: Path, capsys: Capture) -> None:
    assert run(["backup", str(tmp_path / "nowhere"), "--name", "x", "--json"]) == SourceFailed.exit_code
    error = json.loads(capsys.readouterr().err)
    assert error["message_type"] == "error" and error["code"] == "source_failed"
    assert run(["backup"]) == WrongUsage.exit_code
    assert run(["restore", "not-an-id", "x"]) == WrongUsage.exit_code


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('server = "a"\nport = "x"\n', r"client\.toml: `port` is \"x\", expected a whole number"),
        ('server = "a"\nport = 0\n', r"client\.toml: `port` is 0, expected 1 to 65535"),
        (
            'servre = "a"\n',
            "`servre` is not known here, expected one of server, (.*\n)*  did you mean `server`",
        ),
        ("", "expected either `server` or `directory`"),
        ('server = "a"\ndirectory = "/b"\n', "expected either `server` or `directory`"),
        ("server = \n", r"client\.toml: "),
        ('server = "a"\nhost = "a/b"\n', "`host`"),
        ('server = "a"\nfingerprint = "aa:bb"\n', "expected SHA256:"),
    ],
)
def test_wrong_configuration_is_explained(configured: Path, capsys: Capture, text: str, told: str) -> None:
    configured.write_text(text)
    assert run(["list"]) == ConfigInvalid.exit_code
    assert re.search(told, capsys.readouterr().err)


def test_missing_configuration_says_how_to_make_one(capsys: Capture) -> None:
    assert run(["list"]) == ConfigInvalid.exit_code
    assert "thaniya-client init" in capsys.readouterr().err


def failing(error: BaseException) -> Callable[[Path | None], NoReturn]:
    """A function that fails in the middle of a command."""

    def fail(given: Path | None) -> NoReturn:
        raise error

    return fail


def test_failure_of_the_system_is_told_without_a_traceback(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(options, "find_config", failing(OSError(errno.ENOSPC, "No space left on device")))
    assert run(["list"]) == NoSpace.exit_code
    assert "thaniya-client: cannot do this: No space left on device" in capsys.readouterr().err
    assert run(["list", "--json"]) == NoSpace.exit_code
    assert json.loads(capsys.readouterr().err)["code"] == "no_space"


@pytest.mark.parametrize(("code", "exit_code", "told"), [("a text", 1, "a text\n"), (None, 0, ""), (7, 7, "")])
def test_end_of_the_interpreter_means_what_it_means_to_python(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, code: object, exit_code: int, told: str
) -> None:
    monkeypatch.setattr(options, "find_config", failing(SystemExit(code)))
    assert run(["list"]) == exit_code
    assert capsys.readouterr().err == told


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_has_an_example_and_json(words: tuple[str, ...], capsys: Capture) -> None:
    assert run([*words, "--help"]) == 0
    printed = capsys.readouterr().out
    assert f"Example: thaniya-client {' '.join(words)}" in printed
    assert "--json" in printed


def test_every_promised_command_is_there() -> None:
    promised = "init keygen backup profiles list files restore fetch find diff check"
    schedules = {("schedule", verb) for verb in ("install", "show", "remove")}
    assert {(name,) for name in promised.split()} | schedules <= set(COMMANDS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_commands_that_the_documents_name_are_there(document: Path) -> None:
    written = re.findall(r"(?:^ *|`|\$ )thaniya-client ([a-z][^`\n|#;]*)", document.read_text(), re.MULTILINE)
    for text in written:
        words = text.split()
        command = COMMANDS.get(tuple(words[:1])) or COMMANDS[tuple(words[:2])]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= {*options, "--help"}, text


def test_archives_get_different_names() -> None:
    paths = [Path(path) for path in ("/home", "/srv/data", "/var/data", "/")]
    assert archive_names(paths) == ["home", "srv-data", "var-data", "root"]


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_aborts_and_leaves_no_process(
    source: Path, tmp_path: Path, programs: Callable[[str, str], None], number: signal.Signals
) -> None:
    programs(
        "tar",
        'if [ "$1" = --version ]; then echo "tar (GNU tar) 1.35"; exit; fi\n'
        f"echo $$ > {tmp_path}/pid; exec cat /dev/zero",
    )
    code = "from thaniya_client.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "backup", str(source), "--name", "x"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as command:
        try:
            deadline = monotonic() + 30
            while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().endswith("\n"):
                assert command.poll() is None, command.communicate()
                assert monotonic() < deadline, "tar was not started"
                sleep(0.01)
            command.send_signal(number)
            command.communicate(timeout=30)
        finally:
            command.kill()

    assert command.returncode == 130
    assert not [path for path in (tmp_path / "disk/.incoming").iterdir() if path.is_dir()]
    process = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/cmdline")
    deadline = monotonic() + 10
    while process.exists() and process.read_bytes():
        assert monotonic() < deadline, "tar still runs"


@pytest.mark.usefixtures("configured")
def test_restore_says_what_is_left_to_do(tmp_path: Path, capsys: Capture) -> None:
    with options.connect(options.load(None), False) as target:
        report = target.backup(Command(["date"], name="date.txt", restore=["cat ./date.txt.gz"]), name="nightly")
    assert run(["restore", report.id, str(tmp_path / "restored")]) == 0
    printed = capsys.readouterr().out
    assert f"thaniya-client fetch {report.id} RESTORE.txt\n  the output of date (date.txt.gz)\n" in printed
