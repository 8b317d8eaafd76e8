"""thaniya.toml: what is read, and what an error says."""

from __future__ import annotations

import os
import re
import textwrap
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thaniya_core.archive.rules import read_rules
from thaniya_core.config import Config, ScheduleIntervals, Seconds, Settings, Size, find_config, load_config
from thaniya_core.errors import ConfigInvalid
from thaniya_core.formats.quantities import parse_duration, parse_size
from thaniya_core.retention import read_configured


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "thaniya.toml"


def _load(file: Path, text: str) -> Config:
    file.write_text(text)
    return load_config(file)


def test_empty_file_gives_the_defaults_beside_it(file):
    config = _load(file, "")

    assert config.paths.state == file.parent / "state"
    assert (config.slots.silence, config.slots.margin, config.jobs.attempts) == (900, 256 * 1024**2, 10)
    assert config.file == file


def test_quantities_are_written_as_people_write_them(file):
    config = _load(file, '[slots]\nsilence = "1h30m"\nmargin = "10G"\nassumed = 5\n[jobs]\nfirst_delay = 7\n')

    assert (config.slots.silence, config.slots.margin, config.slots.assumed) == (5400, 10 * 1024**3, 5)
    assert config.jobs.first_delay == 7


def test_absolute_path_stays_as_it_is(file):
    assert _load(file, '[paths]\nstate = "/var/lib/thaniya"\n').paths.state == Path("/var/lib/thaniya")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[slots]\nmargin = "ten"\n', ["$.slots.margin", "10G"]),
        ("[slots]\nsilence = -1\n", ["$.slots.silence", "-1"]),
        ("[slots]\nsilence = true\n", ["$.slots.silence", "True"]),
        ("[slots]\nsilence = 1.5\n", ["$.slots.silence", "1.5"]),
        ('[jobs]\nlongest_delay = "999999999999w"\n', ["$.jobs.longest_delay", "ten years"]),
        ("[jobs]\nworkers = 0\n", ["$.jobs.workers", ">= 1"]),
        ('[jobs]\nworkers = "2"\n', ["$.jobs.workers", "int"]),
        ("[gate]\nport = 70000\n", ["$.gate.port", "65535"]),
        ('[gate]\naddress = "a b"\n', ["$.gate.address", "backup.example.org"]),
        ('[gate]\naddress = "host:0"\n', ["$.gate.address"]),
        ('[gate]\naddress = "host:99999"\n', ["$.gate.address"]),
        ('[gate]\naddress = "-oProxyCommand=x"\n', ["$.gate.address"]),
        ("[gate]\naddress = 5\n", ["$.gate.address", "5"]),
        ('[gate]\ncontrol_account = "Root; rm"\n', ["$.gate.control_account"]),
        ("[paths]\nstate = 5\n", ["$.paths.state", "path"]),
        ("[paths]\nstat = 'x'\n", ["stat", "$.paths"]),
        ("[path]\n", ["path"]),
        ("slots = 5\n", ["$.slots"]),
        ('file = "x"\n', ["file"]),
        ("[gate]\ncontrol_account = 5\n", ["$.gate.control_account", "5"]),
        ("[slots\n", []),
    ],
)
def test_error_names_the_file_the_key_and_what_was_expected(file, text, words):
    with pytest.raises(ConfigInvalid) as caught:
        _load(file, text)

    for word in [str(file), *words]:
        assert word in caught.value.message


def test_file_that_is_no_text_is_told(file):
    file.write_bytes(b"\xff\xfe[slots]")

    with pytest.raises(ConfigInvalid, match=r"thaniya\.toml"):
        load_config(file)


def test_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(ConfigInvalid, match="cannot be read"):
        load_config(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from('[]slots.margin="10G\n= -_#1')))
def test_any_text_is_read_or_refused(file, text):
    try:
        _load(file, text)
    except ConfigInvalid:
        pass


def test_given_file_is_used(file):
    file.touch()

    assert find_config(file) == file


def test_given_file_that_is_missing_is_told(file):
    with pytest.raises(ConfigInvalid, match="no configuration file") as caught:
        find_config(file)
    assert "thaniya init" in caught.value.hint


def test_environment_names_the_file(file, monkeypatch):
    file.touch()
    monkeypatch.setenv("THANIYA_CONFIG", str(file))

    assert find_config(None) == file


def test_file_in_the_working_directory_is_found(file, monkeypatch):
    file.touch()
    monkeypatch.chdir(file.parent)

    assert find_config(None) == file


def test_root_follows_no_configuration_that_others_may_have_laid_in_its_way(tmp_path, monkeypatch):
    file = tmp_path / "thaniya.toml"
    file.write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("THANIYA_CONFIG", raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    file.chmod(0o664)

    with pytest.raises(ConfigInvalid, match="can be changed by others than root"):
        find_config(None)

    assert find_config(file) == file
    file.chmod(0o644)
    if file.stat().st_uid == 0:
        assert find_config(None) == file
        os.chown(file, 1234, 1234)
    with pytest.raises(ConfigInvalid, match="can be changed by others than root"):
        find_config(None)


def test_low_space_is_a_part_of_the_disk_or_a_size(file):
    assert _load(file, "").volumes.low.bytes_of(2000) == 100
    assert _load(file, '[volumes]\nlow = "2G"').volumes.low.bytes_of(1) == 2 * 1024**3
    assert _load(file, "[volumes]\nlow = 7").volumes.low.bytes_of(1) == 7
    assert _load(file, "").volumes.low.part_of(200) == 10
    assert _load(file, '[volumes]\nlow = "2G"').volumes.low.part_of(200) == 0  # a size says nothing of inodes
    for wrong in ('"much"', "true", "[]", '"100%"'):
        with pytest.raises(ConfigInvalid, match=r"volumes\.low"):
            _load(file, f"[volumes]\nlow = {wrong}")


def test_places_of_volumes_count_from_the_directory_of_the_file(file):
    assert _load(file, '[volumes]\nsearch = ["disks", "/media"]').volumes.search == (
        file.parent / "disks",
        Path("/media"),
    )


def test_schedule_is_changed_part_by_part(file):
    assert _load(file, "").schedule == ScheduleIntervals(60, 300, 300, 86400, 86400, 86400)
    loaded = _load(file, '[schedule]\nverify = "12h"\nretention = 0').schedule
    assert (loaded.verify, loaded.retention, loaded.health) == (43200, 0, 300)
    with pytest.raises(ConfigInvalid, match="prune"):
        _load(file, '[schedule]\nprune = "1d"')


def test_file_of_the_metrics_counts_from_the_directory_of_the_file(file):
    assert _load(file, "").metrics.textfile is None
    assert _load(file, '[metrics]\ntextfile = "prom/t.prom"').metrics.textfile == file.parent / "prom/t.prom"
    with pytest.raises(ConfigInvalid, match=r"metrics\.textfile"):
        _load(file, "[metrics]\ntextfile = 7")


DOCS = Path(__file__).resolve().parents[2] / "docs"


def _documented() -> dict[str, dict[str, str]]:
    """The table of docs/configuration.md: by section and key, the default as it stands there."""
    sections: dict[str, dict[str, str]] = {}
    for line in (DOCS / "configuration.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if section := re.fullmatch(r"\*\*\[(\w+)\]\*\*", cells[0]):
            sections[section[1]] = {}
        elif sections and line.startswith("| `"):
            keys = re.findall(r"`(\w+)`", cells[0])
            defaults = re.findall(r"`([^`]*)`", cells[1])
            sections[list(sections)[-1]] |= dict(
                zip(keys, defaults if len(defaults) == len(keys) else [""] * len(keys), strict=True)
            )
        elif not line.startswith("|") and sections:
            break
    return sections


def test_every_key_is_documented_with_its_default():
    documented = _documented()
    settings = Settings()
    assert documented.keys() == {field.name for field in msgspec.structs.fields(Settings)}
    for section, keys in documented.items():
        defaults = getattr(settings, section)
        if isinstance(defaults, dict):
            continue
        assert keys.keys() == set(defaults.__struct_fields__), section
        for key, told in keys.items():
            value = getattr(defaults, key)
            if told in ("", "[]"):
                assert not value, f"{section}.{key}"
            elif isinstance(value, Seconds):
                assert parse_duration(told) == value, f"{section}.{key}"
            elif isinstance(value, Size):
                assert parse_size(told) == value, f"{section}.{key}"
            else:
                assert told.lower() == str(value).removesuffix(".0").lower(), f"{section}.{key}"


@pytest.mark.parametrize("document", ["configuration.md", "monitoring.md"])
def test_examples_of_the_documents_are_understood(document, file):
    text = (DOCS / document).read_text()
    examples = [
        block for block in re.findall(r"(?m)(?:^    .*\n|^\n(?=    ))+", text) if block.lstrip().startswith("[")
    ]
    assert len(examples) >= 2
    for example in examples:
        config = _load(file, textwrap.dedent(example.lstrip("\n")))
        assert read_rules(config.compression, document) or not config.compression
        assert read_configured(config.retention, document) or not config.retention


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ("", None)),
        ("backup.example.org", ("backup.example.org", None)),
        ("backup.example.org:2222", ("backup.example.org", 2222)),
        ("203.0.113.5:22", ("203.0.113.5", 22)),
        ("2001:db8::1", ("2001:db8::1", None)),
        ("[2001:db8::1]:2222", ("2001:db8::1", 2222)),
        ("[2001:db8::1]", ("2001:db8::1", None)),
    ],
)
def test_address_for_clients_is_a_name_and_maybe_a_port(tmp_path, text, parts):
    file = tmp_path / "thaniya.toml"
    file.write_text(f'[gate]\naddress = "{text}"\n')
    assert load_config(file).gate.address.parts() == parts
