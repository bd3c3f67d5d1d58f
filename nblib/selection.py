"""From probabilities to concepts: the decision rule of the paper, and the list that any network has to beat."""

import numpy as np
from scipy import sparse

from nblib.metrics import sample_f1

# At most this many concepts an image. Paper: section 2.
CAP = 100


def select(probabilities: np.ndarray, threshold: float = 0.5, cap: int = CAP, nomissing: bool = False):
    """Concepts kept of each image, a sparse (N, K) matrix of 0 and 1.

    Args:
        probabilities: (N, K), in [0, 1].
        threshold: a concept is kept when its probability is above it; 0.5 in the paper.
        cap: at most so many are kept, the most probable ones; 100 in the challenge.
        nomissing: an image left with nothing gets its most probable concept. Paper: the best run of Table 4, by its
            name; what the authors did exactly is not written down.
    """
    kept = np.where(probabilities > threshold, probabilities, 0.0)
    for row in np.flatnonzero((kept > 0).sum(axis=1) > cap):
        kept[row, np.argsort(-kept[row], kind="stable")[cap:]] = 0.0
    selected = kept > 0
    if nomissing:
        empty = ~selected.any(axis=1)
        selected[empty, probabilities[empty].argmax(axis=1)] = True
    return sparse.csr_array(selected.astype(np.uint8))


def most_frequent_concepts(labels: sparse.csr_array, longest: int = CAP) -> np.ndarray:
    """Indices of the constant list that scores best on `labels`, (N, K): the k most frequent concepts, k chosen by F1.

    The honest baseline: what can be had without looking at an image. Chosen on train, then scored elsewhere.
    """
    images = np.bincount(labels.indices, minlength=labels.shape[1])
    by_frequency = np.argsort(-images, kind="stable")[:longest]
    scores = [sample_f1(labels, constant_list(labels.shape, by_frequency[:k])) for k in range(1, len(by_frequency) + 1)]
    return np.sort(by_frequency[: int(np.argmax(scores)) + 1])


def constant_list(shape: tuple[int, int], concepts: np.ndarray) -> sparse.csr_array:
    """The same concepts (indices) for every image, as a sparse (N, K) matrix of 0 and 1."""
    images = shape[0]
    columns = np.tile(np.sort(concepts), images)
    starts = np.arange(images + 1) * len(concepts)
    return sparse.csr_array((np.ones(len(columns), dtype=np.uint8), columns, starts), shape=shape)
