#!/usr/bin/python3 -IS
"""thaniya-keys: which keys may log in to an account now; sshd's AuthorizedKeysCommand (sshd_config(5)).

    thaniya-keys ACCOUNT

sshd starts this for every login, so it imports the standard library only, and little of it. `thaniya setup openssh`
installs it as a copy that belongs to root; it runs as the service user. It reads the paths from /etc/thaniya/root.json
and the state from state.json, whose records are those of `thaniya_core.model`. To the client every failure looks like a
key that is not known: nothing is printed. What went wrong is in the system's log.
"""

import json
import re
import shlex
import sys

CONFIG = "/etc/thaniya/root.json"
FORMAT = 1

_USER = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_SLOT = re.compile(r"thaniya_[0-9]{2,3}")
_KEY_LINE = re.compile(r"[a-z0-9@.-]{1,64} [A-Za-z0-9+/]{1,16384}={0,2}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


def format_authorized_keys(state, account, *, control_account, broker):
    """The lines of authorized_keys (sshd(8)) for an account; empty for one that nobody may enter now.

    Args:
        state: state.json as `json.load` gives it; a table that never held anything is not in it.
        account: the account that someone wants to log in to.
        control_account: the account whose keys run the broker; all others are slots.
        broker: the command line of the broker, as a list; the user's name is put behind it.
    """
    lines = [
        _control_line(name, key, broker) if account == control_account else _slot_line(name, key)
        for name in users_let_in(state, account, control_account=control_account)
        for key in state["users"][name].get("keys", ())
    ]
    return "".join(line + "\n" for line in lines if line)


def users_let_in(state, account, *, control_account) -> "list[str]":
    """The names of the users who may log in to an account now. The embedded SSH server goes by the same rule.

    To the control account every enabled user; to a slot the enabled user whose open upload holds it; to any other
    account nobody. Arguments are those of `format_authorized_keys`.
    """
    if account == control_account:
        names = list(state.get("users", {}))
    elif _SLOT.fullmatch(account):
        names = _holders(state, account)
    else:
        names = []
    return [name for name in names if name in state.get("users", {}) and state["users"][name].get("enabled", True)]


def _holders(state, account):
    """The name of the user whose open upload holds a slot, if any."""
    slot = state.get("slots", {}).get(account)
    if slot is None or slot.get("state") != "taken":
        return []
    upload = state.get("uploads", {}).get(slot.get("upload_id") or "")
    return [upload["user"]] if upload is not None and upload.get("state", "open") == "open" else []


def _control_line(user, key, broker):
    command = shlex.join([*broker, user])
    if not _is_plain(user, key) or _UNPRINTABLE.search(command):
        return ""
    # Within the quotes sshd knows one escape, \" (misc.c, opt_dequote); a backslash stands for itself.
    quoted = command.replace('"', '\\"')
    return f'restrict,command="{quoted}" {key["algorithm"]} {key["blob"]}'


def _slot_line(user, key):
    return f"restrict {key['algorithm']} {key['blob']}" if _is_plain(user, key) else ""


def _is_plain(user, key):
    """Whether neither the user's name nor the key can say more in the line than it should."""
    return bool(_USER.fullmatch(user) and _KEY_LINE.fullmatch(f"{key['algorithm']} {key['blob']}"))


def look_up(state_file, account, *, control_account, broker):
    """`format_authorized_keys` on a state file.

    Raises:
        OSError, ValueError, KeyError: it is not there, or no state file of this format.
    """
    with open(state_file, "rb") as stream:
        state = json.load(stream)
    if state["format"] != FORMAT:
        raise ValueError(f"{state_file} has format {state['format']!r}, {FORMAT} was expected")
    return format_authorized_keys(state, account, control_account=control_account, broker=broker)


def main(arguments):
    """Print the keys of the account; complain in the system's log only."""
    try:
        (account,) = arguments
        with open(CONFIG, "rb") as stream:
            config = json.load(stream)
        sys.stdout.write(
            look_up(
                config["state"] + "/state.json",
                account,
                control_account=config["user"],
                broker=config["broker"],
            )
        )
    except Exception as problem:  # noqa: BLE001 - whatever it is, the client learns nothing and the log everything
        import syslog

        syslog.openlog("thaniya-keys", syslog.LOG_PID, syslog.LOG_AUTH)
        syslog.syslog(syslog.LOG_ERR, f"no keys for {arguments!r:.100}: {type(problem).__name__}: {problem}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
