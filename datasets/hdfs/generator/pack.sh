#!/usr/bin/env bash
# Checks a run and packs it into a set that can be published.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: pack.sh RUNDIR DATADIR [--short]

Checks RUNDIR/hdfs.log and RUNDIR/labels.tsv with verify.py, which refuses
machine paths, foreign addresses and labels that do not fit. Then writes
DATADIR/hdfs.log.zst, DATADIR/labels.tsv and DATADIR/train.ids, and checks those.

  --short  a short run: kinds of fault may be missing

Needs Python 3.9 or newer and zstd.
TEXT
}

if [[ "${1:-}" == -h || "${1:-}" == --help ]]; then
  usage
  exit 0
fi
if [[ $# -lt 2 || $# -gt 3 || "${3:---short}" != --short ]]; then
  usage >&2
  exit 2
fi
run=$1
data=$2
short=(${3:+"$3"})
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
export PYTHONDONTWRITEBYTECODE=1

"$here/../verify.py" "$run" "${short[@]}"
mkdir -p "$data"
cp "$run/labels.tsv" "$data/labels.tsv"
# The blocks before the first one that is not normal: nobody needs a label to train on them.
awk -F '\t' '$2 != "N" { exit } { print $1 }' "$data/labels.tsv" >"$data/train.ids"
# -19 keeps the window at 8 MB, so that any decoder reads it without being told to.
zstd -q -f --ultra -19 "$run/hdfs.log" -o "$data/hdfs.log.zst"
"$here/../verify.py" "$data" "${short[@]}" >/dev/null
(cd "$data" && sha256sum hdfs.log.zst labels.tsv train.ids)
