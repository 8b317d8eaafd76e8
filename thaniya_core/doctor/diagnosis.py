"""Which checks apply to a server, and making them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import thaniya_core
from thaniya_core.config import Config, GateKind
from thaniya_core.doctor import (
    account_files,
    agreement,
    confinement,
    embedded,
    login,
    metrics,
    owners,
    programs,
    slots,
    sshd,
    sshd_answer,
    storage,
    surroundings,
)
from thaniya_core.doctor.examination import SETUP, Check, Subject, examine
from thaniya_core.doctor.finding import Finding, fail
from thaniya_core.doctor.machine import Machine
from thaniya_core.errors import ThaniyaError
from thaniya_core.setup.installation import Installation
from thaniya_core.store import Store
from thaniya_core.system.clock import Clock

STORAGE_CHECKS = (
    Check("volumes", storage.check_volumes),
    Check("disks", storage.check_space),
    Check("file systems", storage.check_file_systems),
    Check("metrics", metrics.check_textfile),
)
SURROUNDINGS_CHECKS = (
    Check("clock", surroundings.check_clock),
    Check("tar", surroundings.check_tar),
    Check("programs that restore", surroundings.check_restoring),
    Check("OpenSSH", surroundings.check_openssh),
    Check("Python", surroundings.check_python),
)
OPENSSH_CHECKS = (
    Check("state", storage.check_state),
    Check("root.json", agreement.check_root_json),
    Check("owners and modes", owners.check_owners),
    Check("directories above", owners.check_chains),
    Check("way to the program", partial(owners.check_code, code=Path(thaniya_core.__path__[0])), needs_root=True),
    Check("service's account", slots.check_service_account),
    Check("slot accounts", slots.check_membership),
    Check("locks of the slots", slots.check_locks, needs_root=True),
    Check("locks of accounts", account_files.check_account_locks, needs_root=True),
    Check("versions of what setup installs", programs.check_copies),
    Check("program", agreement.check_program),
    Check("root helper", programs.check_helper, needs_root=True),
    Check("sudo", programs.check_sudo),
    Check("key look-up", programs.check_lookup),
    Check("sshd's configuration", sshd.check_configuration, needs_root=True),
    Check("bwrap", confinement.check_bwrap, needs_root=True),
    Check("sshd's SFTP", confinement.check_subsystem, needs_root=True),
    Check("sshd answers", sshd_answer.check_answer, needs_root=True),
    Check("login", login.check_login),
    Check("service", storage.check_service),
    Check("logs of the slots", slots.check_logs),
    *STORAGE_CHECKS,
    *SURROUNDINGS_CHECKS,
)
EMBEDDED_CHECKS = (
    Check("state", storage.check_state),
    Check("owners and modes", embedded.check_own_files),
    Check("server answers", embedded.check_listening),
    *STORAGE_CHECKS,
    *SURROUNDINGS_CHECKS,
)


def make_subject(
    config: Config, machine: Machine, store: Store, clock: Clock, installation: Installation | None = None
) -> Subject:
    """What is to be examined.

    Args:
        config: the server's configuration.
        machine: the doors.
        store: the server's state; only read.
        clock: the server's clock.
        installation: where setup put things; found out when None.
    """
    place = installation or agreement.find_installation(config, machine)
    try:
        state = store.read()
    except (ThaniyaError, OSError):
        state = None  # the check of the state tells why
    if not machine.may_list(config.paths.state):
        state = None  # to whom may not look, a state looks empty
    return Subject(config, place, machine, store, clock, state)


def diagnose(subject: Subject) -> list[Finding]:
    """Examine a server; nothing is changed."""
    if subject.config.gate.kind is GateKind.EMBEDDED:
        return examine(subject, EMBEDDED_CHECKS)
    if agreement.is_set_up(subject):
        return examine(subject, OPENSSH_CHECKS)
    not_set_up = fail("setup", "sshd, accounts and programs are not set up for this server", SETUP)
    return [not_set_up, *examine(subject, SURROUNDINGS_CHECKS)]
