"""The unit of systemd (systemd.service(5), systemd.exec(5))."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import thaniya_core
from thaniya_core.setup.installation import Installation

SERVICE = "thaniya.service"

CAPABILITIES = (
    "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETUID CAP_SETGID "
    "CAP_LEASE CAP_SYS_PTRACE CAP_SYS_RESOURCE CAP_AUDIT_WRITE"
)
"""What the root helper needs, sudo and chage included.

SYS_PTRACE tells sshd by its program from what has its name; LEASE tells whether a file is open for writing.
"""

_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
_TEMPORARY = (Path("/tmp"), Path("/var/tmp"))


def running_code() -> tuple[Path, ...]:
    """Where the code lies that runs now: Python, what is installed for it, and Thaniya."""
    places = (Path(sys.executable), Path(sys.prefix), Path(sys.base_prefix), *map(Path, thaniya_core.__path__))
    return tuple(dict.fromkeys(path.resolve() for path in places))


def service_unit(installation: Installation, code: Sequence[Path] | None = None) -> str:
    """The service, hardened as far as the root helper allows, which runs within the unit's limits.

    Args:
        installation: where everything lies.
        code: where the service's code lies, which it must not hide from itself; `running_code` when None.
    """
    data = (installation.state, installation.spool, installation.slots, installation.volume)
    needed = (installation.program, *data, *(running_code() if code is None else code))
    return f"""\
# Written by `thaniya setup openssh`, which writes it anew when it is run again. Own settings: `systemctl edit thaniya`.

[Unit]
Description=Thaniya backup server
Documentation=man:sshd_config(5)
After=local-fs.target remote-fs.target time-sync.target

[Service]
# A start that fails because the program cannot be run is told to who starts it.
Type=exec
User={installation.service_user}
ExecStart={installation.program} --config {installation.config} serve
Restart=on-failure
RestartSec=5
UMask=0027
TimeoutStopSec=60

# The root helper is started through sudo and runs within these limits too: it writes /etc/passwd and /etc/shadow.
CapabilityBoundingSet={CAPABILITIES}
# No devices but null, zero, full, random and urandom.
DevicePolicy=closed
PrivateTmp={_yes_unless_below(_TEMPORARY, needed)}
ProtectControlGroups=yes
ProtectHome={_yes_unless_below(_HOMES, needed)}
ProtectSystem=yes

# What cannot be set, and why:
# NoNewPrivileges: sudo would not become root.
# ProtectSystem=full, strict: chage writes /etc/shadow, useradd /etc/passwd; and volumes may be mounted anywhere.
# ProtectProc, PrivateUsers: the service counts the processes of the slot accounts.
# PrivateNetwork: notifications leave the machine.
# PrivateDevices, ProtectKernelTunables, ProtectKernelModules, ProtectKernelLogs, ProtectClock, ProtectHostname,
# RestrictNamespaces, RestrictAddressFamilies, RestrictRealtime, RestrictSUIDSGID, LockPersonality,
# MemoryDenyWriteExecute, SystemCallFilter, SystemCallArchitectures: for a service that is not root each of them
# brings NoNewPrivileges with it.

[Install]
WantedBy=multi-user.target
"""


def _yes_unless_below(places: Sequence[Path], needed: Sequence[Path]) -> str:
    """Whether places can be hidden from the service: not when something that it needs lies there."""
    return "no" if any(path.is_relative_to(place) for path in needed for place in places) else "yes"
