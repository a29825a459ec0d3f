#!/usr/bin/env bash
# Build and install the real parts for the end-to-end tests. See README.md.
#
#     tests/parts/setup.sh [PART...]    (all if none is named)
#
# Prints NAME=PATH on stdout for each part that is there; everything else goes to stderr.
# A part that cannot be had is named as `skipped: PART: REASON`; with CI=true that is an error.
# Everything is kept in KNOTHOLE_PARTS_DIR, by default knothole-parts in the user's cache, under a
# key of what it is made from, so a second run only looks. Two runs at once are fine.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=${KNOTHOLE_PARTS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/knothole-parts}
mkdir -p "$root"
root=$(cd "$root" && pwd)
tmp=$(mktemp -d "$root/tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
skipped=0

say() { printf '%s\n' "$*" >&2; }

skip() {
    skipped=1
    say "skipped: $1: $2"
}

# key TEXT FILE...: one short name for the text and what is in the files.
key() {
    local text=$1
    shift
    { printf '%s\n' "$text"; cat "$@"; } | git hash-object --stdin | cut -c1-16
}

# publish NEW PLACE: put a finished folder in its place. If another run was faster, its folder stays:
# `mv` then moves ours into it, from where it is taken away. So nothing in NEW may have the name of NEW.
publish() {
    mv "$1" "$2"
    rm -rf "${2:?}/$(basename "$1")"
}

# attempt PART COMMAND...: run a part's build, show its talk only if it fails.
attempt() {
    local part=$1 log=$tmp/$1.log
    shift
    say "$part: building"
    # `set -e` does not hold in there, so the builds below are chains of `&&`.
    if ( "$@" ) >"$log" 2>&1; then
        return 0
    fi
    tail -n 20 "$log" >&2
    local reason
    reason=$(grep -i -m 1 'error' "$log" || tail -n 1 "$log")
    skip "$part" "${reason:-no output}"
    return 1
}

build_collector() {
    cd "$here/collector" &&
        mkdir "$1" &&
        GOFLAGS="-mod=readonly -buildvcs=false" CGO_ENABLED=0 \
            go build -trimpath -ldflags '-s -w' -o "$1/otelcol" . &&
        "$1/otelcol" --version
}

collector() {
    command -v go >/dev/null || { skip collector "no go"; return; }
    local version place
    version=$(cd "$here/collector" && go version) || { skip collector "go does not run"; return; }
    place=$root/otelcol-$(key "$version" "$here"/collector/{main.go,drain/drain.go,go.mod,go.sum})
    if [ ! -x "$place/otelcol" ]; then
        attempt collector build_collector "$tmp/collector" || return 0
        publish "$tmp/collector" "$place"
    fi
    echo "KNOTHOLE_OTELCOL=$place/otelcol"
}

# The version of Kubernetes is the one of the lock file; unless told, the programs say v0.0.0.
build_kube() {
    local version major minor at=k8s.io/component-base/version
    cd "$here/kube" &&
        version=$(go list -mod=readonly -m -f '{{.Version}}' k8s.io/kubernetes) &&
        IFS=. read -r major minor _ <<<"${version#v}" &&
        mkdir "$1" &&
        GOFLAGS="-mod=readonly -buildvcs=false" CGO_ENABLED=0 \
            go build -trimpath -ldflags "-s -w -X $at.gitVersion=$version -X $at.gitMajor=$major \
                -X $at.gitMinor=$minor -X $at.gitTreeState=clean" -o "$1/kube" . &&
        "$1/kube" kube-apiserver --version
}

# Its kubelet is a script.
kube() {
    command -v go >/dev/null || { skip kube "no go"; return; }
    command -v python3 >/dev/null || { skip kube "no python3"; return; }
    local version place
    version=$(cd "$here/kube" && go version) || { skip kube "go does not run"; return; }
    place=$root/kube-$(key "$version" "$here"/kube/{main.go,go.mod,go.sum})
    if [ ! -x "$place/kube" ]; then
        attempt kube build_kube "$tmp/kube-new" || return 0
        publish "$tmp/kube-new" "$place"
    fi
    echo "KNOTHOLE_KUBE=$place/kube"
}

build_opa() {
    cd "$here/opa" &&
        mkdir "$1" &&
        GOFLAGS="-mod=readonly -buildvcs=false" CGO_ENABLED=0 \
            go build -trimpath -ldflags '-s -w' -o "$1/opa" . &&
        "$1/opa" version
}

opa() {
    command -v go >/dev/null || { skip opa "no go"; return; }
    local version place
    version=$(cd "$here/opa" && go version) || { skip opa "go does not run"; return; }
    place=$root/opa-$(key "$version" "$here"/opa/{main.go,go.mod,go.sum})
    if [ ! -x "$place/opa" ]; then
        attempt opa build_opa "$tmp/opa-new" || return 0
        publish "$tmp/opa-new" "$place"
    fi
    echo "KNOTHOLE_OPA=$place/opa"
}

# --only-binary: never run a package's own build (grpcio takes ten minutes and a C compiler).
install_python() {
    mkdir "$1" &&
        python3 -m venv "$1/venv" &&
        "$1/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
            --only-binary=:all: -r "$here/python/requirements.txt" -c "$here/python/constraints.txt" &&
        "$1/venv/bin/python" -c 'import grpc, opentelemetry.sdk, standardwebhooks'
}

python_sdk() {
    command -v python3 >/dev/null || { skip python "no python3"; return; }
    local version place
    version=$(python3 -c 'import platform, sys; print(sys.version, sys.base_prefix, platform.machine())') ||
        { skip python "python3 does not run"; return; }
    place=$root/python-$(key "$version" "$here"/python/{requirements.txt,constraints.txt})
    if [ ! -x "$place/venv/bin/python" ]; then
        attempt python install_python "$tmp/python" || return 0
        publish "$tmp/python" "$place"
    fi
    echo "KNOTHOLE_PYTHON=$place/venv/bin/python"
}

install_node() {
    mkdir "$1" &&
        cp "$here"/node/package.json "$here"/node/package-lock.json "$1/" &&
        cd "$1" &&
        npm ci --ignore-scripts --no-audit --no-fund
}

node_sdk() {
    local tool version place
    for tool in node npm; do
        command -v "$tool" >/dev/null || { skip node "no $tool"; return; }
    done
    version=$(node -p 'process.version + process.arch') || { skip node "node does not run"; return; }
    place=$root/node-$(key "$version" "$here"/node/{package.json,package-lock.json})
    if [ ! -d "$place/node_modules" ]; then
        attempt node install_node "$tmp/node" || return 0
        publish "$tmp/node" "$place"
    fi
    echo "KNOTHOLE_NODE_DIR=$place"
}

# Its wheel is a Python wrapper and a program, of which only the program is kept. That is linked with the
# library of the Python it is for (libpython3.11 on Debian 12); there is one for 3.10 to 3.13.
install_rotel() {
    mkdir "$1" &&
        python3 -m venv "$tmp/rotel-venv" &&
        "$tmp/rotel-venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
            --only-binary=:all: --no-deps --target "$tmp/rotel-wheel" -r "$here/rotel/requirements.txt" &&
        mv "$tmp/rotel-wheel/rotel/rotel-agent" "$1/rotel" &&
        "$1/rotel" version
}

rotel() {
    command -v python3 >/dev/null || { skip rotel "no python3"; return; }
    local version place
    version=$(python3 -c 'import platform, sys; print(platform.machine(), sys.version_info[:2])') ||
        { skip rotel "python3 does not run"; return; }
    place=$root/rotel-$(key "$version" "$here/rotel/requirements.txt")
    if [ ! -x "$place/rotel" ]; then
        attempt rotel install_rotel "$tmp/rotel-new" || return 0
        publish "$tmp/rotel-new" "$place"
    fi
    echo "KNOTHOLE_ROTEL=$place/rotel"
}

# Debian's package; its templates are at a path that is built in, so it is not unpacked but installed.
alertmanager() {
    local program
    program=$(command -v prometheus-alertmanager) ||
        { skip alertmanager "no prometheus-alertmanager: apt-get install prometheus-alertmanager"; return; }
    echo "KNOTHOLE_ALERTMANAGER=$program"
}

# Debian's package: a library that shows a program another time than it is.
faketime() {
    local library
    for library in /usr/lib/*/faketime/libfaketime.so.1; do
        if [ -e "$library" ]; then
            echo "KNOTHOLE_FAKETIME=$library"
            return
        fi
    done
    skip faketime "no libfaketime: apt-get install libfaketime"
}

[ $# -gt 0 ] || set -- collector python node rotel alertmanager faketime kube opa
for part in "$@"; do
    case $part in
        collector) collector ;;
        python) python_sdk ;;
        node) node_sdk ;;
        rotel) rotel ;;
        alertmanager) alertmanager ;;
        faketime) faketime ;;
        kube) kube ;;
        opa) opa ;;
        *) say "unknown part: $part"; exit 2 ;;
    esac
done
if [ "$skipped" = 1 ] && [ "${CI:-}" = true ]; then
    exit 1
fi
