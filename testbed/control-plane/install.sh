#!/usr/bin/env bash
# Finds, or else builds, kube-apiserver and etcd, and prints the directory that holds both.
# Standard output carries that one line; progress goes to standard error.
#
# Order: $KUBEBUILDER_ASSETS, the cache, PATH, `go build` from the Go module proxy.
# The build takes about 12 minutes on 2 cores, and is done once.
set -euo pipefail

readonly PURPOSE="control plane"
readonly KUBERNETES_VERSION=1.37.2
readonly ETCD_VERSION=3.6.5
readonly GO_VERSION=1.26
readonly BINARIES=(etcd kube-apiserver)
readonly CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/my-cloud-controller-manager/control-plane-v$KUBERNETES_VERSION"
source "$(dirname "${BASH_SOURCE[0]}")/../install.sh"

build_etcd() {
    start_module "require go.etcd.io/etcd/server/v3 v$ETCD_VERSION"
    build etcd "$ETCD_VERSION" go.etcd.io/etcd/server/v3 -ldflags "-s -w"
    keep "$work" etcd
}

# The module k8s.io/kubernetes names its staging modules by path; outside of its own repository
# each has to be replaced by the published one of the same release.
build_kube_apiserver() {
    local kubernetes=k8s.io/kubernetes@v$KUBERNETES_VERSION source replacements
    start_module
    run "downloading Kubernetes $KUBERNETES_VERSION" go mod download "$kubernetes" || exit 1
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
    run "resolving the modules of kube-apiserver" go mod tidy -e || exit 1
    build kube-apiserver "$KUBERNETES_VERSION" k8s.io/kubernetes/cmd/kube-apiserver \
        -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=v$KUBERNETES_VERSION"
    keep "$work" kube-apiserver
}

# Builds what the cache lacks.
build_missing() {
    command -v go >/dev/null || fail "kube-apiserver and etcd are not on this machine, and neither \
is Go $GO_VERSION to build them: install one of the two, or set KUBEBUILDER_ASSETS"
    # No workspace or settings of the caller's in the way.
    export GOWORK=off GOFLAGS=
    [[ -x $CACHE/etcd ]] || build_etcd
    [[ -x $CACHE/kube-apiserver ]] || build_kube_apiserver
}

directory_or KUBEBUILDER_ASSETS build_missing
