"""The files that set up a real server: pure functions from an Installation to text."""

from __future__ import annotations

import json

from thaniya_core.setup.installation import SFTP_OPTIONS, SLOT_GROUP, Installation

_GENERATED = "# Written by `thaniya setup openssh`, which writes it anew when it is run again."

_LOGIN = """\
    AuthorizedKeysFile none
    AuthorizedKeysCommand {key_lookup} %u
    AuthorizedKeysCommandUser {user}
    PubkeyAuthentication yes
    AuthenticationMethods publickey
    PasswordAuthentication no
    KbdInteractiveAuthentication no
    DisableForwarding yes
    PermitTunnel no
    PermitTTY no
    PermitUserRC no
    # Whatever else this machine accepts: the environment of the broker is not the client's to set.
    AcceptEnv LANG
    # A client that has vanished is noticed after a minute and a half.
    ClientAliveInterval 30
    ClientAliveCountMax 3
"""

_CHROOTED = """\
    ChrootDirectory {slots}/%u
    ForceCommand internal-sftp {sftp_options}
"""

_CONFINED = """\
    # The old SCP protocol needs a program of the system, which a chroot has not: this one confines it by bwrap.
    ChrootDirectory none
    ForceCommand {slot_program}
"""


def sshd_drop_in(installation: Installation) -> str:
    """Who may log in to the service's account and to the slots, and what for (sshd_config(5))."""
    login = _LOGIN.format(key_lookup=installation.key_lookup, user=installation.service_user)
    entry = (_CONFINED if installation.legacy_scp else _CHROOTED).format(
        slots=installation.slots, slot_program=installation.slot_program, sftp_options=" ".join(SFTP_OPTIONS)
    )
    return f"""\
{_GENERATED}

# Many machines begin their backup at the same minute. By default sshd drops new connections at random as soon as ten
# are not logged in yet.
MaxStartups 200:30:400

# Clients ask for a slot here; each key runs one command, the broker.
Match User {installation.service_user}
{login}
# Slots: files come in, nothing else happens. Who is let in is decided for each login by the command above.
Match Group {SLOT_GROUP}
{login}{entry}
Match all
"""


def sudoers(installation: Installation) -> str:
    """What the service may do as root: run the helper, which checks its arguments itself (sudoers(5))."""
    user = installation.service_user
    # The service has no terminal, whatever else this machine asks of sudo.
    return f"Defaults:{user} !requiretty\n{user} ALL=(root) NOPASSWD: {installation.root_helper}\n"


def root_json(installation: Installation) -> str:
    """What the root helper and the key look-up need to know."""
    facts = {
        "slots": str(installation.slots),
        "spool": str(installation.spool),
        "state": str(installation.state),
        "user": installation.service_user,
        "shell": str(installation.slot_shell),
        "sftp_options": SFTP_OPTIONS,
        "broker": [str(installation.program), "--config", str(installation.config), "broker"],
    }
    return json.dumps(facts, indent=2) + "\n"


def thaniya_toml(installation: Installation) -> str:
    """The first configuration of a server; from then on it is the administrator's."""
    return f"""\
# Configuration of a Thaniya server; see docs/configuration.md. What is commented out stands at its default.
# After a change of [paths] or [gate] run `thaniya setup openssh` again.

[paths]
# With slots, spool and volumes on one file system no uploaded byte is copied.
state = {_quote(installation.state)}
spool = {_quote(installation.spool)}
slots = {_quote(installation.slots)}

[gate]
# sshd receives, into accounts of the system.
kind = "openssh"
control_account = {_quote(installation.service_user)}
root_helper = {_quote(installation.root_helper)}
# Slots take `scp -O` too, as very old clients send it; needs bubblewrap.
# legacy_scp = false

[slots]
# An upload that gets no byte for so long expires.
# silence = "15m"
# What allocation leaves free on the disk of the slots.
# margin = "256M"
# What is kept free for an upload that does not say how large it will be.
# assumed = "1G"

[jobs]
# workers = 2
# attempts = 10
# first_delay = "5s"
# longest_delay = "1h"
"""


def cron(installation: Installation) -> str:
    """The service's work once a minute, where no systemd keeps a service running (crontab(5))."""
    command = f"{installation.program} --config {installation.config} tick"
    return f"{_GENERATED}\n* * * * * {installation.service_user} {command} >/dev/null\n"


def _quote(value: object) -> str:
    """A basic string of TOML; JSON's escapes are a part of TOML's."""
    return json.dumps(str(value))
