#!/usr/bin/env bash
# Finds, or else builds, an OpenTelemetry Collector that takes OTLP and writes to a file, and
# prints its path. Standard output carries that one line; progress goes to standard error.
#
# Order: $OTELCOL, the cache, otelcol-contrib on PATH, `go build` of main.go beside this file from
# the Go module proxy. The build takes 2 to 6 minutes on 2 cores, and is done once.
set -euo pipefail

readonly VERSION=0.165.0
# Of modules that the collector numbers as stable.
readonly STABLE_VERSION=1.71.0
readonly GO_VERSION=1.26
readonly CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/my-cloud-controller-manager/collector-v$VERSION"
readonly BINARY=$CACHE/otelcol
SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly SOURCE

say() {
    printf 'collector: %s\n' "$*" >&2
}

fail() {
    say "$*"
    exit 1
}

# Takes the lock that keeps two runs from building the same thing; held until this process ends.
lock() {
    command -v flock >/dev/null || fail "the program flock is needed (package util-linux)"
    exec 9>"$CACHE/.lock"
    until flock --wait 15 9; do
        say "another run is building; waiting for it (${SECONDS}s)"
    done
}

# run WHAT COMMAND...: runs the command in $work, tells every 15 s that it is still running,
# and shows the end of its output if it fails.
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
        fail "$what: failed with exit code $status"
    fi
    say "$what: done in $((SECONDS - started)) s"
}

# The rename is the last step, so that what is in the cache is whole.
build() {
    command -v go >/dev/null || fail "there is no otelcol-contrib on this machine, and neither is \
Go $GO_VERSION to build a collector: install one of the two, or set OTELCOL to the path of one"
    work=$(mktemp -d "$CACHE/.build.XXXXXX")
    trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    # No C compiler needed, no workspace or vendoring of the caller's in the way.
    export CGO_ENABLED=0 GOWORK=off GOFLAGS=
    mkdir "$work/module"
    cp "$SOURCE/main.go" "$work/module"
    printf '%s\n' "module build" "go $GO_VERSION" \
        "require go.opentelemetry.io/collector/otelcol v$VERSION" \
        "require go.opentelemetry.io/collector/receiver/otlpreceiver v$VERSION" \
        "require go.opentelemetry.io/collector/confmap/provider/fileprovider v$STABLE_VERSION" \
        "require github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter v$VERSION" \
        >"$work/module/go.mod"
    run "building the OpenTelemetry Collector $VERSION" \
        go build -mod=mod -trimpath -buildvcs=false -ldflags "-s -w" -o "$work/otelcol" .
    mv "$work/otelcol" "$BINARY"
}

main() {
    if [[ -n ${OTELCOL:-} ]]; then
        [[ -f $OTELCOL && -x $OTELCOL ]] || fail "OTELCOL=$OTELCOL is not a program"
        printf '%s\n' "$OTELCOL"
        return
    fi
    if [[ -x $BINARY ]]; then
        printf '%s\n' "$BINARY"
        return
    fi
    # type -P: a path, whatever functions and aliases there are.
    if type -P otelcol-contrib; then
        return
    fi
    mkdir -p "$CACHE"
    lock
    [[ -x $BINARY ]] || build
    printf '%s\n' "$BINARY"
}

main "$@"
