#!/usr/bin/env bash
# Makes a folder the root of this mount namespace and runs a command there: enter.sh FOLDER COMMAND...
#
# For `unshare --mount --propagation private --pid --fork`. pivot_root and not chroot: the kernel refuses user namespaces, and
# with them a rootless cluster, to processes in a chroot.
set -euo pipefail

root=$1
shift
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs -o mode=1777 tmp tmp
mkdir -p mnt/host
pivot_root . mnt/host
cd /
umount --lazy /mnt/host
exec "$@"
