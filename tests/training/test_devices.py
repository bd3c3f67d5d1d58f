"""Two devices that share each batch, compared with one; the CPU stands in for GPUs, as two logical devices."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from nblib.experiments import Run
from nblib.training.devices import grow_memory, retracing_warnings_suppressed, strategy_scope
from nblib.training.losses import LOSSES

# Images 8, 8, 5 and 1 per batch: the third is shared 3 and 2, the last 1 and 0.
TWO_DEVICES = """
import json, sys
import keras, numpy as np, tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from benchmarks.killing import train_anew, train_in_part
from nblib.experiments import Experiment
from nblib.training import predict_test
from nblib.training.losses import LOSSES
from nblib.training.metrics import SampleF1
from nblib.training.devices import as_part_of_batch, strategy_scope

rng = np.random.default_rng(0)
features = rng.normal(size=(22, 6)).astype("float32")
labels = (rng.random((22, 20)) < 0.3).astype("float32")
parts = {loss: slice(20 * number, 20 * number + 20) for number, loss in enumerate(LOSSES)}

def all_losses(y_true, y_pred):
    return sum(LOSSES[loss](y_true[:, part], y_pred[:, part]) for loss, part in parts.items())

def batches():
    for start, end in ((0, 8), (8, 16), (16, 21), (21, 22)):
        yield features[start:end].copy(), np.tile(labels[start:end], len(parts))

def data():
    return tf.data.Dataset.from_generator(
        batches, output_signature=(tf.TensorSpec((None, 6)), tf.TensorSpec((None, 20 * len(parts))))
    ).apply(tf.data.experimental.assert_cardinality(4))

def trained(devices):
    keras.utils.set_random_seed(1)
    with strategy_scope(devices):
        hidden = keras.layers.Dense(16, activation="relu")
        normalised = keras.layers.BatchNormalization(synchronized=devices > 1)
        head = keras.layers.Dense(20 * len(parts), activation="sigmoid")
        model = keras.Sequential([keras.Input((6,)), hidden, normalised, head])
        model.compile(keras.optimizers.SGD(1.0), as_part_of_batch(all_losses), metrics=[SampleF1()])
    history = model.fit(data(), validation_data=data(), epochs=2, shuffle=False, verbose=0).history
    predicted = model.predict(data(), verbose=0)
    common = np.concatenate([weight.ravel() for layer in (hidden, normalised) for weight in layer.get_weights()])
    weights = {loss: np.vstack(head.get_weights())[:, part].tolist() for loss, part in parts.items()}
    return {
        "history": history,
        "weights": {"common": common.tolist(), **weights},
        "predicted": {loss: predicted[:, part].tolist() for loss, part in parts.items()},
    }

steps = json.dumps([trained(devices) for devices in (1, 2)])

def experiment(name, **conditions):
    return Experiment(**{**json.loads(sys.argv[1]), "experiment_name": name, **conditions})

mixed = dict(backbone="small_plain", dropout=0.25, devices=2, precision="mixed_float16")
train_anew(experiment("one", dropout=0))
train_anew(experiment("two", dropout=0, devices=2))
train_anew(experiment("whole", **mixed))
train_in_part(experiment("killed", **mixed), 1)
predict_test(train_anew(experiment("killed", **mixed)))
options = dict(dropout=0, epochs=1, use_ema=True, ema_momentum=0.5, monitor="tuned_f1", optimizer="adamw")
train_anew(experiment("options", **options))
train_anew(experiment("options_on_two", devices=2, **options))
print(steps)
"""


@pytest.fixture(scope="module")
def two_devices(sample, tmp_path_factory):
    """Steps with the sum of all losses, each on its own sigmoids, and runs on 13 = 8 + 5 images."""
    folder = tmp_path_factory.mktemp("devices")
    conditions = dict(backbone="small_residual", weights=None, image_size=32, fc_units=32, loss="f1_times_bce")
    conditions |= dict(batch_size=8, learning_rate=1e-3, epochs=2, flipped_copies=False, limit_images=13)
    conditions |= {"data": str(sample), "runs": str(folder)}
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    command = [sys.executable, "-c", TWO_DEVICES, json.dumps(conditions)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths})
    assert done.returncode == 0, done.stderr[-3000:]
    runs = {path.parent.parent.name: Run(path.parent) for path in folder.glob("*/val1/scores.json")}
    return json.loads(done.stdout.splitlines()[-1]), runs


@pytest.fixture(scope="module")
def steps(two_devices):
    return two_devices[0]


@pytest.fixture(scope="module")
def runs(two_devices):
    return two_devices[1]


def test_two_devices_report_what_one_reports_also_where_a_batch_does_not_divide(steps):
    one, two = steps
    assert one["history"].keys() == {"loss", "f1", "val_loss", "val_f1"}
    for name, values in one["history"].items():
        assert two["history"][name] == pytest.approx(values, rel=1e-5), name


@pytest.mark.parametrize("part", ["common", *LOSSES])
def test_two_devices_take_the_steps_of_one_also_where_a_batch_does_not_divide(steps, part):
    one, two = steps
    np.testing.assert_allclose(two["weights"][part], one["weights"][part], rtol=0, atol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_two_devices_predict_each_image_in_its_place(steps, loss):
    one, two = steps
    assert np.shape(two["predicted"][loss]) == (22, 20)
    np.testing.assert_allclose(two["predicted"][loss], one["predicted"][loss], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("one", "two"), [("one", "two"), ("options", "options_on_two")])
def test_a_run_on_two_devices_is_that_on_one_but_for_rounding(one, two, runs):
    one, two = (runs[name].history.drop(columns="seconds") for name in (one, two))
    pd.testing.assert_frame_equal(one, two, check_exact=False, rtol=1e-3, atol=1e-3)


def test_a_run_on_two_devices_resumes_to_the_same_bits_also_in_mixed_precision(runs):
    whole, killed = (runs[name] for name in ("whole", "killed"))
    pd.testing.assert_frame_equal(
        whole.history.drop(columns="seconds"), killed.history.drop(columns="seconds"), check_exact=True
    )
    for half in ("val1", "val2"):
        np.testing.assert_array_equal(whole.probabilities(half)[1], killed.probabilities(half)[1])


def test_one_device_predicts_with_what_two_devices_trained(runs):
    assert len(runs["killed"].probabilities("test")[0]) == 12


def test_more_devices_than_there_are_are_refused_with_their_number():
    gpus = len(tf.config.list_physical_devices("GPU"))
    with pytest.raises(ValueError, match=rf"devices is 99, but TensorFlow sees {gpus} GPUs: set devices to "):
        strategy_scope(99)


def test_memory_growth_can_be_set_twice_with_or_without_a_gpu():
    grow_memory()
    grow_memory()
    assert all(tf.config.experimental.get_memory_growth(gpu) for gpu in tf.config.list_physical_devices("GPU"))


def test_many_networks_predict_without_warnings_of_retracing(caplog, monkeypatch):
    monkeypatch.setattr(tf.get_logger(), "propagate", True)
    for _ in range(8):
        network = keras.Sequential([keras.layers.Dense(1)])
        with retracing_warnings_suppressed():
            network.predict(np.zeros((2, 3), np.float32), verbose=0)
    assert not caplog.records
    tf.get_logger().warning("heard again")
    assert caplog.messages == ["heard again"]
