"""Weighted k-nearest neighbours: an image gets the concepts of the images most similar to it, by a weighted vote.

It needs features (`nblib.training.extract_features`, or any array with one row per image), but no training. Neighbours
are exact: the largest of all cosines, computed block by block as matrix products.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from nblib.data import Dataset, Examples
from nblib.evaluation import f1_by_threshold
from nblib.experiments import Run
from nblib.system import ProgressBar
from nblib.training import similarity_features

THRESHOLDS = np.arange(1, 64) / 64  # among these a vote gets its best one
BLOCK = 2**26  # cosines that are held at once: 256 MB in float32
FOUND = 200  # neighbours found per image: twice those that vote, since some of them may not
KS, INVERSE_TEMPERATURES = (5, 10, 20, 50, 100), (0, 10, 20, 40)


class Neighbours(NamedTuple):
    """For each of N images the rows of the most similar images, the most similar first.

    Attributes:
        rows: (N, k), rows of the indexed images.
        similarities: (N, k), cosine of the angle between the features, in [-1, 1].
    """

    rows: np.ndarray
    similarities: np.ndarray


@dataclass(frozen=True, eq=False)
class Index:
    """M images to be searched: `examples` with features, (M, D), and labels, (M, K)."""

    examples: Examples

    @cached_property
    def _unit(self) -> np.ndarray:
        return _unit(self.examples.features)

    @cached_property
    def _found(self) -> Neighbours:
        """Of each indexed image the most similar ones, (M, FOUND); rows are -1 until it is searched."""
        shape = (len(self.examples), min(FOUND, len(self.examples)))
        return Neighbours(np.full(shape, -1, np.int32), np.zeros(shape, np.float32))

    def _found_of(self, queries: np.ndarray) -> Neighbours:
        found = self._found
        new = np.unique(queries[found.rows[queries, 0] < 0])
        if len(new):
            found.rows[new], found.similarities[new] = _search(self._unit, self._unit[new], found.rows.shape[1])
        return Neighbours(found.rows[queries], found.similarities[queries])

    def neighbours(self, features: np.ndarray, k: int) -> Neighbours:
        """The k indexed images most similar to each of `features`, (N, D); fewer where the index has fewer."""
        return _search(self._unit, _unit(features), k)

    def others(self, queries: np.ndarray, allowed: np.ndarray, k: int) -> Neighbours:
        """The k `allowed` images most similar to each of the indexed images `queries`, but never itself.

        Each query is searched once, among all indexed images; what is not allowed is masked. Only queries with fewer
        than k allowed images among those found are searched again.

        Args:
            queries: (N,), rows of indexed images.
            allowed: (M,) bool, which indexed images may be neighbours.
            k: how many are wanted; fewer where fewer are allowed.
        """
        k = min(k, int(np.count_nonzero(allowed) - allowed[queries].any()))
        rows, similarities = self._found_of(queries)
        kept = allowed[rows] & (rows != queries[:, None])
        kept &= kept.cumsum(axis=1) <= k
        complete = kept.sum(axis=1) == k
        chosen = Neighbours(*(np.empty((len(queries), k), each.dtype) for each in (rows, similarities)))
        for to, values in zip(chosen, (rows, similarities), strict=True):
            to[complete] = values[complete][kept[complete]].reshape(-1, k)
        if not complete.all():
            searched, short = np.flatnonzero(allowed), queries[~complete]
            again = _search(self._unit[searched], self._unit[short], k + 1)
            again = _without(again._replace(rows=searched[again.rows]), short, k)
            chosen.rows[~complete], chosen.similarities[~complete] = again
        return chosen

    def vote(self, neighbours: Neighbours, inverse_temperature: float = 0.0) -> sparse.csr_array:
        """Probabilities, sparse (N, K): the share of votes for a concept; a neighbour votes for all of its concepts.

        The weights of the votes are a softmax over inverse_temperature * similarity: with 0 all neighbours weigh the
        same, with a large value the nearest decides.
        """
        best = neighbours.similarities.max(axis=1, keepdims=True)
        weights = np.exp(np.float32(inverse_temperature) * (neighbours.similarities - best))
        weights /= weights.sum(axis=1, keepdims=True)
        images, k = neighbours.rows.shape
        voters = (weights.ravel(), neighbours.rows.ravel(), np.arange(images + 1) * k)
        votes = sparse.csr_array(voters, shape=(images, len(self.examples))) @ self.examples.labels.astype(np.float32)
        votes.data = np.minimum(votes.data, 1)  # a sum of shares may exceed 1 by rounding
        return votes


def nearest_train_images(run: Run, dataset: Dataset, new: pd.DataFrame, k: int = 4) -> pd.DataFrame:
    """New images, each followed by the k train images that the network of a finished run sees as most similar.

    Args:
        run: whose features are compared (`nblib.training.similarity_features`).
        dataset: that it was trained on.
        new: image_id, path and concepts, one row per new image; it needs not be in the data set.
        k: fewer where train has fewer.

    Returns:
        image_id, path, category, concepts, and similarity: the cosine, NaN for a new image.
    """
    train = dataset.split("train")
    train = train[train["path"].notna()].reset_index(drop=True)
    known, features = similarity_features(run, train, new["path"].tolist())
    found = Index(replace(Examples.within(train, run.vocabulary), features=np.asarray(known))).neighbours(features, k)
    rows = []
    for query, nearest, similarities in zip(range(len(new)), *found, strict=True):
        rows += [new.iloc[[query]].assign(category=None, similarity=np.nan)]
        rows += [train.iloc[nearest].assign(similarity=similarities)]
    return pd.concat(rows, ignore_index=True)[["image_id", "path", "category", "concepts", "similarity"]]


def tune_vote(
    index: Index,
    labels: sparse.csr_array,
    nearest: Neighbours,
    ks: tuple[int, ...] = KS,
    inverse_temperatures: tuple[float, ...] = INVERSE_TEMPERATURES,
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


def _search(features: np.ndarray, queries: np.ndarray, k: int) -> Neighbours:
    """The k of the unit `features`, (M, D), most similar to each of the unit queries, (N, D)."""
    k, step = min(k, len(features)), max(BLOCK // len(features), 1)
    rows, similarities = np.empty((len(queries), k), np.int32), np.empty((len(queries), k), np.float32)
    for start in ProgressBar(range(0, len(queries), step), "neighbours", unit_scale=step, unit="image"):
        block = slice(start, start + step)
        cosines = queries[block] @ features.T
        nearest = np.argpartition(cosines, -k, axis=1)[:, -k:]
        of_nearest = np.take_along_axis(cosines, nearest, axis=1)
        order = np.argsort(-of_nearest, axis=1, kind="stable")
        rows[block] = np.take_along_axis(nearest, order, axis=1)
        similarities[block] = np.take_along_axis(of_nearest, order, axis=1)
    return Neighbours(rows, similarities)


def _without(found: Neighbours, queries: np.ndarray, k: int) -> Neighbours:
    """The first k neighbours of each query, (N,), that are not itself; `found` has k + 1 or fewer."""
    itself = np.cumsum(found.rows == queries[:, None], axis=1)
    places = np.arange(k) + itself[:, :k]
    return Neighbours(*(np.take_along_axis(each, places, axis=1) for each in found))


def _unit(features: np.ndarray) -> np.ndarray:
    """The rows scaled to length 1, float32, so that a dot product is their cosine; a row of zeros stays."""
    features = np.asarray(features, dtype=np.float32)
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
