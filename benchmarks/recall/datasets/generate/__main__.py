"""Write our own data set: python -m benchmarks.recall.datasets.generate [--seed N] [--out FOLDER]"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.recall.datasets import own
from benchmarks.recall.datasets.generate import SEED, generate


def main() -> None:
    """Write a file for each conversation, and print how much there is."""
    parser = argparse.ArgumentParser(description="Write our own data set, the same for the same seed.")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--out", type=Path, default=own.FOLDER)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for conversation in generate(options.seed):
        path = options.out / f"{conversation.id}.jsonl"
        path.write_text(own.written(conversation), encoding="utf-8")
        print(f"{path}: {len(conversation.turns)} turns, {len(conversation.questions)} questions")


if __name__ == "__main__":
    main()
