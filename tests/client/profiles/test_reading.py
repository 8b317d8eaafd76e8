"""Profiles are read from TOML; what is wrong is told by file, key and what was expected."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import thaniya_client
from thaniya_client import (
    BtrfsSnapshot,
    Command,
    Directory,
    Files,
    Incremental,
    MySQL,
    PostgreSQL,
    StoppedService,
    WordPress,
)
from thaniya_client.config import load_config
from thaniya_client.profiles import trust
from thaniya_client.profiles.example import example_profile
from thaniya_client.profiles.kinds import STEP_TYPES, TASK_TYPES
from thaniya_client.profiles.profile import Profile
from thaniya_client.profiles.reading import read_profile
from thaniya_core.errors import ConfigInvalid, IllegalName, NotAllowed, NotFound

Read = Callable[..., Profile]
Write = Callable[[str], Path]

DOCUMENT = Path(__file__).parents[3] / "docs/profiles.md"
HOME = '[profile.nightly]\ntasks = [{type = "directory", path = "/home"}]\n'


def with_task(task: str, more: str = "") -> str:
    return f"[profile.nightly]\n{more}\n[[profile.nightly.tasks]]\n{task}\n"


def test_every_task_and_step_of_the_library_can_be_named() -> None:
    offered = {getattr(thaniya_client, name) for name in thaniya_client.__all__}
    tasks = {each for each in offered if isinstance(each, type) and {"pack", "estimate_bytes"} <= vars_of(each)}
    assert tasks - {thaniya_client.Task} == set(TASK_TYPES.values())
    steps = {each for each in offered if isinstance(each, type) and {"actions", "describe"} <= vars_of(each)}
    assert steps == set(STEP_TYPES.values())


def vars_of(cls: type) -> set[str]:
    return {name for parent in cls.__mro__ for name in vars(parent)}


@pytest.mark.parametrize(
    ("task", "made"),
    [
        ('type = "directory"\npath = "/srv"\nexclude = ["*.tmp"]\ncompression = "xz"\nlevel = 9', "Directory('/srv')"),
        ('type = "files"\npaths = ["/etc/fstab"]', "Files(['etc/fstab'], base='/')"),
        ('type = "command"\nargv = ["date"]\nname = "date.txt"\nenv = {A = "1"}', "Command(['date'], name='date.txt')"),
        ('type = "mysql"\ndatabases = ["shop", "blog"]\nport = 3307', "MySQL('shop', 'blog')"),
        ('type = "postgresql"\nformat = "plain"\nglobals = true\nhost = "/run/db"', "PostgreSQL()"),
        ('type = "sqlite"\npath = "/app.db"', "SQLite('/app.db')"),
        ('type = "ldap"', "LDAP()"),
        ('type = "wordpress"\npath = "/blog"\nmaintenance = true', "WordPress('/blog')"),
        ('type = "mediawiki"\npath = "/wiki"', "MediaWiki('/wiki')"),
        ('type = "typo3"\npath = "/site"', "Typo3('/site')"),
        ('type = "git_repository"\nrepository = "https://example.org/x.git"', None),
        ('type = "block_device"\npath = "/dev/sdz"\neven_if_in_use = true', "BlockDevice('/dev/sdz')"),
        ('type = "system_state"\nname = "system"', "SystemState()"),
    ],
)
def test_each_kind_of_task_is_made(read: Read, task: str, made: str | None) -> None:
    (told,) = read(with_task(task)).tasks
    assert made is None or repr(told) == made
    assert type(told) is TASK_TYPES[task.split('"')[1]]


def test_arguments_reach_the_tasks(read: Read) -> None:
    directory, mysql, postgresql, blog = read(
        """
        [profile.nightly]
        tasks = [
            {type = "directory", path = "~/data", one_file_system = true, incremental = {full_every = "30d"}},
            {type = "mysql", databases = ["shop"], host = "db", port = 3307},
            {type = "postgresql", format = "plain", globals = true},
            {type = "wordpress", path = "/blog", database = {type = "mysql", databases = ["blog"]}},
        ]
        """
    ).tasks
    assert isinstance(directory, Directory) and isinstance(directory.incremental, Incremental)
    assert (directory.path, directory.one_file_system) == (Path.home() / "data", True)
    assert directory.incremental.full_every_s == 30 * 86400
    assert isinstance(mysql, MySQL) and mysql.databases == ("shop",)
    assert mysql._settings == {"host": "db", "port": "3307"}
    assert isinstance(postgresql, PostgreSQL) and (postgresql.format, postgresql.globals) == ("plain", True)
    assert isinstance(blog, WordPress) and repr(blog.database) == "MySQL('blog')"


def test_everything_around_a_backup_is_read(read: Read) -> None:
    profile = read(
        with_task(
            'type = "directory"\npath = "/home"',
            """
            series = "homes"
            host = "web1"
            tags = ["night"]
            before = [["sync"], {type = "stopped_service", units = ["shop.service", "db"]},
                      {type = "btrfs_snapshot", subvolume = "/srv", at = "/srv/.backup"}]
            after = [["true"]]
            on_error = [["logger", "failed"]]
            retries = 2
            retry_pause = "10m"
            patience = "1h"
            time_limit = "6h"
            rate = "20M"
            nice = 19
            idle_disk = true
            schedule = "daily 02:30"
            policy = "keep-daily=7"
            """,
        )
    )
    sync, service, snapshot = profile.before
    assert sync == ("sync",)
    assert isinstance(service, StoppedService) and service.units == ("shop.service", "db")
    assert isinstance(snapshot, BtrfsSnapshot)
    assert (profile.series, profile.host, profile.tags) == ("homes", "web1", ("night",))
    assert (profile.after, profile.on_error) == ((("true",),), (("logger", "failed"),))
    assert (profile.retries, profile.retry_pause, profile.patience, profile.time_limit) == (2, 600, 3600, 21600)
    assert (profile.rate, profile.nice, profile.idle_disk) == (20 * 1024**2, 19, True)


def test_the_series_is_the_profiles_name_unless_told(read: Read) -> None:
    assert read(HOME).series == "nightly"


def test_directories_are_incremental_where_the_profile_says_so_and_they_do_not(read: Read) -> None:
    told = 'incremental = {longest_chain = 5}\ntasks = [{type = "directory", path = "/a"}, '
    told += '{type = "directory", path = "/b", incremental = false}, {type = "files", paths = ["/c"]}]'
    first, second, third = read(f"[profile.nightly]\n{told}").tasks
    assert isinstance(first, Directory) and first.incremental is not None and first.incremental.longest_chain == 5
    assert isinstance(second, Directory) and second.incremental is None
    assert isinstance(third, Files)


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        (with_task("type = 5"), "`profile.nightly.tasks[0].type` is 5, expected one of directory, files,", ""),
        (with_task('type = "dirctory"'), '`profile.nightly.tasks[0].type` is "dirctory", expected', "`directory`"),
        (with_task('path = "/home"'), "`profile.nightly.tasks[0].type` is missing, expected one of directory", ""),
        (with_task('type = "directory"'), "`profile.nightly.tasks[0].path` is missing, expected a path", ""),
        (
            HOME + '[[profile.nightly.more]]\npath = "/"',
            "`profile.nightly.more` is not known here, expected one of tasks",
            "",
        ),
        (with_task('type = "directory"\npath = 3'), "`profile.nightly.tasks[0].path` is 3, expected a path", ""),
        (
            with_task('type = "directory"\npath = "/"\nexlude = ["a"]'),
            "`profile.nightly.tasks[0].exlude` is not known here",
            "did you mean `exclude`?",
        ),
        (
            with_task('type = "directory"\npath = "/"\nexclude = ["a", 5]'),
            "`profile.nightly.tasks[0].exclude[1]` is 5, expected text",
            "",
        ),
        (
            with_task('type = "directory"\npath = "/"\nexclude = "a"'),
            '`profile.nightly.tasks[0].exclude` is "a", expected a list of texts',
            "",
        ),
        (
            with_task('type = "directory"\npath = "/"\ncompression = "zip"'),
            '`profile.nightly.tasks[0].compression` is "zip", expected "none" or "gzip"',
            "",
        ),
        (
            with_task('type = "directory"\npath = "/"\nxattrs = 1'),
            "`profile.nightly.tasks[0].xattrs` is 1, expected true or false",
            "",
        ),
        (
            with_task('type = "directory"\npath = "/"\nlevel = true'),
            "`profile.nightly.tasks[0].level` is true, expected a whole number",
            "",
        ),
        (
            with_task('type = "directory"\npath = "/"\ncompression = "bzip2"\nlevel = 0'),
            "`profile.nightly.tasks[0]` cannot be used: level 0: bzip2 has levels from 1 to 9",
            "",
        ),
        (
            with_task('type = "directory"\npath = "/"\nname = "a/b"'),
            "`profile.nightly.tasks[0]` cannot be used: 'a/b' is not a legal file name",
            "one name without a directory",
        ),
        (
            with_task('type = "directory"\npath = "/"\nincremental = {full_evry = "7d"}'),
            "`profile.nightly.tasks[0].incremental.full_evry` is not known here",
            "full_every",
        ),
        (
            with_task('type = "postgresql"\nformat = "tar"'),
            '`profile.nightly.tasks[0].format` is "tar", expected "custom" or "plain"',
            "",
        ),
        (
            with_task('type = "wordpress"\npath = "/b"\ndatabase = {type = "mysql", prt = 1}'),
            "`profile.nightly.tasks[0].database.prt` is not known here",
            "`port`",
        ),
        ("[profile.nightly]\ntasks = []", "`profile.nightly.tasks` is empty", "at least one"),
        ("[profile.nightly]", "`profile.nightly.tasks` is missing, expected a list", ""),
        (HOME + "shedule = 1", "`profile.nightly.shedule` is not known here, expected one of tasks,", "`schedule`"),
        (HOME + 'schedule = "sometimes"', "`profile.nightly.schedule`: 'sometimes' is not a schedule", "daily 02:30"),
        (HOME + 'retry_pause = "soon"', '`profile.nightly.retry_pause` is "soon", expected a duration such as', ""),
        (HOME + "time_limit = -5", "`profile.nightly.time_limit` is -5, expected a duration", ""),
        (HOME + 'rate = "fast"', '`profile.nightly.rate` is "fast", expected a size such as', ""),
        (HOME + "nice = 20", "`profile.nightly`: nice=20: expected 0 to 19", ""),
        (HOME + 'tags = ["two words"]', "`profile.nightly.tags`: ", ""),
        (HOME + 'series = "a/b"', "`profile.nightly.series`: 'a/b' is not a legal series name", ""),
        (HOME + 'before = ["sync"]', '`profile.nightly.before[0]` is "sync", expected a list of texts or a table', ""),
        (HOME + "before = [[]]", '`profile.nightly.before[0]` is [], expected ["program", "argument", …]', ""),
        (HOME + 'before = [{type = "stopped_servce"}]', "`profile.nightly.before[0].type`", "stopped_service"),
        (HOME + 'before = [{type = "stopped_service"}]', "`profile.nightly.before[0]` cannot be used: there is no", ""),
        (HOME + 'after = [{type = "stopped_service", units = ["a"]}]', "`profile.nightly.after[0]` is {", ""),
        (
            HOME + 'target = "dsk"\n[target.disk]\ndirectory = "/d"',
            '`profile.nightly.target` is "dsk", expected one of disk',
            "`disk`",
        ),
        ("[profile]\nnightly = 5", "`profile.nightly` is 5, expected a table", ""),
        ("[target.disk]\n" + HOME, "`target.disk` expected either `server` or `directory`", ""),
        ('[target.disk]\ndirectory = "/d"\nprt = 1\n' + HOME, "`target.disk.prt` is not known here", "`port`"),
        ('[target.disk]\nserver = "a"\nport = 0\n' + HOME, "`target.disk.port` is 0, expected 1 to 65535", ""),
    ],
)
def test_what_is_wrong_is_told(read: Read, place: Path, text: str, told: str, hint: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        read(text)
    assert caught.value.message.startswith(f"{place}/client.toml: {told}")
    assert hint in caught.value.hint


def test_a_wrong_name_lists_those_there_are(read: Read) -> None:
    with pytest.raises(NotFound, match="has no profile 'nigtly': there are nightly, weekly") as caught:
        read(HOME + HOME.replace("nightly", "weekly"), "nigtly")
    assert caught.value.hint == "did you mean `nightly`?"
    for name in ("../x", "/home", "a b", "-x", "a.b", ""):
        with pytest.raises(IllegalName):
            read(HOME, name)


def test_a_wrong_profile_keeps_no_other_from_being_read(read: Read) -> None:
    assert read(HOME + "[profile.wrong]\ntasks = 5").series == "nightly"


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_can_write_names_no_commands(write: Write, mode: int) -> None:
    file = write(HOME)
    file.chmod(mode)
    with pytest.raises(NotAllowed, match="it can be written by others, and they name commands") as caught:
        read_profile(file, load_config(file), "nightly")
    assert caught.value.hint == f"chmod go-w {file}"


def test_a_directory_in_which_others_can_put_another_file_is_refused(write: Write, place: Path) -> None:
    file = write(HOME)
    place.chmod(0o777)
    with pytest.raises(NotAllowed, match=f"{re.escape(str(place))} can be written by others"):
        read_profile(file, load_config(file), "nightly")
    place.chmod(0o1777)
    assert read_profile(file, load_config(file), "nightly").tasks


def test_a_file_of_another_account_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(HOME)
    if os.geteuid() == 0:
        os.chown(file, 1234, 1234)
    else:
        monkeypatch.setattr(trust.os, "geteuid", lambda: 1234)
    with pytest.raises(NotAllowed, match="belongs to another account"):
        read_profile(file, load_config(file), "nightly")


def test_passwords_come_from_files_that_nobody_else_reads(read: Read, place: Path) -> None:
    secret = place / "password"
    secret.write_text("geheim\n")
    secret.chmod(0o600)
    text = with_task(f'type = "mysql"\npassword = {{file = "{secret}"}}')
    (task,) = read(text).tasks
    assert isinstance(task, MySQL) and task._settings == {"password": "geheim"}
    command = with_task(
        f'type = "command"\nargv = ["env"]\nname = "env"\nenv = {{PASS = {{file = "{secret}"}}, A = "b"}}'
    )
    (task,) = read(command).tasks
    assert isinstance(task, Command) and task.env == {"PASS": "geheim", "A": "b"}

    secret.chmod(0o640)
    with pytest.raises(ConfigInvalid, match=r"tasks\[0\].password` lies in .*, which others can read") as caught:
        read(text)
    assert caught.value.hint == f"chmod 600 {secret}"
    secret.unlink()
    with pytest.raises(ConfigInvalid, match=r"tasks\[0\].password` names .*, which cannot be read: No such file"):
        read(text)
    with pytest.raises(ConfigInvalid, match=r"password.fil` is not known here"):
        read(text.replace("file =", "fil ="))


def test_a_password_in_the_clear_needs_a_file_that_nobody_else_reads(write: Write) -> None:
    file = write(with_task('type = "mysql"\npassword = "geheim"'))
    (task,) = read_profile(file, load_config(file), "nightly").tasks
    assert isinstance(task, MySQL) and task._settings == {"password": "geheim"}
    file.chmod(0o644)
    with pytest.raises(ConfigInvalid, match="which others can read") as caught:
        read_profile(file, load_config(file), "nightly")
    assert "geheim" not in str(caught.value)
    with pytest.raises(ConfigInvalid) as caught:
        file = write(with_task('type = "mysql"\npassword = 12345'))
        read_profile(file, load_config(file), "nightly")
    assert "12345" not in str(caught.value)


def test_the_example_of_init_is_right_with_and_without_what_is_commented_out(read: Read) -> None:
    text = example_profile(Path("/home/alice"), "/home/alice/disk[1]")
    (home,) = read(text).tasks
    assert isinstance(home, Directory) and home.path == Path("/home/alice")
    assert home.exclude == (".cache", r"/disk\[1\]")
    full = re.sub(r"^#(?=\S)", "", text, flags=re.MULTILINE)
    profile = read(full)
    assert [type(task) for task in profile.tasks] == [TASK_TYPES[name] for name in ("directory", "sqlite", "mysql")]
    assert (profile.retries, profile.nice, len(profile.before)) == (2, 19, 2)


def test_the_documents_example_is_right(write: Write, place: Path) -> None:
    (example,) = re.findall(r"```toml file\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    for secret in ("shop.password",):
        (place / secret).write_text("geheim")
        (place / secret).chmod(0o600)
    file = write("")
    file.write_text(example.replace("/etc/thaniya", str(place)))
    config = load_config(file)
    profiles = {name: read_profile(file, config, name) for name in config.profile}
    used = {type(task) for profile in profiles.values() for task in profile.tasks}
    assert len(profiles) >= 3 and len(used) >= 5
    assert {key for table in config.profile.values() for key in table} == set(Profile.__struct_fields__)


def test_the_document_names_every_key_and_type() -> None:
    text = DOCUMENT.read_text()
    for name in (*Profile.__struct_fields__, *TASK_TYPES, *STEP_TYPES):
        assert f"`{name}`" in text, name
