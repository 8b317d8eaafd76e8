"""MariaDB for real: dumped while it is written to, restored into an empty server by RESTORE.txt."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from database_servers import Server, mariadb_server

from thaniya_client import LocalDirectory, MySQL, SourceFailed, WrongUsage
from thaniya_client.tasks.interface import describe_task

ArchiveOf = Callable[[str], Path]
Follow = Callable[..., str]

SHOP = """
CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
USE {name};
CREATE TABLE a_debit (number INT AUTO_INCREMENT PRIMARY KEY, made TIMESTAMP DEFAULT now()) ENGINE=InnoDB;
CREATE TABLE m_bulk (id INT PRIMARY KEY, bytes BLOB, text TEXT) ENGINE=InnoDB;
CREATE TABLE z_credit (number INT AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB;
CREATE TABLE audit (what VARCHAR(20)) ENGINE=InnoDB;
INSERT INTO m_bulk
    SELECT seq, UNHEX(SHA2(seq, 512)), CONCAT('Übergröße 😀 \\'\\r\\n', REPEAT(seq, 50)) FROM seq_1_to_20000;
CREATE VIEW doubled AS SELECT id, id * 2 AS twice FROM m_bulk;
DELIMITER //
CREATE PROCEDURE transfer() BEGIN INSERT INTO a_debit () VALUES (); INSERT INTO z_credit () VALUES (); END//
CREATE FUNCTION one() RETURNS INT DETERMINISTIC RETURN 1//
CREATE TRIGGER noted AFTER DELETE ON m_bulk FOR EACH ROW INSERT INTO audit VALUES ('deleted')//
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM audit//
DELIMITER ;
"""
TRANSFER = "START TRANSACTION; INSERT INTO a_debit () VALUES (); INSERT INTO z_credit () VALUES (); COMMIT;"
COUNT = "SELECT count(*) FROM z_credit;"
PASSWORD = "p\"a'ss\\w#ord $x; [ü]"


@pytest.fixture
def server(mariadb: Server) -> Server:
    """A server with a database of all kinds of things."""
    mariadb.sql(SHOP.format(name="shop"))
    return mariadb


@pytest.fixture
def task(server: Server) -> Callable[..., MySQL]:
    """A function that makes a task for the server."""

    def make(*databases: str, **options: object) -> MySQL:
        options = {"socket": server.directory / "socket", "user": "root"} | options
        return MySQL(*databases, **options)  # type: ignore[arg-type]

    return make


def speak_to(server: Server) -> None:
    """Have the programs speak to a server when they are told nothing, as a person who restores has."""
    (Path.home() / ".my.cnf").write_text(f"[client]\nsocket={server.directory}/socket\nuser=root\n")


def bulk_of(server: Server, database: str = "shop") -> str:
    return server.sql("CHECKSUM TABLE m_bulk; SELECT sum(twice) FROM doubled;", database)


def test_dump_is_of_one_moment_while_rows_are_written_and_comes_back_whole(
    server: Server, task: Callable[..., MySQL], target: LocalDirectory, follow: Follow
) -> None:
    with server.written_to("shop", TRANSFER, COUNT):
        report = target.backup(task("shop"), name="nightly")
    with mariadb_server() as empty:
        speak_to(empty)
        follow(report.id)
        debits, credits = empty.sql("SELECT count(*) FROM a_debit; SELECT count(*) FROM z_credit;", "shop").split()
        assert 0 < int(credits) == int(debits) < int(server.sql(COUNT, "shop"))
        assert bulk_of(empty) == bulk_of(server)
        assert empty.sql("CALL transfer(); SELECT one(); DELETE FROM m_bulk LIMIT 1; SELECT * FROM audit;", "shop") == (
            "1\ndeleted"
        )
        assert "nightly" in empty.sql("SHOW EVENTS FROM shop;")
        assert "utf8mb4_bin" in empty.sql("SHOW CREATE DATABASE shop;")
    assert report.warning_count == 0


def test_several_and_odd_names(
    server: Server, task: Callable[..., MySQL], target: LocalDirectory, follow: Follow, archive_of: ArchiveOf
) -> None:
    server.sql(SHOP.format(name="`the blog-2 ü`"))
    report = target.backup(task("shop", "the blog-2 ü"), name="nightly")
    assert (archive_of(report.id) / "mysql.sql.gz").exists()
    with mariadb_server() as empty:
        speak_to(empty)
        follow(report.id)
        for database in ("shop", "the blog-2 ü"):
            assert bulk_of(empty, database) == bulk_of(server, database)


def test_all_databases_bring_accounts_with_them(
    server: Server, task: Callable[..., MySQL], target: LocalDirectory, follow: Follow
) -> None:
    server.sql("CREATE USER clerk@localhost IDENTIFIED BY 'x'; GRANT SELECT ON shop.* TO clerk@localhost;")
    report = target.backup(task(), name="nightly")
    with mariadb_server() as empty:
        speak_to(empty)
        follow(report.id)
        assert bulk_of(empty) == bulk_of(server)
        assert "GRANT SELECT ON `shop`" in empty.sql("SHOW GRANTS FOR clerk@localhost;")


def test_a_password_is_in_no_file_no_list_of_processes_and_no_log(
    server: Server,
    task: Callable[..., MySQL],
    target: LocalDirectory,
    archive_of: ArchiveOf,
    programs: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    quoted = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
    server.sql(f"CREATE USER clerk@localhost IDENTIFIED BY '{quoted}'; GRANT ALL ON *.* TO clerk@localhost;")
    seen = tmp_path / "seen"
    programs("mariadb-dump", f'{{ echo "$@"; env; ls -lL /dev/fd/; }} >{seen}; exec /usr/bin/mariadb-dump "$@"')
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    clerk = task("shop", user="clerk", password=PASSWORD)

    report = target.backup(clerk, name="nightly")

    assert b"CREATE TABLE" in gzip.decompress((archive_of(report.id) / "mysql-shop.sql.gz").read_bytes())
    assert PASSWORD not in seen.read_text() + repr(clerk) + describe_task(clerk) + repr(report)
    assert "-rw-------" in seen.read_text()
    for file in archive_of(report.id).iterdir():
        assert PASSWORD.encode() not in file.read_bytes()
    assert list((tmp_path / "temporary").iterdir()) == []

    with pytest.raises(SourceFailed, match="Access denied") as denied:
        target.backup(task("shop", user="clerk", password=PASSWORD + "!"), name="nightly")
    assert PASSWORD not in str(denied.value)


def test_an_option_file_is_used_as_it_is(server: Server, target: LocalDirectory, tmp_path: Path) -> None:
    (tmp_path / "my.cnf").write_text(f"[client]\nsocket={server.directory}/socket\nuser=root\n")
    report = target.backup(MySQL("shop", defaults_file=tmp_path / "my.cnf"), name="nightly")
    assert report.original_bytes > 1_000_000


def test_what_cannot_be_dumped_fails_the_backup(
    task: Callable[..., MySQL], target: LocalDirectory, tmp_path: Path, all_archived: Callable[[], list[str]]
) -> None:
    with pytest.raises(SourceFailed, match="Unknown database 'gone'"):
        target.backup(task("gone"), name="nightly")
    with pytest.raises(SourceFailed, match="Can't connect"):
        target.backup(MySQL("shop", socket=tmp_path / "nobody"), name="nightly")
    assert all_archived() == []


def test_a_missing_program_is_named_with_how_to_install_it(
    target: LocalDirectory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("thaniya_client.tasks.tools._ADMINISTRATORS_PATH", ())
    with pytest.raises(SourceFailed, match="mariadb-dump or mysqldump is not there") as missing:
        target.backup(MySQL("shop"), name="nightly")
    assert "apt install mariadb-client" in missing.value.hint


def test_wrong_usage_is_told_at_once() -> None:
    for databases in ([""], ["--all-databases"], ["two\nlines"]):
        with pytest.raises(WrongUsage, match="name of a database"):
            MySQL(*databases)
    with pytest.raises(WrongUsage, match="option file"):
        MySQL("shop", user="root", defaults_file="my.cnf")
    with pytest.raises(WrongUsage, match="line break"):
        MySQL("shop", password="two\n[lines]")
    assert os.sep not in MySQL("a/b").name
