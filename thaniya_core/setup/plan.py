"""What a real server consists of: an Installation as the list of changes that make it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from importlib.resources import files
from pathlib import Path

from thaniya_core.setup import texts
from thaniya_core.setup.changes import (
    Change,
    Directory,
    File,
    Gone,
    Group,
    NoUnit,
    ServiceUser,
    SlotShell,
    SshdDropIn,
    Unit,
)
from thaniya_core.setup.installation import SLOT_GROUP, Installation
from thaniya_core.setup.system import has_cron, has_systemd
from thaniya_core.setup.units import SERVICE, service_unit


class RunBy(StrEnum):
    """What keeps the service's work going."""

    SYSTEMD = "systemd"
    CRON = "cron"
    NOTHING = "nothing"
    """Somebody else does, such as the supervisor of a container."""


def choose_run_by() -> RunBy:
    """What this machine has."""
    if has_systemd():
        return RunBy.SYSTEMD
    return RunBy.CRON if has_cron() else RunBy.NOTHING


def plan_base(installation: Installation, *, has_volume: bool) -> Sequence[Change]:
    """Accounts, directories and files that have to be there before the state is made."""
    user = installation.service_user
    volume = [] if has_volume else [Directory(installation.volume, user, user, 0o750)]
    # A configuration of one's own choice may lie in a directory that is there and is nobody else's to change.
    place = installation.config.parent
    own_place = [] if place == installation.root_config.parent or place.is_dir() else [Directory(place)]
    legacy = [File(installation.slot_program, program_source("gate", "slot_shell.py"), mode=0o755)]
    return [
        Group(SLOT_GROUP),
        ServiceUser(user, installation.state),
        Directory(installation.root_config.parent),
        *own_place,
        Directory(installation.library),
        Directory(installation.state, user, user, 0o750),
        Directory(installation.spool, user, user, 0o750),
        *volume,
        Directory(installation.slots),
        File(installation.config, texts.thaniya_toml(installation), "root", user, 0o640, is_kept=True),
        File(installation.root_config, texts.root_json(installation)),
        # As copies: what others could change must not run as root, nor tell sshd whom to let in.
        File(installation.root_helper, program_source("accounts", "root_helper.py"), mode=0o755),
        File(installation.key_lookup, program_source("gate", "keys.py"), mode=0o755),
        *(legacy if installation.legacy_scp else []),
        File(installation.sudoers, texts.sudoers(installation), mode=0o440, check=("visudo", "-cf")),
    ]


def plan_entry(installation: Installation, run_by: RunBy) -> Iterator[Change]:
    """What lets clients in and keeps the service running; it comes last, when all else is there."""
    yield SshdDropIn(
        installation.sshd_drop_in,
        texts.sshd_drop_in(installation),
        installation.sshd_config,
        installation.service_user,
        f"authorizedkeyscommand {installation.key_lookup} %u",
    )
    if run_by is RunBy.SYSTEMD:
        yield Gone(installation.cron)
        yield Unit(installation.units / SERVICE, service_unit(installation))
        return
    yield NoUnit(installation.units / SERVICE)
    if run_by is RunBy.CRON:
        yield File(installation.cron, texts.cron(installation))
    else:
        yield Gone(installation.cron)


def plan_slot_entry(installation: Installation, slots: Sequence[str]) -> Sequence[Change]:
    """The shells of the slots that are there, and nothing left of what they do not run any more."""
    shells = [SlotShell(slot, installation.slot_shell) for slot in slots]
    return shells if installation.legacy_scp else [*shells, Gone(installation.slot_program)]


def plan_closing(installation: Installation) -> Sequence[Change]:
    """What begins to take a server back: nothing starts any more."""
    return [NoUnit(installation.units / SERVICE), Gone(installation.cron)]


def plan_removal(installation: Installation) -> Sequence[Change]:
    """What else of setup's work is taken back, when the slots are gone."""
    programs = [
        installation.sudoers,
        installation.key_lookup,
        installation.slot_program,
        installation.root_helper,
        installation.root_config,
    ]
    directories = [installation.library, installation.slots, installation.slots.parent]
    return [Gone(path) for path in programs] + [Gone(path) for path in directories if _is_empty_but(path, programs)]


def _is_empty_but(directory: Path, going: list[Path]) -> bool:
    return directory.is_dir() and set(directory.iterdir()) <= {*going, directory / "slots"}


def program_source(room: str, module: str) -> str:
    """A program of this package that is installed as a copy."""
    return files("thaniya_core").joinpath(room, module).read_text(encoding="utf-8")
