import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import f1_score

from nblib.metrics import f1_by_image, sample_f1


@pytest.mark.parametrize(
    ("labels", "selected", "f1"),
    [
        ([1, 1, 0, 0], [1, 1, 0, 0], 1),
        ([1, 1, 0, 0], [0, 0, 1, 1], 0),
        ([1, 1, 0, 0], [0, 0, 0, 0], 0),
        ([1, 1, 0, 0], [1, 0, 0, 0], 2 / 3),  # precision 1, recall 1/2
        ([1, 1, 0, 0], [1, 1, 1, 1], 2 / 3),  # precision 1/2, recall 1
        ([1, 1, 1, 0], [1, 0, 0, 1], 2 / 5),  # precision 1/2, recall 1/3
    ],
)
def test_f1_of_one_image_worked_out_by_hand(labels, selected, f1):
    assert f1_by_image([labels], [selected]) == pytest.approx([f1])


@pytest.mark.parametrize("selected", [[0, 0, 0], [0, 1, 1]])
def test_an_image_without_truth_has_no_f1(selected):
    assert np.isnan(f1_by_image([[0, 0, 0]], [selected])).all()


def test_the_mean_leaves_images_without_truth_out():
    labels = [[1, 0], [0, 0], [0, 0], [1, 1]]
    selected = [[1, 0], [0, 0], [1, 1], [1, 0]]
    assert sample_f1(labels, selected) == pytest.approx((1 + 2 / 3) / 2)


def test_without_any_truth_there_is_no_mean():
    assert np.isnan(sample_f1([[0, 0]], [[1, 0]]))
    assert np.isnan(sample_f1(np.zeros((0, 3)), np.zeros((0, 3))))


def random_pair(seed):
    """Labels and selected of 60 images, (60, 40); some truths and some answers are empty."""
    rng = np.random.default_rng(seed)
    labels, selected = (rng.random((60, 40)) < rng.choice([0, 0.05, 0.5], (60, 1)) for _ in range(2))
    return labels.astype(np.uint8), selected.astype(np.uint8)


@pytest.mark.parametrize("seed", range(5))
def test_sample_f1_equals_scikit_learn_on_images_with_truth(seed):
    labels, selected = random_pair(seed)
    with_truth = labels.any(axis=1)
    assert 0 < with_truth.sum() < 60
    expected = f1_score(labels[with_truth], selected[with_truth], average="samples", zero_division=0)
    assert sample_f1(labels, selected) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_sparse_equals_dense(seed):
    labels, selected = random_pair(seed)
    dense = f1_by_image(labels, selected)
    for kind in (sparse.csr_array, sparse.csc_array, sparse.coo_array):
        assert np.array_equal(f1_by_image(kind(labels), kind(selected)), dense, equal_nan=True)
    assert np.array_equal(f1_by_image(sparse.csr_array(labels), selected), dense, equal_nan=True)


def test_anything_that_is_not_zero_counts_once():
    labels = sparse.csr_array((np.array([1, 1, 0, 5]), np.array([0, 0, 1, 2]), np.array([0, 4])), shape=(1, 4))
    assert f1_by_image(labels, [[1, 0, 1, 0]]) == [1]
    assert labels.data.tolist() == [1, 1, 0, 5], "what was passed in is not changed"


def test_booleans_and_numbers_score_alike():
    labels, selected = random_pair(9)
    assert sample_f1(labels.astype(bool), selected.astype(bool)) == sample_f1(labels, selected)
    assert sample_f1(labels, selected.astype(np.float32) * 0.7) == sample_f1(labels, selected)


def test_more_than_255_hits_do_not_overflow():
    labels = np.ones((1, 3047), dtype=np.uint8)
    assert sample_f1(sparse.csr_array(labels), sparse.csr_array(labels)) == 1


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"one shape; received \(2, 3\) and \(2, 4\)"):
        f1_by_image(np.ones((2, 3)), np.ones((2, 4)))
