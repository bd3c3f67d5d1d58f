import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import f1_score

from nblib.evaluation.bootstrap import BLOCK
from nblib.evaluation.metrics import as_csr, f1_by_threshold, f1_of_counts, f1_per_image, sample_f1


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
    assert f1_per_image([labels], [selected]) == pytest.approx([f1])


@pytest.mark.parametrize("selected", [[0, 0, 0], [0, 1, 1]])
def test_an_image_without_truth_has_no_f1(selected):
    assert np.isnan(f1_per_image([[0, 0, 0]], [selected])).all()


def test_the_mean_leaves_images_without_truth_out():
    labels = [[1, 0], [0, 0], [0, 0], [1, 1]]
    selected = [[1, 0], [0, 0], [1, 1], [1, 0]]
    assert sample_f1(labels, selected) == pytest.approx((1 + 2 / 3) / 2)


def test_f1_of_counts_is_0_where_nothing_is_true_or_selected():
    assert f1_of_counts(np.array([3, 0, 0]), np.array([4, 2, 0]), np.array([8, 0, 0])).tolist() == [0.5, 0, 0]


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
    dense = f1_per_image(labels, selected)
    for kind in (sparse.csr_array, sparse.csc_array, sparse.coo_array):
        assert np.array_equal(f1_per_image(kind(labels), kind(selected)), dense, equal_nan=True)
    assert np.array_equal(f1_per_image(sparse.csr_array(labels), selected), dense, equal_nan=True)


def test_anything_that_is_not_zero_counts_once():
    labels = sparse.csr_array((np.array([1, 1, 0, 5]), np.array([0, 0, 1, 2]), np.array([0, 4])), shape=(1, 4))
    assert f1_per_image(labels, [[1, 0, 1, 0]]) == [1]
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
        f1_per_image(np.ones((2, 3)), np.ones((2, 4)))


@pytest.mark.parametrize("seed", range(3))
def test_dense_and_sparse_may_be_mixed_either_way(seed):
    labels, selected = random_pair(seed)
    dense = f1_per_image(labels, selected)
    assert np.array_equal(f1_per_image(labels, sparse.csr_array(selected)), dense, equal_nan=True)
    assert np.array_equal(f1_per_image(sparse.csr_array(labels), selected > 0), dense, equal_nan=True)
    assert np.array_equal(f1_per_image(sparse.csr_array(labels), np.asfortranarray(selected)), dense, equal_nan=True)


def test_as_csr_has_ones_where_a_matrix_is_not_zero():
    matrix = np.array([[0, 2.5, 0], [0, 0, 0], [-1, 0, 1]])
    for kind in (np.array, np.asfortranarray, sparse.csr_array, sparse.coo_array):
        ones = as_csr(kind(matrix))
        assert ones.dtype == np.uint8 and ones.has_canonical_format
        assert ones.toarray().tolist() == [[0, 1, 0], [0, 0, 0], [1, 0, 1]]
    assert as_csr(np.zeros((0, 3))).shape == (0, 3)


def one_by_one(labels, probabilities, thresholds):
    """The naive loop."""
    return np.array([sample_f1(labels, probabilities > threshold) for threshold in thresholds])


@pytest.mark.parametrize("precision", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("seed", range(3))
def test_the_sweep_equals_the_loop_over_thresholds(seed, precision):
    labels, _ = random_pair(seed)
    rng = np.random.default_rng(seed)
    probabilities = (rng.random((60, 40)) ** rng.choice([1, 4, 20], (60, 1))).astype(precision)
    thresholds = rng.permutation(np.linspace(0, 1, 300))
    swept = f1_by_threshold(labels, probabilities, thresholds)
    assert swept == pytest.approx(one_by_one(labels, probabilities, thresholds), abs=1e-12)
    assert np.array_equal(swept, f1_by_threshold(sparse.csr_array(labels), probabilities, thresholds))
    few = np.where(probabilities > 0.2, probabilities, 0).astype(np.float32)  # SciPy has no float16
    as_dense, as_sparse = (f1_by_threshold(labels, each, thresholds) for each in (few, sparse.csr_array(few)))
    assert np.array_equal(as_dense, as_sparse)


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_the_sweep_keeps_what_is_above_a_threshold_and_not_what_is_at_it(precision):
    labels, _ = random_pair(1)
    probabilities = np.round(np.random.default_rng(7).random((60, 40)), 1).astype(precision)
    at_them = np.unique(probabilities)  # 0, 0.1, ... 1: every probability is exactly at one, and most are tied
    beside_them = np.concatenate([np.nextafter(at_them, precision(2)), np.nextafter(at_them, precision(-1))])
    for thresholds in (at_them, beside_them, at_them.astype(np.float64), np.linspace(0, 1, 11)):
        swept = f1_by_threshold(labels, probabilities, thresholds)
        assert swept == pytest.approx(one_by_one(labels, probabilities, thresholds), abs=1e-12)
    assert len(set(f1_by_threshold(labels, probabilities, at_them))) == 11


def test_the_sweep_worked_out_by_hand():
    labels, probabilities = [[1, 1, 0], [0, 0, 0], [0, 0, 1]], np.array([[0.9, 0.4, 0.6], [1, 1, 1], [0.2, 0.5, 0.4]])
    swept = f1_by_threshold(labels, probabilities, [0.5, 0.3, 0.95])
    assert swept == pytest.approx([(1 / 2 + 0) / 2, (4 / 5 + 2 / 3) / 2, 0])


def test_thresholds_may_be_few_repeated_outside_of_0_to_1_or_no_numbers():
    labels, _ = random_pair(2)
    probabilities = np.random.default_rng(2).random((60, 40), dtype=np.float32)
    thresholds = np.array([-1e300, -0.0, 0.3, 0.3, 1, 1e300, np.inf, -np.inf, np.nan])
    swept = f1_by_threshold(labels, probabilities, thresholds)
    assert swept == pytest.approx(one_by_one(labels, probabilities, thresholds), abs=1e-12)
    assert f1_by_threshold(labels, probabilities, 0.3) == pytest.approx([swept[2]])
    assert f1_by_threshold(labels, probabilities, []).shape == (0,)


def test_the_sweep_goes_over_more_images_than_one_block():
    rng = np.random.default_rng(3)
    labels, probabilities = rng.random((2 * BLOCK + 1, 7)) < 0.3, rng.random((2 * BLOCK + 1, 7))
    thresholds = np.linspace(0, 1, 20)
    expected = one_by_one(labels, probabilities, thresholds)
    assert f1_by_threshold(labels, probabilities, thresholds) == pytest.approx(expected, abs=1e-12)


def test_without_any_truth_the_sweep_has_no_mean():
    assert np.isnan(f1_by_threshold(np.zeros((4, 3)), np.ones((4, 3)), [0.2, 0.5])).all()


@pytest.mark.parametrize("wrong", [-0.1, 1.1, np.nan])
def test_what_is_no_probability_is_refused(wrong):
    with pytest.raises(ValueError, match=r"must be numbers in \[0, 1\]"):
        f1_by_threshold([[1, 0]], np.array([[0.5, wrong]]), [0.5])


def test_probabilities_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"one shape; received \(1, 2\) and \(1, 3\)"):
        f1_by_threshold([[1, 0]], np.array([[0.5, 0.5, 0.5]]), [0.5])
