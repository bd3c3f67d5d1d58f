"""Errors of mean F1 where images of one group depend on each other, and where training depends on a random seed.

Cluster-robust: Liang and Zeger, Longitudinal data analysis using generalized linear models, Biometrika 1986. Errors of
several sources are added as by Satterthwaite, An approximate distribution of estimates of variance components, 1946.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t

# The variance of a group's sum grows with its number of images n, from n (independent) to n**2 (equal). Between the
# two, coverage is nearest to 95 % (tests/benchmarks/bench_intervals.py).
VARIANCE_EXPONENT = 1.5


class Error(NamedTuple):
    """The squared standard error of a mean and its degrees of freedom; numbers or (M,)."""

    variance: np.ndarray
    degrees: np.ndarray


def clustered_error(columns: np.ndarray, groups: np.ndarray) -> Error:
    """Of the mean of each column, (N, M), over N images of which those in one of `groups`, (N,), are dependent.

    Raises:
        ValueError: all images are of one group.
    """
    _, group = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group)
    if len(sizes) < 2:
        raise ValueError("expected images of at least two groups; all are of one, so that an interval is unknown.")
    residuals = columns - columns.mean(axis=0)
    sums = np.stack([np.bincount(group, column) for column in residuals.T])
    variance = (sums**2).sum(axis=1) * len(sizes) / (len(sizes) - 1) / len(columns) ** 2
    weights = sizes**VARIANCE_EXPONENT
    return Error(variance, np.maximum(weights.sum() ** 2 / (weights**2).sum() - 1, 1))


def seed_error(means: Sequence[float]) -> Error:
    """Of the mean of F1s that runs of different random seeds reach; nothing is known of it from a single run."""
    if len(means) < 2:
        return Error(np.float64(0), np.float64(1))
    return Error(np.var(means, ddof=1) / len(means), np.float64(len(means) - 1))


def margin(*errors: Error) -> np.ndarray:
    """Half of the width of the 95 % t interval of a mean whose independent errors add up."""
    variance = sum(error.variance for error in errors)
    spread = sum(error.variance**2 / error.degrees for error in errors)
    degrees = np.where(spread > 0, variance**2 / np.where(spread > 0, spread, 1), 1)
    return t.ppf(0.975, degrees) * np.sqrt(variance)


def compare_seeds(f1_of: Mapping[str, Sequence[np.ndarray]], groups: np.ndarray | None = None) -> pd.DataFrame:
    """Mean F1 over images and seeds and its gain over the first, with 95 % intervals over both: one row per name.

    Args:
        f1_of: name -> F1 per image, (N,), of each of its runs, which differ in their seeds; all of the same images.
        groups: the group of each image, (N,); None: each image is independent of the others.

    Returns:
        Indexed by name: seeds, f1, sd (between seeds; NaN for one), low, high, gain, gain_low, gain_high.

    Raises:
        ValueError: they are not of the same images, no image has an F1, or all images are of one group.
    """
    columns, groups = scored_images([f1 for runs in f1_of.values() for f1 in runs], groups)
    groups = np.arange(len(columns)) if groups is None else groups
    ends = np.cumsum([len(runs) for runs in f1_of.values()])
    runs = [columns[:, end - len(each) : end] for end, each in zip(ends, f1_of.values(), strict=True)]
    rows = []
    for each in runs:
        mean, gain = each.mean(axis=1), each.mean(axis=1) - runs[0].mean(axis=1)
        seeds, first_seeds = seed_error(each.mean(axis=0)), seed_error(runs[0].mean(axis=0))
        half = margin(clustered_error(mean[:, None], groups), seeds)[0]
        of_gain = 0.0 if each is runs[0] else margin(clustered_error(gain[:, None], groups), seeds, first_seeds)[0]
        sd = each.mean(axis=0).std(ddof=1) if each.shape[1] > 1 else np.nan
        f1, gained = mean.mean(), gain.mean()
        low, high = np.clip([f1 - half, f1 + half], 0, 1)
        rows.append([each.shape[1], f1, sd, low, high, gained, gained - of_gain, gained + of_gain])
    names = ["seeds", "f1", "sd", "low", "high", "gain", "gain_low", "gain_high"]
    return pd.DataFrame(rows, pd.Index(f1_of, name="name"), names)


def scored_images(f1s: list[np.ndarray], groups: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray | None]:
    """The F1s side by side, (N, M), and the groups, (N,), without the images that have no F1.

    Raises:
        ValueError: they are not of the same images, or no image has an F1.
    """
    lengths = {len(f1) for f1 in f1s}
    if len(lengths) > 1:
        raise ValueError(f"expected F1 of the same images; received {sorted(lengths)} images. Score all on one half.")
    columns = np.stack(f1s, axis=1).astype(np.float64)
    missing = np.isnan(columns)
    if (missing.any(axis=1) != missing.all(axis=1)).any():
        raise ValueError("expected F1 of the same images; received images scored in some only: their labels differ.")
    if groups is not None and len(groups) != len(columns):
        raise ValueError(f"expected a group for each of {len(columns):,} images; received {len(groups):,} groups.")
    scored = ~missing.any(axis=1)
    if not scored.any():
        raise ValueError("no image has a true concept, so there is no F1 to average.")
    return columns[scored], None if groups is None else np.asarray(groups)[scored]
