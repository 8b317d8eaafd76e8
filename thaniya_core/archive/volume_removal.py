"""Forgetting a volume: it leaves the state, and its backups the catalog; nothing on it is touched."""

from __future__ import annotations

from thaniya_core.archive.catalog import Catalog
from thaniya_core.archive.volumes import Volumes
from thaniya_core.errors import NotFound, WrongState
from thaniya_core.model import Event, Volume
from thaniya_core.store import StateTransaction, Store
from thaniya_core.system.clock import Clock


def forget_volume(
    store: Store, clock: Clock, volumes: Volumes, catalog: Catalog, volume: Volume, actor: str, *, with_backups: bool
) -> int:
    """Forget a volume; `volume add` takes it up again with all that is on it. Gives how many backups were forgotten.

    A crash in between leaves the volume known and inactive, and it may be run again.

    Args:
        store, clock, volumes, catalog: what they say.
        volume: which.
        actor: who does this, for the audit log.
        with_backups: forget the backups on it too, instead of refusing when there are any.

    Raises:
        WrongState: backups are on it, or one is being archived there; nothing was changed.
        NotFound: it was removed already.
    """
    count = catalog.usage_of(volume).backups
    if count and not with_backups:
        raise WrongState(
            f"{count} backups in the catalog are on the volume {volume.label}; nothing was changed",
            hint=f"have it take no more: thaniya volume deactivate {volume.label}; or forget them too with "
            "--forget-backups, which removes nothing from the volume itself",
        )
    with store.transaction() as state:
        _check_unused(state, volume)
    volumes.set_active(volume, False, actor)  # so that no new backup chooses it meanwhile
    catalog.forget_volume(volume.id)
    with store.transaction() as state:
        _check_unused(state, volume)
        if not state.volumes.remove(volume.id):
            raise NotFound(f"there is no volume {volume.label} any more")
    store.add_event(
        Event(clock.now(), actor, "volume.remove", volume.label, detail=f"{volume.path}, {count} backups forgotten")
    )
    return count


def _check_unused(state: StateTransaction, volume: Volume) -> None:
    for upload in state.uploads.all():
        if upload.volume == volume.id:
            raise WrongState(
                f"the upload {upload.id} is being archived on the volume {volume.label}",
                hint="wait until it is done: thaniya upload list",
            )
