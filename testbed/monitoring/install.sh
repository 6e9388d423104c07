#!/usr/bin/env bash
# Finds or installs prometheus and promtool, and prints the directory that holds both.
# Standard output carries that one line; progress goes to standard error.
#
# Order: $PROMETHEUS_ASSETS, the cache, PATH, Debian's package (unpacked, not installed),
# `go build` from the Go module proxy. The build takes about 4 minutes on 2 cores, and is done once.
set -euo pipefail

readonly PURPOSE=prometheus
# The version to build. Debian's package, and programs that are found, may be any version from 2.42 on.
readonly PROMETHEUS_VERSION=3.5.0
readonly PROMETHEUS_MODULE_VERSION=0.305.0
readonly GO_VERSION=1.26
readonly BINARIES=(prometheus promtool)
readonly CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/my-cloud-controller-manager/prometheus"
source "$(dirname "${BASH_SOURCE[0]}")/../install.sh"

unpack_debian_package() {
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    # As root, apt would download as a user without access to this directory.
    local download=(apt-get -o APT::Sandbox::User=root download prometheus)
    if ! run "downloading Debian's package" "${download[@]}"; then
        # The list of packages may be missing or outdated.
        ((EUID == 0)) || return 1
        run "reading Debian's list of packages" apt-get update || return 1
        run "downloading Debian's package" "${download[@]}" || return 1
    fi
    run "unpacking it" bash -c 'dpkg-deb -x prometheus_*.deb unpacked' || return 1
    # The package may be for another kind of machine.
    "$work/module/unpacked/usr/bin/promtool" --version >/dev/null 2>&1 || return 1
    keep "$work/module/unpacked/usr/bin" "${BINARIES[@]}"
}

build_both() {
    command -v go >/dev/null || fail "prometheus and promtool are not on this machine, there is no \
Debian package of them, and no Go $GO_VERSION to build them: install one of the three, \
or set PROMETHEUS_ASSETS"
    local module=github.com/prometheus/prometheus binary
    start_module "require $module v$PROMETHEUS_MODULE_VERSION"
    # Without the web pages, which are not part of the module.
    for binary in "${BINARIES[@]}"; do
        build "$binary" "$PROMETHEUS_VERSION" "$module/cmd/$binary" -ldflags "-s -w"
    done
    keep "$work" "${BINARIES[@]}"
}

get() {
    unpack_debian_package || build_both
}

directory_or PROMETHEUS_ASSETS get
