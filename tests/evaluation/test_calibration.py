import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from nblib.evaluation.calibration import CALIBRATIONS, Isotonic, PlattScaling, logits


def overconfident(images=400, concepts=50, seed=0):
    """Probabilities whose logits are twice what they should be and 1 too high, labels, and the right probabilities."""
    rng = np.random.default_rng(seed)
    right = rng.normal(-2, 1.5, (images, concepts))
    labels = rng.random(right.shape) < expit(right)
    return expit(2 * right + 1), sparse.csr_array(labels.astype(np.uint8)), expit(right)


def test_platt_scaling_inverts_what_was_done_to_the_logits():
    probabilities, labels, right = overconfident()
    fitted = PlattScaling.fit(probabilities, labels)
    assert fitted.temperature == pytest.approx(2, rel=0.05)
    assert fitted.shift == pytest.approx(-0.5, abs=0.05)
    assert fitted.apply(probabilities) == pytest.approx(right, abs=0.02)


def test_platt_scaling_equals_logistic_regression():
    probabilities, labels, _ = overconfident()
    plain = LogisticRegression(C=np.inf).fit(logits(probabilities).reshape(-1, 1), labels.toarray().ravel())
    fitted = PlattScaling.fit(probabilities, labels)
    assert 1 / fitted.temperature == pytest.approx(plain.coef_[0, 0], rel=1e-3)
    assert fitted.shift == pytest.approx(plain.intercept_[0], abs=1e-3)


def test_isotonic_equals_scikit_learn_s_on_every_probability():
    probabilities, labels, _ = overconfident()
    theirs = IsotonicRegression().fit(logits(probabilities).ravel(), labels.toarray().ravel())
    ours = Isotonic.fit(probabilities, labels).apply(probabilities)
    apart = np.abs(ours.ravel() - theirs.predict(logits(probabilities).ravel()))
    assert apart.mean() < 1e-3, "rounded logits may differ only at the edges of a step"


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_concepts_are_true_as_often_as_their_calibrated_probability(name):
    probabilities, labels, _ = overconfident(2000)
    more, truth, _ = overconfident(2000, seed=1)
    calibrated = CALIBRATIONS[name].fit(probabilities, labels).apply(more)
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1)):
        within = (calibrated >= low) & (calibrated < high)
        assert truth.toarray()[within].mean() == pytest.approx(calibrated[within].mean(), abs=0.03)


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_calibration_keeps_the_order_of_probabilities_and_their_range(name):
    probabilities, labels, _ = overconfident(60, 20)
    ascending = np.concatenate([[0], np.sort(probabilities.ravel()), [1]])[None].astype(np.float32)
    calibrated = CALIBRATIONS[name].fit(probabilities, labels).apply(ascending)
    assert (np.diff(calibrated) >= 0).all()
    assert calibrated.min() >= 0 and calibrated.max() <= 1


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_probabilities_of_exactly_0_and_1_can_be_calibrated(name):
    probabilities, labels = np.array([[0, 1, 1, 0], [1, 0, 0, 1.0]]), [[0, 1, 1, 0], [1, 0, 1, 0]]
    assert np.isfinite(CALIBRATIONS[name].fit(probabilities, labels).apply(probabilities)).all()
