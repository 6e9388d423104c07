#!/usr/bin/env bash
# Finds, or else builds, an OpenTelemetry Collector that takes OTLP and writes to a file, and
# prints its path. Standard output carries that one line; progress goes to standard error.
#
# Order: $OTELCOL, the cache, otelcol-contrib on PATH, `go build` of main.go beside this file from
# the Go module proxy. The build takes 2 to 6 minutes on 2 cores, and is done once.
set -euo pipefail

readonly PURPOSE=collector
readonly VERSION=0.165.0
# Of modules that the collector numbers as stable.
readonly STABLE_VERSION=1.71.0
readonly GO_VERSION=1.26
readonly BINARIES=(otelcol)
readonly CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/my-cloud-controller-manager/collector-v$VERSION"
SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly SOURCE
source "$SOURCE/../install.sh"

build_collector() {
    command -v go >/dev/null || fail "there is no otelcol-contrib on this machine, and neither is \
Go $GO_VERSION to build a collector: install one of the two, or set OTELCOL to the path of one"
    start_module \
        "require go.opentelemetry.io/collector/otelcol v$VERSION" \
        "require go.opentelemetry.io/collector/receiver/otlpreceiver v$VERSION" \
        "require go.opentelemetry.io/collector/confmap/provider/fileprovider v$STABLE_VERSION" \
        "require github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter v$VERSION"
    cp "$SOURCE/main.go" "$work/module"
    build otelcol "$VERSION" . -ldflags "-s -w"
    keep "$work" otelcol
}

main() {
    if [[ -n ${OTELCOL:-} ]]; then
        [[ -f $OTELCOL && -x $OTELCOL ]] || fail "OTELCOL=$OTELCOL is not a program"
        printf '%s\n' "$OTELCOL"
        return
    fi
    if ! complete "$CACHE"; then
        # type -P: a path, whatever functions and aliases there are.
        if type -P otelcol-contrib; then
            return
        fi
        fill_cache build_collector
    fi
    printf '%s\n' "$CACHE/otelcol"
}

main "$@"
