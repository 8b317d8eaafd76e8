"""Waiting for an upload's state while the client is still there."""

from __future__ import annotations

import time
from collections.abc import Callable

from thaniya_core.gate.services import Caller, Services
from thaniya_core.model import Upload

_SLICE_S = 1.0
"""So long it takes at the most until a client that went away is noticed."""


def wait_for_change(
    services: Services,
    caller: Caller,
    upload_id: str,
    known_state: str,
    wait_s: float,
    is_gone: Callable[[], bool],
) -> Upload:
    """The upload once its state is not `known_state`, or as it is after `wait_s` or when the client is gone."""
    deadline = time.monotonic() + wait_s
    while True:
        left_s = deadline - time.monotonic()
        upload = services.upload(caller, upload_id, known_state, max(0.0, min(left_s, _SLICE_S)))
        if upload.state.value != known_state or left_s <= _SLICE_S or is_gone():
            return upload
