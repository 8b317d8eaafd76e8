"""What messages of GNU tar mean for the next increment."""

from __future__ import annotations

import re

from thaniya_client.incremental.run import WorkingSnapshot
from thaniya_client.tasks.gnu_tar import is_harmless
from thaniya_core.formats.contents import unescape_path

_OF_A_MEMBER = re.compile(r'"(?P<path>(?:[^"\\]|\\.)*)": ')
_RENAMED = re.compile(r": Directory has been renamed")


def note_unpacked(snapshot: WorkingSnapshot, message: str) -> None:
    """Keep in mind what a message while packing says was not packed, or not as it should be.

    tar enters a file that it could not read into the snapshot file like any other. A directory that is renamed while
    tar looks at the tree is beyond what can be built on, and so is a name that the message does not give whole.
    """
    if _RENAMED.search(message):
        snapshot.is_spoilt = True
    if is_harmless(message) or not message.startswith('"'):
        return
    match = _OF_A_MEMBER.match(message)
    try:
        snapshot.unpacked.add(unescape_path(match["path"] if match is not None else "\\"))
    except ValueError:
        snapshot.is_spoilt = True
