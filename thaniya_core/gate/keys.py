#!/usr/bin/python3 -IS
"""thaniya-keys: which keys may log in to an account now; sshd's AuthorizedKeysCommand (sshd_config(5)).

    thaniya-keys ACCOUNT

sshd starts this for every login, so it imports the standard library only, and little of it. `thaniya setup openssh`
installs it as a copy that belongs to root; it runs as the service user. It reads the paths from /etc/thaniya/root.json
and the state from state.json, whose records are those of `thaniya_core.model`. To the client every failure looks like a
key that is not known: nothing is printed. What went wrong is in the system's log.
"""

import json
import os
import re
import shlex
import stat
import sys
import time

CONFIG = "/etc/thaniya/root.json"
FORMAT = 1
PROBE = re.compile(r"probe-[0-9a-f]{16}\.json")
PROBE_LIFE_S = 60
"""A probe that would live longer than this lets nobody in."""

_USER = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_SLOT = re.compile(r"thaniya_[0-9]{2,3}")
_KEY_LINE = re.compile(r"[a-z0-9@.-]{1,64} [A-Za-z0-9+/]{1,16384}={0,2}")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


def format_authorized_keys(state, account, *, control_account, broker):
    """The lines of authorized_keys (sshd(8)) for an account; empty for one that nobody may enter now.

    Args:
        state: state.json as `json.load` gives it; a table that never held anything is not in it.
        account: the account that someone wants to log in to.
        control_account: the account whose keys run the broker; all others are slots.
        broker: the command line of the broker, as a list; behind it come the user's name, and by which key he came.
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


def _is_ready(state, account):
    """Whether this is a slot that no upload holds."""
    slot = state.get("slots", {}).get(account) if _SLOT.fullmatch(account) else None
    return slot is not None and slot.get("state", "ready") == "ready"


def _control_line(user, key, broker):
    fingerprint = key.get("fingerprint", "")
    by_key = ["--key", fingerprint] if _FINGERPRINT.fullmatch(fingerprint) else []
    command = shlex.join([*broker, user, *by_key])
    if not _is_plain(user, key) or _UNPRINTABLE.search(command):
        return ""
    return f'restrict,command="{_quote(command)}" {key["algorithm"]} {key["blob"]}'


def _quote(command):
    # Within the quotes sshd knows one escape, \" (misc.c, opt_dequote); a backslash stands for itself.
    return command.replace('"', '\\"')


def _slot_line(user, key):
    return f"restrict {key['algorithm']} {key['blob']}" if _is_plain(user, key) else ""


def _is_plain(user, key):
    """Whether neither the user's name nor the key can say more in the line than it should."""
    return bool(_USER.fullmatch(user) and _KEY_LINE.fullmatch(f"{key['algorithm']} {key['blob']}"))


def look_up(state_file, account, *, control_account, broker):
    """`format_authorized_keys` on a state file, and the probes beside it.

    Raises:
        OSError, ValueError, KeyError: it is not there, or no state file of this format.
    """
    with open(state_file, "rb") as stream:
        state = json.load(stream)
    if state["format"] != FORMAT:
        raise ValueError(f"{state_file} has format {state['format']!r}, {FORMAT} was expected")
    lines = format_authorized_keys(state, account, control_account=control_account, broker=broker)
    if account == control_account or _is_ready(state, account):
        lines += format_probes(os.path.dirname(state_file), account, broker)
    return lines


def format_probes(directory, account, broker):
    """Lines for the keys that `thaniya doctor` made for one examination each: they run the broker's `--probe` only.

    One for a slot is asked for while the slot is ready, so that its locked account has a key to refuse. A probe that is
    not to be trusted is told in the system's log, and keeps no other key from being let in.
    """
    lines = ""
    for name in sorted(os.listdir(directory)):
        if PROBE.fullmatch(name):
            try:
                lines += _probe_line(os.path.join(directory, name), account, broker)
            except FileNotFoundError:
                continue  # its examination is over
            except Exception as problem:  # noqa: BLE001 - whatever is wrong with it, users' keys are let in
                complain(f"the probe {name} is not heeded: {type(problem).__name__}: {problem}")
    return lines


def _probe_line(file, account, broker):
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise ValueError("it is not a regular file of the service user's own")
        probe = json.loads(stream.read(4096))
    left_s = probe["expires"] - time.time()
    key, command = f"{probe['algorithm']} {probe['blob']}", shlex.join([*broker, "--probe"])
    if left_s > PROBE_LIFE_S or not _KEY_LINE.fullmatch(key) or _UNPRINTABLE.search(command):
        raise ValueError(f"it would live for {left_s:.0f} s, or its key is none")
    if account != probe["account"] or not left_s > 0:
        return ""
    return f'restrict,command="{_quote(command)}" {key}\n'


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
        complain(f"no keys for {arguments!r:.100}: {type(problem).__name__}: {problem}")
        return 1
    return 0


def complain(text):
    """Tell the system's log."""
    import syslog

    syslog.openlog("thaniya-keys", syslog.LOG_PID, syslog.LOG_AUTH)
    syslog.syslog(syslog.LOG_ERR, text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
