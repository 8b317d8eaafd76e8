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
"""The pause after a survey is so many times what it took, good or not: it takes a thirtieth of a processor at most."""
_TIMEOUT_S = 300.0


class Surveying:
    """Gives the newest survey, and makes one when something has happened since; asked in a thread."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._newest: Survey | None = None
        self._failure: Exception | None = None
        """Why there was no newer one when it was tried last; None when there was."""
        self._pause_until = time.monotonic() + _FIRST_PAUSE_S
        self._is_wanted = False

    def want(self) -> None:
        """Something has changed: the next question is worth a survey of its own, as soon as the price allows it."""
        self._is_wanted = True

    def ask(self) -> Survey:
        """The newest survey: the one that the service keeps, or a new one.

        Raises:
            ThaniyaError: none could be made, now or when it was tried last.
        """
        kept = self._server.surveys.latest()
        if kept is not None and (self._newest is None or kept.made_at > self._newest.made_at):
            self._newest, self._failure = kept, None
        begun = time.monotonic()
        if begun < self._pause_until and self._failure is not None:
            raise self._failure
        if self._newest is not None and not (self._is_due(self._newest) and begun >= self._pause_until):
            return self._newest
        self._is_wanted = False
        try:
            self._newest, self._failure = self._server.surveys.make_elsewhere(_TIMEOUT_S), None
        except Exception as error:
            self._is_wanted, self._failure = True, error
            raise
        finally:  # one that fails takes as much
            ended = time.monotonic()
            self._pause_until = ended + max(_LEAST_PAUSE_S, (ended - begun) * _SHARE)
        return self._newest

    def _is_due(self, newest: Survey) -> bool:
        age = self._server.clock.now() - newest.made_at
        return self._is_wanted or not timedelta(0) <= age < _OLD
