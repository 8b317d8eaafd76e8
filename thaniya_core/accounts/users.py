"""Backup users: who may come in, with which keys, within which limits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime

from msgspec.structs import replace

from thaniya_core.accounts.keys import find_keys, parse_public_key
from thaniya_core.accounts.limits import Unlimited, check_limits
from thaniya_core.errors import AlreadyExists, NotFound, ThaniyaError, WrongState, WrongUsage
from thaniya_core.formats.names import check_user
from thaniya_core.model import Event, PublicKey, Role, User
from thaniya_core.store import StateTransaction, Store
from thaniya_core.system.clock import Clock

logger = logging.getLogger(__name__)


class Users:
    """The users of a server. Each change is one transaction and one event of the audit log."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def all(self) -> list[User]:
        """All users, by name."""
        return self._store.read().users.all()

    def get(self, name: str) -> User:
        """One user.

        Raises:
            NotFound: there is none of this name.
        """
        return _found(self._store.read().users.get(name), name)

    def add(
        self,
        name: str,
        key_lines: Iterable[str],
        actor: str,
        *,
        role: Role = Role.BACKUP,
        quota_bytes: int | None = None,
        max_uploads: int = 2,
    ) -> User:
        """Make a user.

        Raises:
            IllegalName, IllegalKey, WrongUsage: the name, a key or a limit is not legal.
            AlreadyExists: the name, or a key with another user, is there already.
        """
        check_user(name)
        check_limits(quota_bytes, max_uploads)
        now = self._clock.now()
        keys = [parse_public_key(line, now) for line in key_lines]
        user = User(name, now, role=role, quota_bytes=quota_bytes, max_uploads=max_uploads)
        with self._store.transaction() as state:
            if state.users.get(name) is not None:
                raise AlreadyExists(f"the user {name} exists already", hint=f"see `thaniya user show {name}`")
            for key in keys:
                user = _with_key(state.users.all(), user, key)
            state.users.put(user)
        self._log(actor, "user.add", name, ", ".join(key.fingerprint for key in user.keys))
        return user

    def look_at_keys(self, given: str) -> tuple[PublicKey, ...]:
        """The keys that somebody gives, a line of a `.pub` file or the path of one, when they may be added to a user.

        Raises:
            IllegalKey, NotFound, NotAllowed: there is none, or one that is not taken; the file cannot be read.
            AlreadyExists: some user has one already.
        """
        keys = find_keys(given, self._clock.now())
        holder = User("", self._clock.now())
        with_them = self._store.read().users.all()
        for key in keys:
            holder = _with_key(with_them, holder, key)
        return holder.keys

    def key_uses(self) -> dict[str, datetime]:
        """When each key of a user last let a client in, by its fingerprint; one that never did since it was added is
        not in it."""
        uses = self._store.key_uses()
        return {
            key.fingerprint: uses[key.fingerprint]
            for user in self.all()
            for key in user.keys
            if key.fingerprint in uses and uses[key.fingerprint] >= key.added_at
        }

    def add_key(self, name: str, key_line: str, actor: str) -> PublicKey:
        """Let one more key in.

        Raises:
            NotFound, IllegalKey: no such user; no legal key.
            AlreadyExists: some user has the key already.
        """
        key = parse_public_key(key_line, self._clock.now())
        self._change(name, lambda state, user: _with_key(state.users.all(), user, key))
        self._log(actor, "user.key_add", name, key.fingerprint)
        return key

    def remove_key(self, name: str, fingerprint: str, actor: str) -> User:
        """Take a key away, by its whole fingerprint or the beginning of it.

        Raises:
            NotFound: no such user, or no key of his that begins so.
            WrongUsage: several keys begin so.
        """
        removed: list[PublicKey] = []

        def without_key(_: StateTransaction, user: User) -> User:
            wanted = fingerprint.removeprefix("SHA256:")
            removed[:] = [key for key in user.keys if wanted and key.fingerprint.startswith("SHA256:" + wanted)]
            if not removed:
                raise NotFound(f"{name} has no key {fingerprint!r}", hint=f"see `thaniya user show {name}`")
            if len(removed) > 1:
                raise WrongUsage(f"{len(removed)} keys of {name} begin with {fingerprint!r}", hint="give more of it")
            return replace(user, keys=tuple(key for key in user.keys if key not in removed))

        user = self._change(name, without_key)
        self._forget_use(removed[0])
        self._log(actor, "user.key_remove", name, removed[0].fingerprint)
        return user

    def change(
        self,
        name: str,
        actor: str,
        *,
        role: Role | None = None,
        quota_bytes: int | Unlimited | None = None,
        max_uploads: int | None = None,
    ) -> User:
        """Change what is given, leave what is None; `UNLIMITED` takes the quota away.

        Raises:
            NotFound, WrongUsage: no such user; a limit that is not legal.
        """

        def changed(_: StateTransaction, user: User) -> User:
            quota = user.quota_bytes if quota_bytes is None else quota_bytes
            new = replace(
                user,
                role=role or user.role,
                quota_bytes=None if isinstance(quota, Unlimited) else quota,
                max_uploads=max_uploads if max_uploads is not None else user.max_uploads,
            )
            check_limits(new.quota_bytes, new.max_uploads)
            return new

        user = self._change(name, changed)
        detail = f"role {user.role}, quota {user.quota_bytes}, {user.max_uploads} uploads"
        self._log(actor, "user.set", name, detail)
        return user

    def enable(self, name: str, actor: str) -> User:
        """Let a user in again."""
        return self._set_enabled(name, True, actor)

    def disable(self, name: str, actor: str) -> User:
        """Keep a user out; keys, quota and backups stay."""
        return self._set_enabled(name, False, actor)

    def remove(self, name: str, actor: str) -> None:
        """Remove a user; the archived backups stay.

        Raises:
            NotFound: there is none of this name.
            WrongState: an upload of the user is on its way.
        """
        with self._store.transaction() as state:
            user = _found(state.users.get(name), name)
            busy = [upload.id for upload in state.uploads.all() if upload.user == name]
            if busy:
                raise WrongState(
                    f"{name} has {len(busy)} uploads on their way: {', '.join(busy[:3])}",
                    hint="wait for them, or end them with `thaniya upload abort ID`",
                )
            state.users.remove(name)
        for key in user.keys:
            self._forget_use(key)
        self._log(actor, "user.remove", name)

    def _forget_use(self, key: PublicKey) -> None:
        try:
            self._store.forget_key_use(key.fingerprint)
        except ThaniyaError as error:
            logger.warning("the last use of the key %s stays on record: %s", key.fingerprint, error)

    def _set_enabled(self, name: str, enabled: bool, actor: str) -> User:
        user = self._change(name, lambda _, user: replace(user, enabled=enabled))
        self._log(actor, "user.enable" if enabled else "user.disable", name)
        return user

    def _change(self, name: str, change: Callable[[StateTransaction, User], User]) -> User:
        with self._store.transaction() as state:
            user = change(state, _found(state.users.get(name), name))
            state.users.put(user)
        return user

    def _log(self, actor: str, action: str, subject: str, detail: str = "") -> None:
        self._store.add_event(Event(self._clock.now(), actor, action, subject, detail=detail))


def _found(user: User | None, name: str) -> User:
    if user is None:
        raise NotFound(f"there is no user {name!r}", hint="see `thaniya user list`")
    return user


def _with_key(users: Iterable[User], user: User, key: PublicKey) -> User:
    """The user with one more key. A key tells who calls, so it belongs to one user only."""
    for other in [*users, user]:
        if any(known.blob == key.blob for known in other.keys):
            whose = f"belongs to {other.name} already" if other.name else "is given twice"
            raise AlreadyExists(f"the key {key.fingerprint} {whose}", hint="each user needs a key of its own")
    return replace(user, keys=(*user.keys, key))
