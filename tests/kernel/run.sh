#!/usr/bin/env bash
# Runs tests of whole embedded clusters on Debian's kernel, with control groups of version 2, in a virtual machine (QEMU).
#
#   [ACCEL=tcg] tests/kernel/run.sh [PYTEST ARGUMENTS]
#
# The machine's disk is this one's root, read-only with a layer in memory above it, so what is tested is this checkout and the
# environment that `make setup` made. The kernel comes from Debian's package and is not installed. ACCEL=tcg does without
# hardware virtualisation, which takes some ten times as long. Needs root.
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
REPOSITORY=$(cd "$HERE/../.." && pwd)
BUILD=$REPOSITORY/build/kernel
MODULES=(virtio_pci 9pnet_virtio 9p overlay)
DEFAULT=(tests/local/e2e/test_limits.py tests/local/e2e/test_first_manifests.py)

say() { echo "kernel: $*" >&2; }

# The package that linux-image-amd64 (or that of another machine type) stands for.
package() {
    apt-cache depends "linux-image-$(dpkg --print-architecture)" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1
}

fetch_kernel() { # package
    local folder=$BUILD/$1
    if [ ! -e "$folder/.ready" ]; then
        say "fetching $1"
        rm -rf "$folder" && mkdir -p "$folder"
        (cd "$folder" && apt-get download -qq "$1" && dpkg-deb -x ./*.deb . && rm ./*.deb)
        depmod -b "$folder" "${1#linux-image-}"
        touch "$folder/.ready"
    fi
}

# A first root that has the modules for the real one, and goes on with it.
make_first_root() { # package
    local folder=$BUILD/$1 release=${1#linux-image-} root
    root=$(mktemp -d)
    mkdir -p "$root"/{bin,modules,proc,sys,dev,disk,memory,root}
    cp /bin/busybox "$root/bin/"
    modprobe -d "$folder" -S "$release" --show-depends -a "${MODULES[@]}" | sed -n 's/^insmod \([^ ]*\).*/\1/p' |
        awk '!seen[$0]++' | while read -r module; do
            cp "$module" "$root/modules/"
            echo "${module##*/}"
        done >"$root/modules/order"
    cp "$HERE/init" "$root/init"
    (cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$folder/first-root"
    rm -rf "$root"
}

# The words of one line for the kernel's command line, which has no spaces in them.
encoded() { printf '%s\n' "$@" | base64 -w0; }

run_machine() { # package, arguments of pytest
    local folder=$BUILD/$1 release=${1#linux-image-} image
    image=$(find "$folder/boot" -name "vmlinu*-$release" | head -n 1)
    local memory=(-m 6144 -smp "$(nproc)")
    local disk="local,id=disk,path=/,security_model=none,readonly=on,multidevs=remap"
    shift
    "qemu-system-$(uname -m)" -machine "accel=${ACCEL:-kvm:tcg}" -cpu max "${memory[@]}" -nographic -no-reboot -net none \
        -kernel "$image" -initrd "$folder/first-root" -append "console=ttyS0 quiet panic=-1 \
        crossfade=$(encoded "$REPOSITORY" "$@")" -fsdev "$disk" -device virtio-9p-pci,fsdev=disk,mount_tag=disk
}

main() {
    local name log
    name=$(package)
    [ -n "$name" ] || { say "Debian has no kernel for this machine type"; exit 1; }
    fetch_kernel "$name"
    make_first_root "$name"
    log=$BUILD/log
    [ $# -gt 0 ] || set -- "${DEFAULT[@]}"
    say "${name#linux-image-}: $*"
    run_machine "$name" "$@" | tee "$log"
    grep -q "^kernel: passed" "$log"
}

main "$@"
