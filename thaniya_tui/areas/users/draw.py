"""The table of users, and the lines about one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from rich.text import Text

from thaniya_core.formats.quantities import format_size
from thaniya_core.model import Severity, Upload, UploadState
from thaniya_tui import render
from thaniya_tui.areas.users.known import Known
from thaniya_tui.widgets import Column, Row

_BAR = 6
_MOST_SERIES = 100
_NEARLY_FULL, _FULL = 0.9, 1.0

USER_COLUMNS = (
    Column("name", "user", 10, grows=True),
    Column("state", "state", 10),
    Column("role", "role", 8, from_width=92),
    Column("keys", "keys", 4, is_right=True, from_width=92),
    Column("series", "series", 6, is_right=True, from_width=108),
    Column("backups", "backups", 7, is_right=True, from_width=100),
    Column("stored", "stored", 10, is_right=True, from_width=70),
    Column("quota", "quota", 11),
    Column("uploads", "uploads", 7, is_right=True, from_width=75),
    Column("last", "last backup", 13, is_right=True),
    Column("created", "created", 10, from_width=125),
)


def user_rows(users: Iterable[Known], now: datetime) -> Iterator[Row]:
    """A row a user."""
    for known in users:
        user = known.user
        most = "" if user is None else f"{known.uploads_now}/{user.max_uploads}"
        yield Row(
            known.name,
            (
                render.foreign(known.name, "strong" if user is not None and user.enabled else "faint"),
                user_state(known),
                Text("" if user is None else user.role.value),
                render.number(None if user is None else len(user.keys)),
                render.number(len(known.series)),
                render.number(known.backups),
                render.size(known.stored_bytes),
                quota(known),
                Text(most, style="moving" if known.uploads_now else "", justify="right"),
                last_backup(known, now),
                Text("" if user is None else user.created_at.astimezone().strftime("%Y-%m-%d")),
            ),
        )


def user_state(known: Known) -> Text:
    """Whether the user is let in."""
    if known.user is None:
        return render.signed(("○", "faint"), "no user")
    if not known.user.enabled:
        return render.signed(("-", "caution"), "disabled")
    return render.signed(("✓", "good"), "enabled") if known.user.keys else render.signed(("!", "caution"), "no key")


def quota(known: Known) -> Text:
    """How full the quota is: a bar and a number."""
    part = known.used_part
    if part is None:
        return Text("" if known.user is None else "no limit", "faint")
    style = "bad" if part >= _FULL else "caution" if part >= _NEARLY_FULL else "moving"
    return Text.assemble(render.bar(part, _BAR, style), (f"{min(int(part * 100), 999):>4}%", style))


def last_backup(known: Known, now: datetime) -> Text:
    """When the newest backup was made, with the sign of the worst series."""
    told = render.ago(known.last_backup_at, now).plain
    if known.severity is Severity.OK:
        return Text(told, justify="right")
    sign, style = render.severity_sign(known.severity)
    return Text(f"{sign} {told}", style, justify="right")


def draw_keys(known: Known | None, uses: Mapping[str, datetime] | None, now: datetime, width: int) -> list[Text]:
    """The keys of a user, and when each last let it in.

    Args:
        known: whose.
        uses: when each key was last used; None while that has not been read.
        now: the present.
        width: of the lines.
    """
    if known is None or known.user is None:
        return []
    lines = [heading("Keys", len(known.user.keys))]
    if not known.user.keys:
        lines += [
            Text("nobody gets in as this user: `a` adds a key,", "caution"),
            Text("`i` shows what to ask the user for", "caution"),
        ]
    for key in known.user.keys:
        used_at = None if uses is None else uses.get(key.fingerprint)
        used = "" if uses is None else f", last used {render.ago(used_at, now).plain}" if used_at else ", never used"
        added = f"  added {key.added_at.astimezone():%Y-%m-%d}"
        lines += [
            render.fit(key.fingerprint, width, "accent"),
            render.fit(f"  {key.algorithm}  {key.comment or 'without a comment'}", width),
            Text.assemble((added, "faint"), (used, "" if used_at else "faint")),
        ]
    return lines


def draw_nobody(width: int) -> list[Text]:
    """What to do while there are no users."""
    return [Text("no users yet: `n` makes one", "faint")]


def draw_about(known: Known | None, now: datetime, width: int) -> list[Text]:
    """Limits of a user, what comes in now, and the series."""
    if known is None:
        return []
    lines = [] if known.user is None else _limits(known, width)
    if known.user is None:
        lines += [
            Text("There is no such user any more:", "caution"),
            Text("these backups are of an earlier one. `n` makes", "caution"),
            Text("a user of this name, and asks about them.", "caution"),
        ]
    if known.uploads:
        lines += [Text(), heading("Coming in", len(known.uploads))]
        lines += [_upload_line(upload, width) for upload in known.uploads]
    lines += [Text(), heading("Series", len(known.series))]
    for each in known.series[:_MOST_SERIES]:
        sign, style = render.severity_sign(each.severity)
        last = f"{render.ago(each.last_at, now).plain:>11} {format_size(each.last_bytes):>10}"
        room = max(width - len(last) - 3, 1)
        name = render.fit(f"{each.series.host}/{each.series.name}", room)
        lines.append(
            Text.assemble((f"{sign} ", style), name, " ", (last, "" if each.severity is Severity.OK else style))
        )
    if len(known.series) > _MOST_SERIES:
        lines.append(Text(f"and {len(known.series) - _MOST_SERIES} more, see Backups", "faint"))
    if not known.series:
        lines.append(Text("no backup yet: `i` shows what to send to the user", "faint"))
    return lines


def _upload_line(upload: Upload, width: int) -> Text:
    state = render.upload_state(upload.state)
    size = format_size(upload.received_bytes)
    if upload.expected_bytes:
        size += f" of {format_size(upload.expected_bytes)}"
    told = upload.shown_reason if upload.state is UploadState.FAILED else size
    room = max(width - state.cell_len - 1, 2)
    name = render.fit(f"{upload.host}/{upload.name}", room * 2 // 5)
    return Text.assemble(state, " ", name, render.fit(f" {told}", room - room * 2 // 5))


def heading(name: str, number: int) -> Text:
    """A heading within a pane."""
    return Text.assemble((name, "strong"), (f"  {number}", "faint"))


def _limits(known: Known, width: int) -> list[Text]:
    user = known.user
    assert user is not None
    stored = format_size(known.stored_bytes)
    used = (
        quota(known).append(f"  {stored} of {format_size(user.quota_bytes)}")
        if known.used_part is not None
        else (Text(f"{stored}, no limit" if user.quota_bytes is None else f"of {format_size(user.quota_bytes)}"))
    )
    facts = [
        ("stored", used),
        ("uploads", Text(f"{known.uploads_now} now, at most {user.max_uploads} at the same time")),
        ("role", Text(f"{user.role.value}, since {user.created_at.astimezone():%Y-%m-%d}")),
    ]
    lines = [Text.assemble((f"{name:<8} ", "faint"), value) for name, value in facts]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines
