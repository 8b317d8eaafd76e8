"""The directory that the schedule writes the metrics into."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from thaniya_core.config import Gate, Metrics
from thaniya_core.doctor.finding import Level
from thaniya_core.doctor.metrics import check_textfile


@pytest.fixture
def writing(subject, tmp_path):
    return replace(subject, config=replace(subject.config, metrics=Metrics(tmp_path / "collector" / "thaniya.prom")))


def test_nothing_is_said_where_nothing_is_written(subject):
    assert list(check_textfile(subject)) == []


@pytest.mark.parametrize("is_file", [False, True])
def test_missing_directory_is_told_with_the_command_that_makes_it(writing, tmp_path, is_file):
    directory = tmp_path / "collector"
    if is_file:
        directory.touch()

    (finding,) = check_textfile(writing)

    assert (finding.level, f"no directory {directory}:" in finding.what) == (Level.FAIL, True)
    assert f"mkdir -p {directory} && chown thaniya {directory}" in finding.cure


@pytest.mark.parametrize(("exit_code", "level"), [(0, Level.OK), (1, Level.FAIL)])
@pytest.mark.parametrize("who", ["root", "thaniya"])
def test_service_is_asked_whether_it_may_write(writing, machine, tmp_path, exit_code, level, who):
    (tmp_path / "collector").mkdir()
    machine.who = who
    machine.answer("test", exit_code=exit_code)

    (finding,) = check_textfile(writing)

    assert finding.level is level
    assert machine.commands == [["test", "-w", str(tmp_path / "collector")]]


def test_who_is_neither_root_nor_the_service_cannot_tell(writing, machine, tmp_path):
    (tmp_path / "collector").mkdir()
    machine.who = "nobody"

    assert [finding.level for finding in check_textfile(writing)] == [Level.SKIPPED]


def test_embedded_server_is_its_owners(writing, machine, tmp_path):
    (tmp_path / "collector").mkdir()
    machine.who = "alice"
    machine.answer("test")

    (finding,) = check_textfile(replace(writing, config=replace(writing.config, gate=Gate())))

    assert finding.what.startswith("alice may write")
