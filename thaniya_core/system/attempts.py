"""Work of which one part that fails must not keep the rest from being done."""

from __future__ import annotations

import logging
from collections.abc import Callable

from thaniya_core.errors import ThaniyaError

logger = logging.getLogger(__name__)


def attempt(what: str, step: Callable[[], object]) -> bool:
    """Do a step; what goes wrong is logged, and the caller goes on. `what` completes the sentence "cannot …".

    Returns:
        Whether it was done.
    """
    try:
        step()
    except (ThaniyaError, OSError) as error:
        logger.error("cannot %s: %s", what, error)
        return False
    return True
