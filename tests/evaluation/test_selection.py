from itertools import combinations

import numpy as np
import pytest
from scipy import sparse

from nblib.evaluation.metrics import sample_f1
from nblib.evaluation.selection import CAP, constant_list, most_frequent_concepts, most_probable, select, select_top_k

PROBABILITIES = np.array([[0.9, 0.5, 0.51, 0.1], [0.3, 0.2, 0.4, 0.1]], dtype=np.float32)


def test_a_concept_is_kept_above_the_threshold_and_not_at_it():
    assert select(PROBABILITIES).toarray().tolist() == [[1, 0, 1, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize(("threshold", "kept"), [(0.0, 8), (0.25, 5), (0.6, 1), (0.9, 0)])
def test_a_higher_threshold_keeps_fewer(threshold, kept):
    assert select(PROBABILITIES, threshold).sum() == kept


def test_the_cap_keeps_the_most_probable():
    assert select(PROBABILITIES, threshold=0, cap=2).toarray().tolist() == [[1, 0, 1, 0], [1, 0, 1, 0]]


def test_at_most_a_hundred_are_kept_and_these_are_the_most_probable():
    probabilities = np.random.default_rng(7).uniform(0.5001, 1, (4, 3047))
    selected = select(probabilities).toarray().astype(bool)
    assert CAP == 100
    assert selected.sum(axis=1).tolist() == [100] * 4
    for row, kept in zip(probabilities, selected, strict=True):
        assert row[kept].min() >= np.sort(row)[-100]


def test_a_row_with_exactly_a_hundred_is_not_cut():
    probabilities = np.where(np.arange(200) < 100, 0.6, 0.4)[None]
    assert np.flatnonzero(select(probabilities).toarray()[0]).tolist() == list(range(100))


def test_nomissing_gives_an_empty_image_its_most_probable_concept_and_changes_no_other():
    assert select(PROBABILITIES, nomissing=True).toarray().tolist() == [[1, 0, 1, 0], [0, 0, 1, 0]]


def test_nomissing_changes_nothing_where_nothing_is_missing():
    assert (select(PROBABILITIES, 0.25, nomissing=True) != select(PROBABILITIES, 0.25)).nnz == 0


def test_selecting_does_not_change_the_probabilities():
    before = PROBABILITIES.copy()
    select(PROBABILITIES, cap=1, nomissing=True)
    assert np.array_equal(PROBABILITIES, before)


def test_the_selected_are_sparse_ones():
    selected = select(PROBABILITIES)
    assert isinstance(selected, sparse.csr_array)
    assert selected.dtype == np.uint8 and selected.data.tolist() == [1, 1]


def test_each_concept_may_have_its_own_threshold():
    assert select(PROBABILITIES, np.array([0.2, 0.5, 0.6, 0])).toarray().tolist() == [[1, 0, 0, 1], [1, 0, 0, 1]]
    assert select(PROBABILITIES, np.ones(4), nomissing=True).toarray().tolist() == [[1, 0, 0, 0], [0, 0, 1, 0]]


def test_the_most_probable_come_first():
    assert most_probable(PROBABILITIES, 3).tolist() == [[0, 2, 1], [2, 0, 1]]
    assert most_probable(PROBABILITIES, 9).shape == (2, 4)
    assert most_probable(PROBABILITIES, 0).shape == (2, 0)


def test_as_many_of_the_most_probable_are_kept_as_asked():
    assert select_top_k(PROBABILITIES, 2).toarray().tolist() == [[1, 0, 1, 0], [1, 0, 1, 0]]
    assert select_top_k(PROBABILITIES, [0, 3]).toarray().tolist() == [[0, 0, 0, 0], [1, 1, 1, 0]]
    assert select_top_k(PROBABILITIES, [0, 3], nomissing=True).sum(axis=1).tolist() == [1, 3]
    assert select_top_k(PROBABILITIES, 9, cap=3).sum(axis=1).tolist() == [3, 3]
    assert select_top_k(np.empty((0, 4)), 2).shape == (0, 4)


def test_of_equally_probable_concepts_as_many_are_kept_as_asked():
    assert select_top_k(np.full((3, 50), 0.5), [1, 20, 49]).sum(axis=1).tolist() == [1, 20, 49]


def random_labels(seed):
    rng = np.random.default_rng(seed)
    return (rng.random((30, 8)) < rng.uniform(0.05, 0.9, 8)).astype(np.uint8)


def f1_of_list(labels, concepts):
    selected = np.zeros_like(labels)
    selected[:, list(concepts)] = 1
    return sample_f1(labels, selected)


@pytest.mark.parametrize("seed", range(5))
def test_most_frequent_concepts_is_the_best_of_all_lists_of_most_frequent(seed):
    labels = random_labels(seed)
    chosen = most_frequent_concepts(sparse.csr_array(labels))
    counts = labels.sum(axis=0).tolist()
    by_frequency = sorted(range(8), key=lambda concept: (-counts[concept], concept))
    lists = [sorted(by_frequency[:k]) for k in range(1, 9)]
    assert chosen.tolist() == max(lists, key=lambda concepts: f1_of_list(labels, concepts))


def test_no_list_at_all_beats_the_most_frequent_concepts_when_images_are_alike():
    labels = np.array([[1, 1, 0, 0]] * 5 + [[1, 1, 1, 0]] * 2 + [[0, 0, 0, 1]], dtype=np.uint8)
    every_list = [c for k in range(1, 5) for c in combinations(range(4), k)]
    best = max(every_list, key=lambda concepts: f1_of_list(labels, concepts))
    assert most_frequent_concepts(sparse.csr_array(labels)).tolist() == list(best) == [0, 1]


def test_the_list_is_no_longer_than_asked():
    labels = sparse.csr_array(np.ones((4, 8), dtype=np.uint8))
    assert len(most_frequent_concepts(labels)) == 8
    assert len(most_frequent_concepts(labels, longest=3)) == 3


def test_a_constant_list_is_the_same_for_every_image():
    assert constant_list((3, 4), np.array([2, 0])).toarray().tolist() == [[1, 0, 1, 0]] * 3
