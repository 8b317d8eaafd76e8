"""Persisted state behind a small interface: `TinyStore` on disk, `MemoryStore` in tests."""

from thaniya_core.store.interface import ReadTable, StateTransaction, StateView, Store, Table

__all__ = ["ReadTable", "StateTransaction", "StateView", "Store", "Table"]
