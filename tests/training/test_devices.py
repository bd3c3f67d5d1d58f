"""Two devices that share each batch, beside one; the CPU stands in for GPUs, split in two logical devices."""

import json
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from nblib.experiments import Run
from nblib.training.devices import grow_memory, retracing_warnings_suppressed, strategy_scope
from nblib.training.losses import LOSSES

SPLIT_THE_CPU = """
import json, sys
import keras, numpy as np, tensorflow as tf
cpu, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
"""

# Images 8, 8, 5 and 1 a batch: the third is shared 3 and 2, the last 1 and 0.
STEPS = """
from nblib.devices import as_part_of_batch, strategy_scope
from nblib.losses import LOSSES
from nblib.monitoring import SampleF1

rng = np.random.default_rng(0)
features = rng.normal(size=(22, 6)).astype("float32")
labels = (rng.random((22, 20)) < 0.3).astype("float32")

def batches():
    for start, end in ((0, 8), (8, 16), (16, 21), (21, 22)):
        yield features[start:end].copy(), labels[start:end].copy()

def data():
    return tf.data.Dataset.from_generator(
        batches, output_signature=(tf.TensorSpec((None, 6)), tf.TensorSpec((None, 20)))
    ).apply(tf.data.experimental.assert_cardinality(4))

def trained(devices, loss):
    keras.utils.set_random_seed(1)
    with strategy_scope(devices):
        hidden = keras.layers.Dense(16, activation="relu")
        normalised = keras.layers.BatchNormalization(synchronized=devices > 1)
        model = keras.Sequential([keras.Input((6,)), hidden, normalised, keras.layers.Dense(20, activation="sigmoid")])
        model.compile(keras.optimizers.SGD(1.0), as_part_of_batch(LOSSES[loss]), metrics=[SampleF1()])
    history = model.fit(data(), validation_data=data(), epochs=2, shuffle=False, verbose=0).history
    weights = np.concatenate([weight.ravel() for weight in model.get_weights()])
    return {"history": history, "weights": weights.tolist(), "predicted": model.predict(data(), verbose=0).tolist()}

print(json.dumps({loss: [trained(devices, loss) for devices in (1, 2)] for loss in LOSSES}))
"""

RUNS = """
from nblib.experiment import Experiment
from nblib.models import build_network, from_pixels
from nblib.runs import open_run
from nblib.training import compile_model, fit, load_training_data, predict_test, train

def run(name, killed_after=None, **conditions):
    experiment = Experiment(**{**json.loads(sys.argv[1]), "experiment_name": name, **conditions})
    data = load_training_data(experiment)
    build = lambda: build_network(experiment, len(data.vocabulary))
    if killed_after:
        begun = open_run(experiment, data.dataset, data.vocabulary)
        model = compile_model(from_pixels(build(), experiment.backbone), experiment)
        fit(model, experiment.model_copy(update={"epochs": killed_after}), data, begun)
    return train(experiment, data, build())

run("one", dropout=0)
run("two", dropout=0, devices=2)
mixed = dict(backbone="small_plain", dropout=0.25, devices=2, precision="mixed_float16")
run("whole", **mixed)
predict_test(run("killed", 1, **mixed))
"""


def in_a_process_of_its_own(program, *arguments):
    command = [sys.executable, "-c", SPLIT_THE_CPU + program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def steps():
    return json.loads(in_a_process_of_its_own(STEPS).splitlines()[-1])


@pytest.fixture(scope="module")
def runs(sample, tmp_path_factory):
    """Runs on 37 = 4 * 8 + 5 images: two devices share the last batch 3 and 2."""
    folder = tmp_path_factory.mktemp("devices")
    conditions = dict(backbone="small_residual", weights=None, image_size=32, fc_units=32, loss="f1_times_bce")
    conditions |= dict(batch_size=8, learning_rate=1e-3, epochs=2, flipped_copies=False, limit_images=37)
    in_a_process_of_its_own(RUNS, json.dumps({**conditions, "data": str(sample), "runs": str(folder)}))
    return {path.parent.parent.name: Run(path.parent) for path in folder.glob("*/val1/scores.json")}


@pytest.mark.parametrize("loss", LOSSES)
def test_two_devices_take_the_steps_of_one_also_where_a_batch_does_not_divide(steps, loss):
    one, two = steps[loss]
    for name, values in one["history"].items():
        assert two["history"][name] == pytest.approx(values, rel=1e-5), name
    np.testing.assert_allclose(two["weights"], one["weights"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_two_devices_answer_each_image_in_its_place(steps, loss):
    one, two = steps[loss]
    assert np.shape(two["predicted"]) == (22, 20)
    np.testing.assert_allclose(two["predicted"], one["predicted"], rtol=0, atol=1e-5)


def test_a_run_on_two_devices_is_that_on_one_but_for_rounding(runs):
    one, two = (runs[name].history.drop(columns="seconds") for name in ("one", "two"))
    pd.testing.assert_frame_equal(one, two, check_exact=False, rtol=1e-3, atol=1e-3)


def test_a_run_on_two_devices_goes_on_to_the_same_bits_also_in_mixed_precision(runs):
    whole, killed = (runs[name] for name in ("whole", "killed"))
    pd.testing.assert_frame_equal(
        whole.history.drop(columns="seconds"), killed.history.drop(columns="seconds"), check_exact=True
    )
    for half in ("val1", "val2"):
        np.testing.assert_array_equal(whole.probabilities(half)[1], killed.probabilities(half)[1])


def test_what_two_devices_trained_one_predicts_with(runs):
    assert len(runs["killed"].probabilities("test")[0]) == 12


def test_more_devices_than_there_are_are_refused_with_how_many_are_seen():
    gpus = len(tf.config.list_physical_devices("GPU"))
    with pytest.raises(ValueError, match=rf"devices is 99, but TensorFlow sees {gpus} GPUs: set devices to "):
        strategy_scope(99)


def test_memory_is_asked_for_as_often_as_one_likes_with_or_without_a_gpu():
    grow_memory()
    grow_memory()
    assert all(tf.config.experimental.get_memory_growth(gpu) for gpu in tf.config.list_physical_devices("GPU"))


def test_many_networks_are_asked_without_a_word_of_tracing(caplog, monkeypatch):
    monkeypatch.setattr(tf.get_logger(), "propagate", True)
    for _ in range(8):
        network = keras.Sequential([keras.layers.Dense(1)])
        with retracing_warnings_suppressed():
            network.predict(np.zeros((2, 3), np.float32), verbose=0)
    assert not caplog.records
    tf.get_logger().warning("heard again")
    assert caplog.messages == ["heard again"]
