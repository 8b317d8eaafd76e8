#!/bin/bash
# Prepares a machine for the tests, within namespaces of mounts and processes: /etc and the directories that a server
# with sshd writes to are its own. It says `ready`, and ends when its stdin does.
set -eu
mount --make-rprivate /

# Every mount that was there becomes read-only here, hidden ones too, so that nothing of the host can be changed by what
# runs as init: mount_setattr(2), which mount(8) knows from 2.39 on.
seal() {
    inherited=" $(cut -d ' ' -f 3 /proc/self/mountinfo | tr '\n' ' ')"
    python3 -IS -c '
import ctypes, os, struct, sys
mount_setattr, here, recursive, read_only = 442, -100, 0x8000, 1
wanted = struct.pack("4Q", read_only, 0, 0, 0)
if ctypes.CDLL(None, use_errno=True).syscall(mount_setattr, here, b"/", recursive, wanted, len(wanted)):
    sys.exit("mount_setattr: " + os.strerror(ctypes.get_errno()))
'
}

[ -z "${MACHINE_INIT:-}" ] || seal

mount -t proc proc /proc

# What lies in a directory stays, read-only; what is made there is this machine's alone.
cover() {
    [ -d "$1" ] || return 0
    mkdir -p "$work/$1"
    mount --bind "$1" "$work/$1"
    mount -t tmpfs -o mode=0755 tmpfs "$1"
    for entry in "$work/$1"/*; do
        name=${entry##*/}
        if [ -d "$entry" ]; then mkdir "$1/$name"; elif [ -f "$entry" ]; then : >"$1/$name"; else continue; fi
        mount --bind "$entry" "$1/$name"
        mount -o remount,bind,ro "$1/$name"
    done
}

# The interpreter or the repository may lie below a directory that is closed to others, as /root is. Such a directory
# is opened here, empty but for what is needed: the service user has to run the program.
open_way() {
    mkdir -p "$work/needed/$2"
    mount --bind "$2" "$work/needed/$2"
    mountpoint -q "$1" || mount -t tmpfs -o mode=0755 tmpfs "$1"
    mkdir -p "$2"
    mount --bind "$work/needed/$2" "$2"
}

work=/mnt
mount -t tmpfs -o mode=0700 tmpfs "$work"
mkdir "$work/etc"
cp -a /etc/. "$work/etc"
mount --bind "$work/etc" /etc
for place in /srv /opt /usr/local/lib /var/lib; do cover "$place"; done
for place in /run /var/log /var/mail; do mount -t tmpfs -o mode=0755 tmpfs "$place"; done
mkdir /run/sshd
while [ $# -gt 0 ]; do
    open_way "$1" "$2"
    shift 2
done

[ -z "${MACHINE_INIT:-}" ] || . "$MACHINE_INIT"

echo ready
# A builtin, so that this shell, which is process 1 here, goes on reaping what is left to it.
read -r _ || :
