#!/usr/bin/env bash
# Finds, or else builds, helm and kustomize, gets the CustomResourceDefinitions of the Prometheus
# operator, and prints the directory that holds all of them.
# Standard output carries that one line; progress goes to standard error.
#
# Order: $PACKAGING_ASSETS, the cache, and for each program PATH (linked into the cache) or
# `go build` from the Go module proxy. The builds take 2 to 5 minutes on 2 cores, and are done once.
set -euo pipefail

readonly PURPOSE=packaging
readonly HELM_VERSION=4.3.2
readonly KUSTOMIZE_VERSION=5.8.1
# Of the CustomResourceDefinitions; nothing of it is built or run.
readonly PROMETHEUS_OPERATOR_VERSION=0.85.0
readonly GO_VERSION=1.26
readonly BINARIES=(helm kustomize)
readonly FILES=(podmonitors.yaml prometheusrules.yaml)
readonly CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/my-cloud-controller-manager/packaging-v$HELM_VERSION-$KUSTOMIZE_VERSION-$PROMETHEUS_OPERATOR_VERSION"
source "$(dirname "${BASH_SOURCE[0]}")/../install.sh"

# found_or_built BINARY VERSION MODULE PACKAGE
found_or_built() {
    local binary=$1 version=$2 module=$3 package=$4 found
    # type -P: a path, whatever functions and aliases there are.
    if found=$(type -P "$binary"); then
        ln -s "$(realpath "$found")" "$work/$binary"
    else
        start_module "require $module v$version"
        build "$binary" "$version" "$package" -ldflags "-s -w"
    fi
    keep "$work" "$binary"
}

crds() {
    local module=github.com/prometheus-operator/prometheus-operator@v$PROMETHEUS_OPERATOR_VERSION
    local kind
    run "downloading the CustomResourceDefinitions" go mod download "$module" || exit 1
    for kind in "${FILES[@]}"; do
        install -m 644 "$(go env GOMODCACHE)/$module/example/prometheus-operator-crd/monitoring.coreos.com_$kind" "$work/$kind"
    done
    keep "$work" "${FILES[@]}"
}

get() {
    command -v go >/dev/null || fail "the CustomResourceDefinitions of the Prometheus operator, and \
helm or kustomize where they are not on PATH, need Go $GO_VERSION: install it, or set PACKAGING_ASSETS"
    found_or_built helm "$HELM_VERSION" helm.sh/helm/v4 helm.sh/helm/v4/cmd/helm
    found_or_built kustomize "$KUSTOMIZE_VERSION" sigs.k8s.io/kustomize/kustomize/v5 sigs.k8s.io/kustomize/kustomize/v5
    crds
}

directory_or PACKAGING_ASSETS get
