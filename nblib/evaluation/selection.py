"""From probabilities to concepts: the decision rule of the paper, and the constant list that any network must beat."""

import numpy as np
from scipy import sparse

from nblib.evaluation.blocks import row_blocks, stack_selected
from nblib.evaluation.metrics import as_csr, sample_f1

CAP = 100  # at most this many concepts per image. Paper: section 2.


def select(probabilities: np.ndarray, threshold=0.5, cap: int = CAP, nomissing: bool = False) -> sparse.csr_array:
    """Concepts selected for each image, a sparse (N, K) matrix of 0 and 1.

    Args:
        probabilities: (N, K), in [0, 1].
        threshold: a concept is selected when its probability is above it; 0.5 in the paper. A number, or (K,).
        cap: at most so many are selected, the most probable ones; 100 in the challenge.
        nomissing: an image left without a concept gets its most probable one: our reading of the name of the best run.
            Paper: Table 4.
    """
    return stack_selected(lambda rows: _selected(probabilities[rows], threshold, cap, nomissing), len(probabilities))


def _selected(probabilities, threshold, cap, nomissing):
    selected = probabilities > threshold
    for row in np.flatnonzero(np.count_nonzero(selected, axis=1) > cap):
        concepts = np.flatnonzero(selected[row])
        selected[row, concepts[np.argsort(-probabilities[row, concepts], kind="stable")[cap:]]] = False
    if nomissing:
        empty = ~selected.any(axis=1)
        selected[empty, probabilities[empty].argmax(axis=1)] = True
    return as_csr(selected)


def select_top_k(probabilities: np.ndarray, k, cap: int = CAP, nomissing: bool = False) -> sparse.csr_array:
    """As `select`, but the k most probable concepts of each image; `k` is a number, or (N,), one per image.

    Which of equally probable concepts are selected is arbitrary, but always the same.
    """
    k = np.broadcast_to(np.clip(k, int(nomissing), cap), len(probabilities))
    concepts = most_probable(probabilities, int(k.max(initial=0)))
    chosen = np.arange(concepts.shape[1]) < k[:, None]
    starts = np.concatenate([[0], np.count_nonzero(chosen, axis=1).cumsum()]).astype(np.int32)
    ones = np.ones(starts[-1], dtype=np.uint8)
    selected = sparse.csr_array((ones, concepts[chosen], starts), shape=probabilities.shape)
    selected.sort_indices()
    return selected


def most_probable(probabilities: np.ndarray, k: int) -> np.ndarray:
    """Indices of the k most probable concepts of each image, the most probable first, (N, min(k, K)) int32."""
    k = min(k, probabilities.shape[1])
    parts = [_most_probable(probabilities[rows], k) for rows in row_blocks(len(probabilities))]
    return np.concatenate(parts, dtype=np.int32)


def _most_probable(probabilities, k):
    concepts = np.argpartition(-probabilities, max(k - 1, 0), axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(probabilities, concepts, axis=1), axis=1, kind="stable")
    return np.take_along_axis(concepts, order, axis=1)


def most_frequent_concepts(labels: sparse.csr_array, longest: int = CAP) -> np.ndarray:
    """Indices of the constant list that scores best on `labels`, (N, K): the k most frequent concepts, k chosen by F1.

    The baseline: what can be reached without looking at an image. Chosen on train, then scored elsewhere.
    """
    images = np.bincount(labels.indices, minlength=labels.shape[1])
    by_frequency = np.argsort(-images, kind="stable")[:longest]
    scores = [sample_f1(labels, constant_list(labels.shape, by_frequency[:k])) for k in range(1, len(by_frequency) + 1)]
    return np.sort(by_frequency[: int(np.argmax(scores)) + 1])


def constant_list(shape: tuple[int, int], concepts: np.ndarray) -> sparse.csr_array:
    """The same concepts (indices) for every image, as a sparse matrix of 0 and 1 of this shape, (N, K)."""
    columns = np.tile(np.sort(concepts), shape[0])
    starts = np.arange(shape[0] + 1) * len(concepts)
    return sparse.csr_array((np.ones(len(columns), dtype=np.uint8), columns, starts), shape=shape)
