#!/usr/bin/python3 -IS
"""thaniya-slot: what a login to a slot runs while `legacy_scp` is on: sftp-server or `scp -t`, confined by bwrap(1).

    thaniya-slot -c ANYTHING    run what SSH_ORIGINAL_COMMAND asks for, if it is one of these two
    thaniya-slot try            see whether an account can be confined: sftp-server runs and has nothing to read

sshd runs it as its ForceCommand, and it is the login shell of the slot accounts too, so that no other shell reads what
a client sends. It imports the standard library only; `thaniya setup openssh` installs it as a copy that belongs to
root. It has the rights of the slot account and needs no more. Of the client's words the path alone is handed on; what
it can lead to is what `confine` leaves: upload/ to write, programs and libraries of the system to read.
"""

import json
import os
import pwd
import re
import shlex
import sys

CONFIG = "/etc/thaniya/root.json"
SLOT = re.compile(r"thaniya_[0-9]{2,3}")
UMASK = 0o027
BWRAP = ("/usr/bin/bwrap",)
SCP = ("/usr/bin/scp",)
SFTP_SERVER = (
    "/usr/lib/openssh/sftp-server",  # Debian, Ubuntu
    "/usr/libexec/openssh/sftp-server",  # Fedora, RHEL
    "/usr/lib/ssh/sftp-server",  # Arch, SUSE, Alpine
    "/usr/libexec/sftp-server",
)
SFTP_NAMES = ("sftp-server", "internal-sftp")
"""What sshd hands on for its subsystem sftp; the path and the options are those of its own configuration."""
POSSIBLE = "a slot takes files and does nothing else: use sftp, scp or scp -O to put them into upload/"


class Refused(Exception):
    """Told to the client in one line."""


def choose_program(text, sftp_options):
    """The command line to run for what a client asked.

    Args:
        text: the client's command.
        sftp_options: of sftp-server.

    Raises:
        Refused: nothing of the kind is done here.
    """
    try:
        words = shlex.split(text)
    except ValueError:
        raise Refused("the quotes of the command do not match") from None
    if not words:
        raise Refused("there is no shell here")
    name = os.path.basename(words[0])
    if name in SFTP_NAMES:
        return sftp_server(sftp_options)
    if name == "scp":
        return scp_sink(words)
    raise Refused(f"{text[:80]!r} is not run here")


def sftp_server(options):
    return [find(SFTP_SERVER, "sftp-server"), *options]


def scp_sink(words):
    """scp's receiving end with those of the client's options that it needs (OpenSSH's scp.c)."""
    options, paths = split_scp(words)
    if "f" in options:
        raise Refused("nothing is fetched from a slot; `fetch` on the control account gives backups back")
    if "r" in options:
        raise Refused("directories are not taken: pack them with tar, and leave out -r")
    if "t" not in options or options - set("tpdvq") or len(paths) != 1:
        raise Refused("this is no scp command that an upload needs; a path with spaces needs quotes of its own")
    if not is_upload(paths[0]):
        raise Refused(f"{paths[0][:80]!r} is not in upload/")
    flags = [f"-{letter}" for letter in "pd" if letter in options]
    return [find(SCP, "scp"), "-t", *flags, "--", paths[0]]


def is_upload(path):
    """Whether a path leads to upload/ or below it; a relative one begins in the slot's root directory."""
    return os.path.normpath("/" + path.lstrip("/")).split("/")[1:2] == ["upload"]


def split_scp(words):
    """The options, letter by letter, and the paths of a command that scp sends; scp is the first word."""
    options = set()
    rest = list(words[1:])
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "--":
            break
        options |= set(word[1:])
    return options, rest


def find(places, name):
    """The first of some programs that is there."""
    for place in places:
        if os.access(place, os.X_OK):
            return place
    raise Refused(f"{name} is missing on the server: its administrator has to run `thaniya doctor`")


def read_config():
    with open(CONFIG, "rb") as stream:
        return json.load(stream)


def confine(home, passwd):
    """The arguments of bwrap(1) before the program's own.

    Args:
        home: the slot's directory, whose upload/ is to be /upload, and dev/log /dev/log; None for nothing.
        passwd: a descriptor from which /etc/passwd is read; both programs look up their own account.
    """
    return [
        "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try",
        "--new-session", "--die-with-parent", "--cap-drop", "ALL",
        "--ro-bind", "/usr", "/usr",
        "--ro-bind-try", "/lib", "/lib",
        "--ro-bind-try", "/lib64", "/lib64",
        "--tmpfs", "/usr/local", "--remount-ro", "/usr/local",
        "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache",
        "--ro-bind-data", str(passwd), "/etc/passwd",
        "--dev-bind", "/dev/null", "/dev/null",
        *(["--bind", f"{home}/upload", "/upload", "--bind-try", f"{home}/dev/log", "/dev/log"] if home else []),
        "--remount-ro", "/",
        "--chdir", "/",
    ]  # fmt: skip


def run_confined(home, command, account):
    """Become bwrap, which runs the command."""
    bwrap = find(BWRAP, "bwrap")
    reader, writer = os.pipe()
    entry = f"{account.pw_name}:x:{account.pw_uid}:{account.pw_gid}::/:/nonexistent\n"
    os.write(writer, entry.encode())
    os.close(writer)
    os.set_inheritable(reader, True)
    os.umask(UMASK)
    # An empty environment does what --clearenv would, which older versions of bwrap do not know.
    os.execve(bwrap, [bwrap, *confine(home, reader), "--", *command], {})


def tell_system(account, told):
    """Leave a trace in the system's log; a client's words are in quotes already, and short."""
    import syslog

    syslog.openlog("thaniya-slot", syslog.LOG_PID, syslog.LOG_AUTH)
    peer = os.environ.get("SSH_CONNECTION", "").partition(" ")[0]
    syslog.syslog(syslog.LOG_WARNING, f"{account}: a login from {peer[:64]!r}: {told}")


def main(arguments):
    account = pwd.getpwuid(os.getuid())
    try:
        if arguments == ["try"]:
            home = f"{read_config()['slots']}/{account.pw_name}" if SLOT.fullmatch(account.pw_name) else None
            find(SCP, "scp")
            run_confined(home, sftp_server([]), account)
        if not SLOT.fullmatch(account.pw_name):
            raise Refused(f"{account.pw_name} is no slot")
        config = read_config()
        command = choose_program(os.environ.get("SSH_ORIGINAL_COMMAND", ""), config["sftp_options"])
        run_confined(f"{config['slots']}/{account.pw_name}", command, account)
    except Refused as refusal:
        tell_system(account.pw_name, refusal)
        print(f"thaniya: {refusal}; {POSSIBLE}", file=sys.stderr)
    except (OSError, ValueError, KeyError) as problem:
        told = f"the slot cannot be entered: {type(problem).__name__}: {problem}"
        tell_system(account.pw_name, told)
        print(f"thaniya: {told}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
