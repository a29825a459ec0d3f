"""Read a set: its log, its labels, the blocks to train on. Used by the scripts beside it."""

import contextlib
import lzma
import pathlib
import re
import subprocess

BLOCK = re.compile(rb"blk_(\d+)")

# Crude on purpose: enough to tell message texts apart, not a template miner.
MASKS = [
    (re.compile(r"DatanodeRegistration\([^)]*\)+"), "<DN>"),
    (re.compile(r"\[(?:DatanodeInfoWithStorage|ReplicaUC|block:).*"), "<LIST>"),
    (re.compile(r"\[[^\]]*\]"), "<LIST>"),
    (re.compile(r"blk_\d+(_\d+)?"), "<B>"),
    (re.compile(r"BP-[\d.-]+"), "<BP>"),
    (re.compile(r"DS-[0-9a-f-]+|[0-9a-f]{8}-[0-9a-f-]{27}"), "<ID>"),
    (re.compile(r"/?127\.0\.0\.1(:\d+)?"), "<A>"),
    (re.compile(r"(<A>[ ,]*)+"), "<A> "),
    (re.compile(r"(file:)?/[\w./-]+"), "<P>"),
    (re.compile(r"-?\d+"), "#"),
]
TEMPLATE_LEN_MAX = 160


class CorpusError(Exception):
    """A set that cannot be read; the text is for people."""


@contextlib.contextmanager
def open_log(datadir):
    """Open `hdfs.log`, plain, .zst or .xz, in this folder, as lines of bytes."""
    plain, zst, xz = (pathlib.Path(datadir) / f"hdfs.log{end}" for end in ("", ".zst", ".xz"))
    if plain.exists():
        with open(plain, "rb") as lines:
            yield lines
    elif zst.exists():
        with subprocess.Popen(["zstd", "-dc", zst], stdout=subprocess.PIPE) as zstd:
            yield zstd.stdout
        if zstd.returncode:
            raise CorpusError(f"zstd failed on {zst}")
    elif xz.exists():
        with lzma.open(xz, "rb") as lines:
            yield lines
    else:
        raise CorpusError(f"no hdfs.log, hdfs.log.zst or hdfs.log.xz in {datadir}")


def blocks_in(line):
    """Every block that this line (bytes) names."""
    return set(map(int, BLOCK.findall(line)))


def read_labels(datadir):
    """Return {block: (verdict, kind of fault)}; the verdict is N, A or X."""
    labels = {}
    with open(pathlib.Path(datadir) / "labels.tsv", encoding="ascii") as lines:
        for line in lines:
            block, verdict, kind, _time = line.rstrip("\n").split("\t")
            labels[int(block.removeprefix("blk_"))] = (verdict, kind)
    return labels


def read_ids(datadir):
    """Return the blocks in `train.ids`."""
    text = (pathlib.Path(datadir) / "train.ids").read_text(encoding="ascii")
    return {int(block.removeprefix("blk_")) for block in text.split()}


def write_ids(datadir, blocks):
    """Write `train.ids`, one block a line, in order."""
    text = "".join(f"blk_{block}\n" for block in sorted(blocks))
    (pathlib.Path(datadir) / "train.ids").write_text(text, encoding="ascii")


def fault_free_start(labels):
    """The blocks before the first one that is not normal: nobody needs a label to find them."""
    start = set()
    for block in sorted(labels):
        if labels[block][0] != "N":
            break
        start.add(block)
    return start


def template(message):
    """The text of a message (level and time cut off) without its values."""
    for mask, name in MASKS:
        message = mask.sub(name, message)
    return message[:TEMPLATE_LEN_MAX]
