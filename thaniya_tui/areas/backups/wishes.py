"""What is asked of a person before something is done to backups: words, checks, questions."""

from __future__ import annotations

import os
import pwd
from collections.abc import Sequence

from rich.text import Text

from thaniya_core.formats.notes import check_tag
from thaniya_core.formats.quantities import format_size
from thaniya_core.model import Backup
from thaniya_tui import render
from thaniya_tui.areas.backups.details import Place
from thaniya_tui.areas.backups.rows import Seen, minute
from thaniya_tui.dialogs import Ask, Confirm, Field

_NAMED = 6


def read_tags(text: str) -> tuple[str, ...]:
    """The tags that were typed, with blanks or commas between them.

    Raises:
        IllegalName: one is not a legal tag.
    """
    return tuple(dict.fromkeys(check_tag(word) for word in text.replace(",", " ").split()))


def changed_tags(before: Sequence[str], after: Sequence[str]) -> tuple[list[str], list[str]]:
    """Which tags are to be added, and which taken away."""
    return [tag for tag in after if tag not in before], [tag for tag in before if tag not in after]


def name_backups(backups: Sequence[Backup]) -> Text:
    """A line a backup, so that nobody mistakes it."""
    lines = [Text.assemble((render.foreign(each.id).plain, "strong"), _facts(each)) for each in backups[:_NAMED]]
    if len(backups) > _NAMED:
        lines.append(Text(f"and {len(backups) - _NAMED} more", "faint"))
    return Text("\n").join(lines)


def _facts(backup: Backup) -> str:
    size = format_size(backup.document.stored_bytes)
    return f"  {render.foreign(backup.series).plain}  {minute(backup.document.created_at)}, {size}"


def ask_tags(backups: Sequence[Backup]) -> Ask:
    """The tags of one backup as they are to be; or what several are to get and to lose."""
    if len(backups) == 1:
        label = "Tags, with blanks between them"
        fields = [Field("tags", label, " ".join(backups[0].notes.tags), "before-upgrade", read_tags)]
    else:
        fields = [
            Field("add", "Tags that all of them get", "", "before-upgrade", read_tags),
            Field("remove", "Tags that none of them keeps", check=read_tags),
        ]
    title = "Tags" if len(backups) == 1 else f"Tags of {len(backups)} backups"
    return Ask(title, fields, "Save", name_backups(backups))


def tags_wanted(backup: Backup, typed: dict[str, str]) -> tuple[list[str], list[str]]:
    """What a backup gets and loses by what was typed into `ask_tags`."""
    if "tags" in typed:
        return changed_tags(backup.notes.tags, read_tags(typed["tags"]))
    return list(read_tags(typed["add"])), [tag for tag in read_tags(typed["remove"]) if tag in backup.notes.tags]


def confirm_removal(backup: Backup, seen: Seen, place: Place | None) -> Confirm:
    """Removing cannot be undone: the end of the id is to be typed."""
    text = name_backups([backup])
    if place is not None and place.own_bytes is not None:
        text.append(f"\n\nIt is gone for good, and {format_size(place.own_bytes)} are free then.")
    else:
        text.append("\n\nIt is gone for good.")
    if needing := seen.built_on(backup):
        ids = ", ".join(each.id for each in needing[:3])
        text.append(f"\n✗ {len(needing)} later backups cannot be restored without it: {ids}", "bad")
    if seen.is_last_good(backup):
        text.append("\n! It is the last good backup of its series.", "caution")
    if backup.notes.tags:
        text.append("\n! It bears the tags ", "caution").append(render.foreign(" ".join(backup.notes.tags)).plain)
    return Confirm("Remove this backup?", text, "Remove", typed=backup.id[-6:])


def owner_note() -> str:
    """To whom the files of a restore will belong."""
    if os.geteuid() == 0:
        return "The console runs as root: files get the owners they had."
    try:
        account = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        account = str(os.geteuid())
    return owner_words(account)


def owner_words(account: str) -> str:
    """Why files do not get their owners back, and what does that."""
    return (
        f"Files will belong to {account}, as which the console runs; "
        "`sudo thaniya backup restore` gives them the owners they had."
    )
