#!/usr/bin/env bash
# Runs the README's two commands on a Debian 12 that has git, make and nothing else of what they need.
#
#   tests/fresh/run.sh [--as root|user|both] [--only demo|test] [--keep]
#
# The system is made with debootstrap in a temporary folder; `--keep` leaves it there. What is tested is the commit that is
# checked out. The network settings of this machine (apt's mirror and proxy, certificates, the configuration of pip and cargo)
# are taken over as they are found. Needs root.
set -euo pipefail

RELEASE=bookworm
HERE=$(cd "$(dirname "$0")" && pwd)
REPOSITORY=$(git -C "$HERE" rev-parse --show-toplevel)
USER_NAME=newcomer
# Variables that programs read their network settings from; where caches and toolchains lie is this machine's own affair.
SETTINGS='^([a-z_]+_proxy|[A-Z_]+_PROXY|PIP_[A-Z_]+|CARGO_(NET|HTTP|REGISTRIES|REGISTRY|SOURCE)_[A-Z_]+|SSL_CERT_(FILE|DIR)|[A-Z_]+_CA_BUNDLE)='

accounts=(root "$USER_NAME")
commands=(demo test)
keep=
folder=
results=()
failed=

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
say() { echo "fresh: $*" >&2; }
fail() { say "$*"; exit 1; }

while [ $# -gt 0 ]; do
    case "$1 ${2-}" in
        "--as root") accounts=(root); shift 2 ;;
        "--as user") accounts=("$USER_NAME"); shift 2 ;;
        "--as both") shift 2 ;;
        "--only demo" | "--only test") commands=("$2"); shift 2 ;;
        "--keep "*) keep=1; shift ;;
        *) usage ;;
    esac
done

# Prints this machine's apt sources of the release, one line each: deb MIRROR SUITE COMPONENT.
sources() {
    # shellcheck disable=SC2016 # apt fills these in
    apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
        grep " $RELEASE" | sort -u
}

copy_if_there() { # FILE or FOLDER of this machine, folder in the new system
    [ ! -e "$1" ] || { mkdir -p "$2" && cp -rL "$1" "$2/"; }
}

take_over_settings() { # the new system's root
    local root=$1
    sources >"$root/etc/apt/sources.list"
    apt-config dump | grep -E '^Acquire::(http|https|Retries|Check-)' >"$root/etc/apt/apt.conf.d/90machine" || true
    copy_if_there /etc/apt/auth.conf.d "$root/etc/apt"
    copy_if_there /etc/apt/trusted.gpg "$root/etc/apt"
    copy_if_there /etc/resolv.conf "$root/etc"
    copy_if_there /etc/hosts "$root/etc"
    copy_if_there /etc/pip.conf "$root/etc"
    copy_if_there /usr/local/share/ca-certificates "$root/usr/local/share"
    chroot "$root" update-ca-certificates >/dev/null
    settings_valid_in "$root" >"$root/etc/environment"
}

# Not those that name a file or folder which only this machine has.
settings_valid_in() { # the new system's root
    local setting value
    env | grep -E "$SETTINGS" | while IFS= read -r setting; do
        value=${setting#*=}
        [ "${value#/}" = "$value" ] || [ -e "$1$value" ] || continue
        echo "$setting"
    done
}

take_over_personal_settings() { # the home folder in the new system
    copy_if_there "$HOME/.config/pip" "$1/.config"
    copy_if_there "$HOME/.pip" "$1"
    copy_if_there "${CARGO_HOME:-$HOME/.cargo}/config.toml" "$1/.cargo"
    copy_if_there "$HOME/.netrc" "$1"
}

make_base() {
    local root=$1 mirror
    mirror=$(sources | sed -n "s/^deb \(.*\) $RELEASE main\$/\1/p" | head -n 1)
    [ -n "$mirror" ] || fail "apt's sources name no mirror of Debian $RELEASE; add one and run apt-get update"
    debootstrap --variant=minbase --include=ca-certificates,git,make,sudo "$RELEASE" "$root" "$mirror" >"$folder/debootstrap.log" ||
        fail "debootstrap failed: $(tail -n 3 "$folder/debootstrap.log")"
    take_over_settings "$root"
}

add_user() { # the new system's root
    chroot "$1" useradd --create-home --shell /bin/bash "$USER_NAME"
    cat >"$1/etc/sudoers.d/$USER_NAME" <<EOF
Defaults env_keep += "http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY"
$USER_NAME ALL=(ALL) NOPASSWD: ALL
EOF
}

# One system for each account: what root's run installs must not be there for the user's.
prepare() { # account
    local root=$folder/$1 home
    cp -a "$folder/base" "$root"
    [ "$1" = root ] || add_user "$root"
    home=$(chroot "$root" sh -c "echo ~$1")
    take_over_personal_settings "$root$home"
    git clone --quiet --no-local "$REPOSITORY" "$root$home/crossfade"
    chroot "$root" chown -R "$1:" "$home"
}

run() { # account, make's arguments
    local account=$1 started=$SECONDS status=passed
    shift
    say "$account: make $*"
    # Its own pid namespace: whatever a command leaves running ends with it.
    unshare --mount --propagation private --pid --fork --kill-child \
        "$HERE/enter.sh" "$folder/$account" su --login "$account" --command "cd crossfade && make $(printf '%q ' "$@")" ||
        status=FAILED
    results+=("$(printf '%-9s make %-20s %4d s  %s' "$account" "$*" $((SECONDS - started)) "$status")")
    [ $status = passed ] || failed=1
}

main() {
    [ "$(id -u)" = 0 ] || fail "needs root: debootstrap makes device files and owners"
    command -v debootstrap >/dev/null || fail "needs debootstrap: apt-get install debootstrap"
    [ -z "$(git -C "$REPOSITORY" status --porcelain)" ] || say "what is not committed is not tested"

    folder=$(mktemp -d --tmpdir fresh.XXXXXX)
    # Namespaces took all mounts with them; --one-file-system is for the day on which one stayed.
    if [ -n "$keep" ]; then say "systems in $folder"; else trap 'rm -rf --one-file-system "$folder"' EXIT; fi
    say "debootstrap of $RELEASE"
    local started=$SECONDS account command
    make_base "$folder/base"
    results+=("$(printf '%-9s %-25s %4d s' - debootstrap $((SECONDS - started)))")
    for account in "${accounts[@]}"; do
        prepare "$account"
        for command in "${commands[@]}"; do
            case $command in
                demo) run "$account" demo ARGS=--once ;;
                test) run "$account" test ;;
            esac
        done
    done
    printf 'fresh: %s\n' "${results[@]}" >&2
    [ -z "$failed" ]
}

# The shell has read all of the file when it starts: it may change while this runs.
main; exit
