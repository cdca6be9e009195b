#!/usr/bin/env bash
# Installs the Debian packages that are missing, so that a prepared machine needs neither root nor a network.
# Rust's (packages-rust.txt) are among them only where cargo or rustc is missing or older than Cargo.toml's rust-version:
# a toolchain that is good enough stays the one in use. On Debian they replace packages of the same programs.
# Arguments are files with more packages.
set -euo pipefail
cd "$(dirname "$0")"
lists=(packages.txt "$@")

say() { echo "setup: $*" >&2; }

needed_rust() { sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml; }

# The older of cargo and rustc as a build finds them; 0 when one of them is missing or does not start.
found_rust() {
    { cargo --version 2>/dev/null || echo cargo 0; rustc --version 2>/dev/null || echo rustc 0; } |
        cut -d' ' -f2 | sort -V | head -n 1
}

is_rust_good() { printf '%s\n' "$(needed_rust)" "$(found_rust)" | sort -V -C; }

missing_packages() {
    comm -23 <(sort "${lists[@]}") \
        <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort)
}

# Debian's Rust is named even where it is installed: apt then brings it up to date.
wanted_packages() {
    missing_packages
    is_rust_good || cat packages-rust.txt
}

install_packages() {
    local become=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || {
            say "Debian packages are missing and there is no sudo; as root, run: apt-get install $*"
            exit 1
        }
        become=(sudo)
    fi
    "${become[@]}" apt-get update -qq
    "${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

if ! command -v apt-get >/dev/null; then
    say "no apt here: see that the like of ${lists[*]} is installed"
    is_rust_good || say "Rust $(needed_rust) or newer with cargo is needed; install it, for example with rustup"
    exit 0
fi
mapfile -t wanted < <(wanted_packages)
[ "${#wanted[@]}" = 0 ] && exit 0
say "Debian packages: ${wanted[*]}"
install_packages "${wanted[@]}" || {
    say "apt could not install them. Where it has no Rust $(needed_rust), install that with rustup and run this again"
    exit 1
}
is_rust_good || {
    say "Rust $(needed_rust) or newer is needed, but $(command -v cargo) and $(command -v rustc) say $(found_rust)." \
        "Bring them up to date (\`rustup update\`), or put a newer toolchain before them on the PATH"
    exit 1
}
