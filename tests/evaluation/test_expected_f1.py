from itertools import combinations, product

import numpy as np
import pytest

from nblib.evaluation.expected_f1 import expected_f1, plugin_f1
from nblib.evaluation.metrics import f1_per_image


def by_enumeration(probabilities, concepts):
    """Expected F1 of a set of concepts: over every set of true ones; an image without any scores 0."""
    truths = np.array(list(product((0, 1), repeat=len(probabilities))))
    likely = np.where(truths, probabilities, 1 - probabilities).prod(axis=1)
    selected = np.zeros_like(truths)
    selected[:, list(concepts)] = 1
    return float(likely @ np.nan_to_num(f1_per_image(truths, selected)))


@pytest.mark.parametrize("seed", range(4))
def test_no_set_at_all_has_a_higher_expected_f1_than_the_best_of_the_most_probable(seed):
    probabilities = np.random.default_rng(seed).random(7) ** (1 + seed)
    best = max(by_enumeration(probabilities, some) for k in range(1, 8) for some in combinations(range(7), k))
    assert expected_f1(probabilities[None], 7).max() == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_expected_f1_of_each_number_of_concepts_equals_enumeration(seed):
    probabilities = np.random.default_rng(seed).random(6)
    probabilities[:2] = [[0, 1], [0.05, 0.09], [1, 1], [0, 0]][seed]  # certain, impossible and rare ones among them
    order = np.argsort(-probabilities)
    expected = [by_enumeration(probabilities, order[:k]) for k in range(1, 7)]
    assert expected_f1(probabilities[None], 6)[0] == pytest.approx(expected, abs=1e-12)


def by_convolution(probabilities, longest):
    """The same from the distributions of the true among k most probable and among the others, which are sums."""
    descending, values = np.sort(probabilities)[::-1], []
    for k in range(1, longest + 1):
        hits, misses = (distribution(some) for some in (descending[:k], descending[k:]))
        hit, missed = np.arange(len(hits))[:, None], np.arange(len(misses))
        values.append((hits[:, None] * misses * 2 * hit / (k + hit + missed)).sum())
    return values


def distribution(probabilities):
    number = np.ones(1)
    for probability in probabilities:
        number = np.convolve(number, [1 - probability, probability])
    return number


@pytest.mark.parametrize("steepness", [0.2, 1, 5, 30])
def test_expected_f1_is_exact_with_many_concepts_too(steepness):
    probabilities = np.random.default_rng(0).random((2, 400)) ** steepness  # 330 to 13 expected concepts per image
    values = expected_f1(probabilities, 60)
    for row, value in zip(probabilities, values, strict=True):
        assert value == pytest.approx(by_convolution(row, 60), abs=1e-11)


def test_an_image_s_expectation_does_not_depend_on_the_others_beside_it():
    probabilities = np.random.default_rng(1).random((150, 30)) ** 4
    alone = np.concatenate([expected_f1(row[None], 10) for row in probabilities])
    assert expected_f1(probabilities, 10) == pytest.approx(alone, abs=1e-12)


def test_there_are_no_more_numbers_than_asked_for_or_than_concepts():
    assert expected_f1(np.full((2, 5), 0.3), 3).shape == plugin_f1(np.full((2, 5), 0.3), 3).shape == (2, 3)
    assert expected_f1(np.full((2, 5), 0.3), 100).shape == plugin_f1(np.full((2, 5), 0.3), 100).shape == (2, 5)
    assert expected_f1(np.empty((0, 5)), 100).shape == (0, 5)


def test_the_plug_in_worked_out_by_hand():
    assert plugin_f1(np.array([[0.5, 0.9]]), 2)[0] == pytest.approx([2 * 0.9 / (1 + 1.4), 2 * 1.4 / (2 + 1.4)])


def test_the_plug_in_is_exact_for_certain_concepts():
    probabilities = np.array([[1, 0, 1, 0, 0.0]])
    assert plugin_f1(probabilities, 5) == pytest.approx(expected_f1(probabilities, 5))
