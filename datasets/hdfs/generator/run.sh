#!/usr/bin/env bash
# Builds the generator and makes one run of it: a log and its labels.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: run.sh OUTDIR FILES FAULT_RATE SEED NODE_ROUNDS

Starts an Apache Hadoop HDFS 3.4.3 in one Java process, drives it with a seeded
workload, injects faults, and writes OUTDIR/hdfs.log and OUTDIR/labels.tsv.

  OUTDIR       a directory that does not exist yet
  FILES        files to write; about 2.3 blocks a file
  FAULT_RATE   share of the files that a fault is drawn for, such as 0.13
  SEED         decides every file's size, operations and fault
  NODE_ROUNDS  how often whole DataNodes fail

The runs that the shipped data came from:
  run.sh out/small 1200 0.13 7 1      about 2 minutes
  run.sh out/full 10500 0.13 1 5      about 8 minutes

Needs Java 17 or newer, Maven, 3 GB of memory and 0.2 GB of disk.
Environment: MVNFLAGS holds more flags for Maven, such as -o to build offline.
TEXT
}

if [[ "${1:-}" == -h || "${1:-}" == --help ]]; then
  usage
  exit 0
fi
if [[ $# -ne 5 ]]; then
  usage >&2
  exit 2
fi
if [[ -e "$1" ]]; then
  echo "run.sh: $1 exists: choose a new directory or remove it first" >&2
  exit 1
fi
for tool in java mvn; do
  command -v "$tool" >/dev/null || { echo "run.sh: $tool not found" >&2; exit 1; }
done

mkdir -p "$1"
# The physical path, since it is what Hadoop logs and the log layout replaces.
out=$(cd "$1" && pwd -P)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)

# Unquoted on purpose: MVNFLAGS may hold several flags.
# shellcheck disable=SC2086
mvn ${MVNFLAGS:-} -q -B -f "$here/pom.xml" compile \
  dependency:build-classpath -Dmdep.outputFile="$here/target/classpath.txt" >&2

# HADOOP_USER_NAME and TZ keep the user's name and time zone out of the log.
cd "$out"
HADOOP_USER_NAME=hdfs TZ=UTC java -Xmx2g -XX:+UseParallelGC -XX:-UsePerfData \
  -Dcorpus.log="$out/hdfs.log" \
  -cp "$here/target/classes:$(cat "$here/target/classpath.txt")" \
  knothole.hdfs.Main "$out" "$2" "$3" "$4" "$5"
rm -rf "$out/dfs"
