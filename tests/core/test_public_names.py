"""What each room of the core gives to others: a name that is added or taken away is a decision."""

from __future__ import annotations

import importlib

import pytest

PUBLIC = {
    "accounts": {"UNLIMITED", "EmbeddedAccounts", "OpensshAccounts", "SlotLog", "Users", "parse_public_key"},
    "archive": {
        "Backups",
        "Catalog",
        "Ingest",
        "RebuildReport",
        "Rescanned",
        "Rule",
        "UploadedFiles",
        "Verification",
        "VerifiedRun",
        "VolumeStatus",
        "VolumeWatch",
        "Volumes",
        "forget_volume",
        "read_rules",
    },
    "gate": set(),
    "jobs": {"JobQueue", "Schedule", "ScheduledTask", "Task", "TaskState", "Worker"},
    "monitor": {
        "CALENDAR_DAYS",
        "RETENTION_RUN",
        "DayState",
        "Expectations",
        "Finding",
        "Notifier",
        "Pings",
        "Report",
        "Rhythm",
        "Sent",
        "SeriesFacts",
        "ServerFacts",
        "Survey",
        "SurveyedSeries",
        "SurveyedUser",
        "SurveyedVolume",
        "Surveyor",
        "VolumeFacts",
        "decode_survey",
        "examine",
        "examine_series",
        "expected_rhythm",
        "exposition",
        "keep_survey",
        "make_channels",
        "measure",
        "plugin_output",
        "read_survey",
        "status_line",
    },
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
    "slots": {
        "Allocator",
        "Closer",
        "Refusals",
        "SlotAccounts",
        "SlotLocks",
        "Slots",
        "Space",
        "Spool",
        "Uploads",
        "Watch",
    },
    "store": {"LogPlace", "MemoryStore", "ReadTable", "StateTransaction", "StateView", "Store", "Table", "TinyStore"},
}


@pytest.mark.parametrize("room", PUBLIC)
def test_public_names_are_these(room):
    module = importlib.import_module(f"thaniya_core.{room}")

    names = getattr(module, "__all__", [])
    assert set(names) == PUBLIC[room]
    assert len(names) == len(PUBLIC[room])
    assert all(hasattr(module, name) for name in names)
