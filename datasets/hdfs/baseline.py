#!/usr/bin/env python3
"""Simple detectors, each with one view of a block: a check of the data, not a contest.

usage: baseline.py DATADIR [--train TRAINDIR]

A line counts for every block it names. Blocks with the verdict X are left out.
Without --train the detectors learn from the first 30 % of DATADIR's normal
blocks. With it they learn from TRAINDIR/train.ids, in TRAINDIR/hdfs.log, which
may be DATADIR itself or a set of another run.

Needs NumPy.
"""

import argparse
import collections
import pathlib
import sys

import numpy as np

import corpus

TRAIN_SHARE = 0.3
TAIL = 0.005  # share of training blocks at an end of a distribution that counts as unusual


class Templates:
    """Numbers for message texts, the same in every log read with it."""

    def __init__(self):
        self.numbers, self.names = {}, []

    def number(self, text):
        if text not in self.numbers:
            self.numbers[text] = len(self.names)
            self.names.append(text)
        return self.numbers[text]

    def containing(self, text):
        return {i for i, name in enumerate(self.names) if text in name}


def read_sequences(datadir, wanted, templates):
    """Return {block: [(template, second of the day)]} and the number of lines."""
    sequences, number = collections.defaultdict(list), 0
    with corpus.open_log(datadir) as lines:
        for number, line in enumerate(lines, 1):
            found = corpus.blocks_in(line) & wanted
            if not found:
                continue
            time, _level, rest = line.decode(errors="replace").rstrip("\n").split(" ", 2)
            event = templates.number(corpus.template(rest))
            second = int(time[11:13]) * 3600 + int(time[14:16]) * 60 + float(time[17:])
            for block in found:
                sequences[block].append((event, second))
    return sequences, number


def events(sequence):
    return [event for event, _ in sequence]


def counts(sequence):
    return collections.Counter(events(sequence))


def count_matrix(rows, width, dtype):
    matrix = np.zeros((len(rows), width), dtype)
    for i, row in enumerate(rows):
        for event, count in row.items():
            matrix[i, event] = count
    return matrix


def unseen_template(train, test, _templates):
    seen = {event for sequence in train for event in events(sequence)}
    return "unseen template", [any(e not in seen for e in events(s)) for s in test]


def unseen_count_vector(train, test, _templates):
    seen = {frozenset(counts(sequence).items()) for sequence in train}
    return "unseen count vector", [frozenset(counts(s).items()) not in seen for s in test]


def nearest_neighbour(train, test, templates):
    """Distance of the counts to the nearest training block, against that of held-out ones."""

    def distinct(sequences):
        rows = {frozenset(counts(sequence).items()) for sequence in sequences}
        return log_counts([dict(row) for row in rows])

    def log_counts(rows):
        return np.log1p(count_matrix(rows, len(templates.names), np.float32))

    def distances(rows, known):
        return np.array([np.abs(known - row).sum(1).min() for row in rows])

    half = len(train) // 2
    held_out = log_counts([counts(sequence) for sequence in train[half:]])
    limit = np.quantile(distances(held_out, distinct(train[:half])), 0.99)
    found = distances(log_counts([counts(sequence) for sequence in test]), distinct(train))
    return "count nearest neighbour (1 % of validation above)", list(found > limit)


def count_invariants(train, test, templates):
    """Relations a = b and a = b + c that hold in nearly all training blocks."""
    width = len(templates.names)
    known = count_matrix([counts(sequence) for sequence in train], width, np.int16)
    asked = count_matrix([counts(sequence) for sequence in test], width, np.int16)
    common = [event for event in range(width) if (known[:, event] > 0).mean() > 0.01]
    broken, invariants = np.zeros(len(test), bool), 0
    for left, right in relations(common):
        if (known[:, left] == known[:, right].sum(1)).mean() >= 1 - TAIL:
            broken |= asked[:, left] != asked[:, right].sum(1)
            invariants += 1
    return f"count invariants ({invariants})", list(broken)


def relations(common):
    for i, left in enumerate(common):
        for j, right in enumerate(common):
            if i == j:
                continue
            if i < j:
                yield left, [right]
            for k in range(j + 1, len(common)):
                if k != i:
                    yield left, [right, common[k]]


def unseen_bigram(train, test, _templates):
    def bigrams(sequence):
        return set(zip(events(sequence), events(sequence)[1:]))

    seen = set().union(*map(bigrams, train))
    return "unseen bigram", [not bigrams(sequence) <= seen for sequence in test]


def unusual_length(train, test, _templates):
    lengths = sorted(map(len, train))
    low, high = lengths[int(len(lengths) * TAIL)], lengths[int(len(lengths) * (1 - TAIL))]
    return f"length outside [{low},{high}]", [not low <= len(s) <= high for s in test]


def time_to_end(train, test, templates):
    """Time from a block's first line to the end of its first pipeline responder."""
    ends = templates.containing("terminating")

    def seconds(sequence):
        return next((t - sequence[0][1] for event, t in sequence if event in ends), -1.0)

    limit = sorted(map(seconds, train))[int(len(train) * (1 - TAIL))]
    name = f"time to first 'terminating' above {limit:.2f} s, or none"
    return name, [not 0 <= seconds(sequence) <= limit for sequence in test]


def notice_lag(train, test, templates):
    """Time from the k-th replica written to the k-th notice at the NameNode, k up to 4."""
    written = templates.containing("op: HDFS_WRITE")
    noticed = templates.containing("RECEIVED_BLOCK")

    def lag(sequence):
        writes = [t for event, t in sequence if event in written][:4]
        notices = [t for event, t in sequence if event in noticed][:4]
        return max((q - p for p, q in zip(writes, notices)), default=0)

    limit = sorted(map(lag, train))[int(len(train) * (1 - TAIL))]
    name = f"lag written -> notice above {limit:.2f} s"
    return name, [lag(sequence) > limit for sequence in test]


VIEWS = [
    unseen_template,
    unseen_count_vector,
    nearest_neighbour,
    count_invariants,
    unseen_bigram,
    unusual_length,
    time_to_end,
    notice_lag,
]
# One view each of words, counts, order and two of time: the others repeat these.
TOGETHER = [unseen_template, count_invariants, unseen_bigram, time_to_end, notice_lag]


def report(name, flags, verdicts):
    """Print precision, recall and F1 of one detector, then its recall by kind of fault."""
    flagged = [verdict for flag, (verdict, _) in zip(flags, verdicts) if flag]
    hits, alarms = flagged.count("A"), flagged.count("N")
    faults = sum(verdict == "A" for verdict, _ in verdicts)
    precision, recall = hits / max(1, hits + alarms), hits / max(1, faults)
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    print(f"\n{name}: P {precision:.3f} R {recall:.3f} F1 {f1:.3f} (false alarms {alarms})")
    total = collections.Counter(kind for verdict, kind in verdicts if verdict == "A")
    found = collections.Counter(k for f, (v, k) in zip(flags, verdicts) if f and v == "A")
    print("  " + ", ".join(f"{kind} {found[kind]}/{n}" for kind, n in sorted(total.items())))


def describe(sequences, normal):
    lengths = sorted(len(sequences[block]) for block in normal)
    orders = {tuple(events(sequences[block])) for block in normal}
    vectors = {frozenset(counts(sequences[block]).items()) for block in normal}
    print(
        f"length of normal blocks: median {lengths[len(lengths) // 2]}"
        f" p5 {lengths[len(lengths) // 20]}"
        f" p95 {lengths[-len(lengths) // 20]} max {lengths[-1]} ;"
        f" distinct sequences {len(orders)} distinct count vectors {len(vectors)}"
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("datadir", type=pathlib.Path)
    parser.add_argument("--train", type=pathlib.Path, metavar="TRAINDIR")
    args = parser.parse_args()

    templates, labels = Templates(), corpus.read_labels(args.datadir)
    sequences, lines = read_sequences(args.datadir, set(labels), templates)
    normal = [block for block in sorted(sequences) if labels[block][0] == "N"]
    if args.train is None:
        learned = normal[: int(len(normal) * TRAIN_SHARE)]
        train = [sequences[block] for block in learned]
    else:
        same = args.train.resolve() == args.datadir.resolve()
        ids = corpus.read_ids(args.train)
        theirs = sequences if same else read_sequences(args.train, ids, templates)[0]
        train = [theirs[block] for block in sorted(ids)]
        learned = ids if same else []
    asked = [b for b in sorted(sequences.keys() - set(learned)) if labels[b][0] in "NA"]
    test, verdicts = [sequences[block] for block in asked], [labels[block] for block in asked]

    print(
        f"lines {lines}, blocks {len(labels)}, with lines {len(sequences)},"
        f" templates {len(templates.names)}, train {len(train)},"
        f" test {len(test)} ({sum(verdict == 'A' for verdict, _ in verdicts)} faulty),"
        f" X {sum(verdict == 'X' for verdict, _ in labels.values())}"
    )
    describe(sequences, normal)
    results = {view: view(train, test, templates) for view in VIEWS}
    for name, flags in results.values():
        report(name, flags, verdicts)
    votes = np.sum([results[view][1] for view in TOGETHER], axis=0)
    for least in (1, 2):
        name = f"{least} or more of: template, invariants, bigram, time, lag"
        report(name, list(votes >= least), verdicts)
    print("\nunseen templates in normal test blocks:")
    seen = {event for sequence in train for event in events(sequence)}
    strange = collections.Counter(
        templates.names[event]
        for sequence, (verdict, _) in zip(test, verdicts)
        if verdict == "N"
        for event in set(events(sequence)) - seen
    )
    for text, blocks in strange.most_common(12):
        print("  ", blocks, text)


if __name__ == "__main__":
    try:
        main()
    except corpus.CorpusError as error:
        sys.exit(f"baseline.py: {error}")
