"""Changing users, as the dialogs have it: through the same functions as `thaniya user`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from thaniya_core.model import PublicKey, Role, User
from thaniya_core.server import Server
from thaniya_core.views import Unlimited, parse_max_uploads, parse_quota
from thaniya_tui.areas.users import questions
from thaniya_tui.areas.users.handout import Handout
from thaniya_tui.dialogs import describe_failure
from thaniya_tui.threads import begin, in_thread

if TYPE_CHECKING:
    from thaniya_tui.areas.users.screen import UsersArea


def make_user(area: UsersArea, look: questions.KeyLook, given: dict[str, str] | None) -> None:
    """Make a user; where an earlier one of the name has left backups, ask first."""
    if given is not None:
        keys = look.seen(given["key"])
        begin(area, partial(_ask_and_make, area, given, keys), group="user", description="make a user", exclusive=True)


async def _ask_and_make(area: UsersArea, given: dict[str, str], keys: Sequence[PublicKey]) -> None:
    name, console = given["name"], area.console
    try:
        inherited = await in_thread(partial(area.server.count_inherited_backups, name), "count backups")
    except Exception as error:  # noqa: BLE001 - told in a dialog, whatever it is
        console.fail(describe_failure(f"make the user {name}", error))
        return
    make = partial(_make, area, given, keys)
    if inherited:
        console.push_screen(questions.confirm_adoption(name, inherited), lambda agreed: make(True) if agreed else None)
    else:
        make(False)


def _make(area: UsersArea, given: dict[str, str], keys: Sequence[PublicKey], adopts_backups: bool) -> None:
    area.console.act(
        f"make the user {given['name']}",
        partial(_add, area.server, area.console.actor, given, keys, adopts_backups),
        lambda user: f"{user.name} is made; press i for what to send",
        lambda user: area.show_new_user(user.name),
    )


def _add(server: Server, actor: str, given: dict[str, str], keys: Sequence[PublicKey], adopts_backups: bool) -> User:
    quota = parse_quota(given["quota"])
    if not adopts_backups:
        server.refuse_inherited_backups(given["name"])
    return server.users.add(
        given["name"],
        [questions.key_line(key) for key in keys],
        actor,
        role=Role(given["role"]),
        quota_bytes=None if isinstance(quota, Unlimited) else quota,
        max_uploads=parse_max_uploads(given["max_uploads"]),
    )


def add_keys(area: UsersArea, name: str, look: questions.KeyLook, given: dict[str, str] | None) -> None:
    """Let the keys in that were shown."""
    if given is None:
        return
    server, actor = area.server, area.console.actor
    for key in look.seen(given["key"]):
        area.console.act(
            f"add a key to {name}",
            partial(server.users.add_key, name, questions.key_line(key), actor),
            lambda key: f"{name} is let in by {key.fingerprint}",
        )


def ask_key_removal(area: UsersArea, user: User, fingerprint: str | None) -> None:
    """Ask whether really, and let a key in no more."""
    key = next((key for key in user.keys if key.fingerprint == fingerprint), None)
    if key is not None:
        question = questions.confirm_key_removal(user, key)
        area.console.push_screen(question, partial(_remove_key, area, user.name, key.fingerprint))


def _remove_key(area: UsersArea, name: str, fingerprint: str, agreed: bool | None) -> None:
    if agreed:
        area.console.act(
            f"remove a key of {name}",
            partial(area.server.users.remove_key, name, fingerprint, area.console.actor),
            lambda user: f"{name} is not let in by {fingerprint} any more",
        )


def set_limits(area: UsersArea, user: User, given: dict[str, str] | None) -> None:
    """Set what was changed."""
    changed = questions.changed_limits(user, given) if given is not None else None
    if changed is None:
        return
    if changed == questions.Changed():
        area.tell("nothing was changed")
        return
    area.console.act(
        f"change the limits of {user.name}",
        partial(
            area.server.users.change,
            user.name,
            area.console.actor,
            role=changed.role,
            quota_bytes=changed.quota_bytes,
            max_uploads=changed.max_uploads,
        ),
        lambda user: f"{user.name} is changed",
    )


def disable(area: UsersArea, names: Sequence[str], agreed: bool | None) -> None:
    """Keep users out, and end their open uploads."""
    for name in names if agreed else ():
        area.console.act(
            f"disable {name}",
            partial(area.server.disable_user, name, area.console.actor),
            lambda user: f"{user.name} is disabled",
        )
    if agreed:
        area.clear_marks()


def enable(area: UsersArea, names: Sequence[str]) -> None:
    """Let users in again."""
    for name in names:
        area.console.act(
            f"enable {name}",
            partial(area.server.users.enable, name, area.console.actor),
            lambda user: f"{user.name} is enabled",
        )
    area.clear_marks()


def remove(area: UsersArea, name: str, agreed: bool | None) -> None:
    """Remove a user; the backups stay."""
    if agreed:
        area.console.act(
            f"remove the user {name}",
            partial(area.server.users.remove, name, area.console.actor),
            lambda _: f"the user {name} is removed; backups stay",
        )


def show_handout(area: UsersArea, name: str) -> None:
    """Show what to send to a user."""
    begin(area, partial(_show_handout, area, name), group="hand out", description="tell what to send", exclusive=True)


async def _show_handout(area: UsersArea, name: str) -> None:
    try:
        instructions = await in_thread(partial(area.server.instruct_user, name), "instructions")
    except Exception as error:  # noqa: BLE001 - told in a dialog, whatever it is
        area.console.fail(describe_failure(f"tell what to send to {name}", error))
    else:
        area.console.push_screen(Handout(instructions))
