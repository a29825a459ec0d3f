"""Drain3 beside knothole.

    mine.py speed PLAIN|MASKS FILE    -> lines, seconds of processor time and templates, as JSON
    mine.py label PLAIN|MASKS FILE    -> for each line the template it ends up with, as JSON

PLAIN is Drain3 as it comes. MASKS adds the masks of its example drain3.ini, nothing else of it.
"""

import json
import logging
import sys
import time

from drain3 import TemplateMiner
from drain3.masking import MaskingInstruction
from drain3.template_miner_config import TemplateMinerConfig

EDGES = r"((?<=[^A-Za-z0-9])|^)(%s)((?=[^A-Za-z0-9])|$)"
# As in examples/drain3.ini of Drain3 0.9.11.
MASKS = [
    (r"((?<=[^A-Za-z0-9])|^)(([0-9a-f]{2,}:){3,}([0-9a-f]{2,}))((?=[^A-Za-z0-9])|$)", "ID"),
    (EDGES % r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}", "IP"),
    (r"((?<=[^A-Za-z0-9])|^)([0-9a-f]{6,} ?){3,}((?=[^A-Za-z0-9])|$)", "SEQ"),
    (r"((?<=[^A-Za-z0-9])|^)([0-9A-F]{4} ?){4,}((?=[^A-Za-z0-9])|$)", "SEQ"),
    (EDGES % r"0x[a-f0-9A-F]+", "HEX"),
    (EDGES % r"[\-\+]?\d+", "NUM"),
    (r'(?<=executed cmd )(".+?")', "CMD"),
]


def miner(masks):
    config = TemplateMinerConfig()
    if masks == "MASKS":
        config.mask_prefix, config.mask_suffix = "<:", ":>"
        config.masking_instructions = [MaskingInstruction(*mask) for mask in MASKS]
    return TemplateMiner(config=config)


def speed(miner, lines):
    began = time.process_time()
    for line in lines:
        miner.add_log_message(line)
    seconds = time.process_time() - began
    return {
        "lines": len(lines),
        "seconds": seconds,
        "templates": len(miner.drain.clusters),
    }


def label(miner, lines):
    ids = [miner.add_log_message(line)["cluster_id"] for line in lines]
    texts = {cluster.cluster_id: cluster.get_template() for cluster in miner.drain.clusters}
    for name in ["*", "ID", "IP", "SEQ", "HEX", "NUM", "CMD"]:
        texts = {key: text.replace(f"<:{name}:>", "<*>") for key, text in texts.items()}
    return [texts[key] for key in ids]


def main():
    logging.disable(logging.CRITICAL)
    what, masks, path = sys.argv[1:]
    with open(path, encoding="utf-8", newline="\n") as file:
        lines = file.read().split("\n")
    done = {"speed": speed, "label": label}[what](miner(masks), lines)
    json.dump(done, sys.stdout)


main()
