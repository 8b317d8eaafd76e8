"""What is known of each user, put together from what moves and from the survey."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from thaniya_core.model import Severity, Upload, UploadState, User
from thaniya_core.views import Live, Survey, SurveyedSeries

_HOLDING = (UploadState.OPEN, UploadState.CLOSING, UploadState.SPOOLED)


class Known(NamedTuple):
    """A user; or a name that only backups bear any more."""

    name: str
    user: User | None
    """None: there is none; an earlier one has left backups."""
    backups: int | None
    """None while there is no survey."""
    stored_bytes: int | None
    series: tuple[SurveyedSeries, ...]
    uploads: tuple[Upload, ...]
    """On their way, and the failed ones that wait for an administrator."""

    @property
    def open_uploads(self) -> tuple[Upload, ...]:
        """Those that would end if the user were disabled."""
        return tuple(upload for upload in self.uploads if upload.state is UploadState.OPEN)

    @property
    def uploads_now(self) -> int:
        """How many of those it may have at the same time are in use."""
        return sum(upload.state in _HOLDING for upload in self.uploads)

    @property
    def used_part(self) -> float | None:
        """What part of the quota is used; None without a quota, or while that is not known."""
        if self.user is None or self.user.quota_bytes is None or self.stored_bytes is None:
            return None
        if self.user.quota_bytes == 0:
            return 1.0
        return self.stored_bytes / self.user.quota_bytes

    @property
    def last_backup_at(self) -> datetime | None:
        """When the newest good backup was made."""
        return max((each.last_at for each in self.series if each.last_at is not None), default=None)

    @property
    def severity(self) -> Severity:
        """The worst of what was found about the series."""
        return max((each.severity for each in self.series), key=lambda each: each.rank, default=Severity.OK)


def know_users(live: Live, survey: Survey | None) -> list[Known]:
    """All users and the names of earlier ones, by name."""
    users = {user.name: user for user in live.users}
    stored = {each.name: each for each in survey.users} if survey is not None else {}
    found = []
    for name in sorted({*users, *(name for name, each in stored.items() if each.backups)}):
        surveyed = stored.get(name)
        nothing = None if survey is None else 0
        found.append(
            Known(
                name,
                users.get(name),
                nothing if surveyed is None else surveyed.backups,
                nothing if surveyed is None else surveyed.stored_bytes,
                tuple(each for each in survey.series if each.series.user == name) if survey is not None else (),
                tuple(upload for upload in live.uploads if upload.user == name),
            )
        )
    return found
