#!/bin/sh
# Restores a backup with nothing but ssh, sha256sum, tar and the decompressors.
#
#   THANIYA_HOST=backup.example.org restore.sh ID TARGET
#
# The variables are those of backup.sh. Every file is fetched into a temporary directory beside the target and checked
# before anything is restored.
set -eu

backup=${1:?usage: restore.sh ID TARGET}
target=${2:?usage: restore.sh ID TARGET}
host=${THANIYA_HOST:?set THANIYA_HOST}
port=${THANIYA_PORT:-22}
account=${THANIYA_ACCOUNT:-thaniya}
options="-o BatchMode=yes -o ServerAliveInterval=15 ${THANIYA_SSH:-}"

# shellcheck disable=SC2086  # the options are several words
control() { ssh -n $options -p "$port" "$account@$host" "$@"; }

mkdir -p "$target"
work=$(mktemp -d "$target.fetched.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

control fetch "$backup" SHA256SUMS >"$work/SHA256SUMS"
while read -r sum file; do
    control fetch "$backup" "$file" >"$work/$file"
done <"$work/SHA256SUMS"

sh "$work/RESTORE.txt" "$target"
