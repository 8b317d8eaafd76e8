"""What is done to backups: each through the function that `thaniya backup` uses, in the name of the administrator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from rich.text import Text

from thaniya_core.errors import ThaniyaError
from thaniya_core.formats.manifest import first_encrypted
from thaniya_core.formats.names import RESTORE_FILE
from thaniya_core.formats.quantities import format_size
from thaniya_core.formats.restoring import select_parts
from thaniya_core.model import Backup
from thaniya_core.views import Stopped
from thaniya_tui import render
from thaniya_tui.areas.backups.work import Work
from thaniya_tui.dialogs import Reading

if TYPE_CHECKING:
    from thaniya_tui.app import Console

T = TypeVar("T")

_MOST_TEXT = 256 * 1024
"""A RESTORE.txt is not longer than this; the disk may hold anything."""


class Verified(Struct, frozen=True):
    """What reading some backups again has shown."""

    good: tuple[Backup, ...] = ()
    broken: tuple[Backup, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()
    """Ids of those that could not be read, each with the reason."""
    was_stopped: bool = False


class Deeds:
    """Carries out what was agreed to."""

    def __init__(self, console: Console, begun: Callable[[Work], None]) -> None:
        """
        Args:
            console: whose server and actor.
            begun: told of each long work.
        """
        self._console = console
        self._begun = begun

    def verify(self, backups: Sequence[Backup], *, on_trial: bool) -> None:
        """Read backups again, one after the other; on trial: restore each, compare and throw it away."""
        server, actor = self._console.server, self._console.actor
        what = f"{'test-restore' if on_trial else 'verify'} {_name(backups)}"
        work = Work(what, "restoring on trial" if on_trial else "")
        work.expect(sum(backup.document.stored_bytes for backup in backups))

        def verify_one(backup: Backup) -> Backup:
            trial = server.backups.trial_place(backup) if on_trial else None
            return server.backups.verify(backup, actor, work.count, trial=trial)

        # Each is looked at by itself: one that cannot be read must not keep the others from it.
        run = partial(verify_each, backups, verify_one)
        self._do_long(work, run, tell_verified, self._show_damage)

    def _show_damage(self, verified: Verified) -> None:
        if verified.broken or verified.unread:
            self._console.push_screen(Reading("✗ Not good", damage_text(verified)))

    def restore(self, backup: Backup, target: Path, paths: tuple[str, ...]) -> None:
        """Restore a backup, or some paths of it, into a directory that is new or empty."""
        server, actor = self._console.server, self._console.actor
        work = Work(f"restore {backup.id}", "unpacking")

        def restore() -> int | None:
            parts = select_parts(backup.document, paths)
            work.expect(sum(part.file.size_bytes or 0 for part in parts))
            try:
                return server.backups.restore(backup, target, paths, False, actor, work.count)
            except Stopped:
                return None

        def tell(came: int | None) -> str:
            if came is None:
                return f"stopped; nothing of {backup.id} was restored"
            return f"restored {came:,} file{'s' if came != 1 else ''} of {backup.id} into {target}; all sums were right"

        self._do_long(work, restore, tell)

    def pin(self, backups: Sequence[Backup], pinned: bool) -> None:
        """Pin backups, or leave them to the policy again."""
        server, actor = self._console.server, self._console.actor
        self._console.act(
            f"{'pin' if pinned else 'unpin'} {_name(backups)}",
            lambda: [server.backups.pin(backup, pinned, actor) for backup in backups],
            lambda changed: f"{'pinned' if pinned else 'not pinned any more'}: {_name(changed)}",
        )

    def tag(self, changes: Sequence[tuple[Backup, list[str], list[str]]]) -> None:
        """Give each backup some tags and take others away; where nothing changes nothing is done."""
        server, actor = self._console.server, self._console.actor
        wanted = [change for change in changes if change[1] or change[2]]
        if not wanted:
            return
        self._console.act(
            f"tag {_name([backup for backup, _, _ in wanted])}",
            lambda: [server.backups.tag(backup, add, remove, actor) for backup, add, remove in wanted],
            lambda changed: "\n".join(f"{each.id}: {' '.join(each.notes.tags) or 'no tags'}" for each in changed[:5]),
        )

    def remove(self, backup: Backup) -> None:
        """Remove a backup for good."""
        server, actor = self._console.server, self._console.actor

        def remove() -> int:
            own_bytes = server.backups.own_bytes(backup)
            server.backups.remove(backup, actor)
            return own_bytes

        self._console.act(
            f"remove {backup.id}", remove, lambda freed: f"removed {backup.id}, freed {format_size(freed)}"
        )

    def show_restore_text(self, backup: Backup) -> None:
        """Show the commands that restore it by hand."""
        server = self._console.server

        def read() -> str:
            with server.backups.open_file(backup, RESTORE_FILE) as file:
                return (file.read(_MOST_TEXT) or b"").decode("utf-8", "replace")

        def show(text: str) -> None:
            lines = "\n".join(render.foreign(line, limit=4000).plain for line in text.splitlines())
            self._console.push_screen(Reading(f"{RESTORE_FILE} of {backup.id}", Text(lines)))

        self._console.look(f"read {RESTORE_FILE} of {backup.id}", read, show)

    def _do_long(
        self,
        work: Work,
        do: Callable[[], T],
        tell: Callable[[T], str],
        then: Callable[[T], None] | None = None,
    ) -> None:
        def run() -> T:
            try:
                return do()
            finally:
                work.end()

        if not self._console.is_read_only:
            self._begun(work)
        self._console.act(work.what, run, tell, then)


def verify_each(backups: Sequence[Backup], verify_one: Callable[[Backup], Backup]) -> Verified:
    """Verify one after the other until somebody stops it; those that are done then stay verified."""
    good: list[Backup] = []
    broken: list[Backup] = []
    unread: list[tuple[str, str]] = []
    was_stopped = False
    for backup in backups:
        try:
            verified = verify_one(backup)
        except Stopped:
            was_stopped = True
            break
        except ThaniyaError as error:
            unread.append((backup.id, str(error)))
        else:
            (broken if verified.broken else good).append(verified)
    return Verified(tuple(good), tuple(broken), tuple(unread), was_stopped)


def tell_verified(verified: Verified) -> str:
    """The outcome in a line; empty where a dialog tells it."""
    if verified.broken or verified.unread:
        return ""
    if verified.was_stopped:
        return f"stopped; {len(verified.good)} were verified before" if verified.good else "stopped; nothing was noted"
    is_good = "is good" if len(verified.good) == 1 else "are good"
    by_sums_alone = any(first_encrypted(backup.document.files) for backup in verified.good)
    unseen = "; what is encrypted was neither listed nor restored on trial" if by_sums_alone else ""
    return f"{_name(verified.good)} {is_good}: every byte is as it was archived{unseen}"


def damage_text(verified: Verified) -> Text:
    """What is wrong with which backup, and what to do."""
    text = Text()
    for backup in verified.broken:
        text.append(f"{render.foreign(backup.id).plain} is broken\n", "strong").append_text(
            render.paragraph(backup.broken, "bad")
        )
        text.append("\n\n")
    for backup_id, reason in verified.unread:
        text.append(f"{render.foreign(backup_id).plain} could not be read\n", "strong").append_text(
            render.paragraph(reason, "caution")
        )
        text.append("\n\n")
    if verified.good:
        text.append(f"✓ {len(verified.good)} good\n\n", "good")
    if verified.broken:
        text.append(
            "what next  Make a new backup of the series, and look at the disk of the volume. A broken backup is kept:"
            " what lies in those of its files whose sums are right can be restored.",
            "faint",
        )
    return text


def _name(backups: Sequence[Backup]) -> str:
    return backups[0].id if len(backups) == 1 else f"{len(backups)} backups"
