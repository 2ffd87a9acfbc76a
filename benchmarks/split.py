"""How far an arm's share of the subjects is from the share that was asked for.

    python -m benchmarks.split [--subjects 10000] [--experiments 100]

Needs no database. The same subjects are split anew for each experiment: by one salt, and by the salt that an experiment
takes, the most even of several. Beside what is found stands what chance alone would do (a binomial distribution).
"""

from __future__ import annotations

import argparse
import math
import secrets
from statistics import NormalDist, fmean

from memory import ids
from reasoning.experiments import split
from reasoning.experiments.split import BUCKETS, Holding

SHARES = (0.01, 0.10, 0.20, 0.50)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=10_000)
    parser.add_argument("--experiments", type=int, default=100)
    options = parser.parse_args()
    subjects = [ids.uuid7() for _ in range(options.subjects)]
    held = {share: split.resized(Holding([], []), [], round(share * BUCKETS)).buckets for share in SHARES}
    print(f"{options.subjects:,} subjects, {options.experiments:,} experiments; error of the share in points of 100")
    for title, draw in (
        ("one salt", lambda: secrets.token_hex(16)),
        (f"the most even of {split.DRAWS} salts", lambda: split.even_salt(subjects)),
    ):
        errors: dict[float, list[float]] = {share: [] for share in SHARES}
        for _ in range(options.experiments):
            salt = draw()
            buckets = [split.bucket_of(salt, subject) for subject in subjects]
            for share, ranges in held.items():
                falling = sum(split.holds(ranges, bucket) for bucket in buckets)
                errors[share].append(abs(falling / len(subjects) - share) * 100)
        show(title, options.subjects, errors)


def show(title: str, subjects: int, errors: dict[float, list[float]]) -> None:
    """Print how the errors of each share are spread."""
    names = " ".join(f"{name:>7}" for name in ("mean", "median", "95 %", "99 %", "most"))
    print(f"\n{title}\n{'share':>6} {names} {'over 1 point':>13} {'by chance':>10}")
    for share, found in errors.items():
        found.sort()
        over = sum(error > 1 for error in found) / len(found)
        deviation = math.sqrt(share * (1 - share) / subjects) * 100
        chance = 2 * (1 - NormalDist().cdf(1 / deviation))
        places = (found[int(part * (len(found) - 1))] for part in (0.5, 0.95, 0.99, 1))
        shown = " ".join(f"{place:7.3f}" for place in places)
        print(f"{share:>6.0%} {fmean(found):7.3f} {shown} {over:>13.2%} {chance:>10.2%}")


if __name__ == "__main__":
    main()
