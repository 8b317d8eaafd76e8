"""Backs up the directory of an OpenLDAP server."""

from __future__ import annotations

import re
from pathlib import Path

from thaniya_client.packer import Packer
from thaniya_client.tasks.stream import pack_output, run_tool
from thaniya_client.tasks.tools import Tool, find_tool
from thaniya_core.errors import SourceFailed
from thaniya_core.formats.compression import Compression, check_level
from thaniya_core.formats.names import check_file

SLAPCAT = Tool("slapcat", install="apt install slapd, or dnf install openldap-servers")

_DATABASE = re.compile(r"^dn: olcDatabase=\{([1-9][0-9]*)\}(?:mdb|hdb|bdb|wt|ldif),cn=config$", re.MULTILINE | re.I)
_SUBJECT = "the LDAP directory"


class LDAP:
    """The configuration and all databases of an OpenLDAP server on this machine, as LDIF by slapcat.

        LDAP()

    The server may run meanwhile; its databases (mdb) are read as they were at one moment. Needs root, or the account
    that the server runs as.
    """

    def __init__(
        self,
        *,
        config: str | Path | None = None,
        name: str = "ldap",
        compression: Compression | str = Compression.GZIP,
        level: int | None = None,
    ) -> None:
        """Describe what to back up; nothing is read yet.

        Args:
            config: the server's configuration directory (`slapd.d`) or file (`slapd.conf`), where it is not at its
                usual place.
            name: what the files' names in the backup begin with: `ldap-config.ldif.gz`, `ldap-1.ldif.gz`.
            compression: `gzip`, `bzip2`, `xz` or `none`.
            level: the compressor's level; by default fast rather than small.

        Raises:
            IllegalName: no file of a backup may bear that name.
        """
        self.config = None if config is None else Path(config).expanduser().absolute()
        self.name = check_file(name)
        self.compression = Compression(compression)
        self.level = check_level(self.compression, level)

    def __repr__(self) -> str:
        return "LDAP()" if self.config is None else f"LDAP(config={str(self.config)!r})"

    def describe(self) -> str:
        """What will be dumped."""
        return f"configuration and databases of the LDAP server, as {self.name}-config.ldif and {self.name}-N.ldif"

    def tools(self) -> list[Tool]:
        """slapcat."""
        return [SLAPCAT]

    def estimate_bytes(self) -> int | None:
        """The size of the database files is no bound for the size of LDIF."""
        return None

    def pack(self, out: Packer) -> None:
        """Write `NAME-config.ldif.gz`, and `NAME-N.ldif.gz` of each database by its number.

        Raises:
            SourceFailed: the configuration cannot be read, no database is in it, or one is empty.
        """
        configuration = run_tool(self._slapcat(0), subject=_SUBJECT)
        numbers = sorted({int(number) for number in _DATABASE.findall(configuration.decode("utf-8", "replace"))})
        if not numbers:
            raise SourceFailed(
                f"{_SUBJECT} cannot be backed up: its configuration names no database that holds entries"
            )
        lines: list[str] = []
        with out.open(f"{self.name}-config.ldif", compression=self.compression, level=self.level) as file:
            file.write(configuration)
        lines.append(f"{file.read_command} | slapadd -n 0 -F /etc/ldap/slapd.d")
        for number in numbers:
            with out.open(f"{self.name}-{number}.ldif", compression=self.compression, level=self.level) as file:
                pack_output(out, file, self._slapcat(number), subject=f"database {number} of {_SUBJECT}")
            lines.append(f"{file.read_command} | slapadd -n {number} -F /etc/ldap/slapd.d")
        out.add_recipe(
            f"the LDAP directory ({self.name})",
            "# Stop slapd, and move its old configuration and databases away. The directories that the configuration",
            "# names (olcDbDirectory) must be there and empty. Other systems than Debian have /etc/openldap/slapd.d.",
            "mkdir -p /etc/ldap/slapd.d",
            *lines,
            "# Give all of it to the account that slapd runs as, and start slapd:",
            "# chown -R openldap:openldap /etc/ldap/slapd.d /var/lib/ldap",
        )

    def _slapcat(self, number: int) -> list[str]:
        where = [] if self.config is None else ["-F" if self.config.is_dir() else "-f", str(self.config)]
        return [find_tool(SLAPCAT), "-n", str(number), "-o", "ldif-wrap=no", *where]
