"""The second lock of a slot, the account's, follows the slot's state: between processes, and when one is killed."""

from __future__ import annotations

from pathlib import Path

from thaniya_core.model import SlotState
from thaniya_core.slots.ports import SlotAccounts
from thaniya_core.store import Store
from thaniya_core.system.files import make_directories, os_errors
from thaniya_core.system.locks import locked


class SlotLocks:
    """Locks and unlocks accounts, one process at a time for each slot.

    An upload may end between its start and the unlocking of its account. Under the kernel's lock the state is read
    again, so that what ends the upload locks the account either before, and it stays locked, or afterwards. A process
    that is killed holds no lock; the helper that it may have left behind is waited for by the one that locks.
    """

    def __init__(self, store: Store, accounts: SlotAccounts, directory: Path) -> None:
        """
        Args:
            store: where the state is kept.
            accounts: the slots' accounts.
            directory: where the kernel's locks lie, a file for each slot.
        """
        self._store = store
        self._accounts = accounts
        self._directory = directory

    def unlock_for(self, slot: str, upload_id: str) -> None:
        """Let logins in while this upload holds the slot; harmless when it does not any more.

        Raises:
            ThaniyaError: the account cannot be unlocked.
        """
        with os_errors(f"unlock {slot}"):
            make_directories(self._directory)
            with locked(self._file(slot)):
                now = self._store.read().slots.get(slot)
                if now is not None and now.state is SlotState.TAKEN and now.upload_id == upload_id:
                    self._accounts.unlock(slot)

    def lock(self, slot: str) -> None:
        """Let no login in, and end those that are there. Call it once the state says that nobody may enter.

        Raises:
            ThaniyaError: the account cannot be locked, or a process of it does not end.
        """
        with os_errors(f"lock {slot}"):
            make_directories(self._directory)
            with locked(self._file(slot)):
                self._accounts.lock(slot)

    def _file(self, slot: str) -> Path:
        return self._directory / f"{slot}.lock"
