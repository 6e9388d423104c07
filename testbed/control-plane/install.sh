#!/usr/bin/env bash
# Finds, or else builds, kube-apiserver and etcd, and prints the directory that holds both.
# Standard output carries that one line; progress goes to standard error.
#
# Order: $KUBEBUILDER_ASSETS, the cache, PATH, `go build` from the Go module proxy.
# The build takes about 12 minutes on 2 cores, and is done once.
set -euo pipefail

readonly KUBERNETES_VERSION=1.37.2
readonly ETCD_VERSION=3.6.5
readonly GO_VERSION=1.26
readonly BINARIES=(etcd kube-apiserver)
readonly CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/my-cloud-controller-manager/control-plane-v$KUBERNETES_VERSION"

say() {
    printf 'control plane: %s\n' "$*" >&2
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

# start_module GO.MOD-LINES...: an empty module in $work/module.
start_module() {
    rm -rf "$work/module"
    mkdir "$work/module"
    printf '%s\n' "module build" "go $GO_VERSION" "$@" >"$work/module/go.mod"
}

# build BINARY VERSION PACKAGE FLAGS...: builds the package in $work/module into the cache.
# The rename is the last step, so that what is in the cache is whole.
build() {
    local binary=$1 version=$2 package=$3
    shift 3
    run "building $binary $version" \
        go build -mod=mod -trimpath -buildvcs=false "$@" -o "$work/$binary" "$package"
    mv "$work/$binary" "$CACHE/$binary"
}

build_etcd() {
    start_module "require go.etcd.io/etcd/server/v3 v$ETCD_VERSION"
    build etcd "$ETCD_VERSION" go.etcd.io/etcd/server/v3 -ldflags "-s -w"
}

# The module k8s.io/kubernetes names its staging modules by path; outside of its own repository
# each has to be replaced by the published one of the same release.
build_kube_apiserver() {
    local kubernetes=k8s.io/kubernetes@v$KUBERNETES_VERSION source replacements
    start_module
    run "downloading Kubernetes $KUBERNETES_VERSION" go mod download "$kubernetes"
    source=$(go env GOMODCACHE)/$kubernetes
    replacements=$(sed -n \
        "s#^[[:space:]]*\(k8s.io/[^ ]*\) => ./staging.*#replace \1 => \1 v0.${KUBERNETES_VERSION#1.}#p" \
        "$source/go.mod")
    [[ -n $replacements ]] || fail "no staging modules in $source/go.mod"
    start_module "require k8s.io/kubernetes v$KUBERNETES_VERSION" "$replacements"
    install -m 644 "$source/go.sum" "$work/module/go.sum"
    printf '%s\n' 'package build' 'import _ "k8s.io/kubernetes/cmd/kube-apiserver/app"' \
        >"$work/module/build.go"
    # -e: tests of far dependencies, which nobody builds here, may not resolve.
    run "resolving the modules of kube-apiserver" go mod tidy -e
    build kube-apiserver "$KUBERNETES_VERSION" k8s.io/kubernetes/cmd/kube-apiserver \
        -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=v$KUBERNETES_VERSION"
}

# Builds what the cache lacks.
build_missing() {
    command -v go >/dev/null || fail "kube-apiserver and etcd are not on this machine, and neither \
is Go $GO_VERSION to build them: install one of the two, or set KUBEBUILDER_ASSETS"
    work=$(mktemp -d "$CACHE/.build.XXXXXX")
    trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    # No C compiler needed, no workspace or vendoring of the caller's in the way.
    export CGO_ENABLED=0 GOWORK=off GOFLAGS=
    [[ -x $CACHE/etcd ]] || build_etcd
    [[ -x $CACHE/kube-apiserver ]] || build_kube_apiserver
}

main() {
    if [[ -n ${KUBEBUILDER_ASSETS:-} ]]; then
        complete "$KUBEBUILDER_ASSETS" ||
            fail "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS lacks one of: ${BINARIES[*]}"
        printf '%s\n' "$KUBEBUILDER_ASSETS"
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
    complete "$CACHE" || build_missing
    printf '%s\n' "$CACHE"
}

main "$@"
