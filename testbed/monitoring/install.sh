#!/usr/bin/env bash
# Finds prometheus and promtool, or else gets them, and prints the directory that holds both.
# Standard output carries that one line; progress goes to standard error.
#
# Order: $PROMETHEUS_ASSETS, the cache, PATH, Debian's package (unpacked, not installed),
# `go build` from the Go module proxy. The build takes about 4 minutes on 2 cores, and is done once.
set -euo pipefail

readonly PURPOSE=prometheus
# Of the build; Debian's package and what is found may be any version from 2.42 on.
readonly PROMETHEUS_VERSION=3.5.0
readonly PROMETHEUS_MODULE_VERSION=0.305.0
readonly GO_VERSION=1.26
readonly BINARIES=(prometheus promtool)
readonly CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/my-cloud-controller-manager/prometheus"
source "$(dirname "${BASH_SOURCE[0]}")/../install.sh"

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
    keep "$work/module/unpacked/usr/bin" "${BINARIES[@]}"
}

build_both() {
    command -v go >/dev/null || fail "prometheus and promtool are not on this machine, there is no \
Debian package of them to be had, and no Go $GO_VERSION to build them: install one of the three, \
or set PROMETHEUS_ASSETS"
    local module=github.com/prometheus/prometheus binary
    start_module "require $module v$PROMETHEUS_MODULE_VERSION"
    # Without its web pages, which are no part of the module.
    for binary in "${BINARIES[@]}"; do
        build "$binary" "$PROMETHEUS_VERSION" "$module/cmd/$binary" -ldflags "-s -w"
    done
    keep "$work" "${BINARIES[@]}"
}

get() {
    unpack_debian_package || build_both
}

directory_or PROMETHEUS_ASSETS get
