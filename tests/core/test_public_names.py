"""What each room of the core gives to others: a name that is added or taken away is a decision."""

from __future__ import annotations

import importlib

import pytest

PUBLIC = {
    "accounts": {"UNLIMITED", "EmbeddedAccounts", "OpensshAccounts", "Users", "parse_public_key"},
    "archive": {
        "Backups",
        "Catalog",
        "Ingest",
        "RebuildReport",
        "Rescanned",
        "UploadedFiles",
        "VolumeStatus",
        "VolumeWatch",
        "Volumes",
        "forget_volume",
    },
    "gate": set(),
    "jobs": {"JobQueue", "Worker"},
    "retention": {
        "Applied",
        "Candidate",
        "Decision",
        "Plan",
        "Policy",
        "Pruned",
        "Retention",
        "RetentionSettings",
        "SeriesPlan",
        "make_plan",
        "parse_policy",
        "read_configured",
    },
    "slots": {"Allocator", "Closer", "SlotAccounts", "Slots", "Space", "Spool", "Uploads", "Watch"},
    "store": {"MemoryStore", "ReadTable", "StateTransaction", "StateView", "Store", "Table", "TinyStore"},
}


@pytest.mark.parametrize("room", PUBLIC)
def test_public_names_are_these(room):
    module = importlib.import_module(f"thaniya_core.{room}")

    names = getattr(module, "__all__", [])
    assert set(names) == PUBLIC[room]
    assert len(names) == len(PUBLIC[room])
    assert all(hasattr(module, name) for name in names)
