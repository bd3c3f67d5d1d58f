"""Kernel ridge regression of many outputs: exact for some thousand images, within clusters of them beyond.

The kernel is exp(-gamma * distance ** 2). Exact regression holds it for all pairs of images and takes time that grows
with the cube of their number. Beyond `EXACT_UP_TO` images they are divided into clusters of about that many; each has a
regression of its own, and an image is predicted by that of its cluster (Zhang, Duchi and Wainwright, Divide and conquer
kernel ridge regression, JMLR 2015, with clusters in place of random parts).
"""

from collections.abc import Callable

import numpy as np
from scipy import sparse
from scipy.linalg import solve
from sklearn.cluster import BisectingKMeans
from sklearn.metrics.pairwise import rbf_kernel

EXACT_UP_TO = 8_000  # images learnt from; their kernel has 256 MB in float32

Predict = Callable[[np.ndarray], np.ndarray]  # rows -> (N, K)


def prepare_kernel_ridge(features: np.ndarray, labels: sparse.csr_array, gamma: float, alpha: float) -> Callable:
    """A function that fits rows of `features`, (M, D), to their `labels`, (M, K), and returns a `Predict`.

    Regression is exact where it learns from at most `EXACT_UP_TO` rows, and within clusters where from more. Where all
    images are so few, the kernel is computed once for all rows.
    """
    whole = rbf_kernel(features, gamma=gamma) if len(features) <= EXACT_UP_TO else None

    def kernel(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        if whole is not None:
            return whole[np.ix_(rows, others)]
        return rbf_kernel(features[rows], features[others], gamma=gamma)

    def fit_exactly(rows: np.ndarray) -> Predict:
        usual = np.asarray(labels[rows].mean(axis=0), np.float32)
        regularised = kernel(rows, rows)
        regularised.flat[:: len(rows) + 1] += alpha
        dual = solve(regularised, labels[rows].toarray() - usual, assume_a="pos", overwrite_a=True, overwrite_b=True)
        return lambda wanted: np.clip(kernel(wanted, rows) @ dual + usual, 0, 1)

    def fit(rows: np.ndarray) -> Predict:
        if len(rows) <= EXACT_UP_TO:
            return fit_exactly(rows)
        clusters = _divide(features[rows])
        models = [fit_exactly(rows[clusters.labels_ == number]) for number in range(clusters.n_clusters)]

        def predict(wanted: np.ndarray) -> np.ndarray:
            nearest = clusters.predict(features[wanted])
            predicted = np.empty((len(wanted), labels.shape[1]), np.float32)
            for number in np.unique(nearest):
                predicted[nearest == number] = models[number](wanted[nearest == number])
            return predicted

        return predict

    return fit


def _divide(features: np.ndarray) -> BisectingKMeans:
    """Clusters of about `EXACT_UP_TO` of the features, (N, D): the largest is divided in two until there are enough."""
    number = -(-len(features) // EXACT_UP_TO)
    return BisectingKMeans(number, bisecting_strategy="largest_cluster", random_state=2020).fit(features)


def kernel_ridge_solver(images: int) -> str:
    """What kernel ridge regression does with so many images to learn from, and why: a sentence for people."""
    if images <= EXACT_UP_TO:
        return f"kernel ridge regression of {images:,} images is exact"
    return (
        f"kernel ridge regression of {images:,} images is approximate: exact within {-(-images // EXACT_UP_TO)} "
        f"clusters, since a kernel of all of them would take {4 * images**2 / 1e9:,.0f} GB"
    )
