#!/usr/bin/python3 -I
"""thaniya-root: all that Thaniya needs root for, and nothing else.

    thaniya-root create SLOT        make the account and its directories
    thaniya-root remove SLOT        end its sessions, remove the account and its directories
    thaniya-root lock SLOT          let no login in (account expiry, see chage(1))
    thaniya-root unlock SLOT        let logins in, as far as their keys are accepted
    thaniya-root end-sessions SLOT  end every process and every login of the account
    thaniya-root collect SLOT ID    end them too, then move plain files to SPOOL/ID/data; prints what was moved as JSON
    thaniya-root clean SLOT         end them too, then empty the upload directory

It is installed as a copy that belongs to root, is run through one line of sudoers by the service user, and reads its
paths from /etc/thaniya/root.json, which belongs to root. It imports the standard library only, and nothing of Thaniya:
what can be changed by others must not run as root. Arguments are a verb, the name of a slot, and for collect an id; all
paths are made from these. Directories are opened one part after the other without following links, and everything
happens relative to these handles. Exit codes: 0 done, 1 failed, 2 wrong usage; the reason is on stderr.
"""

import errno
import grp
import json
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import time

CONFIG = "/etc/thaniya/root.json"
GROUP = "thaniya-slots"
SLOT = re.compile(r"thaniya_[0-9]{2,3}")
ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}")
FILE = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9._+@=,%-]{0,199}")
RESERVED = (b"backup.json", b"SHA256SUMS", b"RESTORE.txt", b"backup.notes.json")
UPLOAD = "upload"
END_S = 10.0
REFUSALS_SHOWN = 20
CHUNK_BYTES = 1024 * 1024
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


class Failure(Exception):
    """Told in one line."""


def main(arguments):
    if os.geteuid() != 0:
        raise Failure("this needs root")
    verb, slot, rest = arguments[0], arguments[1], arguments[2:]
    config = read_config()
    if verb == "collect":
        collect(config, slot, *rest)
    else:
        VERBS[verb](config, slot)


def check_arguments(arguments):
    """Whether these are a verb and its arguments, to the letter."""
    if len(arguments) == 3:
        verb, slot, upload = arguments
        return verb == "collect" and bool(SLOT.fullmatch(slot)) and bool(ID.fullmatch(upload))
    if len(arguments) == 2:
        verb, slot = arguments
        return verb in VERBS and bool(SLOT.fullmatch(slot))
    return False


class Config:
    """Paths and the service user."""

    def __init__(self, slots, spool, user):
        self.slots = slots
        self.spool = spool
        entry = pwd.getpwnam(user)
        if entry.pw_uid == 0:
            raise Failure("the service user must not be root")
        self.uid, self.gid = entry.pw_uid, entry.pw_gid


def read_config():
    """Read CONFIG, which only root may be able to change."""
    descriptor = os.open(CONFIG, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        for status in (os.fstat(stream.fileno()), os.stat(os.path.dirname(CONFIG))):
            if status.st_uid != 0 or status.st_mode & 0o022:
                raise Failure(f"{CONFIG} and its directory must belong to root and be writable by nobody else")
        told = json.load(stream)
    return Config(told["slots"], told["spool"], told["user"])


# Directories, opened without following links.


def open_directory(path):
    """A handle of an absolute path of plain directories."""
    handle = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in path.strip("/").split("/"):
        handle = step_into(handle, part)
    return handle


def step_into(handle, name):
    """The handle of a directory in a directory, whose own handle is closed."""
    try:
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
    finally:
        os.close(handle)


def open_home(config, slot):
    """The handle of a slot's root-owned directory, its chroot."""
    handle = step_into(open_directory(config.slots), slot)
    if os.fstat(handle).st_uid != 0:
        raise Failure(f"{config.slots}/{slot} does not belong to root")
    return handle


def open_upload(config, slot):
    """The handle of a slot's upload directory."""
    handle = step_into(open_home(config, slot), UPLOAD)
    if os.fstat(handle).st_uid != config.uid:
        raise Failure(f"{config.slots}/{slot}/{UPLOAD} does not belong to the service user")
    return handle


# Accounts.


def run(*command):
    """Run a program of the system."""
    done = subprocess.run(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    if done.returncode != 0:
        raise Failure(
            f"{' '.join(command)} ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()}"
        )


def find_account(slot):
    """The account's entry of the system; it must be one that `create` made."""
    entry = pwd.getpwnam(slot)
    if entry.pw_uid == 0 or slot not in grp.getgrnam(GROUP).gr_mem:
        raise Failure(f"{slot} is not a slot account: it is root or not in the group {GROUP}")
    return entry


def create(config, slot):
    try:
        entry = find_account(slot)
    except KeyError:
        # No password, no shell, no home.
        run(
            "useradd", "--system", "--user-group", "--groups", GROUP, "--no-create-home", "--home-dir", "/",
            "--shell", "/usr/sbin/nologin", "--password", "*", "--comment", "Thaniya slot", slot,
        )  # fmt: skip
        entry = find_account(slot)
        lock(config, slot)  # useradd sets no expiry for accounts of the system
    slots = open_directory(config.slots)
    home = step_into(make_directory(slots, slot, 0, 0, 0o755), slot)
    upload = step_into(make_directory(home, UPLOAD, config.uid, entry.pw_gid, 0o2770), UPLOAD)
    os.close(upload)


def make_directory(parent, name, uid, gid, mode):
    """Make a directory in a directory, or give the one that is there its owner and mode; gives the parent's handle."""
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        pass
    handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    os.fchown(handle, uid, gid)
    os.fchmod(handle, mode)
    os.close(handle)
    return parent


def remove(config, slot):
    try:
        find_account(slot)
        lock(config, slot)
        end_sessions(config, slot)
        run("userdel", slot)
    except KeyError:
        pass
    slots = open_directory(config.slots)
    try:
        shutil.rmtree(slot, dir_fd=slots)
    except FileNotFoundError:
        pass
    os.close(slots)


def lock(config, slot):
    find_account(slot)
    run("chage", "--expiredate", "0", slot)


def unlock(config, slot):
    find_account(slot)
    run("chage", "--expiredate", "-1", slot)


# Sessions.


def end_sessions(config, slot):
    uid = find_account(slot).pw_uid
    deadline = time.monotonic() + END_S
    clean_looks = 0
    while clean_looks < 2:
        processes = find_processes(uid, slot)
        for pid in processes:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        clean_looks = 0 if processes else clean_looks + 1
        if time.monotonic() > deadline:
            raise Failure(f"processes of {slot} do not end: {processes}")
        time.sleep(0.01 if processes else 0.002)


def find_processes(uid, slot):
    """Processes of the account, and sshd's own for logins to it, which are root's until the login is complete."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                if is_of_account(name, uid) or is_login(name, slot):
                    found.append(int(name))
            except OSError:
                continue  # it has ended
    return found


def is_of_account(pid, uid):
    with open(f"/proc/{pid}/status", "rb") as stream:
        status = stream.read()
    if re.search(rb"^State:\s+Z", status, re.MULTILINE):
        return False
    uids = re.search(rb"^Uid:\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)", status, re.MULTILINE)
    return uids is not None and str(uid).encode() in uids.groups()


def is_login(pid, slot):
    """sshd names such a process `sshd: thaniya_03 [priv]`, since 9.8 `sshd-session: …`."""
    with open(f"/proc/{pid}/cmdline", "rb") as stream:
        title = stream.read(200)
    if not re.match(rb"sshd(-session)?: " + slot.encode() + rb"[ @\0]", title):
        return False
    if os.stat(f"/proc/{pid}").st_uid != 0:
        return False
    return os.path.basename(os.readlink(f"/proc/{pid}/exe")) in ("sshd", "sshd-session")


# Files.


def collect(config, slot, upload):
    end_sessions(config, slot)
    source = open_upload(config, slot)
    target = step_into(step_into(open_directory(config.spool), upload), "data")
    if os.fstat(target).st_uid != config.uid:
        raise Failure(f"the spool of {upload} does not belong to the service user")
    refused, count = [], 0
    for name in sorted(os.listdir(os.fsencode(f"/proc/self/fd/{source}"))):
        why_not = move(config, source, target, name)
        if why_not:
            count += 1
            if count <= REFUSALS_SHOWN:
                refused.append(f"{os.fsdecode(name)!r} {why_not}")
    if count > REFUSALS_SHOWN:
        refused.append(f"{count - REFUSALS_SHOWN} more")
    os.fsync(target)
    json.dump({"refused": refused}, sys.stdout)


def move(config, source, target, name):
    """Move one file and give it to the service user; gives why not, if it is no plain file with a legal name."""
    status = os.stat(name, dir_fd=source, follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        return kind_of(status.st_mode)
    if not FILE.fullmatch(name) or name in RESERVED:
        return "has a name that is not legal"
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=source)
    try:
        opened = os.fstat(handle)
        if not stat.S_ISREG(opened.st_mode) or opened.st_nlink != 1:
            return "has a second name (hard link)"
        os.fsync(handle)
        try:
            os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
        except OSError as exc:
            if exc.errno != errno.EXDEV:
                raise
            copy(config, handle, target, name)
            os.unlink(name, dir_fd=source)
            return ""
        moved = os.stat(name, dir_fd=target, follow_symlinks=False)
        if (moved.st_dev, moved.st_ino) != (opened.st_dev, opened.st_ino):
            os.unlink(name, dir_fd=target)
            return "was exchanged while it was collected"
        os.fchown(handle, config.uid, config.gid)
        os.fchmod(handle, 0o640)
    finally:
        os.close(handle)
    return ""


def copy(config, handle, target, name):
    """Copy an open file into another file system, durably, holes left out."""
    try:
        os.unlink(name, dir_fd=target)  # a part that an earlier, interrupted copy left
    except FileNotFoundError:
        pass
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    written = os.open(name, flags, 0o640, dir_fd=target)
    try:
        size = os.fstat(handle).st_size
        position = 0
        while position < size:
            try:
                begin = os.lseek(handle, position, os.SEEK_DATA)
            except OSError as exc:
                if exc.errno != errno.ENXIO:
                    raise
                break
            position = os.lseek(handle, begin, os.SEEK_HOLE)
            while begin < position:
                data = os.pread(handle, min(CHUNK_BYTES, position - begin), begin)
                if not data:
                    raise Failure(f"{name!r} became shorter while it was copied")
                begin += os.pwrite(written, data, begin)
        os.ftruncate(written, size)
        os.fchown(written, config.uid, config.gid)
        os.fchmod(written, 0o640)
        os.fsync(written)
    finally:
        os.close(written)


def kind_of(mode):
    for test, kind in (
        (stat.S_ISLNK, "is a symbolic link"),
        (stat.S_ISDIR, "is a directory"),
        (stat.S_ISFIFO, "is a pipe"),
        (stat.S_ISSOCK, "is a socket"),
    ):
        if test(mode):
            return kind
    return "is a device"


def clean(config, slot):
    end_sessions(config, slot)
    upload = open_upload(config, slot)
    for name in os.listdir(os.fsencode(f"/proc/self/fd/{upload}")):
        if stat.S_ISDIR(os.stat(name, dir_fd=upload, follow_symlinks=False).st_mode):
            shutil.rmtree(name, dir_fd=upload)
        else:
            os.unlink(name, dir_fd=upload)
    # The account owns nothing of the directory itself, but a hand may have changed it.
    os.fchown(upload, config.uid, find_account(slot).pw_gid)
    os.fchmod(upload, 0o2770)
    os.close(upload)


VERBS = {
    "create": create,
    "remove": remove,
    "lock": lock,
    "unlock": unlock,
    "end-sessions": end_sessions,
    "clean": clean,
}


if __name__ == "__main__":
    if not check_arguments(sys.argv[1:]):
        print(f"thaniya-root: wrong arguments\n\n{__doc__}", file=sys.stderr)
        sys.exit(2)
    try:
        main(sys.argv[1:])
    except (Failure, OSError, KeyError, ValueError, subprocess.SubprocessError) as problem:
        print(f"thaniya-root: {problem}", file=sys.stderr)
        sys.exit(1)
