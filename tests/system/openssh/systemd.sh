#!/bin/bash
# The end of machine.sh where systemd is process 1: a /dev, /tmp and cgroup of its own, a handful of units, no others.
set -eu

mkdir "$work/dev"
for node in null zero full random urandom tty; do
    : >"$work/dev/$node"
    mount --bind "/dev/$node" "$work/dev/$node"
done
mount -t tmpfs -o mode=0755 tmpfs /dev
for node in null zero full random urandom tty; do
    : >"/dev/$node"
    mount --move "$work/dev/$node" "/dev/$node"
done
mkdir /dev/pts /dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
ln -s pts/ptmx /dev/ptmx
ln -s /proc/self/fd /dev/fd
ln -s null /dev/console

[ -w /tmp ] || mount -t tmpfs tmpfs /tmp # unless it is opened for what is needed below it
chmod 1777 /tmp
mount -t tmpfs -o mode=1777 tmpfs /var/tmp
for place in /proc/sys /proc/sysrq-trigger; do
    [ -e "$place" ] || continue
    mount --bind "$place" "$place"
    mount -o remount,bind,ro "$place"
done
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup

# Whatever happened above: nothing of the host may be writable when systemd starts.
[ -n "$inherited" ]
while read -r _ _ device _ point options rest; do
    kind=" $rest"
    case " $inherited " in *" $device "*) ;; *) continue ;; esac
    case "$kind" in *" - cgroup2 "*) continue ;; esac
    case ",$options," in *,rw,*)
        echo "$point is the host's and can be written" >&2
        exit 1
        ;;
    esac
done </proc/self/mountinfo

rm -rf /etc/systemd/system /etc/systemd/journald.conf.d
mkdir -p /etc/systemd/system /etc/systemd/journald.conf.d
for unit in sysinit basic multi-user shutdown sockets slices paths timers local-fs remote-fs time-sync network; do
    ln -s "/lib/systemd/system/$unit.target" /etc/systemd/system
done
for unit in systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket ssh.service; do
    ln -s "/lib/systemd/system/$unit" /etc/systemd/system
done
mkdir /etc/systemd/system/sysinit.target.wants
ln -s /lib/systemd/system/systemd-journald.service /etc/systemd/system/sysinit.target.wants
printf '[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\n' >/etc/systemd/journald.conf.d/tests.conf
: >/etc/fstab
tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id

echo ready
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=tests SYSTEMD_UNIT_PATH=/etc/systemd/system \
    SYSTEMD_GENERATOR_PATH=/nonexistent SYSTEMD_ENVIRONMENT_GENERATOR_PATH=/nonexistent \
    setpriv --bounding-set=-sys_module,-sys_time,-sys_boot,-sys_rawio,-net_admin,-audit_control \
    /lib/systemd/systemd --system --unit=multi-user.target </dev/null
