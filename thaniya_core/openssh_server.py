"""Setting up a server with sshd, and taking it back: root makes what setup/ lists, the service user makes the state."""

from __future__ import annotations

import grp
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from thaniya_core.accounts.openssh import helper_command, is_made
from thaniya_core.errors import ThaniyaError
from thaniya_core.formats.names import check_slot, slot_name
from thaniya_core.model import Event, SlotState, UploadState
from thaniya_core.server import Server, open_server
from thaniya_core.setup import sshd
from thaniya_core.setup.apply import carry_out
from thaniya_core.setup.installation import SLOT_GROUP, Installation
from thaniya_core.setup.plan import RunBy, plan_base, plan_closing, plan_entry, plan_removal, plan_slot_entry
from thaniya_core.setup.preconditions import check_volume
from thaniya_core.setup.system import call, has_account, has_group
from thaniya_core.setup.units import SERVICE
from thaniya_core.system.privileges import call_as
from thaniya_core.system.run import run
from thaniya_core.tick import run_pass

Tell = Callable[[str], None]

NEW_SLOTS = 8
"""Of a new server, unless told otherwise."""

_FIRST_VOLUME = "first"
_REMOVE_TIMEOUT_S = 3600.0
_CLOSING_WAIT_S = 30.0


class _Made(Struct, frozen=True):
    """What of the state is there."""

    slots: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()


def set_up(
    installation: Installation, slots: int | None, run_by: RunBy, actor: str, tell: Tell, *, dry_run: bool = False
) -> int:
    """Make what is missing of a server; each change is told before it is made. May be run again at any time.

    Args:
        installation: where everything lies.
        slots: how many slots there are at least; None for those that are there, on a new server NEW_SLOTS.
        run_by: what keeps the service going.
        actor: who does this, for the audit log.
        tell: called with each change.
        dry_run: only tell.

    Returns:
        How many changes were needed.

    Raises:
        ThaniyaError: a change could not be made; what was made is kept, and it may be run again.
    """
    os.umask(0o022)  # the service user has to pass through what is made on the way, whatever root's umask is
    made = _look_at_state(installation)
    if made.volumes:
        installation = replace(installation, volume=Path(made.volumes[0]))
    else:
        check_volume(installation)
    if slots is None:
        slots = 0 if made.slots else NEW_SLOTS
    count = carry_out(plan_base(installation, has_volume=bool(made.volumes)), tell, dry_run=dry_run)
    wanted = {slot_name(number) for number in range(1, slots + 1)} | set(made.slots)
    for name in sorted(wanted):
        if name not in made.slots or not is_made(installation.slots, name):
            count += 1
            tell(f"make {'the slot' if name not in made.slots else 'what is missing of the slot'} {name}")
            if not dry_run:
                _as_service_user(installation, partial(_make_slot, name=name))
    if not made.volumes:
        count += 1
        tell(f"make {installation.volume} the first volume")
        if not dry_run:
            _as_service_user(installation, lambda server: server.volumes.add(installation.volume, _FIRST_VOLUME, actor))
    entry, slot_entry = [*plan_entry(installation, run_by)], plan_slot_entry(installation, sorted(wanted))
    # What sshd is told to run has to be there before, and may go only when sshd does not run it any more.
    ordered = [*slot_entry, *entry] if installation.legacy_scp else [*entry, *slot_entry]
    count += carry_out(ordered, tell, dry_run=dry_run)
    if count and run_by is RunBy.SYSTEMD:
        tell(f"restart {SERVICE}, which goes on with what was changed")
        if not dry_run:
            call("systemctl", "restart", SERVICE)
    if count and not dry_run:
        _as_service_user(installation, partial(_log, actor=actor, action="server.setup", detail=f"{count} changes"))
    return count


def take_down(installation: Installation, actor: str, tell: Tell) -> int:
    """Take back what `set_up` made, but for the service user and all that belongs to it: state, volumes, archive.

    Open uploads end as aborted; what was completed is archived first.

    Returns:
        How many changes were needed.

    Raises:
        ThaniyaError: a step failed; it may be run again.
    """
    count = carry_out(plan_closing(installation), tell)
    if installation.sshd_drop_in.exists():
        count += 1
        tell(f"remove {installation.sshd_drop_in}")
        tell(f"let sshd read its configuration: {sshd.take_away(installation.sshd_drop_in, installation.sshd_config)}")
    if installation.root_helper.exists() and _look_at_state(installation).slots:
        tell("end the open uploads, archive the completed ones")
        _as_service_user(installation, partial(_end_uploads, actor=actor))
    for name in _slot_accounts():
        count += 1
        tell(f"end the sessions of {name}, remove its account and its directory")
        run(helper_command(installation.root_helper, "remove", name), timeout_s=_REMOVE_TIMEOUT_S)
    if _look_at_state(installation).slots:
        _as_service_user(installation, partial(_forget_slots, actor=actor))
    count += carry_out(plan_removal(installation), tell)
    if has_group(SLOT_GROUP):
        count += 1
        tell(f"remove the group {SLOT_GROUP}")
        call("groupdel", SLOT_GROUP)
    return count


def _look_at_state(installation: Installation) -> _Made:
    if not (installation.config.exists() and (installation.state / "state.json").exists()):
        return _Made()
    if not has_account(installation.service_user):
        return _Made()

    def look() -> str:
        server = open_server(installation.config)
        slots, volumes = server.slots.all(), server.volumes.all()
        made = _Made(tuple(slot.name for slot in slots), tuple(str(volume.path) for volume in volumes))
        return msgspec.json.encode(made).decode()

    return msgspec.json.decode(call_as(installation.service_user, look), type=_Made)


def _as_service_user(installation: Installation, step: Callable[[Server], object]) -> None:
    def do() -> str:
        step(open_server(installation.config))
        return ""

    call_as(installation.service_user, do)


def _make_slot(server: Server, name: str) -> None:
    server.slots.make(name)


def _end_uploads(server: Server, actor: str) -> None:
    for upload in server.uploads.list_on_their_way():
        if upload.state is UploadState.OPEN:
            server.abort_upload(upload.id, "the server is taken down", actor)
    run_pass(server)
    for slot in server.slots.all():
        if server.slots.wait(slot.name, SlotState.CLOSING, _CLOSING_WAIT_S).state is SlotState.CLOSING:
            raise ThaniyaError(f"{slot.name} is still closing", hint="see `thaniya upload list`, then try again")


def _forget_slots(server: Server, actor: str) -> None:
    with server.store.transaction() as state:
        for slot in state.slots.all():
            state.slots.remove(slot.name)
    _log(server, actor, "server.remove", "")


def _log(server: Server, actor: str, action: str, detail: str) -> None:
    server.store.add_event(Event(server.clock.now(), actor, action, "server", detail=detail))


def _slot_accounts() -> list[str]:
    """The members of the slots' group that are called as slots are."""
    members = grp.getgrnam(SLOT_GROUP).gr_mem if has_group(SLOT_GROUP) else []
    found: list[str] = []
    for name in members:
        try:
            found.append(check_slot(name))
        except ThaniyaError:
            continue  # somebody put another account into the group
    return sorted(found)
