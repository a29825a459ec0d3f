#!/usr/bin/env python3
"""Cut the fault-free first stretch out of a packed run.

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

import contextlib
import lzma
import pathlib
import re
import subprocess
import sys

BLOCK = re.compile(rb"blk_(\d+)")


@contextlib.contextmanager
def open_log(datadir):
    """Open the log of a run, whatever its compression, as lines of bytes."""
    plain, zst, xz = (datadir / f"hdfs.log{end}" for end in ("", ".zst", ".xz"))
    if plain.exists():
        with open(plain, "rb") as lines:
            yield lines
    elif zst.exists():
        with subprocess.Popen(["zstd", "-dc", zst], stdout=subprocess.PIPE) as zstd:
            yield zstd.stdout
        if zstd.returncode:
            sys.exit(f"zstd failed on {zst}")
    elif xz.exists():
        with lzma.open(xz, "rb") as lines:
            yield lines
    else:
        sys.exit(f"no hdfs.log, hdfs.log.zst or hdfs.log.xz in {datadir}")


def read_ids(path):
    """Read one block id a line, `blk_` and digits."""
    return {int(line.removeprefix("blk_")) for line in path.read_text().split()}


def cut(lines, train, out):
    """Write the stretch to `out`; return its length and each block's last line."""
    last_line, stretch = {}, None
    for number, line in enumerate(lines):
        found = set(map(int, BLOCK.findall(line)))
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
    train = read_ids(datadir / "train.ids")
    with open_log(datadir) as lines, open(outdir / "hdfs.log", "wb") as out:
        stretch, last_line = cut(lines, train, out)
    whole = sorted(block for block, number in last_line.items() if number < stretch)
    (outdir / "train.ids").write_text("".join(f"blk_{block}\n" for block in whole))
    print(f"{stretch} lines; {len(whole)} whole blocks of {len(train)} fault-free ones")


if __name__ == "__main__":
    main()
