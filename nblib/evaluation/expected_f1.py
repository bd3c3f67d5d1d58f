"""The F1 that can be expected of an image's most probable concepts, if its concepts are independent of each other.

Of all sets of k concepts the k most probable have the highest expected F1 then, so one number for each k decides.
"""

import numpy as np

# Images that are worked on together, so that memory stays small.
BLOCK = 64
# Concepts below it enter through the sums of their powers, which fall off by it: 16 of them are as exact as floats are.
RARE, POWERS = 0.1, 16


def expected_f1(probabilities: np.ndarray, longest: int) -> np.ndarray:
    """Expected F1 of the k most probable concepts of each image, k from 1 to `longest`: (N, min(longest, K)).

    With S the number of other concepts the image has, concept j adds p_j 2 E[1 / (k + 1 + S)] to the k most probable.
    The expectation is an integral over x from 0 to 1 of x^k E[x^S], and E[x^S] is a product of terms 1 - p + p x. It is
    a polynomial, so that few nodes of Gauss and Legendre give the exact value: O(K) an image and node, not O(K^3).

    Args:
        probabilities: (N, K), in [0, 1], of concepts that are independent and calibrated.
        longest: the largest k that is asked for.
    """
    probabilities = np.asarray(probabilities)
    blocks = range(0, len(probabilities), BLOCK)
    values = [_expected_f1_of_block(probabilities[start : start + BLOCK], longest) for start in blocks]
    return np.concatenate(values) if values else np.empty((0, min(longest, probabilities.shape[1])))


def plugin_f1(probabilities: np.ndarray, longest: int) -> np.ndarray:
    """`expected_f1` with the expected number of concepts for their number: one sum an image, a bit off."""
    number = probabilities.sum(axis=1, keepdims=True, dtype=np.float64)
    highest = np.sort(probabilities, axis=1)[:, ::-1][:, :longest]
    sizes = np.arange(1, highest.shape[1] + 1)
    return 2 * highest.cumsum(axis=1, dtype=np.float64) / (sizes + number)


def _expected_f1_of_block(probabilities, longest):
    descending = np.sort(probabilities.astype(np.float64), axis=1)[:, ::-1]
    chosen = descending[:, :longest, None]
    sizes = np.arange(1, chosen.shape[1] + 1)
    nodes, weights = _nodes(chosen.shape[1], descending)
    density = weights * _generating_function(descending, nodes)
    added = (chosen / (1 - chosen * (1 - nodes))).cumsum(axis=1)
    return 2 * np.einsum("nq,kq,nkq->nk", density, nodes ** sizes[:, None], added)


def _generating_function(descending, nodes):
    """E[x^S] of each image's number of concepts S at the nodes x, (N, Q): the product of 1 - p (1 - x)."""
    away = 1 - nodes
    frequent = int(np.count_nonzero(descending > RARE, axis=1).max(initial=0))
    product = np.ones((len(descending), len(nodes)))
    for concept in descending.T[:frequent]:
        product *= 1 - concept[:, None] * away
    rare, powers = descending[:, frequent:], np.arange(1, POWERS + 1)
    sums = np.stack([(rare**power).sum(axis=1) for power in powers], axis=1)
    return product * np.exp(-sums @ (away ** powers[:, None] / powers[:, None]))


def _nodes(longest, descending):
    """Nodes in (0, 1) and weights: enough for the polynomial's degree, or for its steepness where that is less."""
    for_degree = (longest + descending.shape[1]) // 2 + 1
    for_steepness = 32 + int(longest + descending.sum(axis=1).max(initial=0)) // 4
    nodes, weights = np.polynomial.legendre.leggauss(min(for_degree, for_steepness))
    return (nodes + 1) / 2, weights / 2
