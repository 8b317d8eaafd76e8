"""What is asked before users are changed, and what was answered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from msgspec import Struct
from rich.text import Text

from thaniya_core.errors import AlreadyExists, WrongUsage
from thaniya_core.formats.names import check_user
from thaniya_core.formats.quantities import format_size
from thaniya_core.model import PublicKey, Role, User
from thaniya_core.views import UNLIMITED, Unlimited, parse_max_uploads, parse_quota
from thaniya_tui import render
from thaniya_tui.areas.users.known import Known
from thaniya_tui.dialogs import Ask, Confirm, Field, Pick

_ROLES = tuple(role.value for role in Role)
_MOST_UPLOADS = "2"
_KEY_LABEL = "Public key, pasted or as the path of a .pub file"
_KEY_EXAMPLE = "ssh-ed25519 AAAA… or /home/alice/id_ed25519.pub"


class KeyLook:
    """Looks at keys in a thread, and keeps those it has seen: what is taken later is what was shown."""

    def __init__(self, look_at_keys: Callable[[str], tuple[PublicKey, ...]]) -> None:
        self._look_at_keys = look_at_keys
        self._seen: dict[str, tuple[PublicKey, ...]] = {}

    def __call__(self, given: str) -> str:
        """What is told of the keys: `✓ SHA256:… ssh-ed25519 alice@laptop`, a line each."""
        keys = self._look_at_keys(given)
        self._seen[given] = keys
        return "\n".join(f"✓ {key.fingerprint}\n  {key.algorithm} {key.comment}" for key in keys)

    def seen(self, given: str) -> tuple[PublicKey, ...]:
        """The keys that were shown for what was given; none for nothing."""
        return self._seen[given] if given else ()


def key_line(key: PublicKey) -> str:
    """A key as it is added."""
    return f"{key.line} {key.comment}".strip()


def ask_new_user(names: Collection[str], look: KeyLook, proposed: str = "") -> Ask:
    """Everything about a new user.

    Args:
        names: of those who are there.
        look: looks at the key.
        proposed: a name to begin with.
    """

    def check_name(name: str) -> None:
        check_user(name)
        if name in names:
            raise AlreadyExists(f"the user {name} exists already")

    return Ask(
        "New user",
        [
            Field("name", "Name", proposed, "alice", check_name),
            Field("key", "Public key (may come later): pasted, or a path", "", _KEY_EXAMPLE, look=look),
            Field("quota", "Quota of all backups together", UNLIMITED.value, "500G", parse_quota),
            Field("max_uploads", "Uploads at the same time", _MOST_UPLOADS, _MOST_UPLOADS, parse_max_uploads),
            Field("role", "Role; over SSH all may do the same", Role.BACKUP.value, words=_ROLES),
        ],
        "Make",
    )


def ask_limits(known: Known, user: User) -> Ask:
    """Quota, uploads and role of a user."""
    stored = "" if known.stored_bytes is None else f"{user.name} stores {format_size(known.stored_bytes)} now. "
    return Ask(
        f"Limits of {user.name}",
        [
            Field("quota", "Quota of all backups together", _quota_of(user), "500G or unlimited", parse_quota),
            Field("max_uploads", "Uploads at the same time", str(user.max_uploads), _MOST_UPLOADS, parse_max_uploads),
            Field("role", "Role; over SSH all may do the same", user.role.value, words=_ROLES),
        ],
        "Set",
        f"{stored}An upload that would go beyond the quota is refused; what is archived stays.",
    )


def _quota_of(user: User) -> str:
    return UNLIMITED.value if user.quota_bytes is None else format_size(user.quota_bytes)


class Changed(Struct, frozen=True):
    """The limits that are to be others, as `Users.change` takes them; None for what stays."""

    quota_bytes: int | Unlimited | None = None
    max_uploads: int | None = None
    role: Role | None = None


def changed_limits(user: User, given: dict[str, str]) -> Changed:
    """What is another than it was. A quota that is shown rounded and left alone stays as it is to the byte."""
    return Changed(
        parse_quota(given["quota"]) if given["quota"] != _quota_of(user) else None,
        parse_max_uploads(given["max_uploads"]) if given["max_uploads"] != str(user.max_uploads) else None,
        Role(given["role"]) if given["role"] != user.role.value else None,
    )


def ask_key(user: User, look: KeyLook) -> Ask:
    """One more key."""

    def check(given: str) -> None:
        if not given:
            raise WrongUsage("paste a key, or type the path of a .pub file")

    return Ask(
        f"Add a key to {user.name}",
        [Field("key", _KEY_LABEL, "", _KEY_EXAMPLE, check, look)],
        "Add",
        "Whoever holds the private half is let in as this user. Compare the fingerprint with what the user tells you: "
        "ssh-keygen -lf FILE.pub",
    )


def pick_key(user: User) -> Pick:
    """Which key goes."""
    options = [
        (
            key.fingerprint,
            Text.assemble(key.fingerprint, "\n  ", render.foreign(_comment_of(key), limit=60)),
        )
        for key in user.keys
    ]
    return Pick(f"Remove which key of {user.name}?", options, "Remove …")


def confirm_key_removal(user: User, key: PublicKey) -> Confirm:
    """That a key goes."""
    others = len(user.keys) - 1
    left = (
        f"{others} other keys stay."
        if others > 1
        else "One other key stays."
        if others
        else (f"It is the only one: {user.name} is not let in any more until another is added.")
    )
    text = Text.assemble((key.fingerprint, "accent"), "\n", render.foreign(_comment_of(key)))
    text.append(f"\n\nNobody gets in with it any more; who is connected with it is disconnected. {left}")
    return Confirm(f"Remove this key of {user.name}?", text, "Remove")


def _comment_of(key: PublicKey) -> str:
    return f"{key.algorithm} {key.comment}".strip()


def confirm_disabling(chosen: Sequence[Known]) -> Confirm:
    """That users are kept out."""
    names = ", ".join(known.name for known in chosen)
    text = Text.assemble(
        (names, "strong"),
        "\n\nNot let in any more, from now on. Keys, limits and backups stay; enabling brings everything back.",
    )
    ending = [upload for known in chosen for upload in known.open_uploads]
    if ending:
        number = f"{len(ending)} uploads" if len(ending) > 1 else "1 upload"
        text.append(f"\n\n{number} will end at once, without a backup:", "caution")
        for upload in ending[:5]:
            text.append("\n  ").append_text(render.foreign(f"{upload.series}  {format_size(upload.received_bytes)}"))
        if len(ending) > 5:
            text.append(f"\n  and {len(ending) - 5} more")
    else:
        text.append("\n\nNo upload is open.")
    return Confirm("Disable this user?" if len(chosen) == 1 else "Disable these users?", text, "Disable")


def confirm_removal(known: Known, user: User) -> Confirm:
    """That a user goes."""
    keys = "1 key" if len(user.keys) == 1 else f"{len(user.keys)} keys"
    text = Text.assemble((user.name, "strong"), f" and {keys} are removed: nobody gets in with them any more.\n\n")
    if known.backups == 0:
        text.append("There are no backups of this user.")
    else:
        stored = "The backups" if known.backups is None else f"{known.backups:,} backups"
        size = "" if known.stored_bytes is None else f" ({format_size(known.stored_bytes)})"
        text.append(
            f"{stored}{size} stay in the archive, with the same retention. They can be restored here only; a new user "
            f"of this name gets them when you say so."
        )
    return Confirm("Remove this user?", text, "Remove", typed=user.name)


def confirm_adoption(name: str, backups: int) -> Confirm:
    """That a new user gets the backups of an earlier one."""
    text = Text.assemble(
        "The archive holds ",
        (f"{backups:,} backups", "strong"),
        " of an earlier user ",
        (name, "strong"),
        ".\n\nA new user of this name can read and restore all of them. Go on when it is the same person or machine; "
        "otherwise cancel and take another name.",
    )
    return Confirm("Give this user the backups that are there?", text, "Adopt")
