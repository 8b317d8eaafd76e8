"""thaniya.toml, root.json and the program: whether they speak of the same server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from thaniya_core import __version__
from thaniya_core.config import Config
from thaniya_core.doctor.examination import SETUP, Subject
from thaniya_core.doctor.finding import Finding, fail, ok, or_ok, skipped
from thaniya_core.doctor.machine import Machine
from thaniya_core.doctor.programs import find_service, last_line
from thaniya_core.setup.installation import NO_SHELL, SFTP_OPTIONS, Installation, installation_of


class RootFacts(Struct, frozen=True):
    """root.json."""

    slots: str
    spool: str
    state: str
    user: str
    broker: tuple[str, ...]
    shell: str = str(NO_SHELL)
    """Of the slot accounts."""
    sftp_options: tuple[str, ...] = ()


def find_installation(config: Config, machine: Machine) -> Installation:
    """Where the parts of a server lie: the usual, but for what its configuration and root.json say."""
    place = installation_of(config)
    try:
        facts = msgspec.json.decode(machine.read(place.root_config) or b"", type=RootFacts)
    except (OSError, msgspec.MsgspecError):
        return place  # a check of its own tells what is wrong with it
    return replace(place, program=Path(facts.broker[0])) if facts.broker else place


def is_set_up(subject: Subject) -> bool:
    """Whether setup was ever run: anything of it is there."""
    place, machine = subject.installation, subject.machine
    found = [machine.status(path) for path in (place.root_config, place.sshd_drop_in, place.root_helper)]
    return any(found) or find_service(subject) is not None


def check_root_json(subject: Subject) -> Iterator[Finding]:
    """The root helper and the key look-up read root.json, everything else thaniya.toml."""
    place = subject.installation
    content = subject.machine.read(place.root_config)
    yield from or_ok(judge_root_json(content, place), "root.json", f"{place.root_config} and {place.config} agree")


def judge_root_json(content: bytes | None, place: Installation) -> Iterator[Finding]:
    """Where root.json says other than the configuration."""
    name = "root.json"
    if content is None:
        yield fail(name, f"{place.root_config} is missing", SETUP)
        return
    try:
        facts = msgspec.json.decode(content, type=RootFacts)
    except msgspec.MsgspecError as exc:
        yield fail(name, f"{place.root_config} is not understood: {exc}", SETUP)
        return
    wanted: Mapping[str, tuple[object, object]] = {
        "slots": (facts.slots, str(place.slots)),
        "spool": (facts.spool, str(place.spool)),
        "state": (facts.state, str(place.state)),
        "user": (facts.user, place.service_user),
        "shell": (facts.shell, str(place.slot_shell)),
        "sftp_options": (facts.sftp_options, SFTP_OPTIONS),
        "broker": (facts.broker[1:], ("--config", str(place.config), "broker")),
    }
    for key, (found, expected) in wanted.items():
        if found != expected:
            yield fail(name, f"{key} is {found!r} in {place.root_config}, but {expected!r} in {place.config}", SETUP)


def check_program(subject: Subject) -> Iterator[Finding]:
    """The service user can run the program, as sshd does for the broker, and read the configuration."""
    name, place = "program", subject.installation
    service = find_service(subject)
    if service is None:
        yield fail(name, f"there is no account {place.service_user}", SETUP)
        return
    if not subject.machine.is_root and subject.machine.user != place.service_user:
        yield skipped(name, f"only root and {place.service_user} can try this")
        return
    account = service if subject.machine.is_root else None
    done = subject.machine.run([str(place.program), "--version"], as_account=account)
    told = done.stdout.decode("utf-8", "replace").strip()
    if done.exit_code != 0:
        what = f"{place.service_user} cannot run {place.program}: {last_line(done)}"
        yield fail(name, what, f"install Thaniya where {place.service_user} can read it, then: {SETUP}")
    elif told != f"thaniya {__version__}":
        yield fail(name, f"{place.program} is {told}, this is thaniya {__version__}", f"{SETUP}, with the right one")
    else:
        yield ok(name, f"{place.program} is {told}")
    if subject.machine.run(["test", "-r", str(place.config)], as_account=account).exit_code != 0:
        yield fail(name, f"{place.service_user} cannot read {place.config}", f"chmod o+r {place.config}")
