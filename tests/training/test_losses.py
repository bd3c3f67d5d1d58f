from typing import get_args

import keras
import numpy as np
import pytest
import tensorflow as tf

from nblib.experiments.experiment import Loss
from nblib.training.losses import (
    LOSSES,
    PAPER_LOSSES,
    asymmetric,
    bce,
    f1_times_bce,
    focal,
    loss_slices,
    smoothed,
    soft_f1,
)

EPSILON = 1e-7


def listing_1_2(y_true, y_pred):
    tp = np.sum(y_true * y_pred, axis=-1)
    fp = np.sum((1 - y_true) * y_pred, axis=-1)
    fn = np.sum(y_true * (1 - y_pred), axis=-1)
    p = tp / (tp + fp + EPSILON)
    r = tp / (tp + fn + EPSILON)
    f1 = 2 * p * r / (p + r + EPSILON)
    return 1 - np.mean(f1)


def elementwise_bce(y_true, y_pred):
    return -(y_true * np.log(y_pred) + (1 - y_true) * np.log(1 - y_pred))


def listing_1_3(y_true, y_pred):
    return listing_1_2(y_true, y_pred) * elementwise_bce(y_true, y_pred)


def focal_by_hand(y_true, y_pred):
    of_true = y_true * (1 - y_pred) ** 2 * np.log(y_pred)
    return -np.mean(of_true + (1 - y_true) * y_pred**2 * np.log(1 - y_pred))


def asymmetric_by_hand(y_true, y_pred):
    """As in the reference implementation: gamma 1 for true concepts, 4 for others, these lowered by 0.05."""
    lowered = np.clip(y_pred - 0.05, 0, 1)
    of_true = y_true * (1 - y_pred) * np.log(y_pred)
    return -np.mean(of_true + (1 - y_true) * lowered**4 * np.log(1 - lowered))


def product_by_image(y_true, y_pred):
    images = zip(y_true, y_pred, strict=True)
    return np.mean([listing_1_2(true[None], pred[None]) * elementwise_bce(true, pred).mean() for true, pred in images])


# What the paper's functions give for a batch, once Keras has taken the mean of all they return.
BATCH_VALUES = {
    "bce": lambda y_true, y_pred: np.mean(elementwise_bce(y_true, y_pred)),
    "one_minus_f1": listing_1_2,
    "f1_times_bce": lambda y_true, y_pred: np.mean(listing_1_3(y_true, y_pred)),
    "f1_plus_bce": lambda y_true, y_pred: listing_1_2(y_true, y_pred) + np.mean(elementwise_bce(y_true, y_pred)),
    "f1_times_bce_per_image": product_by_image,
    "focal": focal_by_hand,
    "asymmetric": asymmetric_by_hand,
}


def random_batch(images, concepts, density, seed):
    rng = np.random.default_rng(seed)
    y_true = (rng.random((images, concepts)) < density).astype("float32")
    return y_true, rng.uniform(0.001, 0.999, (images, concepts)).astype("float32")


def test_losses_are_those_an_experiment_can_name():
    assert set(LOSSES) == set(BATCH_VALUES) == set(get_args(Loss))


@pytest.mark.parametrize(("images", "concepts", "density"), [(1, 5, 0.5), (8, 40, 0.1), (32, 3047, 0.004)])
@pytest.mark.parametrize("name", LOSSES)
def test_mean_over_the_batch_is_that_of_the_listings(name, images, concepts, density):
    y_true, y_pred = random_batch(images, concepts, density, seed=images)
    by_image = keras.ops.convert_to_numpy(LOSSES[name](y_true, y_pred))
    assert by_image.shape == (images,)
    expected = BATCH_VALUES[name](y_true.astype("float64"), y_pred.astype("float64"))
    assert by_image.mean() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("y_true", "y_pred", "f1"),
    [
        ([1, 1, 0, 0], [1, 0, 1, 0], 1 / 2),  # precision 1/2, recall 1/2
        ([1, 1, 0], [0.8, 0.4, 0.4], 2 / 3),  # 1.2 true positives: precision 1.2/1.6, recall 1.2/2
        ([0, 1, 1], [0, 1, 1], 1),
        ([1, 0, 0], [0, 1, 1], 0),
        ([0, 0, 0], [0.5, 0.5, 0.5], 0),
        ([0, 0, 0], [0, 0, 0], 0),
        ([1, 0, 1], [0, 0, 0], 0),
    ],
)
def test_soft_f1_of_cases_worked_out_by_hand(y_true, y_pred, f1):
    value = soft_f1(np.array([y_true]), keras.ops.convert_to_tensor([y_pred], "float32"))
    assert keras.ops.convert_to_numpy(value) == pytest.approx([f1], abs=1e-6)


def one(value):
    return keras.ops.convert_to_tensor([[value]], "float32")


def test_an_asymmetric_loss_ignores_what_is_below_its_margin_and_is_cross_entropy_without_gammas_and_margin():
    assert float(asymmetric(one(0), one(0.05))[0]) == 0
    assert float(asymmetric(one(0), one(0.55))[0]) == pytest.approx(0.5**4 * np.log(2), rel=1e-5)
    assert float(asymmetric(one(1), one(0.5))[0]) == pytest.approx(0.5 * np.log(2), rel=1e-5)
    y_true, y_pred = random_batch(8, 40, 0.1, seed=5)
    plain = asymmetric(y_true, keras.ops.convert_to_tensor(y_pred), gamma_true=0, gamma_false=0, margin=0)
    np.testing.assert_allclose(plain, elementwise_bce(y_true, y_pred).mean(axis=1), rtol=1e-5)


def test_focal_loss_of_a_half_is_a_quarter_of_cross_entropy():
    assert float(focal(one(1), one(0.5))[0]) == pytest.approx(np.log(2) / 4, rel=1e-5)


def test_the_product_by_image_is_that_of_the_batch_where_the_batch_is_one_image_only():
    y_true, y_pred = random_batch(8, 40, 0.1, seed=5)
    by_image = LOSSES["f1_times_bce_per_image"](y_true, y_pred)
    alone = [float(f1_times_bce(y_true[[row]], y_pred[[row]])[0]) for row in range(8)]
    np.testing.assert_allclose(by_image, alone, rtol=1e-5)
    assert np.abs(by_image - f1_times_bce(y_true, y_pred)).max() > 0.01


def finite_differences(value_of, y_true, y_pred, step=1e-5):
    """The gradient of a listing by central differences in float64, one probability at a time, (N, K)."""
    y_true, gradient = y_true.astype("float64"), np.zeros(y_pred.shape)
    for place in np.ndindex(y_pred.shape):
        higher, lower = y_pred.astype("float64"), y_pred.astype("float64")
        higher[place], lower[place] = higher[place] + step, lower[place] - step
        gradient[place] = (value_of(y_true, higher) - value_of(y_true, lower)) / (2 * step)
    return gradient


@pytest.mark.parametrize("error", [0.5, 0.2, 0.02, None], ids=["untrained", "under way", "nearly trained", "drawn"])
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_the_finite_differences_of_the_listings(name, error):
    y_true, drawn = random_batch(6, 12, 0.25, seed=4)
    y_pred = np.abs(y_true - np.float32(error)) if error else drawn
    probabilities = tf.Variable(y_pred)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(LOSSES[name](y_true, probabilities))
    expected = finite_differences(BATCH_VALUES[name], y_true, y_pred)
    np.testing.assert_allclose(tape.gradient(loss, probabilities), expected, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("truth", [0.0, 1.0])
@pytest.mark.parametrize("answer", [0.0, 1.0])
@pytest.mark.parametrize("name", LOSSES)
def test_values_and_gradients_are_finite_where_all_is_0_or_1(name, truth, answer):
    y_true, y_pred = tf.fill((4, 10), truth), tf.Variable(tf.fill((4, 10), answer))
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(LOSSES[name](y_true, y_pred))
    assert np.isfinite(loss) and np.isfinite(tape.gradient(loss, y_pred)).all()


@pytest.mark.parametrize("name", LOSSES)
def test_keras_reports_the_mean_of_the_listings_batch_values_while_fitting(name):
    """Batches of 8 and 4: the F1 in the product and the sum is that of each batch, not of an image nor of all."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(20, activation="sigmoid")])
    model.compile(loss=LOSSES[name], optimizer=keras.optimizers.SGD(0.0))
    features = np.random.default_rng(2).normal(size=(12, 6)).astype("float32") * 2
    y_true = random_batch(12, 20, 0.2, seed=3)[0]
    reported = model.fit(features, y_true, batch_size=8, shuffle=False, verbose=0).history["loss"]

    y_pred = model.predict(features, verbose=0).astype("float64")
    first, second = (BATCH_VALUES[name](y_true[part], y_pred[part]) for part in (slice(0, 8), slice(8, 12)))
    assert reported == [pytest.approx((8 * first + 4 * second) / 12, rel=1e-5)]


def test_slices_begin_at_a_half_everywhere_and_end_at_the_truth():
    table = loss_slices(np.array([[1, 0, 0, 0]]), np.array([0.0, 20.0])).set_index(["margin", "loss"])["value"]
    # At 0: half a true positive, precision 0.5/2, recall 0.5/1, so F1 is 1/3; cross-entropy is ln 2.
    untrained = {"bce": np.log(2), "one_minus_f1": 2 / 3, "f1_times_bce": np.log(2) * 2 / 3}
    untrained["f1_plus_bce"] = np.log(2) + 2 / 3
    assert table.loc[0.0].to_dict() == pytest.approx(untrained, rel=1e-5)
    assert table.loc[20.0].to_dict() == pytest.approx(dict.fromkeys(PAPER_LOSSES, 0.0), abs=1e-5)


def test_one_minus_f1_is_a_plateau_with_a_hole_and_cross_entropy_a_wide_bag():
    """Slopes from an untrained network, at 0, to the truth, with 3,047 sigmoids and 11 concepts per image."""
    labels = np.zeros((2, 3047))
    labels[:, :11] = 1
    margins = np.arange(0, 12.25, 0.25)
    values = loss_slices(labels, margins).pivot(index="margin", columns="loss", values="value")
    middle, slopes = margins[1:] - 0.125, -values.diff().to_numpy()[1:] / 0.25
    f1, bce = (slopes[:, values.columns.get_loc(name)] for name in ("one_minus_f1", "bce"))

    # soft F1 of 11 right and 3,036 wrong sigmoids at 0.5: precision 11 / 3,047, recall 1/2, so F1 is 22 / 3,069.
    assert values.loc[0, "one_minus_f1"] == pytest.approx(1 - 22 / 3069, rel=1e-5)
    assert f1[middle < 2].max() < f1.max() / 5 and values.loc[2, "one_minus_f1"] > 0.94
    # Later all 11 are right, 3,036 * exp(-m) is wrong, and F1 is the sigmoid of m - ln(3,036 / 22): steepest at 4.93.
    assert f1.max() == pytest.approx(1 / 4, rel=0.02)
    assert middle[f1.argmax()] == pytest.approx(np.log(3036 / 22), abs=0.125)

    # Cross-entropy is log(1 + exp(-m)), of slope sigmoid(-m): steepest at the rim, flat where the hole is.
    np.testing.assert_allclose(bce, 1 / (1 + np.exp(middle)), rtol=0.01)
    assert bce.argmax() == 0 and bce[f1.argmax()] < bce[0] / 50


def test_smoothed_labels_are_those_of_keras():
    rng = np.random.default_rng(9)
    labels, probabilities = (rng.random((5, 7)) < 0.3).astype("float32"), rng.random((5, 7)).astype("float32")
    ours = smoothed(bce, 0.1)(labels, probabilities)
    theirs = keras.losses.binary_crossentropy(labels, probabilities, label_smoothing=0.1)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    np.testing.assert_allclose(ours, bce(np.where(labels, 0.95, 0.05).astype("float32"), probabilities), rtol=1e-6)
    assert smoothed(bce, 0) is bce
