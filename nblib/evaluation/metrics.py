"""F1 over images: the score of the challenge. Exact and sparse; `nblib.training.callbacks.SampleF1` is the same in Keras."""

import numpy as np
from scipy import sparse

# Images whose thresholds are swept together: few enough that their counts stay in the processor's cache.
BLOCK = 128
# Equal steps of [0, 1] in which a probability is looked up; a power of two, so that multiplying by it is exact.
STEPS = 2**16


def f1_per_image(labels, selected) -> np.ndarray:
    """F1 of each image, (N,), in [0, 1]; NaN where the image has no true concept.

    Args:
        labels: (N, K), the truth; sparse or dense, anything non-zero counts as true.
        selected: (N, K), what a decision rule kept; sparse or dense.

    True negatives never count; an empty answer to a non-empty truth scores 0.
    Paper: section 2; PAPER_NOTES "The challenge's score": images without truth are left out of the mean.

    Raises:
        ValueError: the shapes differ.
    """
    labels, selected = as_csr(labels), as_csr(selected)
    if labels.shape != selected.shape:
        raise ValueError(f"labels and selected must have one shape; received {labels.shape} and {selected.shape}.")
    true, kept, hits = (np.diff(each.indptr) for each in (labels, selected, labels.multiply(selected).tocsr()))
    return np.where(true > 0, 2 * hits / np.maximum(true + kept, 1), np.nan)


def sample_f1(labels, selected) -> float:
    """Mean of `f1_per_image` over the images that have a true concept; NaN if none has. Paper: section 2."""
    scores = f1_per_image(labels, selected)
    scored = ~np.isnan(scores)
    return float(scores[scored].mean()) if scored.any() else float("nan")


def f1_by_threshold(labels, probabilities: np.ndarray, thresholds) -> np.ndarray:
    """`sample_f1` of what is above each threshold, (T,): all of them for about the price of a few.

    Each probability is told once how many thresholds it is above. Counts of these by image, added up from the highest
    threshold down, are the concepts kept and those of them that are true.

    Args:
        labels: (N, K), the truth; sparse or dense.
        probabilities: (N, K), in [0, 1].
        thresholds: (T,), in any order; compared as NumPy does it in `probabilities > threshold`, to the last bit.

    Raises:
        ValueError: the shapes differ, or a probability is not in [0, 1].
    """
    labels, probabilities = as_csr(labels), np.asarray(probabilities)
    if probabilities.dtype != np.float32:
        probabilities = probabilities.astype(np.float64, copy=False)
    if labels.shape != probabilities.shape:
        raise ValueError(f"labels and probabilities must have one shape; received {labels.shape} and "
                         f"{probabilities.shape}.")  # fmt: skip
    ascending, place = np.unique(np.atleast_1d(thresholds), return_inverse=True)
    lowest = ascending[:1].min(initial=1)
    count_below = _thresholds_below(_rounded_down(ascending, probabilities.dtype))
    summed = np.zeros(len(ascending))
    for start in range(0, len(probabilities), BLOCK):
        rows = slice(start, start + BLOCK)
        summed += _f1_summed(labels[rows], probabilities[rows], lowest, count_below, len(ascending))
    scored = np.count_nonzero(np.diff(labels.indptr))
    return summed[place] / scored if scored else np.full(len(place), np.nan)


def as_csr(matrix) -> sparse.csr_array:
    """What is not zero in a matrix, (N, K), sparse or dense, as a sparse matrix of ones (uint8), each entry once."""
    if not sparse.issparse(matrix):
        return _csr_of_dense(np.asarray(matrix))
    matrix = sparse.csr_array(matrix)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    if not matrix.data.all():
        matrix = matrix.copy()
        matrix.eliminate_zeros()
    return sparse.csr_array((np.ones(matrix.nnz, dtype=np.uint8), matrix.indices, matrix.indptr), shape=matrix.shape)


def _csr_of_dense(matrix):
    """Several times faster than SciPy's, which looks for a row and a column of each entry."""
    images, concepts = matrix.shape
    found = np.flatnonzero(matrix if matrix.dtype == bool else matrix != 0)
    starts = np.searchsorted(found, np.arange(images + 1) * concepts)
    columns = found - np.repeat(np.arange(images) * concepts, np.diff(starts))
    ones = np.ones(len(found), dtype=np.uint8)
    return sparse.csr_array((ones, columns.astype(np.int32), starts.astype(np.int32)), shape=matrix.shape)


def _f1_summed(labels, probabilities, lowest, count_below, thresholds):
    """F1 above each threshold, (T,), summed over the images of a block."""
    if not (probabilities.min(initial=0) >= 0 and probabilities.max(initial=0) <= 1):
        raise ValueError("probabilities must be numbers in [0, 1]; apply the sigmoid first, and look for NaN.")
    above = probabilities > lowest
    rows, true = np.arange(len(above)), np.diff(labels.indptr)
    kept_rows, true_rows = np.repeat(rows, np.count_nonzero(above, axis=1)), np.repeat(rows, true)
    kept_levels = count_below(probabilities.ravel()[np.flatnonzero(above)])
    true_levels = count_below(probabilities[true_rows, labels.indices])
    kept = _kept_above(kept_levels, kept_rows, len(above), thresholds)
    hits = _kept_above(true_levels, true_rows, len(above), thresholds)
    kept += np.maximum(true, 1)[:, None]  # without truth there are no hits: what they are divided by does not matter
    return 2 * (hits / kept).sum(axis=0)[::-1]


def _kept_above(levels, rows, images, thresholds):
    """Entries of each row above each threshold, highest first, (images, T), from how many each is above."""
    counts = np.bincount(rows * (thresholds + 1) + levels, minlength=images * (thresholds + 1))
    return counts.reshape(images, thresholds + 1)[:, :0:-1].cumsum(axis=1)


def _thresholds_below(thresholds):
    """A function that counts how many of the ascending `thresholds` each of some probabilities is above.

    It looks the count up in a table of equal steps, and searches only within those that hold a threshold.
    """
    below = np.searchsorted(thresholds, np.arange(STEPS + 2) / STEPS)
    table = np.where(below[:-1] == below[1:], below[:-1], -1)

    def count_below(probabilities):
        counts = table[(probabilities * STEPS).astype(np.intp)]
        unsure = np.flatnonzero(counts < 0)
        counts[unsure] = np.searchsorted(thresholds, probabilities[unsure])
        return counts

    return count_below


def _rounded_down(thresholds, precision):
    """The largest numbers of this precision not above the thresholds: probabilities compare alike with both."""
    within = np.clip(thresholds, -1, 2)
    rounded = within.astype(precision)
    return np.where(rounded > within, np.nextafter(rounded, precision.type(-1)), rounded)
