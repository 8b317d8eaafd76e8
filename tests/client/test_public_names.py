"""What the library offers is a promise."""

from __future__ import annotations

import thaniya_client


def test_public_names() -> None:
    assert set(thaniya_client.__all__) == {
        "Compression",
        "Directory",
        "LocalDirectory",
        "Packer",
        "Phase",
        "Progress",
        "Report",
        "Restored",
        "ServerCheck",
        "Target",
        "Task",
        "ThaniyaError",
        "ThaniyaServer",
    }
    assert all(hasattr(thaniya_client, name) for name in thaniya_client.__all__)
