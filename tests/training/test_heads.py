import numpy as np
import pytest
from scipy import sparse

from nblib.training.heads import prepare_head

# Two kinds of images that differ in their first feature; the first has concepts 0 and 1, the second 3.
FEATURES = np.array([[1.0, 0.0, 0.1], [0.0, 1.0, 0.1]] * 200, "float32")
FEATURES += np.random.default_rng(0).normal(0, 0.01, FEATURES.shape).astype("float32")
LABELS = np.array([[1, 1, 0, 0], [0, 0, 0, 1]] * 200, np.uint8)
ROWS = np.arange(398)


@pytest.mark.parametrize("units", [0, 16])
def test_a_head_learns_concepts_from_features(units):
    head = prepare_head(FEATURES, sparse.csr_array(LABELS), units, epochs=40, learning_rate=0.05)
    probabilities = head(ROWS)(np.array([398, 399]))
    assert (probabilities > 0.5).astype(int).tolist() == LABELS[398:].tolist()


def test_the_seed_determines_a_head():
    labels = sparse.csr_array(LABELS)
    first, again, other = (prepare_head(FEATURES, labels, epochs=1, seed=s)(ROWS)(ROWS) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-4
