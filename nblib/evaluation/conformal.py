"""How many concepts an image has: an interval that contains the number for a given share of new images.

Split-conformal prediction: the number is regressed on some images, and the errors on others say how wide the interval
must be. It holds for images that are exchangeable with these, such as those of the same source, whatever the
regression. Vovk, Gammerman and Shafer, Algorithmic learning in a random world, 2005; errors relative to a spread that
depends on the image, as in Lei and others, Distribution-free predictive inference for regression, JASA 2018.
"""

from dataclasses import dataclass

import numpy as np

from nblib.evaluation.blocks import row_blocks

LEVEL = 0.9  # share of images whose number lies in the interval


@dataclass(frozen=True, eq=False)
class NumberInterval:
    """The number as a linear function of `number_features`, (F,) weights; half of the width, in spreads."""

    weights: np.ndarray
    radius: float

    @classmethod
    def fit(cls, features: np.ndarray, number: np.ndarray, level: float = LEVEL, seed: int = 0) -> "NumberInterval":
        """The interval for images with these features, (N, F), and numbers of concepts, (N,).

        Half of the images, drawn at random, regress; with fewer than `level / (1 - level)` others the interval has no
        finite width that is certain, and is as wide as the largest number twice over.
        """
        order = np.random.default_rng(seed).permutation(len(number))
        regressed, held_out = order[: len(order) // 2], order[len(order) // 2 :]
        weights = np.linalg.lstsq(features[regressed], number[regressed], rcond=None)[0]
        expected = expected_number(features[held_out], weights)
        errors = np.sort(np.abs(number[held_out] - expected) / spread(expected))
        rank = int(np.ceil((len(errors) + 1) * level))
        return cls(weights, float(errors[rank - 1] if rank <= len(errors) else 2 * max(number.max(initial=1), 1)))

    def bounds(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The smallest and the largest number in the interval of each image, (N,) and (N,) int."""
        expected = expected_number(features, self.weights)
        half = self.radius * spread(expected)
        low, high = np.ceil(expected - half), np.floor(expected + half)
        return np.maximum(low, 0).astype(np.int64), np.maximum(high, 0).astype(np.int64)


def number_features(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """What the number of concepts is regressed on, (N, 5): 1, and of each image's probabilities, (N, K), four figures.

    Their sum, the number above the threshold, the sum of p (1 - p), and the largest.
    """
    rows = []
    for block in row_blocks(len(probabilities)):
        p = np.asarray(probabilities[block], dtype=np.float64)
        above = np.count_nonzero(probabilities[block] > threshold, axis=1)
        rows.append(np.stack([np.ones(len(p)), p.sum(axis=1), above, (p * (1 - p)).sum(axis=1), p.max(axis=1)], axis=1))
    return np.concatenate(rows)


def expected_number(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The regressed number, (N,), at least 0."""
    return np.maximum((features * weights).sum(axis=1), 0)  # the same bits for any number of images


def spread(expected: np.ndarray) -> np.ndarray:
    """What errors are relative to, (N,): the more concepts, the farther off, as with counts."""
    return np.sqrt(np.maximum(expected, 1))
