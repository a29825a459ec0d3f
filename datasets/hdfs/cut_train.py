#!/usr/bin/env python3
"""Cut the fault-free first stretch out of a run.

usage: cut_train.py DATADIR OUTDIR

DATADIR holds a packed run: hdfs.log (plain, .zst or .xz) and train.ids.
OUTDIR gets hdfs.log (plain) and train.ids.

The stretch is every line from the first one to just before the first line that
names a block outside DATADIR/train.ids. No line inside is dropped or changed,
so no line in it mixes training blocks with others.

OUTDIR/train.ids keeps the blocks whose last line in the whole run lies inside
the stretch. The others are cut off in the middle of their life: their lines
stay, as they were logged, but nobody should learn from them.
"""

import pathlib
import sys

import corpus


def cut(lines, train, out):
    """Write the stretch to `out`; return its length and each block's last line."""
    last_line, stretch, number = {}, None, -1
    for number, line in enumerate(lines):
        found = corpus.blocks_in(line)
        if stretch is None and not found <= train:
            stretch = number
        if stretch is None:
            out.write(line)
        last_line.update(dict.fromkeys(found & train, number))
    return (number + 1 if stretch is None else stretch), last_line


def main():
    if {"-h", "--help"} & set(sys.argv):
        print(__doc__)
        return
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    datadir, outdir = map(pathlib.Path, sys.argv[1:])
    outdir.mkdir(parents=True, exist_ok=True)
    train = corpus.read_ids(datadir)
    with corpus.open_log(datadir) as lines, open(outdir / "hdfs.log", "wb") as out:
        stretch, last_line = cut(lines, train, out)
    whole = [block for block, number in last_line.items() if number < stretch]
    corpus.write_ids(outdir, whole)
    print(f"{stretch} lines; {len(whole)} whole blocks of {len(train)} fault-free ones")


if __name__ == "__main__":
    main()
