"""Expected F1 of an image's most probable concepts, if its concepts are independent of each other.

Of all sets of k concepts the k most probable then have the highest expected F1, so that only k has to be chosen.
"""

import numpy as np

from nblib.evaluation.metrics import f1_of_counts

BLOCK = 64  # images that are computed together, so that memory stays small
# Concepts below RARE enter through the sums of their powers, which fall off by RARE: 16 are exact in floating point.
RARE, POWERS = 0.1, 16


def expected_f1(probabilities: np.ndarray, longest: int) -> np.ndarray:
    """Expected F1 of the k most probable concepts of each image, k from 1 to `longest`: (N, min(longest, K)).

    With S the number of other concepts the image has, concept j adds p_j 2 E[1 / (k + 1 + S)] to the k most probable.
    The expectation is an integral over x from 0 to 1 of x^k E[x^S], and E[x^S] is a product of terms 1 - p + p x. It is
    a polynomial, so that few Gauss-Legendre nodes give the exact value: O(K) per image and node, not O(K^3).

    Args:
        probabilities: (N, K), in [0, 1], of concepts that are independent and calibrated.
        longest: the largest k.
    """
    probabilities = np.asarray(probabilities)
    starts = range(0, max(len(probabilities), 1), BLOCK)  # one empty block for no image
    return np.concatenate([_expected_f1_of_block(probabilities[start : start + BLOCK], longest) for start in starts])


def plugin_f1(probabilities: np.ndarray, longest: int) -> np.ndarray:
    """`expected_f1` with the number of true concepts replaced by its expectation: faster, an approximation."""
    expected_number = probabilities.sum(axis=1, keepdims=True, dtype=np.float64)
    highest = np.sort(probabilities, axis=1)[:, ::-1][:, :longest]
    sizes = np.arange(1, highest.shape[1] + 1)
    return f1_of_counts(highest.cumsum(axis=1, dtype=np.float64), expected_number, sizes)


def _expected_f1_of_block(probabilities, longest):
    descending = np.sort(probabilities.astype(np.float64), axis=1)[:, ::-1]
    highest = descending[:, :longest, None]
    sizes = np.arange(1, highest.shape[1] + 1)
    nodes, weights = _nodes(highest.shape[1], descending)
    density = weights * _generating_function(descending, nodes)
    added = (highest / (1 - highest * (1 - nodes))).cumsum(axis=1)
    return 2 * np.einsum("nq,kq,nkq->nk", density, nodes ** sizes[:, None], added)


def _generating_function(descending, nodes):
    """E[x^S] of each image's number of concepts S at the nodes x, (N, Q): the product of 1 - p (1 - x)."""
    away, product = 1 - nodes, np.ones((len(descending), len(nodes)))
    frequent = int(np.count_nonzero(descending > RARE, axis=1).max(initial=0))
    for concept in descending.T[:frequent]:
        product *= 1 - concept[:, None] * away
    rare, powers = descending[:, frequent:], np.arange(1, POWERS + 1)
    sums = np.stack([(rare**power).sum(axis=1) for power in powers], axis=1)
    return product * np.exp(-sums @ (away ** powers[:, None] / powers[:, None]))


def _nodes(longest, descending):
    """Nodes in (0, 1) and weights: enough for the polynomial's degree, or for its steepness where that needs fewer."""
    for_degree = (longest + descending.shape[1]) // 2 + 1
    for_steepness = 32 + int(longest + descending.sum(axis=1).max(initial=0)) // 4
    nodes, weights = np.polynomial.legendre.leggauss(min(for_degree, for_steepness))
    return (nodes + 1) / 2, weights / 2
