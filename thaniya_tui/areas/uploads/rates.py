"""How fast each upload was lately: what the sparklines are drawn from."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct
from rich.text import Text

from thaniya_core.model import Upload

KEPT = 24
"""So many rates are kept of each upload: about as many seconds."""

_BLOCKS = "▁▂▃▄▅▆▇█"


class Track(Struct, frozen=True):
    """An upload's way so far."""

    at: datetime
    received_bytes: int
    rates: tuple[float, ...] = ()
    """Bytes a second, the oldest first."""


Tracks = dict[str, Track]
"""By the uploads' ids."""


def follow(tracks: Tracks, uploads: Iterable[Upload], at: datetime) -> Tracks:
    """The tracks after one more look, at most one step a second; of uploads that are gone nothing is kept."""
    return {upload.id: _step(tracks.get(upload.id), upload, at) for upload in uploads}


def _step(track: Track | None, upload: Upload, at: datetime) -> Track:
    if track is None or at < track.at:
        return Track(at, upload.received_bytes)
    seconds = (at - track.at).total_seconds()
    if seconds < 1:
        return track
    rate = max(upload.received_bytes - track.received_bytes, 0) / seconds
    return Track(at, upload.received_bytes, (*track.rates, rate)[-KEPT:])


def sparkline(rates: tuple[float, ...], width: int) -> Text:
    """The newest rates as blocks, each as high as its part of the highest."""
    shown = rates[-width:]
    highest = max(shown, default=0.0)
    if highest <= 0:
        return Text(" " * (width - len(shown)) + "▁" * len(shown), style="faint")
    blocks = "".join(_BLOCKS[min(int(rate / highest * len(_BLOCKS)), len(_BLOCKS) - 1)] for rate in shown)
    return Text(blocks.rjust(width), style="moving")
