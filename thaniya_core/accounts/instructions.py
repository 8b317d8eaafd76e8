"""What a user is told so that the first backup can be made, by somebody who has never heard of Thaniya."""

from __future__ import annotations

from msgspec import Struct

from thaniya_core.formats.quantities import format_size
from thaniya_core.model import User
from thaniya_core.system.harmless import make_harmless

_SSH_PORT = 22
_KINDS = {"ssh-ed25519": "ED25519", "ssh-rsa": "RSA"}


class HostKey(Struct, frozen=True):
    """A public key by which clients know the server."""

    algorithm: str
    blob: str
    fingerprint: str
    """`SHA256:…`."""


class Entrance(Struct, frozen=True):
    """How clients reach a server."""

    host: str
    port: int
    account: str
    """The control account."""
    host_keys: tuple[HostKey, ...] = ()
    """The one that clients ask for first comes first."""
    doubts: tuple[str, ...] = ()
    """What an administrator should know before sending this to anybody."""


class Instructions(Struct, frozen=True):
    """What to send to a user, and what is behind it."""

    user: str
    host: str
    port: int
    account: str
    fingerprint: str
    """Of the server's host key; empty when that is not known."""
    known_hosts: tuple[str, ...]
    """Lines for known_hosts."""
    doubts: tuple[str, ...]
    """For the administrator: why this may not work yet."""
    text: str
    """For the user; no line of prose is longer than 68 letters."""


def instruct(user: User, entrance: Entrance) -> Instructions:
    """Write down what a user needs."""
    known_hosts = tuple(f"{_known_as(entrance)} {key.algorithm} {key.blob}" for key in entrance.host_keys)
    fingerprint = entrance.host_keys[0].fingerprint if entrance.host_keys else ""
    text = "\n".join(
        [
            *_introduction(user, entrance),
            *_facts(user, entrance),
            *_own_client(user, entrance, fingerprint),
            *_plain_programs(entrance, known_hosts),
        ]
    )
    return Instructions(
        user.name,
        entrance.host,
        entrance.port,
        entrance.account,
        fingerprint,
        known_hosts,
        (*_doubts(user), *entrance.doubts),
        text + "\n",
    )


def _introduction(user: User, entrance: Entrance) -> list[str]:
    return [
        f"Your backups on {entrance.host}",
        "",
        "This server keeps backups. You send them over SSH, with a key and",
        "without a password. What has arrived whole is checked and archived;",
        "from then on nobody can change or remove it with your key, not",
        "even you.",
        "",
    ]


def _facts(user: User, entrance: Entrance) -> list[str]:
    keys = []
    for key in user.keys:
        keys += [f"  your key   {key.fingerprint}", f"             {make_harmless(key.comment, 60)}"]
    quota = "as much as there is room" if user.quota_bytes is None else f"{format_size(user.quota_bytes)} in all"
    return [
        f"  server     {entrance.host}",
        f"  port       {entrance.port}",
        f"  account    {entrance.account}  (for all; your key tells who you are)",
        f"  your name  {user.name}",
        *([line.rstrip() for line in keys if line.strip()] or ["  your key   none yet, see below"]),
        *(f"  host key   {key.fingerprint} ({_kind(key.algorithm)})" for key in entrance.host_keys),
        f"  limits     {quota}, {_uploads(user.max_uploads)} at the same time",
        "",
    ]


def _uploads(number: int) -> str:
    return f"{number} upload{'s' if number > 1 else ''}"


def _own_client(user: User, entrance: Entrance, fingerprint: str) -> list[str]:
    init = [f"thaniya-client init {entrance.host}", f"--user {user.name}"]
    if entrance.port != _SSH_PORT:
        init[0] += f" --port {entrance.port}"
    if entrance.account != "thaniya":
        init[0] += f" --account {entrance.account}"
    if fingerprint:
        init.append(f"--fingerprint {fingerprint}")
    made = (
        "The first command makes a key and prints a line: send that line",
        "back, and go on when it has been added.",
    )
    known = (
        "The first command takes the key ~/.config/thaniya/id_ed25519, and",
        "makes it if it is not there; where yours is in another file, add\n--key FILE.",
    )
    return [
        "WITH THANIYA-CLIENT (Linux, Python 3.11 or newer)",
        "",
        *(known if user.keys else made),
        "",
        "  " + " \\\n    ".join(init),
        "  thaniya-client check",
        '  thaniya-client backup "$HOME" --name home',
        "  thaniya-client list",
        "  thaniya-client restore ID /tmp/restored",
        "",
    ]


def _plain_programs(entrance: Entrance, known_hosts: tuple[str, ...]) -> list[str]:
    port = "" if entrance.port == _SSH_PORT else f" -p {entrance.port}"
    scp_port = "" if entrance.port == _SSH_PORT else f" -P {entrance.port}"
    ssh = f"ssh{port} {entrance.account}@{entrance.host}"
    target = f"[{entrance.host}]" if ":" in entrance.host else entrance.host
    known = [
        "So that you send to the right server, add to ~/.ssh/known_hosts:",
        "",
        *(f"  {line}" for line in known_hosts),
        "",
    ]
    return [
        "WITH SSH AND SCP ALONE",
        "",
        *(known if known_hosts else []),
        "In a directory with the files of the backup and nothing else",
        "(plain files; pack directories with tar first):",
        "",
        f'  allocated=$({ssh} allocate --host "$(uname -n)" --name files)',
        "  upload=$(echo \"$allocated\" | sed -n 's/^upload=//p')",
        "  slot=$(echo \"$allocated\" | sed -n 's/^slot=//p')",
        f'  scp{scp_port} -- * "$slot@{target}:upload/"',
        f'  sha256sum -- * | {ssh} complete "$upload" --sums',
        "",
        "The last command must end with state=archived: only then there is",
        "a backup.",
        "To see what is there, to read it again, and for all other commands:",
        "",
        f"  {ssh} backups",
        f"  {ssh} contents ID",
        f"  {ssh} fetch ID FILE >FILE",
        f"  {ssh} help",
    ]


def _known_as(entrance: Entrance) -> str:
    """The server's name in known_hosts, as sshd(8) wants it."""
    return entrance.host if entrance.port == _SSH_PORT else f"[{entrance.host}]:{entrance.port}"


def _kind(algorithm: str) -> str:
    return _KINDS.get(algorithm, "ECDSA" if algorithm.startswith("ecdsa-") else algorithm)


def _doubts(user: User) -> list[str]:
    doubts = []
    if not user.enabled:
        doubts.append(f"{user.name} is disabled and is not let in: thaniya user enable {user.name}")
    if not user.keys:
        doubts.append(f"{user.name} has no key yet: with what comes back, thaniya user key add {user.name} --key LINE")
    return doubts
