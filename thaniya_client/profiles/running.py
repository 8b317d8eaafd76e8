"""Runs a profile: its values become the arguments of `Target.backup`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from thaniya_client.profiles.profile import Profile
from thaniya_client.profiles.reading import limits_of
from thaniya_client.target import Target
from thaniya_client.values import OnProgress, Report


def run_profile(
    profile: Profile,
    target: Target,
    *,
    tags: Sequence[str] = (),
    patience_s: int | None = None,
    on_progress: OnProgress | None = None,
    simulate: bool = False,
) -> Report:
    """Make the backup that a profile describes; raises what `Target.backup` raises.

    Args:
        profile: what to do.
        target: where to.
        tags: some more, for this backup.
        patience_s: instead of the profile's.
        on_progress: as for `Target.backup`.
        simulate: only tell what would be done.
    """
    return target.backup(
        *profile.tasks,
        name=profile.series,
        host=profile.host or None,
        patience_s=profile.patience if patience_s is None else patience_s,
        on_progress=on_progress,
        before=profile.before,
        after=profile.after,
        on_error=profile.on_error,
        tags=(*profile.tags, *tags),
        encrypt_to=profile.encrypt_to,
        simulate=simulate,
        **msgspec.structs.asdict(limits_of(profile)),
    )
