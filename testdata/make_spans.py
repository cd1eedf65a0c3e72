"""Writes spans.json: counts of spans that seqeval finds in random sequences of tags, in four schemes.

The sequences come from a generator that the test has, too; the file has the counts alone: of each ten sequences the spans that
were found, predicted and there, by type, beginning and end, as seqeval's get_entities tells them.

Made with seqeval 1.2.2. Run: python testdata/make_spans.py
"""

import json
from pathlib import Path

from seqeval.metrics.sequence_labeling import get_entities

TYPES = ["PER", "LOC", "ORG-X"]
SCHEMES = {"IOB": "BI", "IOE": "IE", "IOBES": "BIES", "IO": "I"}
TAGS = {name: ["O"] + [f"{letter}-{kind}" for letter in letters for kind in TYPES] for name, letters in SCHEMES.items()}


def generator():
    state = 1

    def draw(below):
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2 ** 64
        return (state >> 33) % below

    return draw


def counts(draw, tags):
    found = predicted = there = 0
    for _ in range(10):
        length = 1 + draw(15)
        truth = [tags[draw(len(tags))] for _ in range(length)]
        guess = [tag if draw(2) == 0 else tags[draw(len(tags))] for tag in truth]
        a, b = set(get_entities(truth)), set(get_entities(guess))
        found, predicted, there = found + len(a & b), predicted + len(b), there + len(a)
    return [found, predicted, there]


def main():
    draw = generator()
    # serde_json reads the schemes in the order of their names.
    schemes = {name: [counts(draw, TAGS[name]) for _ in range(100)] for name in sorted(SCHEMES)}
    table = json.dumps({"tags": TAGS, "schemes": schemes}, sort_keys=True)
    (Path(__file__).parent / "spans.json").write_text(table + "\n")


main()
