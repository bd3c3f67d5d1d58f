"""95 % confidence intervals of mean F1, and of gains in it: a paired bootstrap of images, or t intervals of groups."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from nblib.evaluation.clusters import clustered_error, margin, scored_images

RESAMPLES = 10_000
BLOCK = 10  # resamples that are drawn together: few enough to stay in the processor's cache


class Interval(NamedTuple):
    """A mean over images and the 95 % confidence interval around it."""

    mean: float
    low: float
    high: float


def f1_interval(
    f1: np.ndarray, resamples: int = RESAMPLES, seed: int = 0, groups: np.ndarray | None = None
) -> Interval:
    """Mean F1 and its interval, from the F1 per image, (N,); images without one (NaN) are left out."""
    return Interval(*compare_f1({"f1": f1}, resamples, seed, groups).iloc[0, :3].tolist())


def compare_f1(
    f1_of: Mapping[str, np.ndarray], resamples: int = RESAMPLES, seed: int = 0, groups: np.ndarray | None = None
) -> pd.DataFrame:
    """Mean F1 and its gain over the first, with 95 % intervals: one row per name.

    Every resample draws the same images for all names, so that hard images do not blur a gain. Where the interval of a
    gain does not contain 0, the two differ. With `groups` the groups are the sample, not the images: images of one
    patient or article say less than as many independent ones. Then intervals are t intervals, because resampled groups
    give too narrow ones where there are few groups (docs/benchmarks.md).

    Args:
        f1_of: name -> F1 per image, (N,), of the same images in the same order.
        resamples, seed: the number of bootstrap resamples of images, and their random seed.
        groups: the group of each image, (N,); None: each image is independent of the others.

    Returns:
        Indexed by name: f1, low, high, gain, gain_low, gain_high; the first row's gain is 0.

    Raises:
        ValueError: they are not of the same images, no image has an F1, or all images are of one group.
    """
    columns, groups = scored_images(list(f1_of.values()), groups)
    f1, gain = columns.mean(axis=0), (columns - columns[:, :1]).mean(axis=0)
    if groups is None:
        means = resampled_means(columns, resamples, seed)
        low, high = np.percentile(means, [2.5, 97.5], axis=0)
        gain_low, gain_high = np.percentile(means - means[:, :1], [2.5, 97.5], axis=0)
    else:
        half = margin(clustered_error(columns, groups))
        low, high = np.clip([f1 - half, f1 + half], 0, 1)
        half = margin(clustered_error(columns - columns[:, :1], groups))
        gain_low, gain_high = gain - half, gain + half
    table = {"f1": f1, "low": low, "high": high, "gain": gain, "gain_low": gain_low, "gain_high": gain_high}
    return pd.DataFrame(table, index=pd.Index(f1_of, name="name"))


def resampled_means(columns: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Mean of each column, (N, M), over N images drawn with replacement, `resamples` times: (resamples, M).

    How often each image was drawn is one row of a matrix, whose product with the columns is all their sums.
    """
    images, rng, means = len(columns), np.random.default_rng(seed), []
    with threadpool_limits(1, "blas"):  # small products: threads cost more than they save
        for start in range(0, resamples, BLOCK):
            block = min(BLOCK, resamples - start)
            drawn = rng.integers(images, size=(block, images), dtype=np.int32) + np.arange(block)[:, None] * images
            times = np.bincount(drawn.ravel(), minlength=block * images).reshape(block, images)
            means.append(times.astype(np.float64) @ columns / images)
    return np.concatenate(means)
