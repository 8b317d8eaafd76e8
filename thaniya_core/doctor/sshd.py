"""sshd's effective configuration for our accounts, as `sshd -T` tells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from msgspec import Struct

from thaniya_core.doctor.examination import SETUP, Subject
from thaniya_core.doctor.finding import Finding, fail, or_ok
from thaniya_core.doctor.programs import last_line
from thaniya_core.errors import CommandFailed
from thaniya_core.setup.installation import SFTP_OPTIONS, Installation
from thaniya_core.setup.texts import sshd_drop_in

BYSTANDER = "root"
"""An account that our part of the configuration must not touch."""

Settings = Mapping[str, tuple[str, ...]]
"""Keywords in lower case, as `sshd -T` prints them; some keywords come several times."""


class WantedSetting(Struct, frozen=True):
    """A keyword and the values that will do."""

    keyword: str
    values: tuple[str, ...]


def wanted_settings(place: Installation, account: str) -> list[WantedSetting]:
    """What has to hold for the control account or a slot."""
    wanted = [
        WantedSetting("authorizedkeyscommand", (f"{place.key_lookup} %u",)),
        WantedSetting("authorizedkeyscommanduser", (place.service_user,)),
        WantedSetting("authorizedkeysfile", ("none",)),
        WantedSetting("pubkeyauthentication", ("yes",)),
        WantedSetting("authenticationmethods", ("publickey",)),
        WantedSetting("disableforwarding", ("yes",)),
        WantedSetting("permittty", ("no",)),
        WantedSetting("permittunnel", ("no",)),
        WantedSetting("permituserrc", ("no",)),
    ]
    if account == place.service_user:
        return [*wanted, WantedSetting("chrootdirectory", ("none",))]
    if place.legacy_scp:
        return [
            *wanted,
            WantedSetting("chrootdirectory", ("none",)),
            WantedSetting("forcecommand", (str(place.slot_program),)),
        ]
    return [
        *wanted,
        WantedSetting("chrootdirectory", (f"{place.slots}/%u",)),
        WantedSetting("forcecommand", (f"internal-sftp {' '.join(SFTP_OPTIONS)}",)),
    ]


def parse_settings(text: str) -> Settings:
    """The output of `sshd -T`."""
    settings: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        keyword, _, value = line.strip().partition(" ")
        if keyword:
            settings[keyword.lower()] = (*settings.get(keyword.lower(), ()), value.strip())
    return settings


def judge_settings(settings: Settings, wanted: Iterable[WantedSetting]) -> dict[str, str]:
    """By keyword, what has another value than is wanted; sshd takes the first line that sets one."""
    found: dict[str, str] = {}
    for each in wanted:
        values = settings.get(each.keyword, ())
        if not values or not set(values) <= set(each.values):
            found[each.keyword] = f"{each.keyword} is {' and '.join(values) or 'not set'} instead of {each.values[0]}"
    return found


def judge_admission(account: str, groups: frozenset[str], settings: Settings) -> dict[str, str]:
    """By keyword, which of the administrator's lists keeps an account out (sshd_config(5), AllowUsers)."""
    found: dict[str, str] = {}
    for kind, names in (("users", frozenset({account})), ("groups", groups)):
        allowed, denied = settings.get(f"allow{kind}", ()), settings.get(f"deny{kind}", ())
        if allowed and not _names_any(allowed, names):
            found[f"allow{kind}"] = f"allow{kind} names others only"
        if _names_any(denied, names):
            found[f"deny{kind}"] = f"deny{kind} keeps it out"
    return found


def _names_any(patterns: Iterable[str], names: frozenset[str]) -> bool:
    names_only = [pattern.partition("@")[0] for line in patterns for pattern in line.split()]
    return any(fnmatchcase(name, pattern) for pattern in names_only for name in names)


def find_settings(keywords: Iterable[str]) -> str:
    """The command that shows where sshd's configuration sets keywords."""
    return f"grep -rniE '{'|'.join(sorted(keywords))}' /etc/ssh/sshd_config /etc/ssh/sshd_config.d"


def judge_bystander(name: str, settings: Settings, place: Installation) -> Iterator[Finding]:
    """Our part of the configuration must end where it ends."""
    ours = f"{place.key_lookup} %u", f"{place.slots}/%u", str(place.slot_program)
    for keyword in ("authorizedkeyscommand", "chrootdirectory", "forcecommand"):
        for value in settings.get(keyword, ()):
            if value in ours:
                yield fail(name, f"{keyword} of Thaniya also holds for {BYSTANDER}", SETUP)


def check_configuration(subject: Subject) -> Iterator[Finding]:
    """The effective configuration for each slot, for the control account, and for somebody else."""
    name, place = "sshd's configuration", subject.installation
    tested = subject.machine.run(["sshd", "-t", "-f", str(place.sshd_config)])
    if tested.exit_code != 0:
        yield fail(name, f"sshd finds it wrong: {last_line(tested)}", f"sshd -t, and mend the line; or: {SETUP}")
        return
    problems: dict[tuple[str, ...], list[str]] = {}
    keywords: set[str] = set()
    accounts = (place.service_user, *subject.slot_names)
    for account in accounts:
        found = _judge_account(subject, account)
        keywords |= found.keys()
        if found:
            problems.setdefault(tuple(found.values()), []).append(account)
    is_ours = subject.machine.read(place.sshd_drop_in) == sshd_drop_in(place).encode()
    elsewhere = f"{find_settings(keywords)} shows where; mend the line that is not of {place.sshd_drop_in.name}"
    yield from or_ok(
        (
            fail(name, f"for {', '.join(concerned)}: {'; '.join(told)}", elsewhere if is_ours else SETUP)
            for told, concerned in problems.items()
        ),
        name,
        f"{len(accounts)} accounts: keys of Thaniya only, no terminal, no forwarding; slots see nothing but their own",
    )
    others = judge_bystander("sshd for others", ask_settings(subject, BYSTANDER), place)
    yield from or_ok(others, "sshd for others", "other accounts are not touched")


def _judge_account(subject: Subject, account: str) -> dict[str, str]:
    settings = ask_settings(subject, account)
    found = judge_settings(settings, wanted_settings(subject.installation, account))
    known = subject.machine.account(account)
    return found if known is None else found | judge_admission(account, known.groups | {known.group}, settings)


def ask_settings(subject: Subject, account: str, host_key: Path | None = None) -> Settings:
    """What holds for an account, as sshd tells.

    Args:
        subject: the server.
        account: whose login it is about.
        host_key: a private key for sshd to load, which tells nothing without one; only root can read its own.
    """
    where = f"user={account},host=localhost,addr=127.0.0.1"
    more = [] if host_key is None else ["-h", str(host_key)]
    done = subject.machine.run(["sshd", "-T", "-f", str(subject.installation.sshd_config), "-C", where, *more])
    if done.exit_code != 0:
        raise CommandFailed(f"`sshd -T -C {where}` ended with {done.exit_code}: {last_line(done)}", hint="sshd -t")
    return parse_settings(done.stdout.decode("utf-8", "replace"))
