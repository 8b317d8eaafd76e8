#!/usr/bin/python3 -IS
"""thaniya-root: all that Thaniya needs root for, and nothing else.

    thaniya-root create SLOT        make the account and its directories, or what is missing of them
    thaniya-root remove SLOT        end its sessions, remove the account and its directories
    thaniya-root lock SLOT          let no login in (account expiry, see chage(1)); end its processes and logins
    thaniya-root unlock SLOT        let logins in, as far as their keys are accepted
    thaniya-root end-sessions SLOT  end its processes and logins, and leave it as open as it was
    thaniya-root collect SLOT ID    end them too, then move plain files to SPOOL/ID/data; prints what it refused as JSON
    thaniya-root clean SLOT         end them too, then empty the upload directory

It is installed as a copy that belongs to root, is run through one line of sudoers by the service user, and reads its
paths from /etc/thaniya/root.json, which belongs to root. It imports the standard library only, and nothing of Thaniya:
what can be changed by others must not run as root. Arguments are a verb, the name of a slot, and for collect an id; all
paths are made from these. Directories are opened one part after the other without following links, and everything
happens relative to these handles. Exit codes: 0 done, 1 failed, 2 wrong usage; the reason is on stderr.
"""

import errno
import fcntl
import grp
import json
import os
import pwd
import re
import resource
import signal
import stat
import sys
import time

CONFIG = "/etc/thaniya/root.json"
GROUP = "thaniya-slots"
SLOT = re.compile(r"thaniya_[0-9]{2,3}")
ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}")
FILE = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9._+@=,%-]{0,199}")
RESERVED = (b"backup.json", b"SHA256SUMS", b"RESTORE.txt", b"backup.notes.json")
UPLOAD = "upload"
NO_SHELL = "/usr/sbin/nologin"
LOG = "dev"
END_S = 10.0
KILL_S = 1.0
CLEAN_LOOKS = 4
# Verbs that must not come after a `lock` by another.
WAITED_FOR = (b"unlock", b"end-sessions", b"collect", b"clean")
REFUSALS_SHOWN = 20
CHUNK_BYTES = 1024 * 1024
LIMITS = {
    resource.RLIMIT_AS: resource.RLIM_INFINITY,
    resource.RLIMIT_CPU: resource.RLIM_INFINITY,
    resource.RLIMIT_DATA: resource.RLIM_INFINITY,
    resource.RLIMIT_FSIZE: resource.RLIM_INFINITY,
    resource.RLIMIT_NOFILE: 256,
}
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


class Failure(Exception):
    """Told in one line."""


def main(arguments):
    if os.geteuid() != 0:
        raise Failure("this needs root")
    lift_limits()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # otherwise a caller that ignores it would have failures unseen
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


def lift_limits():
    """Have what the work takes, whatever the caller was limited to: chage must not end half way (setrlimit(2))."""
    for limit, needed in LIMITS.items():
        soft, hard = resource.getrlimit(limit)
        if is_less(soft, needed):
            resource.setrlimit(limit, (needed, needed if is_less(hard, needed) else hard))


def is_less(limit, needed):
    """Whether a limit allows less than is needed; RLIM_INFINITY is -1 here and allows everything."""
    return limit != resource.RLIM_INFINITY and (needed == resource.RLIM_INFINITY or limit < needed)


class Config:
    """Paths and the service user."""

    def __init__(self, slots, spool, user, shell):
        self.slots = slots
        self.spool = spool
        self.shell = shell
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
    return Config(told["slots"], told["spool"], told["user"], told.get("shell", NO_SHELL))


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
    import subprocess  # most verbs do without, and a client waits for each of them

    try:
        done = subprocess.run(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    except subprocess.TimeoutExpired as problem:
        raise Failure(str(problem)) from None
    if done.returncode != 0:
        raise Failure(
            f"{' '.join(command)} ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()}"
        )


def find_account(slot):
    """The account's entry of the system; it must be one that `create` made. KeyError when there is none."""
    entry = pwd.getpwnam(slot)
    try:
        members = grp.getgrnam(GROUP).gr_mem
    except KeyError:
        raise Failure(f"there is no group {GROUP}: run `thaniya setup openssh`") from None
    if entry.pw_uid == 0 or slot not in members:
        raise Failure(f"{slot} is not a slot account: it is root or not in the group {GROUP}")
    return entry


def create(config, slot):
    try:
        entry = find_account(slot)
    except KeyError:
        # No password, no home; the shell lets nobody in, or files only.
        run(
            "useradd", "--system", "--user-group", "--groups", GROUP, "--no-create-home", "--home-dir", "/",
            "--shell", config.shell, "--password", "*", "--comment", "Thaniya slot", slot,
        )  # fmt: skip
        entry = find_account(slot)
        lock(config, slot)  # useradd sets no expiry for accounts of the system
    slots = open_directory(config.slots)
    home = step_into(make_directory(slots, slot, 0, 0, 0o755), slot)
    make_directory(home, UPLOAD, config.uid, entry.pw_gid, 0o2770)
    # The service binds its socket dev/log here; the account reaches it, but cannot list, replace or add anything.
    make_directory(home, LOG, config.uid, entry.pw_gid, 0o2710)
    os.close(home)


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
        run("userdel", slot)
    except KeyError:
        pass
    refuse_mounts(config, slot)
    slots = open_directory(config.slots)
    try:
        remove_directory(slots, slot)
    except FileNotFoundError:
        pass
    os.close(slots)


def lock(config, slot):
    find_account(slot)
    expire(config, slot)
    # A helper that a killed service has left behind must not undo it.
    if wait_for_others(config, slot):
        expire(config, slot)


def expire(config, slot):
    run("chage", "--expiredate", "0", slot)
    end_sessions(config, slot)


def unlock(config, slot):
    find_account(slot)
    run("chage", "--expiredate", "-1", slot)


def wait_for_others(config, slot):
    """Wait for other helpers of the slot; gives whether there were any.

    One that is between fork and exec is not to be told from others for an instant; so several looks must find none.
    """
    deadline = time.monotonic() + END_S
    clean_looks, seen = 0, False
    while clean_looks < CLEAN_LOOKS:
        others = find_helpers(config, slot)
        seen = seen or bool(others)
        clean_looks = 0 if others else clean_looks + 1
        if time.monotonic() > deadline:
            raise Failure(f"another thaniya-root works on {slot} still: {others}")
        time.sleep(0.01 if others else 0.002)
    return seen


def find_helpers(config, slot):
    """Helpers that work on a slot, and the sudo that starts one; not those whose verb locks, as this one's.

    Anybody may start a sudo with such arguments; what counts was started by root or the service user.
    """
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and real_uid(name) in (0, config.uid) and is_helper(name, slot):
                found.append(int(name))
        except OSError:
            continue  # it has ended
    return found


def real_uid(pid):
    """Who started a process: of a set-user-ID program not its owner."""
    with open(f"/proc/{pid}/status", "rb") as stream:
        found = re.search(rb"^Uid:\s+(\d+)", stream.read(), re.MULTILINE)
    return int(found[1]) if found else -1


def is_helper(pid, slot):
    program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    if not (program == "sudo" or program.startswith("python")):
        return False
    with open(f"/proc/{pid}/cmdline", "rb") as stream:
        words = stream.read(1000).split(b"\0")
    places = [place for place, word in enumerate(words) if os.path.basename(word) == b"thaniya-root"]
    calls = [words[place + 1 : place + 3] for place in places]
    return any(call == [verb, slot.encode()] for call in calls for verb in WAITED_FOR)


# Sessions.


def end_sessions(config, slot):
    uid = find_account(slot).pw_uid
    deadline = time.monotonic() + END_S
    clean_looks = 0
    while clean_looks < 2:
        kill_all_of(uid)
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


def kill_all_of(uid):
    """Kill every process of an account in one instant.

    One that forks faster than /proc can be read would get away from a walk. kill(2) with -1 lets none fork in between,
    and spares its caller: a child that becomes the account for this one call.
    """
    child = os.fork()
    if child == 0:
        exit_code = 1
        try:
            os.setgroups([])
            os.setresuid(uid, uid, uid)
            if uid != 0 and os.getresuid() == (uid, uid, uid):
                os.kill(-1, signal.SIGKILL)
                exit_code = 0
        except ProcessLookupError:
            exit_code = 0  # there is none
        finally:
            os._exit(exit_code)
    deadline = time.monotonic() + KILL_S
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)  # the account has stopped it, or killed it as it did it
        time.sleep(0.0005)
    if os.waitstatus_to_exitcode(ended[1]) > 0:
        raise Failure(f"the processes of user {uid} cannot be killed: becoming it failed")


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
    owners = (find_account(slot).pw_uid, config.uid)
    source = open_upload(config, slot)
    target = step_into(step_into(open_directory(config.spool), upload), "data")
    if os.fstat(target).st_uid != config.uid:
        raise Failure(f"the spool of {upload} does not belong to the service user")
    upload_bytes = len(os.fsencode(f"{config.slots}/{slot}/{UPLOAD}/"))
    mounted = {place[upload_bytes:].partition(b"/")[0] for place in find_mounts(config, slot)}
    refused, count = [], 0
    for name in sorted(list_names(source)):
        why_not = "has something mounted on it" if name in mounted else move(config, owners, source, target, name)
        if why_not:
            count += 1
            if count <= REFUSALS_SHOWN:
                refused.append(f"{os.fsdecode(name)!r} {why_not}")
    if count > REFUSALS_SHOWN:
        refused.append(f"{count - REFUSALS_SHOWN} more")
    os.fsync(target)
    json.dump({"refused": refused}, sys.stdout)
    sys.stdout.flush()


def move(config, owners, source, target, name):
    """Move one file and give it to the service user; gives why not, if it is no plain file with a legal name."""
    status = os.stat(name, dir_fd=source, follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        return kind_of(status.st_mode)
    if not FILE.fullmatch(name) or name in RESERVED:
        return "has a name that is not legal"
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=source)
    except BlockingIOError:
        return "is held by a lease"
    try:
        opened = os.fstat(handle)
        if not stat.S_ISREG(opened.st_mode) or opened.st_nlink != 1:
            return "has a second name (hard link)"
        if opened.st_uid not in owners:
            return "belongs to somebody else"
        # Before it moves, so that a helper that is killed leaves nothing in the spool that is the account's still.
        os.fchown(handle, config.uid, config.gid)
        os.fchmod(handle, 0o640)
        remove_attributes(handle)
        if os.fstat(handle).st_nlink != 1:
            return "has a second name (hard link)"
        if is_open_for_writing(handle):
            return "is still open for writing"
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
    finally:
        os.close(handle)
    return ""


def remove_attributes(handle):
    """Remove extended attributes, access control lists among them: nobody asked for the client's."""
    try:
        for name in os.listxattr(handle):
            os.removexattr(handle, name)
    except OSError as exc:
        if exc.errno != errno.ENOTSUP:
            raise


def is_open_for_writing(handle):
    """Whether any process could write to the file by a handle that it has kept; False where nobody can tell.

    The account's own processes have ended, but one may have passed a handle on to another account. The kernel gives no
    read lease of a file that is open for writing (fcntl(2), F_SETLEASE; not on every file system).
    """
    try:
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as exc:
        return exc.errno == errno.EAGAIN
    fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


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
    refuse_mounts(config, slot)
    upload = open_upload(config, slot)
    empty(upload)
    # The account owns nothing of the directory itself, but a hand may have changed it.
    os.fchown(upload, config.uid, find_account(slot).pw_gid)
    os.fchmod(upload, 0o2770)
    os.close(upload)


def find_mounts(config, slot):
    """Where something is mounted in a slot, as an account can by fusermount. A disk for `upload` itself is no fault."""
    upload = os.fsencode(f"{config.slots}/{slot}/{UPLOAD}")
    found = []
    with open("/proc/self/mountinfo", "rb") as stream:  # proc_pid_mountinfo(5)
        for line in stream:
            fields, _, source = line.partition(b" - ")
            place = re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), fields.split(b" ")[4])
            if place.startswith(upload + b"/") or (place == upload and source.startswith(b"fuse")):
                found.append(place)
    return found


def refuse_mounts(config, slot):
    """Fail where something is mounted in a slot: nothing is to be removed from that."""
    mounts = find_mounts(config, slot)
    if mounts:
        import shlex  # only where something is wrong

        commands = " && ".join(f"umount --lazy {shlex.quote(os.fsdecode(place))}" for place in reversed(mounts))
        raise Failure(f"something is mounted in it; as root: {commands}")


def remove_directory(parent, name):
    """Remove a directory with all that is in it."""
    handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    empty(handle)
    os.close(handle)
    os.rmdir(name, dir_fd=parent)


def empty(top):
    """Remove all that is in a directory. Directories in it are moved up one by one, so that no depth is too deep."""
    while names := list_names(top):
        for name in names:
            try:
                os.unlink(name, dir_fd=top)
            except IsADirectoryError:
                flatten(top, name)


def flatten(top, name):
    """Remove a directory in a directory; directories in it are moved to where it was."""
    handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
    for inner in list_names(handle):
        try:
            os.unlink(inner, dir_fd=handle)
        except IsADirectoryError:
            os.rename(inner, os.urandom(16).hex(), src_dir_fd=handle, dst_dir_fd=top)
    os.close(handle)
    os.rmdir(name, dir_fd=top)


def list_names(handle):
    return os.listdir(os.fsencode(f"/proc/self/fd/{handle}"))


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
    except (Failure, OSError, KeyError, ValueError, MemoryError) as problem:
        print(f"thaniya-root: {str(problem) or type(problem).__name__}", file=sys.stderr)
        sys.exit(1)
