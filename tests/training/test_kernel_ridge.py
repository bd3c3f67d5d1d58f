import numpy as np
import pytest
from scipy import sparse
from sklearn.kernel_ridge import KernelRidge

from nblib.evaluation import sample_f1
from nblib.training import kernel_ridge_solver, prepare_kernel_ridge

GAMMA, ALPHA = 2.0, 0.1


@pytest.fixture
def images():
    """300 images in four distant groups; which of two concepts of its group an image has depends on its features."""
    rng = np.random.default_rng(0)
    group, features = rng.integers(4, size=300), rng.normal(0, 0.3, (300, 2)).astype("float32")
    columns = 2 * group + (features[:, 0] > 0)
    centres = 10 * np.array([[0, 0], [1, 0], [0, 1], [1, 1]], "float32")
    labels = sparse.csr_array((np.ones(300, np.uint8), columns, np.arange(301)), shape=(300, 8))
    return features + centres[group], labels


@pytest.mark.parametrize("whole", [True, False])
def test_it_is_scikit_learn_s_whether_the_kernel_is_computed_once_or_for_the_rows(whole, images, monkeypatch):
    features, labels = images
    monkeypatch.setattr("nblib.training.kernel_ridge.EXACT_UP_TO", 300 if whole else 200)
    rows, others = np.arange(200), np.arange(200, 300)
    usual = labels[rows].mean(axis=0)
    theirs = KernelRidge(alpha=ALPHA, kernel="rbf", gamma=GAMMA).fit(features[rows], labels[rows].toarray() - usual)
    expected = np.clip(theirs.predict(features[others]) + usual, 0, 1)
    predicted = prepare_kernel_ridge(features, labels, GAMMA, ALPHA)(rows)(others)
    assert predicted.dtype == np.float32
    np.testing.assert_allclose(predicted, expected, atol=1e-4)


def test_regression_within_distant_clusters_finds_what_the_exact_one_does(images, monkeypatch):
    features, labels = images
    rows, others = np.arange(200), np.arange(200, 300)
    exact = prepare_kernel_ridge(features, labels, GAMMA, ALPHA)(rows)(others)
    monkeypatch.setattr("nblib.training.kernel_ridge.EXACT_UP_TO", 70)
    within = prepare_kernel_ridge(features, labels, GAMMA, ALPHA)(rows)(others)
    assert np.abs(exact - within).max() > 1e-4, "they should not be the same model"
    f1 = [sample_f1(labels[others], each > 0.5) for each in (exact, within)]
    assert f1 == pytest.approx([1, 1], abs=0.05)


def test_people_read_which_solver_is_used_and_why():
    assert kernel_ridge_solver(8_000) == "kernel ridge regression of 8,000 images is exact"
    assert kernel_ridge_solver(97_368) == (
        "kernel ridge regression of 97,368 images is approximate: exact within 13 clusters, since a kernel of all of "
        "them would take 38 GB"
    )
