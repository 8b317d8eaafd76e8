"""Upload slots: allocate, watch, close, expire, collect into the spool."""

from thaniya_core.slots.allocation import Allocator, Space
from thaniya_core.slots.closing import Closer
from thaniya_core.slots.locking import SlotLocks
from thaniya_core.slots.ports import SlotAccounts
from thaniya_core.slots.refusals import Refusals
from thaniya_core.slots.slots import Slots
from thaniya_core.slots.spool import Spool
from thaniya_core.slots.uploads import Uploads
from thaniya_core.slots.watch import Watch

__all__ = [
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
]
