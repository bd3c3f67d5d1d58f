"""From probabilities to concepts: the decision rule of the paper, and the list that any network has to beat."""

import numpy as np
from scipy import sparse

from nblib.evaluation.metrics import as_csr, sample_f1

# At most this many concepts an image. Paper: section 2.
CAP = 100


def select(probabilities: np.ndarray, threshold=0.5, cap: int = CAP, nomissing: bool = False) -> sparse.csr_array:
    """Concepts kept of each image, a sparse (N, K) matrix of 0 and 1.

    Args:
        probabilities: (N, K), in [0, 1].
        threshold: a concept is kept when its probability is above it; 0.5 in the paper. One, or (K,).
        cap: at most so many are kept, the most probable ones; 100 in the challenge.
        nomissing: an image left with nothing gets its most probable concept. Paper: the best run of Table 4, by its
            name; what the authors did exactly is not written down.
    """
    kept = probabilities > threshold
    for row in np.flatnonzero(np.count_nonzero(kept, axis=1) > cap):
        concepts = np.flatnonzero(kept[row])
        kept[row, concepts[np.argsort(-probabilities[row, concepts], kind="stable")[cap:]]] = False
    if nomissing:
        empty = ~kept.any(axis=1)
        kept[empty, probabilities[empty].argmax(axis=1)] = True
    return as_csr(kept)


def select_top_k(probabilities: np.ndarray, numbers, cap: int = CAP, nomissing: bool = False):
    """As `select`, but the `numbers` most probable concepts of each image: a number, or (N,), one an image.

    Equals at the end of what is kept are taken in no particular order, but always in the same.
    """
    numbers = np.broadcast_to(np.clip(numbers, int(nomissing), cap), len(probabilities))
    concepts = most_probable(probabilities, int(numbers.max(initial=0)))
    rows, ranks = np.nonzero(np.arange(concepts.shape[1]) < numbers[:, None])
    kept = np.zeros(probabilities.shape, dtype=bool)
    kept[rows, concepts[rows, ranks]] = True
    return as_csr(kept)


def most_probable(probabilities: np.ndarray, number: int) -> np.ndarray:
    """Indices of the most probable concepts of each image, most probable first, (N, number); no more than there are."""
    number = min(number, probabilities.shape[1])
    concepts = np.argpartition(-probabilities, max(number - 1, 0), axis=1)[:, :number]
    order = np.argsort(-np.take_along_axis(probabilities, concepts, axis=1), axis=1, kind="stable")
    return np.take_along_axis(concepts, order, axis=1)


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
