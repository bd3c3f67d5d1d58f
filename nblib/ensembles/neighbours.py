"""Looking up: the concepts of an image are those of the images most like it, by a weighted vote.

It needs features (`nblib.training.features`, or any array of one row an image), no training at all.
"""

from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from itertools import product

import numpy as np
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from nblib.evaluation import f1_by_threshold

TRIED = np.arange(1, 64) / 64  # thresholds at which a vote is measured
# Images from which on FAISS searches where it is installed: no faster than scikit-learn with fewer; from there on it
# need not hold the distances to all of them.
FAISS_FROM = 20_000


@dataclass(frozen=True)
class Neighbours:
    """For each of N images the rows of the images most like it, the most alike first.

    Attributes:
        rows: (N, k), which of the images that were searched.
        similarities: (N, k), cosine of the angle between the features, in [-1, 1].
    """

    rows: np.ndarray
    similarities: np.ndarray

    def first(self, k: int) -> "Neighbours":
        """The k most alike of each image."""
        return Neighbours(self.rows[:, :k], self.similarities[:, :k])


@dataclass(frozen=True)
class Index:
    """Images with known concepts, to be looked up.

    Attributes:
        features: (M, D), one row an image.
        labels: (M, K) sparse, their concepts.
    """

    features: np.ndarray
    labels: sparse.csr_array

    @cached_property
    def search(self):
        """A function of features and k that finds the nearest images; FAISS where it is installed and pays."""
        return _search_of(_unit(self.features))

    def neighbours(self, features: np.ndarray, k: int) -> Neighbours:
        """The k images of the library most like each of `features`, (N, D); fewer where it holds fewer."""
        rows, similarities = self.search(_unit(features), min(k, len(self.features)))
        return Neighbours(rows, similarities)

    def others(self, k: int) -> Neighbours:
        """For each image of the library the k most like it among the others."""
        found = self.neighbours(self.features, k + 1)
        itself = found.rows == np.arange(len(found.rows))[:, None]
        itself[~itself.any(axis=1), -1] = True  # where more than k are exactly like it
        shape = (len(found.rows), -1)
        return Neighbours(found.rows[~itself].reshape(shape), found.similarities[~itself].reshape(shape))

    def vote(self, neighbours: Neighbours, sharpness: float = 0.0) -> np.ndarray:
        """Probabilities, (N, K): the share of votes a concept gets, where a neighbour votes for all of its concepts.

        Its vote weighs exp(sharpness * similarity): with 0 all weigh the same, with a large one the nearest decides.
        """
        best = neighbours.similarities.max(axis=1, keepdims=True)
        weights = np.exp(sharpness * (neighbours.similarities - best))
        weights /= weights.sum(axis=1, keepdims=True)
        images, k = neighbours.rows.shape
        voters = (weights.ravel(), neighbours.rows.ravel(), np.arange(images + 1) * k)
        votes = sparse.csr_array(voters, shape=(images, self.labels.shape[0])) @ self.labels.astype(float)
        return np.minimum(votes.toarray(), 1)  # a sum of shares may pass 1 by rounding


def tune_vote(
    library: Index,
    truth,
    nearest: Neighbours,
    ks: tuple[int, ...] = (5, 10, 20, 50, 100),
    sharpnesses: tuple[float, ...] = (0, 10, 20, 40),
) -> tuple[int, float]:
    """The number of neighbours and the sharpness of the vote with the best F1 at its best threshold.

    Args:
        library: what votes; none of its images may ask about itself.
        truth: (N, K), of the images that ask.
        nearest: their neighbours, as many as the largest of `ks`.
    """

    def f1(choice: tuple[int, float]) -> float:
        k, sharpness = choice
        return f1_by_threshold(truth, library.vote(nearest.first(k), sharpness), TRIED).max()

    return max(product(ks, sharpnesses), key=f1)


def _unit(features: np.ndarray) -> np.ndarray:
    """The rows with length 1, float32, so that a product of two is their cosine; a row of zeros stays."""
    features = np.asarray(features, dtype=np.float32)
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def _search_of(features: np.ndarray):
    """A function of features, (N, D), and k that gives rows and cosines, (N, k) each, the largest cosine first."""
    if len(features) >= FAISS_FROM and find_spec("faiss"):
        import faiss  # an optional dependency

        index = faiss.IndexFlatIP(features.shape[1])
        index.add(features)
        return lambda asked, k: index.search(asked, k)[::-1]
    nearest = NearestNeighbors(metric="cosine", algorithm="brute").fit(features)

    def search(asked: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        distances, rows = nearest.kneighbors(asked, k)
        return rows, 1 - distances

    return search
