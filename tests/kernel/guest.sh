#!/usr/bin/env bash
# What the virtual machine does: the tests, and an end. Its argument has the repository's folder and pytest's arguments, a line
# each.
mapfile -t words <<<"$1"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
mount -t cgroup2 cgroup /sys/fs/cgroup
ip link set lo up
cd "${words[0]}" || exit
exec </dev/null >/dev/ttyS0 2>&1
if .venv/bin/pytest -p no:cacheprovider "${words[@]:1}"; then echo "kernel: passed"; else echo "kernel: failed"; fi
sync
echo o >/proc/sysrq-trigger
sleep 60
