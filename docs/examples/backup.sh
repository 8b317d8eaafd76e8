#!/bin/sh
# Makes a whole backup with nothing but ssh, scp, tar, gzip and sha256sum.
#
#   THANIYA_HOST=backup.example.org backup.sh DIRECTORY NAME
#
# THANIYA_PORT     port of the server, 22 by default
# THANIYA_ACCOUNT  its control account, thaniya by default
# THANIYA_SSH      further options for ssh and scp, such as "-i /root/.ssh/backup"
#
# Exit codes are those of the server: 6 busy, 7 no space, 8 rejected, and so on. It prints the backup's id.
set -eu

directory=${1:?usage: backup.sh DIRECTORY NAME}
name=${2:?usage: backup.sh DIRECTORY NAME}
host=${THANIYA_HOST:?set THANIYA_HOST}
port=${THANIYA_PORT:-22}
account=${THANIYA_ACCOUNT:-thaniya}
options="-o BatchMode=yes -o ServerAliveInterval=15 ${THANIYA_SSH:-}"

# shellcheck disable=SC2086  # the options are several words
control() { ssh $options -p "$port" "$account@$host" "$@"; }

work=$(mktemp -d)
upload=
finish() {
    status=$?
    if [ -n "$upload" ] && [ "$status" -ne 0 ]; then
        control abort "$upload" >/dev/null 2>&1 || :
    fi
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

tar --create --file="$work/archive.tar" --numeric-owner --directory="$directory" .
gzip -1 <"$work/archive.tar" >"$work/$name.tar.gz"
rm "$work/archive.tar"
(cd "$work" && sha256sum "$name.tar.gz" >SHA256SUMS)
size=$(wc -c <"$work/$name.tar.gz")

control allocate --host "$(uname -n)" --name "$name" --bytes "$size" >"$work/allocated"
upload=$(sed -n 's/^upload=//p' "$work/allocated")
slot=$(sed -n 's/^slot=//p' "$work/allocated")
target=$(sed -n 's/^directory=//p' "$work/allocated")

# shellcheck disable=SC2086
scp -q $options -P "$port" "$work/$name.tar.gz" "$slot@$host:$target/"
control complete "$upload" --sums <"$work/SHA256SUMS" >/dev/null

echo "$upload"
upload=
