"""F1 over images: the score of the challenge. Exact and sparse; `nblib.monitoring.SampleF1` is the same in Keras."""

import numpy as np
from scipy import sparse


def f1_by_image(labels, selected) -> np.ndarray:
    """F1 of each image, (N,), in [0, 1]; NaN where the image has no true concept.

    Args:
        labels: (N, K), the truth; sparse or dense, anything non-zero counts as true.
        selected: (N, K), what a decision rule kept; sparse or dense.

    True negatives never count; an empty answer to a non-empty truth scores 0.
    Paper: section 2; PAPER_NOTES "The challenge's score": images without truth are left out of the mean.

    Raises:
        ValueError: the shapes differ.
    """
    labels, selected = _as_boolean_csr(labels), _as_boolean_csr(selected)
    if labels.shape != selected.shape:
        raise ValueError(f"labels and selected must have one shape; received {labels.shape} and {selected.shape}.")
    true, kept = np.diff(labels.indptr), np.diff(selected.indptr)
    hits = np.asarray(labels.multiply(selected).sum(axis=1)).ravel()
    return np.where(true > 0, 2 * hits / np.maximum(true + kept, 1), np.nan)


def sample_f1(labels, selected) -> float:
    """Mean of `f1_by_image` over the images that have a true concept; NaN if none has. Paper: section 2."""
    scores = f1_by_image(labels, selected)
    scored = ~np.isnan(scores)
    return float(scores[scored].mean()) if scored.any() else float("nan")


def _as_boolean_csr(matrix) -> sparse.csr_array:
    matrix = sparse.csr_array(matrix)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    if not matrix.data.all():
        matrix = matrix.copy()
        matrix.eliminate_zeros()
    return sparse.csr_array((np.ones(matrix.nnz, dtype=np.int32), matrix.indices, matrix.indptr), shape=matrix.shape)
