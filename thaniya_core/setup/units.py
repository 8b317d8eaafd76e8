"""The unit of systemd (systemd.service(5), systemd.exec(5))."""

from __future__ import annotations

from pathlib import Path

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


def service_unit(installation: Installation) -> str:
    """The service, hardened as far as the root helper allows, which runs within the unit's limits."""
    paths = (installation.program, installation.state, installation.spool, installation.slots, installation.volume)
    uses_homes = any(path.is_relative_to(home) for path in paths for home in _HOMES)
    return f"""\
# Written by `thaniya setup openssh`, which writes it anew when it is run again. Own settings: `systemctl edit thaniya`.

[Unit]
Description=Thaniya backup server
Documentation=man:sshd_config(5)
After=local-fs.target remote-fs.target time-sync.target

[Service]
User={installation.service_user}
ExecStart={installation.program} --config {installation.config} serve
Restart=on-failure
RestartSec=5
UMask=0027
TimeoutStopSec=60

# The root helper is started through sudo and runs within these limits too: it writes /etc/passwd and /etc/shadow.
CapabilityBoundingSet={CAPABILITIES}
PrivateTmp=yes
ProtectControlGroups=yes
ProtectHome={"no" if uses_homes else "yes"}
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
