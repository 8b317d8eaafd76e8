"""PostgreSQL for real: dumped while it is written to, restored into an empty server by RESTORE.txt."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from database_servers import Server, postgresql_server

from thaniya_client import LocalDirectory, PostgreSQL, SourceFailed, WrongUsage
from thaniya_client.tasks.interface import describe_task

ArchiveOf = Callable[[str], Path]
Follow = Callable[..., str]

SHOP = """
CREATE TABLE a_debit (number serial PRIMARY KEY);
CREATE TABLE m_bulk (id int PRIMARY KEY, bytes bytea, text text);
CREATE TABLE z_credit (number serial PRIMARY KEY);
INSERT INTO m_bulk
    SELECT i, sha512(i::text::bytea), 'Übergröße 😀 ' || repeat(i::text, 50) FROM generate_series(1, 20000) i;
CREATE VIEW doubled AS SELECT id, id * 2 AS twice FROM m_bulk;
CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE INDEX by_text ON m_bulk (text);
"""
TRANSFER = "BEGIN; INSERT INTO a_debit DEFAULT VALUES; INSERT INTO z_credit DEFAULT VALUES; COMMIT;"
COUNT = "SELECT count(*) FROM z_credit;"
PASSWORD = "p:a\\ss 'w\"ord ü"


@pytest.fixture
def server(postgresql: Server) -> Server:
    """A server with a database of several kinds of things."""
    postgresql.sql("CREATE DATABASE shop;")
    postgresql.sql(SHOP, "shop")
    return postgresql


@pytest.fixture
def task(server: Server) -> Callable[..., PostgreSQL]:
    """A function that makes a task for the server."""

    def make(*databases: str, **options: object) -> PostgreSQL:
        return PostgreSQL(*databases, **{"host": server.directory, "user": "postgres"} | options)  # type: ignore[arg-type]

    return make


def environment(server: Server) -> dict[str, str]:
    return {"PGHOST": str(server.directory), "PGUSER": "postgres"}


def bulk_of(server: Server, database: str = "shop") -> str:
    return server.sql(
        "SELECT md5(string_agg(m::text, '' ORDER BY id)) FROM m_bulk m; SELECT sum(twice) FROM doubled;", database
    )


@pytest.mark.parametrize("format", ["custom", "plain"])
def test_dump_is_of_one_moment_while_rows_are_written_and_comes_back_whole(
    server: Server, task: Callable[..., PostgreSQL], target: LocalDirectory, follow: Follow, format: str
) -> None:
    with server.written_to("shop", TRANSFER, COUNT):
        report = target.backup(task("shop", format=format), name="nightly")
    with postgresql_server() as empty:
        follow(report.id, env=environment(empty))
        debits, credits = empty.sql("SELECT count(*) FROM a_debit; SELECT count(*) FROM z_credit;", "shop").split()
        assert 0 < int(credits) == int(debits) < int(server.sql(COUNT, "shop"))
        assert bulk_of(empty) == bulk_of(server)
        assert empty.sql("SELECT one(); SELECT indexname FROM pg_indexes WHERE indexname = 'by_text';", "shop") == (
            "1\nby_text"
        )
    assert report.warning_count == 0


@pytest.mark.parametrize("format", ["custom", "plain"])
def test_all_databases_bring_roles_with_them(
    server: Server,
    task: Callable[..., PostgreSQL],
    target: LocalDirectory,
    follow: Follow,
    archive_of: ArchiveOf,
    format: str,
) -> None:
    odd = "host=elsewhere 'my\\ db' \"x\""
    server.sql("CREATE ROLE clerk LOGIN; CREATE TABLE kept (value int); INSERT INTO kept VALUES (7);")
    server.sql(f"""CREATE DATABASE "{odd.replace('"', '""')}" OWNER clerk; CREATE DATABASE empty;""")
    server.sql("CREATE TABLE clerks (); ALTER TABLE clerks OWNER TO clerk;", "shop")

    report = target.backup(task(format=format), name="nightly")

    suffix = "sql" if format == "plain" else "dump"
    names = {path.name for path in archive_of(report.id).glob("postgresql-*")}
    stems = ("empty", "shop", "postgres", "host_elsewhere__my__db___x_")
    assert names == {"postgresql-globals.sql.gz", *(f"postgresql-{stem}.{suffix}.gz" for stem in stems)}
    with postgresql_server() as empty:
        follow(report.id, env=environment(empty))
        assert bulk_of(empty) == bulk_of(server)
        assert empty.sql("SELECT value FROM kept;") == "7"
        owners = empty.sql(
            "SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE NOT datistemplate ORDER BY 1;"
        )
        assert owners.splitlines() == ["empty\tpostgres", f"{odd}\tclerk", "postgres\tpostgres", "shop\tpostgres"]


def test_a_password_is_in_no_file_no_list_of_processes_and_no_log(
    server: Server,
    task: Callable[..., PostgreSQL],
    target: LocalDirectory,
    archive_of: ArchiveOf,
    programs: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    quoted = PASSWORD.replace("'", "''")
    server.sql(f"CREATE ROLE asked SUPERUSER LOGIN PASSWORD '{quoted}';")
    seen = tmp_path / "seen"
    programs("pg_dump", f'{{ echo "$@"; env; ls -lL /dev/fd/; }} >>{seen}; exec /usr/bin/pg_dump "$@"')
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    asked = task(user="asked", password=PASSWORD)

    report = target.backup(asked, name="nightly")

    assert (archive_of(report.id) / "postgresql-shop.dump.gz").exists()
    assert PASSWORD not in seen.read_text() + repr(asked) + describe_task(asked) + repr(report)
    assert "-rw-------" in seen.read_text()
    for file in archive_of(report.id).iterdir():
        assert PASSWORD.encode() not in file.read_bytes()
    assert list((tmp_path / "temporary").iterdir()) == []

    for wrong in ({"password": PASSWORD + "!"}, {}):
        with pytest.raises(SourceFailed, match="password") as denied:
            target.backup(task("shop", user="asked", **wrong), name="nightly")
        assert PASSWORD not in str(denied.value)


def test_a_password_file_is_used_as_it_is(
    server: Server, task: Callable[..., PostgreSQL], target: LocalDirectory, tmp_path: Path
) -> None:
    server.sql("CREATE ROLE asked SUPERUSER LOGIN PASSWORD 'secret';")
    (tmp_path / "pgpass").write_text("*:*:*:asked:secret\n")
    (tmp_path / "pgpass").chmod(0o600)
    report = target.backup(task("shop", user="asked", passfile=tmp_path / "pgpass"), name="nightly")
    assert report.files[0].name == "postgresql-shop.dump.gz"


@pytest.mark.skipif(os.geteuid() != 0, reason="cannot run here: only root becomes another account")
def test_root_becomes_the_account_that_the_server_knows(server: Server, target: LocalDirectory) -> None:
    (server.directory / "data/pg_hba.conf").write_text("local all all peer\n")
    server.sql("SELECT pg_reload_conf(); SELECT 1;")
    with pytest.raises(SourceFailed, match=r'role "root" does not exist|Peer authentication failed'):
        target.backup(PostgreSQL("shop", host=server.directory), name="nightly")
    report = target.backup(PostgreSQL(host=server.directory, system_user="postgres"), name="nightly")
    assert {file.name for file in report.files} >= {"postgresql-shop.dump.gz", "postgresql-globals.sql.gz"}


def test_what_cannot_be_dumped_fails_the_backup(
    task: Callable[..., PostgreSQL], target: LocalDirectory, tmp_path: Path, all_archived: Callable[[], list[str]]
) -> None:
    with pytest.raises(SourceFailed, match='database "gone" does not exist'):
        target.backup(task("gone"), name="nightly")
    for databases in (["shop"], []):
        with pytest.raises(SourceFailed, match="No such file or directory"):
            target.backup(PostgreSQL(*databases, host=tmp_path), name="nightly")
    assert all_archived() == []


def test_wrong_usage_is_told_at_once() -> None:
    with pytest.raises(WrongUsage, match="name of a database"):
        PostgreSQL("two\nlines")
    with pytest.raises(WrongUsage, match="one is enough"):
        PostgreSQL("shop", password="x", passfile="y")
    with pytest.raises(WrongUsage, match="no format"):
        PostgreSQL("shop", format="tar")  # type: ignore[arg-type]
