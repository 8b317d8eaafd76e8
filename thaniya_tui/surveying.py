"""When a new survey is worth its price."""

from __future__ import annotations

import time
from datetime import timedelta

from thaniya_core.server import Server
from thaniya_core.views import Survey

LOOK_S = 5.0
"""How often it is asked whether there is a newer one."""

_OLD = timedelta(minutes=5)
_FIRST_PAUSE_S = 2.0
"""What the service keeps is shown at once, however old."""
_LEAST_PAUSE_S = 10.0
_SHARE = 30
"""The pause after a survey is so many times what it took, so that it takes a thirtieth of a processor at most."""
_TIMEOUT_S = 300.0


class Surveying:
    """Gives the newest survey, and makes one when something has happened since; asked in a thread."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._newest: Survey | None = None
        self._pause_until = time.monotonic() + _FIRST_PAUSE_S
        self._is_wanted = False

    def want(self) -> None:
        """Something has changed: the next question is worth a survey of its own, as soon as the price allows it."""
        self._is_wanted = True

    def ask(self) -> Survey:
        """The newest survey: the one that the service keeps, or a new one.

        Raises:
            ThaniyaError: none could be made.
        """
        kept = self._server.surveys.latest()
        if kept is not None and (self._newest is None or kept.made_at > self._newest.made_at):
            self._newest = kept
        if self._newest is not None and not (self._is_due(self._newest) and time.monotonic() >= self._pause_until):
            return self._newest
        self._is_wanted = False
        begun = time.monotonic()
        self._newest = self._server.surveys.make_elsewhere(_TIMEOUT_S)
        took_s = time.monotonic() - begun
        self._pause_until = time.monotonic() + max(_LEAST_PAUSE_S, took_s * _SHARE)
        return self._newest

    def _is_due(self, newest: Survey) -> bool:
        age = self._server.clock.now() - newest.made_at
        return self._is_wanted or not timedelta(0) <= age < _OLD
