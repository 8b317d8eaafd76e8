"""Persisted state behind a small interface: `TinyStore` on disk, `MemoryStore` in tests."""

from thaniya_core.store.disk import TinyStore
from thaniya_core.store.events import LoggedEvent, LogPlace
from thaniya_core.store.interface import ReadTable, StateTransaction, StateView, Store, Table
from thaniya_core.store.memory import MemoryStore

__all__ = [
    "LogPlace",
    "LoggedEvent",
    "ReadTable",
    "StateTransaction",
    "StateView",
    "Store",
    "Table",
    "MemoryStore",
    "TinyStore",
]
