"""Slots as the administrator sees them."""

from __future__ import annotations

from collections.abc import Callable

from thaniya_core.errors import AlreadyExists, NotFound, WrongState
from thaniya_core.formats.names import check_slot, slot_name
from thaniya_core.model import Event, Slot, SlotState, Upload
from thaniya_core.slots import transitions
from thaniya_core.slots.ports import SlotAccounts
from thaniya_core.store import Store
from thaniya_core.system.clock import Clock
from thaniya_core.system.files import os_errors

_POLL_S = 0.1

LOGOUT_WAIT_S = 5.0
"""How long a `complete` without sums waits for the last login to the slot to end."""


class Slots:
    """The slots of a server. Each change is one transaction and one event."""

    def __init__(self, store: Store, clock: Clock, accounts: SlotAccounts) -> None:
        self._store = store
        self._clock = clock
        self._accounts = accounts

    def all(self) -> list[Slot]:
        """All slots, by name."""
        return self._store.read().slots.all()

    def get(self, name: str) -> Slot:
        """One slot.

        Raises:
            NotFound: there is none of this name.
        """
        return _found(self._store.read().slots.get(check_slot(name)), name)

    def ensure(self, count: int) -> None:
        """Make the slots `thaniya_01` to `thaniya_<count>`; those that are there stay as they are."""
        for number in range(1, count + 1):
            self.make(slot_name(number))

    def add(self, number: int, actor: str) -> Slot:
        """Make one more slot.

        Raises:
            AlreadyExists: there is one of this number.
        """
        name = slot_name(number)
        if self._store.read().slots.get(name) is not None:
            raise AlreadyExists(f"the slot {name} is there already", hint="see `thaniya slot list`")
        self.make(name)
        self._store.add_event(Event(self._clock.now(), actor, "slot.add", name))
        return self.get(name)

    def remove(self, name: str, actor: str) -> None:
        """Remove a slot with its account. It is taken out of use first, so that after a crash this may be run again.

        Raises:
            NotFound, WrongState: no such slot; an upload holds it.
        """
        self.disable(name, actor)
        with os_errors(f"remove the slot {name}"):
            self._accounts.remove(name)
        with self._store.transaction() as state:
            state.slots.remove(name)
        self._store.add_event(Event(self._clock.now(), actor, "slot.remove", name))

    def make(self, name: str) -> None:
        """Make a slot, or what is missing of one; harmless when it is there."""
        with os_errors(f"make the slot {name}"):
            self._accounts.create(name)
        with self._store.transaction() as state:
            if state.slots.get(name) is None:
                state.slots.put(Slot(name))

    def disable(self, name: str, actor: str) -> Slot:
        """Take a slot out of use.

        Raises:
            NotFound, WrongState: no such slot; an upload holds it.
        """
        return self._change(name, "disable", actor, lambda slot: transitions.disable_slot(slot, f"by {actor}"))

    def enable(self, name: str, actor: str) -> Slot:
        """Begin to take a disabled slot into use again: it is cleaned as a closing one is, and then ready.

        Raises:
            NotFound, WrongState: no such slot; it is not disabled.
        """
        return self._change(name, "enable", actor, transitions.enable_slot)

    def reset(self, name: str, actor: str) -> Slot:
        """Begin to clean a degraded slot, as a closing one is cleaned; then it is ready, or degraded again.

        Raises:
            NotFound, WrongState: no such slot; it is not degraded.
        """
        return self._change(name, "reset", actor, transitions.reset_slot)

    def wait(self, name: str, known_state: SlotState, wait_s: float) -> Slot:
        """The slot as soon as its state is not `known_state`, at the latest after `wait_s` seconds."""
        deadline = self._clock.monotonic() + wait_s
        while (slot := self.get(name)).state is known_state and self._clock.monotonic() < deadline:
            self._clock.sleep(_POLL_S)
        return slot

    def wait_until_unwritten(self, upload: Upload) -> None:
        """Wait until nobody is logged in to the slot that an upload holds.

        Raises:
            WrongState: somebody still is after LOGOUT_WAIT_S.
        """
        deadline = self._clock.monotonic() + LOGOUT_WAIT_S
        while self._is_held_by(upload) and self._count_sessions(upload.slot):
            if self._clock.monotonic() > deadline:
                raise WrongState(
                    f"a login to {upload.slot} is still open, and may be writing",
                    hint="end it and say complete again, or send the sums: complete ID --sums",
                )
            self._clock.sleep(_POLL_S)

    def _count_sessions(self, name: str) -> int | None:
        with os_errors(f"look into {name}"):
            return self._accounts.usage(name).sessions

    def _is_held_by(self, upload: Upload) -> bool:
        slot = self._store.read().slots.get(upload.slot)
        return slot is not None and slot.state is SlotState.TAKEN and slot.upload_id == upload.id

    def _change(self, name: str, verb: str, actor: str, change: Callable[[Slot], Slot]) -> Slot:
        check_slot(name)
        with self._store.transaction() as state:
            slot = change(_found(state.slots.get(name), name))
            state.slots.put(slot)
        self._store.add_event(Event(self._clock.now(), actor, f"slot.{verb}", name))
        return slot


def _found(slot: Slot | None, name: str) -> Slot:
    if slot is None:
        raise NotFound(f"there is no slot {name!r}", hint="see `thaniya slot list`")
    return slot
