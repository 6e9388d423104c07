# What the install.sh of each kind of binary does alike; they source this file.
#
# Before that they set: PURPOSE, which begins each line of progress; GO_VERSION; CACHE, the
# directory that keeps what was got; BINARIES, the programs that it holds then, and, where there
# are any, FILES, what else it holds.
# Standard output carries one line, the answer; progress goes to standard error.

say() {
    printf '%s: %s\n' "$PURPOSE" "$*" >&2
}

fail() {
    say "$*"
    exit 1
}

# Whether the directory $1 holds everything.
complete() {
    local binary file
    for binary in "${BINARIES[@]}"; do
        [[ -f $1/$binary && -x $1/$binary ]] || return 1
    done
    # bash before 4.4 takes an empty array for an unset one.
    for file in ${FILES[@]+"${FILES[@]}"}; do
        [[ -f $1/$file ]] || return 1
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

# directory_or VARIABLE GET: prints the directory that the variable names, the cache, or one on
# PATH; else the cache, when GET has filled it.
directory_or() {
    local named=${!1:-}
    if [[ -n $named ]]; then
        complete "$named" || fail "$1=$named lacks one of: ${BINARIES[*]} ${FILES[*]-}"
        printf '%s\n' "$named"
        return
    fi
    if ! complete "$CACHE"; then
        if on_path; then
            return
        fi
        fill_cache "$2"
    fi
    printf '%s\n' "$CACHE"
}

# fill_cache GET: runs GET, which fills the cache from $work, unless another run has meanwhile.
fill_cache() {
    mkdir -p "$CACHE"
    lock
    complete "$CACHE" && return
    work=$(mktemp -d "$CACHE/.build.XXXXXX")
    trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    start_module
    "$1"
}

# Takes the lock that keeps two runs from getting the same thing; held until this process ends.
lock() {
    command -v flock >/dev/null || fail "the program flock is needed (package util-linux)"
    exec 9>"$CACHE/.lock"
    until flock --wait 15 9; do
        say "another run is at it; waiting for it (${SECONDS}s)"
    done
}

# run WHAT COMMAND...: runs the command in $work/module, tells every 15 s that it is still
# running, and shows the end of its output if it fails.
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

# start_module GO.MOD-LINES...: an empty module in $work/module.
start_module() {
    rm -rf "$work/module"
    mkdir "$work/module"
    printf '%s\n' "module build" "go $GO_VERSION" "$@" >"$work/module/go.mod"
}

# build BINARY VERSION PACKAGE FLAGS...: builds the package in $work/module as $work/BINARY.
build() {
    local binary=$1 version=$2 package=$3
    shift 3
    # No C compiler needed, no workspace or vendoring of the caller's in the way.
    run "building $binary $version" env CGO_ENABLED=0 GOWORK=off GOFLAGS= \
        go build -mod=mod -trimpath -buildvcs=false "$@" -o "$work/$binary" "$package" || exit 1
}

# keep DIRECTORY BINARY...: moves them into the cache. A rename, and the last step, so that what
# is in the cache is whole.
keep() {
    local directory=$1 binary
    shift
    for binary in "$@"; do
        mv "$directory/$binary" "$CACHE/$binary"
    done
}
