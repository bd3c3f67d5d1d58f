"""Coverage of 95 % intervals of mean F1 where images of one group resemble each other: by groups, and by images.

    python tests/benchmarks/bench_intervals.py [--repetitions 1000]

Each repetition draws groups of images, gives every group an effect of its own, and asks whether the interval contains
the true mean of images in groups of such sizes. Images of one group are correlated by about 0.5.
"""

import argparse

import numpy as np
import pandas as pd

from nblib.evaluation import f1_interval

SIZES = {
    "1 image each": lambda rng, groups: np.ones(groups, int),
    "3 images each": lambda rng, groups: np.full(groups, 3),
    "1 to 30, uniform": lambda rng, groups: rng.integers(1, 31, groups),
    "1 to 30, mostly small": lambda rng, groups: np.minimum(rng.geometric(0.25, groups), 30),
    "nine of 1 image to one of 30": lambda rng, groups: np.where(np.arange(groups) % 10, 1, 30),
}


def one_data_set(rng, sizes) -> tuple[np.ndarray, np.ndarray]:
    """F1 of each image, from 0 to 1 and with the mean 0.5, and its group."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    f1 = 0.5 + rng.uniform(-0.25, 0.25, len(sizes))[group] + rng.uniform(-0.25, 0.25, len(group))
    return f1, group


def coverage(kind: str, groups: int, repetitions: int) -> dict[str, float]:
    """How often each interval contains 0.5."""
    rng = np.random.default_rng(0)
    covered = {"groups": 0, "images": 0}
    for _ in range(repetitions):
        f1, group = one_data_set(rng, SIZES[kind](rng, groups))
        for name, options in {"groups": {"groups": group}, "images": {"resamples": 400}}.items():
            interval = f1_interval(f1, **options)
            covered[name] += interval.low <= 0.5 <= interval.high
    return {name: count / repetitions for name, count in covered.items()}


def main(repetitions: int, groups: tuple[int, ...] = (10, 30, 100)) -> pd.DataFrame:
    """One row per kind of sizes and number of groups."""
    rows = {(kind, number): coverage(kind, number, repetitions) for kind in SIZES for number in groups}
    return pd.DataFrame.from_dict(rows, "index").rename_axis(["sizes of groups", "groups "])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=1000)
    print(main(parser.parse_args().repetitions).to_string(float_format="{:.3f}".format))
