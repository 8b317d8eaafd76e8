"""What is shown of users, by values."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from thaniya_core.errors import ThaniyaError
from thaniya_core.model import PublicKey, Role, Severity, UploadState, User
from thaniya_core.testing import FixedClock
from thaniya_core.views import UNLIMITED, Live, SurveyedUser
from thaniya_tui.areas.users import draw, questions
from thaniya_tui.areas.users.known import know_users

from .test_overview import series, survey
from .test_uploads import HOSTILE, upload

NOW = FixedClock().now()
KEY = PublicKey("ssh-ed25519", "AAAA", "alice@laptop", "SHA256:" + "a" * 43, NOW - timedelta(days=9))
ALICE = User("alice", NOW - timedelta(days=20), keys=(KEY,), quota_bytes=10 * 2**30, max_uploads=3)


def live(*users, uploads=()):
    return Live(NOW, True, NOW, users=users, uploads=uploads)


def know(user=ALICE, stored=4 * 2**30, uploads=(), **changed):
    (known,) = know_users(
        live(user, uploads=uploads),
        survey(users=(SurveyedUser(user.name, 30, stored),), series=(series(**changed),)),
    )
    return known


def cells(known):
    (row,) = draw.user_rows([known], NOW)
    return dict(zip([column.key for column in draw.USER_COLUMNS], [cell.plain for cell in row.cells], strict=True))


def plain(lines):
    return [line.plain.rstrip() for line in lines]


def test_a_user_is_a_row_with_all_that_counts():
    known = know(uploads=(upload(1), upload(2, state=UploadState.FAILED)))
    assert cells(known) == {
        "name": "alice",
        "state": "✓ enabled",
        "role": "backup",
        "keys": "1",
        "series": "1",
        "backups": "30",
        "stored": "4.0 GiB",
        "quota": "██▍───  40%",
        "uploads": "1/3",
        "last": "3 h ago",
        "created": "2026-11-03",
    }


@pytest.mark.parametrize(
    ("user", "state"),
    [(replace(ALICE, enabled=False), "- disabled"), (replace(ALICE, keys=()), "! no key"), (ALICE, "✓ enabled")],
)
def test_who_cannot_come_in_is_marked_with_a_word(user, state):
    assert cells(know(user))["state"] == state


@pytest.mark.parametrize(
    ("stored", "style"), [(2**30, "moving"), (int(9.1 * 2**30), "caution"), (11 * 2**30, "bad")], ids=str
)
def test_a_quota_that_fills_up_changes_its_colour(stored, style):
    assert {span.style for span in draw.quota(know(stored=stored)).spans} >= {style}


def test_without_a_quota_there_is_no_bar():
    assert cells(know(replace(ALICE, quota_bytes=None)))["quota"] == "no limit"
    assert know(replace(ALICE, quota_bytes=0)).used_part == 1.0


def test_a_late_series_is_seen_in_the_row_of_its_user():
    assert cells(know(severity=Severity.WARNING))["last"] == "! 3 h ago"


def test_backups_of_a_user_who_is_gone_are_shown_and_a_user_without_any_too():
    gone, new = know_users(live(replace(ALICE, name="zoe")), survey(users=(SurveyedUser("dave", 7, 2**20),)))
    assert (gone.name, gone.user, gone.backups) == ("dave", None, 7)
    assert (new.name, new.backups) == ("zoe", 0)
    assert cells(gone)["state"] == "○ no user"
    assert "of an earlier one" in " ".join(plain(draw.draw_about(gone, NOW, 60)))


def test_nothing_is_made_up_while_there_is_no_survey():
    (known,) = know_users(live(ALICE), None)
    assert (known.backups, known.stored_bytes, known.used_part) == (None, None, None)
    assert "no backups" not in questions.confirm_removal(known, ALICE)._text.plain


def test_a_key_is_shown_in_full_with_its_last_use():
    used = {KEY.fingerprint: NOW - timedelta(hours=3)}
    assert plain(draw.draw_keys(know(), used, NOW, 56)) == [
        "Keys  1",
        KEY.fingerprint,
        "  ssh-ed25519  alice@laptop",
        "  added 2026-11-14, last used 3 h ago",
    ]
    assert plain(draw.draw_keys(know(), {}, NOW, 56))[-1] == "  added 2026-11-14, never used"
    assert plain(draw.draw_keys(know(), None, NOW, 56))[-1] == "  added 2026-11-14"


def test_a_user_without_a_key_is_told_what_to_do():
    assert "`a` adds a key" in " ".join(plain(draw.draw_keys(know(replace(ALICE, keys=())), {}, NOW, 56)))


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("width", [20, 51, 56, 116])
def test_comments_of_keys_stand_letter_by_letter_and_in_their_width(text, width):
    user = replace(ALICE, keys=(replace(KEY, comment=text),))
    lines = draw.draw_keys(know(user), {}, NOW, width)
    shown = "\n".join(line.plain for line in lines)
    assert "\x1b" not in shown and "\u202e" not in shown and len(lines) == 4
    assert all(line.cell_len <= width for line in lines[1:3])
    removal = questions.confirm_key_removal(user, user.keys[0])._text.plain
    assert "\x1b" not in removal and "\u202e" not in removal
    if text.isprintable() and len(text) < 30:
        assert text in removal


@given(st.text(max_size=300), st.integers(40, 120))
def test_no_line_about_a_user_is_wider_than_its_place(text, width):
    one = upload(host=text, name=text, reason=text, state=UploadState.FAILED)
    known = know(uploads=(one,), name=text)
    assert all(line.cell_len <= width for line in draw.draw_about(known, NOW, width) if line.plain != "")


def test_only_limits_that_were_changed_are_set():
    user = replace(ALICE, quota_bytes=123_456_789)
    as_shown = {"quota": "117.7 MiB", "max_uploads": "3", "role": "backup"}
    assert questions.changed_limits(user, as_shown) == questions.Changed()
    changed = questions.changed_limits(user, {"quota": "unlimited", "max_uploads": "4", "role": "admin"})
    assert changed == questions.Changed(UNLIMITED, 4, Role.ADMIN)


def test_disabling_names_the_uploads_that_end():
    known = know(uploads=tuple(upload(number) for number in range(1, 8)))
    text = questions.confirm_disabling([known])._text.plain
    assert "7 uploads will end at once" in text and "and 2 more" in text
    assert "No upload is open" in questions.confirm_disabling([know()])._text.plain


def test_keys_that_were_shown_are_those_that_are_taken():
    keys = {"a": (KEY,), "b": (replace(KEY, comment=""),)}

    def look_at(given):
        if given not in keys:
            raise ThaniyaError("no key")
        return keys[given]

    look = questions.KeyLook(look_at)
    assert look("a") == f"✓ {KEY.fingerprint}\n  ssh-ed25519 alice@laptop"
    look("b")
    assert look.seen("a") == (KEY,)
    assert look.seen("") == ()
    with pytest.raises(KeyError):
        look.seen("never shown")
