#!/usr/bin/env bash
# Finds prometheus and promtool, or else gets them, and prints the directory that holds both.
# Standard output carries that one line; progress goes to standard error.
#
# Order: $PROMETHEUS_ASSETS, the cache, PATH, Debian's package (unpacked, not installed),
# `go build` from the Go module proxy. The build takes about 4 minutes on 2 cores, and is done once.
set -euo pipefail

# Of the build; Debian's package and what is found may be any version from 2.42 on.
readonly PROMETHEUS_VERSION=3.5.0
readonly PROMETHEUS_MODULE_VERSION=0.305.0
readonly GO_VERSION=1.26
readonly BINARIES=(prometheus promtool)
readonly CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/my-cloud-controller-manager/prometheus"

say() {
    printf 'prometheus: %s\n' "$*" >&2
}

fail() {
    say "$*"
    exit 1
}

# Whether the directory $1 holds every binary.
complete() {
    local binary
    for binary in "${BINARIES[@]}"; do
        [[ -f $1/$binary && -x $1/$binary ]] || return 1
    done
}

# Prints the directory on PATH that holds every binary.
on_path() {
    local directory directories
    IFS=: read -r -a directories <<<"$PATH"
    for directory in "${directories[@]}"; do
        # An empty or relative entry would make the answer depend on where we were called.
        if [[ $directory == /* ]] && complete "$directory"; then
            printf '%s\n' "$directory"
            return
        fi
    done
    return 1
}

# Takes the lock that keeps two runs from getting the same thing; held until this process ends.
lock() {
    command -v flock >/dev/null || fail "the program flock is needed (package util-linux)"
    exec 9>"$CACHE/.lock"
    until flock --wait 15 9; do
        say "another run is getting it; waiting for it (${SECONDS}s)"
    done
}

# run WHAT COMMAND...: runs the command in $work, tells every 15 s that it is still running.
# The end of its output is shown if it fails.
run() {
    local what=$1 started=$SECONDS next=15 log=$work/log child status=0
    shift
    say "$what"
    (cd "$work/module" && exec "$@") >"$log" 2>&1 9>&- &
    child=$!
    while kill -0 "$child" 2>/dev/null; do
        sleep 0.5
        if ((SECONDS - started >= next)); then
            say "$what: $((SECONDS - started)) s so far"
            next=$((next + 15))
        fi
    done
    wait "$child" || status=$?
    if ((status != 0)); then
        tail -n 30 "$log" >&2
        say "$what: failed with exit code $status"
        return 1
    fi
    say "$what: done in $((SECONDS - started)) s"
}

# The renames are the last step, so that what is in the cache is whole.
keep() {
    local binary
    for binary in "${BINARIES[@]}"; do
        mv "$1/$binary" "$CACHE/$binary"
    done
}

unpack_debian_package() {
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    # As root, apt would read as a user who may not enter here.
    local download=(apt-get -o APT::Sandbox::User=root download prometheus)
    if ! run "downloading Debian's package" "${download[@]}"; then
        # The list of packages may be missing, or too old.
        ((EUID == 0)) || return 1
        run "reading Debian's list of packages" apt-get update || return 1
        run "downloading Debian's package" "${download[@]}" || return 1
    fi
    run "unpacking it" bash -c 'dpkg-deb -x prometheus_*.deb unpacked' || return 1
    # What it was built for may not be this machine.
    "$work/module/unpacked/usr/bin/promtool" --version >/dev/null 2>&1 || return 1
    keep "$work/module/unpacked/usr/bin"
}

build() {
    command -v go >/dev/null || fail "prometheus and promtool are not on this machine, there is no \
Debian package of them to be had, and no Go $GO_VERSION to build them: install one of the three, \
or set PROMETHEUS_ASSETS"
    # No C compiler needed, no workspace or vendoring of the caller's in the way.
    export CGO_ENABLED=0 GOWORK=off GOFLAGS=
    local module=github.com/prometheus/prometheus binary
    printf '%s\n' "module build" "go $GO_VERSION" "require $module v$PROMETHEUS_MODULE_VERSION" \
        >"$work/module/go.mod"
    mkdir "$work/built"
    # Without its web pages, which are no part of the module.
    for binary in "${BINARIES[@]}"; do
        run "building $binary $PROMETHEUS_VERSION" go build -mod=mod -trimpath -buildvcs=false \
            -ldflags "-s -w" -o "$work/built/$binary" "$module/cmd/$binary" || exit 1
    done
    keep "$work/built"
}

# Gets what the cache lacks.
get() {
    work=$(mktemp -d "$CACHE/.get.XXXXXX")
    trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    mkdir "$work/module"
    unpack_debian_package || build
}

main() {
    if [[ -n ${PROMETHEUS_ASSETS:-} ]]; then
        complete "$PROMETHEUS_ASSETS" ||
            fail "PROMETHEUS_ASSETS=$PROMETHEUS_ASSETS lacks one of: ${BINARIES[*]}"
        printf '%s\n' "$PROMETHEUS_ASSETS"
        return
    fi
    if complete "$CACHE"; then
        printf '%s\n' "$CACHE"
        return
    fi
    if on_path; then
        return
    fi
    mkdir -p "$CACHE"
    lock
    complete "$CACHE" || get
    printf '%s\n' "$CACHE"
}

main "$@"
