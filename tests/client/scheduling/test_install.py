"""`thaniya-client schedule`: units that systemd accepts, lines that cron can run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from thaniya_client.cli import schedule
from thaniya_client.cli.main import run
from thaniya_client.config import load_config
from thaniya_client.profiles.reading import read_profile
from thaniya_client.scheduling import install, places
from thaniya_client.scheduling.crontab import cron_command, with_entry, without_entry
from thaniya_client.scheduling.run import ScheduledRun, scheduled_run
from thaniya_core.errors import CommandFailed, ConfigInvalid, IllegalName, NotFound, SourceFailed, WrongUsage
from thaniya_core.system.run import run as run_program

Capture = pytest.CaptureFixture[str]
Programs = Callable[[str, str], None]

PROFILE = '[profile.nightly]\nschedule = "daily 02:30"\ntasks = [{type = "directory", path = "/home"}]\n'


needs_systemd_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="cannot run here: systemd is not installed"
)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration at a place that every syntax has to escape."""
    file = tmp_path / """odd $HOME 100% "it's" \\ dir""" / "client.toml"
    file.parent.mkdir()
    file.write_text(f'directory = "/nowhere"\n{PROFILE}')
    file.chmod(0o600)
    monkeypatch.setenv("THANIYA_CLIENT_CONFIG", str(file))
    return file


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directories of a machine, whose systemd runs and is told of in `systemctl.log`."""
    for name in ("units", "cron.d", "run"):
        (tmp_path / name).mkdir()
    for module in (install, places):
        monkeypatch.setattr(module, "CRON_DIRECTORY", tmp_path / "cron.d")
    monkeypatch.setattr(places, "SYSTEM_UNITS", tmp_path / "units")
    monkeypatch.setattr(places, "_SYSTEMD", tmp_path / "run")
    for module in (install, schedule):
        monkeypatch.setattr(module, "is_root", lambda: True)
    return tmp_path


@pytest.fixture
def systemctl(machine: Path, programs: Programs) -> Callable[[], list[str]]:
    """A systemctl that notes what it is asked for; a function that gives that."""
    log = machine / "systemctl.log"
    programs("systemctl", f'echo "$*" >> {log}')
    return lambda: log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def crontab(machine: Path, programs: Programs) -> Path:
    """The file that a `crontab` reads and writes; as with Debian's there is none at first."""
    file = machine / "crontab"
    programs(
        "crontab",
        f'case "$1" in -l) [ -e {file} ] || {{ echo "no crontab for $USER" >&2; exit 1; }}; cat {file} ;;\n'
        f"-) cat > {file} ;; esac",
    )
    return file


def the_run(config: Path) -> ScheduledRun:
    return scheduled_run("nightly", read_profile(config, load_config(config), "nightly"), config)


@pytest.mark.parametrize("scope", ["--user", "system"])
@needs_systemd_analyze
def test_systemd_accepts_the_units_and_runs_what_is_meant(
    config: Path, machine: Path, systemctl: Callable[[], list[str]], scope: str
) -> None:
    options = ["--user"] if scope == "--user" else []
    assert run(["schedule", "install", "nightly", *options]) == 0
    directory = Path.home() / ".config/systemd/user" if options else machine / "units"
    files = [directory / f"thaniya-backup-nightly.{suffix}" for suffix in ("service", "timer")]
    assert [file.stat().st_mode & 0o7777 for file in files] == [0o644, 0o644]
    verified = run_program(
        ["systemd-analyze", "verify", "--man=no", *options, *map(str, files)],
        timeout_s=60,
        env={"XDG_RUNTIME_DIR": str(machine)},
    )
    assert "thaniya" not in verified.stderr.decode()
    service, timer = (file.read_text() for file in files)
    assert "OnCalendar=*-*-* 02:30:00\nRandomizedDelaySec=1800\nPersistent=true\n" in timer
    assert ("network-online" in service, "User=root" in service) == (not options, not options)
    escaped = str(config).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    assert f'thaniya-client" "backup" "nightly" "--config" "{escaped}"\n' in service
    assert systemctl() == []


@pytest.mark.usefixtures("config")
def test_now_starts_the_timer_and_remove_stops_it(
    machine: Path, systemctl: Callable[[], list[str]], capsys: Capture
) -> None:
    assert run(["schedule", "install", "nightly", "--now"]) == 0
    assert systemctl() == ["daemon-reload", "enable --now thaniya-backup-nightly.timer"]
    assert "enable --now" not in capsys.readouterr().out
    assert run(["schedule", "remove", "nightly"]) == 0
    assert systemctl()[2:] == ["disable --now thaniya-backup-nightly.timer", "daemon-reload"]
    assert list((machine / "units").iterdir()) == []
    assert run(["schedule", "remove", "nightly"]) == NotFound.exit_code


@pytest.mark.usefixtures("config", "machine")
def test_a_failure_of_systemctl_is_told(programs: Programs, capsys: Capture) -> None:
    programs("systemctl", "echo 'Failed to connect to bus' >&2; exit 1")
    assert run(["schedule", "install", "nightly", "--now"]) == CommandFailed.exit_code
    assert "Failed to connect to bus" in capsys.readouterr().err


@pytest.mark.usefixtures("config", "systemctl", "crontab")
def test_show_tells_what_is_there_and_whether_it_is_still_right(config: Path, capsys: Capture) -> None:
    assert run(["schedule", "show"]) == 0
    assert capsys.readouterr().out == "nightly: nothing is installed\n"
    assert run(["schedule", "install", "nightly", "--json"]) == 0
    service, timer = map(json.loads, capsys.readouterr().out.splitlines())
    assert (service["scheduler"], service["user"], Path(timer["place"]).suffix) == ("systemd", False, ".timer")
    assert run(["schedule", "show", "nightly"]) == 0
    told = capsys.readouterr().out
    assert "OnCalendar=*-*-* 02:30:00" in told and "is not what" not in told
    config.write_text(config.read_text().replace("02:30", "04:30") + 'random_delay = "0s"')
    assert run(["schedule", "show", "nightly", "--json"]) == 0
    outdated = {
        Path(each["place"]).suffix: each["outdated"] for each in map(json.loads, capsys.readouterr().out.splitlines())
    }
    assert outdated == {".service": False, ".timer": True}
    assert run(["schedule", "install", "nightly"]) == 0
    capsys.readouterr()
    assert run(["schedule", "show", "nightly"]) == 0
    told = capsys.readouterr().out
    assert "OnCalendar=*-*-* 04:30:00\n    RandomizedDelaySec=0\n" in told and "is not what" not in told


@pytest.mark.usefixtures("systemctl", "crontab")
def test_a_profile_is_not_run_by_two(config: Path, capsys: Capture) -> None:
    assert run(["schedule", "install", "nightly", "--systemd"]) == 0
    assert run(["schedule", "install", "nightly", "--cron"]) == WrongUsage.exit_code
    assert "thaniya-client schedule remove nightly" in capsys.readouterr().err
    assert run(["schedule", "remove", "nightly"]) == 0
    assert run(["schedule", "install", "nightly", "--cron"]) == 0


@pytest.mark.usefixtures("config", "crontab")
def test_cron_has_a_file_for_root(machine: Path, capsys: Capture) -> None:
    (machine / "run").rmdir()
    assert run(["schedule", "install", "nightly"]) == 0
    (file,) = (machine / "cron.d").iterdir()
    assert (file.name, file.stat().st_mode & 0o7777) == ("thaniya-backup-nightly", 0o644)
    assert "\n30 2 * * * root sleep " in file.read_text() and file.read_text().endswith("--quiet\n")
    assert run(["schedule", "remove", "nightly", "--json"]) == 0
    assert not file.exists()


@pytest.mark.usefixtures("config", "machine")
def test_a_users_crontab_keeps_its_other_lines(crontab: Path) -> None:
    others = "MAILTO=alice\n0 5 * * * /bin/true # \\%"
    crontab.write_text(others)
    for _ in range(2):
        assert run(["schedule", "install", "nightly", "--cron", "--user"]) == 0
    lines = crontab.read_text().splitlines()
    assert (lines[:2], len(lines)) == (others.splitlines(), 4)
    assert lines[3].startswith("30 2 * * * sleep ")
    assert run(["schedule", "remove", "nightly"]) == 0
    assert crontab.read_text() == others + "\n"


@pytest.mark.usefixtures("config", "crontab")
def test_a_user_without_a_crontab_gets_one(crontab: Path) -> None:
    assert run(["schedule", "install", "nightly", "--cron", "--user"]) == 0
    assert len(crontab.read_text().splitlines()) == 2


@pytest.mark.usefixtures("config")
def test_a_refused_crontab_is_told_and_not_overwritten(machine: Path, programs: Programs, capsys: Capture) -> None:
    refusal = 'echo "You are not allowed to use this program" >&2; exit 1'
    programs("crontab", f'if [ "$1" = -l ]; then {refusal}; fi; touch {machine}/written')
    assert run(["schedule", "install", "nightly", "--cron", "--user"]) == CommandFailed.exit_code
    assert "not allowed to use this program" in capsys.readouterr().err
    assert not (machine / "written").exists()


def test_the_line_of_cron_runs_the_command_that_is_meant(config: Path, tmp_path: Path) -> None:
    program = tmp_path / "it's 100%" / "thaniya-client"
    program.parent.mkdir()
    program.write_text(f"""#!/bin/sh\nprintf '%s\\n' "$@" > {tmp_path}/arguments\n""")
    program.chmod(0o755)
    planned = the_run(config)
    command = cron_command(ScheduledRun("nightly", planned.schedule, 0, program, config), "web1")
    assert "%" not in command.replace("\\%", "")
    run_program(["sh", "-c", command.replace("\\%", "%")], timeout_s=60)
    assert (tmp_path / "arguments").read_text().splitlines() == [
        "backup",
        "nightly",
        "--config",
        str(config),
        "--quiet",
    ]


def test_what_cron_runs_makes_the_backup_and_prints_nothing(config: Path, tmp_path: Path) -> None:
    for name in ("disk", "source"):
        (tmp_path / name).mkdir()
    config.write_text(config.read_text().replace("/nowhere", f"{tmp_path}/disk").replace("/home", f"{tmp_path}/source"))
    planned = the_run(config)
    command = cron_command(replace(planned, delay_s=0), "web1").replace("\\%", "%")
    done = run_program(["sh", "-c", command], timeout_s=60, env={"PYTHONPATH": str(Path(__file__).parents[3])})
    assert (done.stdout, done.stderr) == (b"", b"")
    assert len(list((tmp_path / "disk/archive").glob("*/*/nightly/*/backup.json"))) == 1


def test_each_machine_waits_another_while_and_always_the_same(config: Path) -> None:
    planned = the_run(config)
    delays = {host: planned.stable_delay_s(host) for host in (f"web{number}" for number in range(50))}
    assert all(0 <= delay <= planned.delay_s for delay in delays.values())
    assert len(set(delays.values())) > 40
    assert delays == {host: the_run(config).stable_delay_s(host) for host in delays}


def test_another_profiles_entry_is_left_alone(config: Path) -> None:
    nightly = the_run(config)
    weekly = ScheduledRun("nightly-2", nightly.schedule, 0, nightly.program, config)
    both = with_entry(with_entry("", nightly, "web1"), weekly, "web1")
    assert without_entry(both, "nightly") == with_entry("", weekly, "web1")
    assert without_entry(without_entry(both, "nightly-2"), "nightly") == ""


@pytest.mark.usefixtures("machine")
def test_what_cannot_be_scheduled_is_refused(config: Path, tmp_path: Path, capsys: Capture) -> None:
    assert run(["schedule", "install", "nigtly"]) == NotFound.exit_code
    assert run(["schedule", "install", "../nightly"]) == IllegalName.exit_code
    assert run(["schedule", "remove", "../nightly"]) == IllegalName.exit_code
    assert run(["schedule", "install", "nightly", "--cron", "--systemd"]) == WrongUsage.exit_code
    assert run(["schedule", "install", "nightly", "--cron", "--now"]) == WrongUsage.exit_code
    config.write_text(config.read_text().replace("daily 02:30", "at night"))
    assert run(["schedule", "install", "nightly"]) == ConfigInvalid.exit_code
    config.write_text(config.read_text().replace('schedule = "at night"', ""))
    capsys.readouterr()
    assert run(["schedule", "install", "nightly"]) == WrongUsage.exit_code
    assert "`profile.nightly.schedule` is missing" in capsys.readouterr().err
    broken = tmp_path / "line\nbreak.toml"
    broken.write_text(f'directory = "/nowhere"\n{PROFILE}')
    broken.chmod(0o600)
    assert run(["schedule", "install", "nightly", "--config", str(broken)]) == WrongUsage.exit_code
    assert list((tmp_path / "units").iterdir()) == []


@pytest.mark.usefixtures("config", "machine")
def test_a_machine_without_cron_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def none_is_there(tool: places.Tool) -> str:
        raise SourceFailed(f"the program {tool.program} is not there", hint=tool.install)

    monkeypatch.setattr(places, "find_tool", none_is_there)
    assert run(["schedule", "install", "nightly", "--cron", "--user"]) == SourceFailed.exit_code
    assert "apt install cron" in capsys.readouterr().err
