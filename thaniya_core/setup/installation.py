"""Where the parts of a real server lie on a machine."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from msgspec import Struct

from thaniya_core.config import Config

NO_SHELL = Path("/usr/sbin/nologin")
INTERPRETER = Path("/usr/bin/python3")
"""Runs the programs of `library`; their first lines name it."""
SLOT_GROUP = "thaniya-slots"
"""Every slot account is a member; sshd's Match rests on it. root_helper.py knows the same name."""
SFTP_OPTIONS = ("-u", "0027", "-l", "VERBOSE", "-P", "mkdir,rmdir,symlink,readlink,hardlink,copy-data")
"""Of sftp-server(8): what it logs goes to the service, by dev/log of the slot; no upload needs what is denied."""


class Installation(Struct, frozen=True):
    """Names and paths, as `setup openssh` makes them."""

    service_user: str = "thaniya"
    """Runs the service, and is the control account that clients call."""
    program: Path = Path("/usr/local/bin/thaniya")
    """The command line, as the service user can run it."""
    config: Path = Path("/etc/thaniya/thaniya.toml")
    root_config: Path = Path("/etc/thaniya/root.json")
    """What the root helper and the key look-up read."""
    state: Path = Path("/var/lib/thaniya")
    spool: Path = Path("/var/lib/thaniya/spool")
    volume: Path = Path("/var/lib/thaniya/volume")
    slots: Path = Path("/srv/thaniya/slots")
    library: Path = Path("/usr/local/lib/thaniya")
    """Programs that belong to root: the helper, the key look-up, what slots run."""
    legacy_scp: bool = False
    """Slots take the old SCP protocol too, confined by bwrap instead of sshd's chroot."""
    sshd_config: Path = Path("/etc/ssh/sshd_config")
    sshd_drop_in: Path = Path("/etc/ssh/sshd_config.d/thaniya.conf")
    sudoers: Path = Path("/etc/sudoers.d/thaniya")
    units: Path = Path("/etc/systemd/system")
    cron: Path = Path("/etc/cron.d/thaniya")

    @property
    def root_helper(self) -> Path:
        return self.library / "thaniya-root"

    @property
    def key_lookup(self) -> Path:
        return self.library / "thaniya-keys"

    @property
    def slot_program(self) -> Path:
        """What logins to slots run with `legacy_scp`; not there without."""
        return self.library / "thaniya-slot"

    @property
    def slot_shell(self) -> Path:
        """The login shell of the slot accounts."""
        return self.slot_program if self.legacy_scp else NO_SHELL


def find_program() -> Path:
    """The `thaniya` that runs now, as an absolute path."""
    found = shutil.which("thaniya")
    own = Path(sys.argv[0]).absolute()
    return own if own.name == "thaniya" else Path(found or own)


def installation_of(config: Config) -> Installation:
    """Where the parts of a server lie that is configured already: as usual, but for what its configuration says."""
    return Installation(
        service_user=config.gate.control_account,
        program=find_program(),
        config=config.file,
        state=config.paths.state,
        spool=config.paths.spool,
        volume=config.paths.state / "volume",
        slots=config.paths.slots,
        library=config.gate.root_helper.parent,
        legacy_scp=config.gate.legacy_scp,
    )
