import numpy as np
import pytest

from nblib.evaluation.conformal import NumberInterval, expected_number, number_features, spread


def test_features_are_the_sums_of_each_image():
    features = number_features(np.array([[0.5, 0.75, 0.25], [0.0, 0.0, 1.0]]), 0.5)
    assert features.tolist() == [[1, 1.5, 1, 0.25 + 0.1875 + 0.1875, 0.75], [1, 1, 1, 0, 1]]


def test_the_interval_is_the_expected_number_and_so_many_spreads():
    interval = NumberInterval(np.array([0.0, 2.0]), 1.5)
    low, high = interval.bounds(np.array([[1.0, 2.0], [1.0, 0.1], [1.0, -3.0]]))
    assert low.tolist() == [1, 0, 0]  # 4 - 1.5 * 2; 0.2 - 1.5; 0 - 1.5
    assert high.tolist() == [7, 1, 1]  # 4 + 1.5 * 2; 0.2 + 1.5; 0 + 1.5


def test_the_radius_is_a_quantile_of_errors_on_images_that_were_not_regressed():
    rng = np.random.default_rng(0)
    features = np.stack([np.ones(59), rng.uniform(1, 9, 59)], axis=1)
    number = np.round(features[:, 1] + rng.normal(size=59))
    fitted = NumberInterval.fit(features, number, level=0.9, seed=3)
    order = np.random.default_rng(3).permutation(59)
    weights = np.linalg.lstsq(features[order[:29]], number[order[:29]], rcond=None)[0]
    expected = expected_number(features[order[29:]], weights)
    errors = sorted(np.abs(number[order[29:]] - expected) / spread(expected))
    assert fitted.weights == pytest.approx(weights) and fitted.radius == errors[27]  # ceil(31 * 0.9) = 28 of 30


def test_with_too_few_images_the_interval_is_as_wide_as_can_be():
    fitted = NumberInterval.fit(np.ones((10, 1)), np.arange(10), level=0.9)
    low, high = fitted.bounds(np.ones((1, 1)))
    assert low[0] == 0 and high[0] >= 18


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_the_interval_holds_for_its_share_of_new_images(level):
    """The mean over 200 simulations, whose standard error is below 0.005; integers make it a little too wide."""
    rng, held = np.random.default_rng(1), []
    for _ in range(200):
        rate = rng.gamma(2, 3, 500)
        number, features = rng.poisson(rate), np.stack([np.ones(500), np.sqrt(rate), rate > 5], axis=1)
        fitted = NumberInterval.fit(features[:200], number[:200], level)
        low, high = fitted.bounds(features[200:])
        held.append(((number[200:] >= low) & (number[200:] <= high)).mean())
    assert level - 0.01 < np.mean(held) < level + 0.03
