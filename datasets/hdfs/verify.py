#!/usr/bin/env python3
"""Check a run or a packed set before anybody uses it.

usage: verify.py DATADIR [--short] [--like OTHER]

Checks in DATADIR/hdfs.log that every line has its time, level and logger, that
no address, path or host name of the machine shows, and that no line speaks of
an injected fault; in labels.tsv (if there) that the labels fit the log; in
train.ids (if there) that they are the blocks before the first fault.

  --short  a short run: kinds of fault may be missing
  --like   print the message texts that only one of the two sets has

Exits with 1 if a check fails.
"""

import argparse
import collections
import pathlib
import re
import socket
import sys

import corpus

LINE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3} (DEBUG|INFO|WARN|ERROR) [\w.]+: ")
ADDRESS = re.compile(rb"\b\d{1,3}(?:\.\d{1,3}){3}\b")
ADDRESSES = {b"127.0.0.1", b"0.0.0.0"}
# The first part of a path that follows something no path goes on after.
PATH = re.compile(rb"(?<![\w./:*?-])(?:file:|://)?/([A-Za-z][\w-]*)")
PATHS = {b"data", b"user", b"default-rack", b"localhost"}
# Hadoop's test classes would announce the damage that they do.
TELLTALES = [b"Corrupting block", b"Deleting block file", b"TestUtils", b"knothole"]
KINDS = set(
    "dn_stop dn_stop_alloc full_volume mirror_refused client_death corrupt_read corrupt_scan"
    " lost_file rogue_delete lost_ack dup_ack lost_delete late_ack slow_ack hung_writer".split()
)
SHOWN_MAX = 3


class Problems:
    """What is wrong, with the first few places for each."""

    def __init__(self):
        self.places = collections.defaultdict(list)

    def add(self, problem, place):
        self.places[problem].append(place)

    def print(self):
        for problem, places in self.places.items():
            print(f"FAIL {problem} ({len(places)} times)")
            for place in places[:SHOWN_MAX]:
                print(f"     {place}")


def check_log(datadir, problems):
    """Check every line; return the blocks named and the number of lines."""
    host = re.compile(rb"(?<!\w)" + re.escape(socket.gethostname().encode()) + rb"(?!\w)")
    seen, number = set(), 0
    with corpus.open_log(datadir) as lines:
        for number, line in enumerate(lines, 1):
            seen |= corpus.blocks_in(line)
            for problem in line_problems(line, host):
                text = line[:120].decode(errors="replace").rstrip()
                problems.add(problem, f"line {number}: {text}")
    return seen, number


def line_problems(line, host):
    if not LINE.match(line):
        yield "line without time, level and logger"
    if not ADDRESSES.issuperset(ADDRESS.findall(line)):
        yield "foreign address"
    if not PATHS.issuperset(PATH.findall(line)):
        yield "path outside the cluster"
    if any(word in line for word in TELLTALES):
        yield "line that gives a fault away"
    if host.search(line) and socket.gethostname() != "localhost":
        yield "name of this machine"


def check_labels(labels, seen, problems, short):
    for block, (verdict, kind) in labels.items():
        if verdict not in "NAX" or (verdict == "N") != (kind == "-"):
            problems.add("verdict and kind do not fit", f"blk_{block} {verdict} {kind}")
        if verdict == "A" and kind not in KINDS:
            problems.add("unknown kind of fault", f"blk_{block} {kind}")
    for block in sorted(labels.keys() - seen):
        problems.add("label without a line in the log", f"blk_{block}")
    for block in sorted(seen - labels.keys()):
        problems.add("block without a label", f"blk_{block}")
    for kind in sorted(KINDS - {kind for _, kind in labels.values()}):
        if not short:
            problems.add("kind of fault missing", kind)


def check_train_ids(ids, labels, seen, problems):
    for block in sorted(ids - seen):
        problems.add("train.ids: block without a line in the log", f"blk_{block}")
    if labels and ids != corpus.fault_free_start(labels):
        problems.add("train.ids: not the blocks before the first fault", f"{len(ids)} blocks")


def texts(datadir):
    """Return the message texts of the lines that name a block."""
    found = set()
    with corpus.open_log(datadir) as lines:
        for line in lines:
            if corpus.BLOCK.search(line):
                message = line.decode(errors="replace").rstrip("\n").split(" ", 2)[2]
                found.add(corpus.template(message))
    return found


def print_differences(datadir, other):
    mine, theirs = texts(datadir), texts(other)
    print(f"message texts: {len(mine)} here, {len(theirs)} there, {len(mine & theirs)} in both")
    for where, only in (("here", mine - theirs), ("there", theirs - mine)):
        for text in sorted(only):
            print(f"  only {where}: {text}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("datadir", type=pathlib.Path)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--like", type=pathlib.Path, metavar="OTHER")
    args = parser.parse_args()

    problems = Problems()
    seen, lines = check_log(args.datadir, problems)
    print(f"{lines} lines, {len(seen)} blocks")
    labels = None
    if (args.datadir / "labels.tsv").exists():
        labels = corpus.read_labels(args.datadir)
        check_labels(labels, seen, problems, args.short)
        for (verdict, kind), blocks in sorted(collections.Counter(labels.values()).items()):
            print(f"  {verdict} {kind:22}{blocks:6}")
    if (args.datadir / "train.ids").exists():
        ids = corpus.read_ids(args.datadir)
        check_train_ids(ids, labels, seen, problems)
        print(f"  {len(ids)} blocks to train on")
    if args.like:
        print_differences(args.datadir, args.like)
    problems.print()
    if problems.places:
        sys.exit(1)
    print("ok")


if __name__ == "__main__":
    try:
        main()
    except corpus.CorpusError as error:
        sys.exit(f"verify.py: {error}")
