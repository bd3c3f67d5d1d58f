"""F1 over images, the score of the challenge, exact and sparse; `nblib.training.metrics.SampleF1` is it in Keras."""

import numpy as np
from scipy import sparse

BLOCK = 128  # images that are swept together: few enough that their counts stay in the processor's cache


def f1_of_counts(hits, true, selected, maximum=np.maximum):
    """2 hits / (true + selected), 0 where all counts are: NumPy arrays or, with `keras.ops.maximum`, Keras tensors."""
    return 2 * hits / maximum(true + selected, 1)


def f1_per_image(labels, selected) -> np.ndarray:
    """F1 per image, (N,), in [0, 1]; NaN where the image has no true concept.

    True negatives never count; an image with true concepts but none selected scores 0.
    Paper: section 2; the organisers' scripts leave images without a true concept out of the mean (docs/faithful.md).

    Args:
        labels: (N, K), the truth; sparse or dense, anything non-zero counts as true.
        selected: (N, K), what a decision rule selects; sparse or dense.

    Raises:
        ValueError: the shapes differ.
    """
    labels, selected = as_csr(labels), as_csr(selected)
    if labels.shape != selected.shape:
        raise ValueError(f"labels and selected must have one shape; received {labels.shape} and {selected.shape}.")
    true, answered, hits = (np.diff(each.indptr) for each in (labels, selected, labels.multiply(selected).tocsr()))
    return np.where(true > 0, f1_of_counts(hits, true, answered), np.nan)


def sample_f1(labels, selected) -> float:
    """Mean of `f1_per_image` over the images that have a true concept; NaN if none has. Paper: section 2."""
    scores = f1_per_image(labels, selected)
    scored = ~np.isnan(scores)
    return float(scores[scored].mean()) if scored.any() else float("nan")


def f1_by_threshold(labels, probabilities, thresholds) -> np.ndarray:
    """`sample_f1` of the concepts above each threshold, (T,): all thresholds take about as long as a few.

    Args:
        labels: (N, K), the truth; sparse or dense.
        probabilities: (N, K), in [0, 1]; sparse or dense.
        thresholds: (T,), in any order; compared exactly as in NumPy's `probabilities > threshold`.

    Raises:
        ValueError: the shapes differ, or a probability is not in [0, 1].
    """
    is_sparse = sparse.issparse(probabilities)
    labels, probabilities = as_csr(labels), probabilities if is_sparse else np.asarray(probabilities)
    if labels.shape != probabilities.shape:
        raise ValueError(f"labels and probabilities must have one shape; received {labels.shape} and "
                         f"{probabilities.shape}.")  # fmt: skip
    values = probabilities.data if is_sparse else probabilities
    if not (values.min(initial=0) >= 0 and values.max(initial=0) <= 1):
        raise ValueError("probabilities must be numbers in [0, 1]; apply the sigmoid first, and check for NaN.")
    ascending, place = np.unique(np.atleast_1d(thresholds), return_inverse=True)
    summed = np.zeros(len(ascending))
    for start in range(0, labels.shape[0], BLOCK):
        rows = slice(start, start + BLOCK)
        block = probabilities[rows].toarray() if is_sparse else probabilities[rows]
        summed += _f1_summed(labels[rows], block, ascending)
    scored = np.count_nonzero(np.diff(labels.indptr))
    return summed[place] / scored if scored else np.full(len(place), np.nan)


def as_csr(matrix) -> sparse.csr_array:
    """A sparse matrix with 1 (uint8) wherever `matrix`, (N, K), sparse or dense, is not zero."""
    if not sparse.issparse(matrix):  # several times faster than SciPy's conversion, which goes through coordinates
        matrix = np.asarray(matrix)
        found, bounds = np.flatnonzero(matrix if matrix.dtype == bool else matrix != 0), np.arange(len(matrix) + 1)
        starts = np.searchsorted(found, bounds * matrix.shape[1])
        columns = (found - np.repeat(bounds[:-1] * matrix.shape[1], np.diff(starts))).astype(np.int32)
        ones = np.ones(len(columns), dtype=np.uint8)
        return sparse.csr_array((ones, columns, starts.astype(np.int32)), shape=matrix.shape)
    matrix = sparse.csr_array(matrix)
    if not (matrix.has_canonical_format and matrix.data.all()):
        matrix = matrix.copy()
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
    return sparse.csr_array((np.ones(matrix.nnz, dtype=np.uint8), matrix.indices, matrix.indptr), shape=matrix.shape)


def _f1_summed(labels, probabilities, thresholds):
    """F1 at each of the ascending thresholds, (T,), summed over the images of a block.

    How many thresholds each probability is above is looked up once, for all thresholds together.
    """
    rows, true = np.arange(len(probabilities)), np.diff(labels.indptr)
    above = probabilities > thresholds[:1].min(initial=1)
    above_rows, true_rows = np.repeat(rows, np.count_nonzero(above, axis=1)), np.repeat(rows, true)
    above_levels = np.searchsorted(thresholds, probabilities.ravel()[np.flatnonzero(above)])
    true_levels = np.searchsorted(thresholds, probabilities[true_rows, labels.indices])
    selected = _count_above(above_levels, above_rows, len(rows), len(thresholds))
    hits = _count_above(true_levels, true_rows, len(rows), len(thresholds))
    return f1_of_counts(hits, true[:, None], selected).sum(axis=0)[::-1]


def _count_above(levels, rows, images, thresholds):
    """Entries of each row above each threshold, highest first, (images, T); `levels`: thresholds each is above."""
    counts = np.bincount(rows * (thresholds + 1) + levels, minlength=images * (thresholds + 1))
    return counts.reshape(images, thresholds + 1)[:, :0:-1].cumsum(axis=1, dtype=np.int32)
