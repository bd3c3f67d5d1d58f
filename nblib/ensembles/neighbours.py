"""Weighted k-nearest neighbours: an image gets the concepts of the images most similar to it, by a weighted vote.

It needs features (`nblib.training.extract_features`, or any array with one row per image), but no training.
"""

from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from nblib.data import Examples
from nblib.evaluation import f1_by_threshold

THRESHOLDS = np.arange(1, 64) / 64  # among these a vote gets its best one
# From so many images on FAISS searches, if installed: it need not hold all distances, but is no faster for fewer.
FAISS_FROM = 20_000


class Neighbours(NamedTuple):
    """For each of N images the rows of the most similar images, the most similar first.

    Attributes:
        rows: (N, k), rows of the indexed images.
        similarities: (N, k), cosine of the angle between the features, in [-1, 1].
    """

    rows: np.ndarray
    similarities: np.ndarray


@dataclass(frozen=True)
class Index:
    """M images to be searched: `examples` with features, (M, D), and labels, (M, K)."""

    examples: Examples

    @cached_property
    def search(self):
        """A function of unit queries, (N, D), and k: rows and cosines, (N, k) each, the largest cosine first."""
        features = _unit(self.examples.features)
        if len(features) >= FAISS_FROM and find_spec("faiss"):
            import faiss  # an optional dependency

            index = faiss.IndexFlatIP(features.shape[1])
            index.add(features)
            return lambda queries, k: index.search(queries, k)[::-1]
        nearest = NearestNeighbors(metric="cosine", algorithm="brute").fit(features)

        def search(queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
            distances, rows = nearest.kneighbors(queries, k)
            return rows, 1 - distances

        return search

    def neighbours(self, features: np.ndarray, k: int) -> Neighbours:
        """The k indexed images most similar to each of `features`, (N, D); fewer where the index has fewer."""
        return Neighbours(*self.search(_unit(features), min(k, len(self.examples))))

    def others(self, k: int) -> Neighbours:
        """For each indexed image the k most similar among the others."""
        found = self.neighbours(self.examples.features, k + 1)
        itself = found.rows == np.arange(len(found.rows))[:, None]
        itself[~itself.any(axis=1), -1] = True  # where more than k have the same features
        shape = (len(found.rows), -1)
        return Neighbours(found.rows[~itself].reshape(shape), found.similarities[~itself].reshape(shape))

    def vote(self, neighbours: Neighbours, inverse_temperature: float = 0.0) -> np.ndarray:
        """Probabilities, (N, K): the share of votes for a concept, where a neighbour votes for all of its concepts.

        The weights of the votes are a softmax over inverse_temperature * similarity: with 0 all neighbours weigh the
        same, with a large value the nearest decides.
        """
        best = neighbours.similarities.max(axis=1, keepdims=True)
        weights = np.exp(inverse_temperature * (neighbours.similarities - best))
        weights /= weights.sum(axis=1, keepdims=True)
        images, k = neighbours.rows.shape
        voters = (weights.ravel(), neighbours.rows.ravel(), np.arange(images + 1) * k)
        votes = sparse.csr_array(voters, shape=(images, len(self.examples))) @ self.examples.labels.astype(float)
        return np.minimum(votes.toarray(), 1)  # a sum of shares may exceed 1 by rounding


def tune_vote(
    index: Index,
    labels,
    nearest: Neighbours,
    ks: tuple[int, ...] = (5, 10, 20, 50, 100),
    inverse_temperatures: tuple[float, ...] = (0, 10, 20, 40),
) -> tuple[int, float]:
    """The number of neighbours and the inverse temperature of the vote with the best F1 at its best threshold.

    Args:
        index: the images that vote; none of them may be its own neighbour.
        labels: (N, K), of the images that are predicted.
        nearest: their neighbours, as many as the largest of `ks`.
    """

    def f1(choice: tuple[int, float]) -> float:
        k, inverse_temperature = choice
        first = Neighbours(nearest.rows[:, :k], nearest.similarities[:, :k])
        return f1_by_threshold(labels, index.vote(first, inverse_temperature), THRESHOLDS).max()

    return max(product(ks, inverse_temperatures), key=f1)


def _unit(features: np.ndarray) -> np.ndarray:
    """The rows scaled to length 1, float32, so that a dot product is their cosine; a row of zeros stays."""
    features = np.asarray(features, dtype=np.float32)
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
