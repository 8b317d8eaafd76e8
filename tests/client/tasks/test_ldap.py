"""OpenLDAP for real: configuration and entries, restored into an empty place by RESTORE.txt."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from database_servers import need

from thaniya_client import LDAP, LocalDirectory, SourceFailed

Follow = Callable[..., str]

CONFIG = """\
dn: cn=config
objectClass: olcGlobal
cn: config

dn: cn=module{{0}},cn=config
objectClass: olcModuleList
cn: module{{0}}
olcModulePath: /usr/lib/ldap
olcModuleLoad: back_mdb

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

include: file:///etc/ldap/schema/core.ldif

dn: olcDatabase={{1}}mdb,cn=config
objectClass: olcMdbConfig
olcDatabase: {{1}}mdb
olcSuffix: dc=example,dc=org
olcDbDirectory: {data}
olcRootDN: cn=admin,dc=example,dc=org
"""
ENTRIES = """\
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Exämple

""" + "\n".join(
    f"dn: cn=person {n},dc=example,dc=org\nobjectClass: person\ncn: person {n}\nsn: {n}\n" for n in range(200)
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The configuration of an OpenLDAP with entries."""
    slapadd = need("slapadd", "slapd")
    (tmp_path / "slapd.d").mkdir()
    (tmp_path / "entries").mkdir()
    for number, text in ((0, CONFIG.format(data=tmp_path / "entries")), (1, ENTRIES)):
        argv = [slapadd, "-n", str(number), "-F", str(tmp_path / "slapd.d")]
        done = subprocess.run(argv, input=text, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr
    return tmp_path / "slapd.d"


def entries_of(configuration: Path) -> str:
    argv = [need("slapcat", "slapd"), "-n", "1", "-F", str(configuration)]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def test_configuration_and_entries_come_back(
    directory: Path, target: LocalDirectory, follow: Follow, tmp_path: Path
) -> None:
    before = entries_of(directory)
    report = target.backup(LDAP(config=directory), name="nightly")
    assert [file.name for file in report.files] == ["ldap-config.ldif.gz", "ldap-1.ldif.gz", "client.log"]
    (tmp_path / "entries").rename(tmp_path / "lost")
    (tmp_path / "entries").mkdir()
    follow(report.id, **{"/etc/ldap/slapd.d": str(tmp_path / "new.d"), "slapadd": need("slapadd", "slapd")})
    assert entries_of(tmp_path / "new.d") == before
    assert before.count("dn: cn=person") == 200


def test_an_empty_or_missing_directory_is_never_a_success(
    directory: Path, target: LocalDirectory, tmp_path: Path, all_archived: Callable[[], list[str]]
) -> None:
    for file in (tmp_path / "entries").iterdir():
        file.unlink()
    with pytest.raises(SourceFailed, match="cannot be backed up"):
        target.backup(LDAP(config=directory), name="nightly")
    with pytest.raises(SourceFailed, match="cannot be backed up"):
        target.backup(LDAP(config=tmp_path / "gone"), name="nightly")
    assert all_archived() == []
