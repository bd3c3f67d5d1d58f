"""How sure to be of an F1, and of a difference of two: paired bootstrap over images, 95 % intervals."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

RESAMPLES = 10_000
# Resamples that are drawn together: few enough to stay in the processor's cache.
BLOCK = 10


@dataclass(frozen=True)
class Interval:
    """A mean over images and the 95 % interval around it."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"


def f1_interval(f1: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Mean F1 and its interval, from the F1 of each image, (N,); images without one (NaN) are left out."""
    columns = _of_scored_images([f1])
    return _interval(columns, resampled_means(columns, resamples, seed))[0]


def difference_interval(f1: np.ndarray, other: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Mean of `f1 - other` and its interval: both (N,), of the same images in the same order.

    Each resample draws the same images for both, so that hard images do not blur the difference. An interval without
    0 tells them apart.

    Raises:
        ValueError: they are not of the same images.
    """
    columns = _of_scored_images([f1, other])
    differences = columns[:, :1] - columns[:, 1:]
    return _interval(differences, resampled_means(differences, resamples, seed))[0]


def compare_f1(f1_of: Mapping[str, np.ndarray], resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """F1 and gain over the first, with their intervals: one row a name, all from the same resamples.

    Args:
        f1_of: name -> F1 of each image, (N,), of the same images in the same order.
        resamples: how many.
        seed: the same seed draws the same images.

    Returns:
        Indexed by name: f1, low, high, gain, gain_low, gain_high; the first gains 0.

    Raises:
        ValueError: they are not of the same images.
    """
    columns = _of_scored_images(list(f1_of.values()))
    means = resampled_means(columns, resamples, seed)
    scores = _interval(columns, means)
    gains = _interval(columns - columns[:, :1], means - means[:, :1])
    rows = [(f1.mean, f1.low, f1.high, gain.mean, gain.low, gain.high) for f1, gain in zip(scores, gains, strict=True)]
    names = ["f1", "low", "high", "gain", "gain_low", "gain_high"]
    return pd.DataFrame(rows, columns=names, index=pd.Index(f1_of, name="name"))


def resampled_means(columns: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Mean of each column, (N, M), over N images drawn with replacement, `resamples` times: (resamples, M).

    How often each image was drawn is one row of a matrix, whose product with the columns is all their sums.
    """
    images, rng, means = len(columns), np.random.default_rng(seed), []
    for start in range(0, resamples, BLOCK):
        block = min(BLOCK, resamples - start)
        drawn = rng.integers(images, size=(block, images), dtype=np.int32) + np.arange(block)[:, None] * images
        times = np.bincount(drawn.ravel(), minlength=block * images).reshape(block, images)
        means.append(times.astype(np.float64) @ columns / images)
    return np.concatenate(means)


def _interval(columns, means):
    """The Interval of each column, from its means over the resamples."""
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return [Interval(*map(float, told)) for told in zip(columns.mean(axis=0), low, high, strict=True)]


def _of_scored_images(f1s):
    """The F1s side by side, (N, M), without the images that have none."""
    lengths = {len(f1) for f1 in f1s}
    if len(lengths) > 1:
        raise ValueError(f"needed F1 of the same images, got {sorted(lengths)} of them; score them on one half.")
    columns = np.stack(f1s, axis=1).astype(np.float64)
    missing = np.isnan(columns)
    if (missing.any(axis=1) != missing.all(axis=1)).any():
        raise ValueError("needed F1 of the same images, got some without a score in one only: their truth differs.")
    scored = columns[~missing.any(axis=1)]
    if not len(scored):
        raise ValueError("no image has a true concept, so there is no F1 to be sure of.")
    return scored
