import keras
import numpy as np
import pytest

from nblib.evaluation import f1_by_threshold, sample_f1
from nblib.training.metrics import THRESHOLDS, SampleF1, SigmoidAccuracy, TunedF1


@pytest.mark.parametrize("threshold", [0.5, 0.2])
def test_f1_on_the_device_is_the_score_over_uneven_batches(threshold):
    rng = np.random.default_rng(0)
    labels, probabilities = rng.random((23, 40)) < 0.08, rng.random((23, 40)).astype("float32") ** 2
    labels[[3, 9, 22]] = False
    assert labels.any(axis=1).sum() == 20
    metric = SampleF1(threshold)
    for start, end in ((0, 8), (8, 9), (9, 10), (10, 23)):  # the batch of image 9 has no true concept at all
        metric.update_state(labels[start:end].astype("float32"), probabilities[start:end])
    assert float(metric.result()) == pytest.approx(sample_f1(labels, probabilities > threshold), rel=1e-6)


def test_concepts_that_the_label_space_lacks_are_misses_for_f1_and_nothing_for_accuracy():
    labels = np.array([[1, 0, 1], [0, 0, 2], [0, 0, 0]], "float32")  # the last column counts the concepts left out
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.4]], "float32")
    f1, accuracy = SampleF1(), SigmoidAccuracy()
    f1.update_state(labels, probabilities)
    accuracy.update_state(labels, probabilities)
    assert float(f1.result()) == pytest.approx((2 / 3 + 0) / 2)  # 1 of 2 found; 1 wrong of 2; no true concept at all
    assert float(accuracy.result()) == pytest.approx(5 / 6)


def test_a_probability_of_exactly_the_threshold_is_not_selected():
    metric = SampleF1()
    metric.update_state(np.ones((1, 2)), np.array([[0.5, 0.75]], "float32"))
    assert float(metric.result()) == pytest.approx(2 / 3)  # one of two found, none wrong


def test_keras_reports_the_score_over_all_images_not_the_mean_of_batches():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="sigmoid")])
    model.compile(loss="binary_crossentropy", metrics=[SampleF1()])
    rng = np.random.default_rng(4)
    features, labels = rng.normal(size=(11, 4)), rng.integers(0, 2, (11, 3))
    reported = model.evaluate(features, labels, batch_size=4, verbose=0, return_dict=True)["f1"]
    assert reported == pytest.approx(sample_f1(labels, model.predict(features, verbose=0) > 0.5), rel=1e-6)


def test_the_tuned_f1_is_that_of_the_best_threshold_over_all_batches():
    rng = np.random.default_rng(5)
    labels = rng.random((23, 40)) < 0.08
    labels[[3, 9]] = False
    probabilities = (rng.random((23, 40)) * np.where(labels, 0.6, 0.3)).astype("float32")
    metric = TunedF1()
    for rows in (slice(0, 8), slice(8, 23)):
        metric.update_state(labels[rows].astype("float32"), probabilities[rows])
    scores = f1_by_threshold(labels, probabilities, np.float32(THRESHOLDS))
    assert 0 < THRESHOLDS[scores.argmax()] < 0.5
    assert float(metric.result()) == pytest.approx(scores.max(), rel=1e-6)
    metric.reset_state()
    metric.update_state(np.zeros((2, 3), "float32"), np.ones((2, 3), "float32"))
    assert float(metric.result()) == 0
