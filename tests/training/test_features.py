import numpy as np
import pandas as pd
import pytest
from benchmarks.killing import train_anew

from nblib.data import cache_pixels
from nblib.experiments import Experiment, open_run
from nblib.training.callbacks import weights_only
from nblib.training.features import Features, extract_features, feature_network, split_frozen
from nblib.training.models import BACKBONES, build_backbone, build_network, from_pixels
from nblib.training.trainer import (
    compile_model,
    fit,
    load_training_data,
    on_kept_features,
    predict,
    predict_test,
    train,
)


def small(sample, runs, **conditions):
    defaults = dict(
        experiment_name="frozen",
        backbone="small_plain",
        weights=None,
        image_size=32,
        fc_layers=1,
        fc_units=32,
        dropout=0.25,
        batch_size=8,
        learning_rate=1e-3,
        epochs=3,
        limit_images=20,
        trainable_from="head",
        data=str(sample),
        runs=str(runs),
    )
    return Experiment(**{**defaults, **conditions})


@pytest.fixture
def images(sample_dataset):
    return sample_dataset.images.iloc[:10]


LAYERS = ("block2_pool", "block4_pool")


def test_features_are_the_means_of_each_layer_of_length_one_side_by_side(images, sample, tmp_path):
    experiment = small(sample, tmp_path)
    features = extract_features(images, experiment, LAYERS)
    backbone = build_backbone(experiment)
    seen = BACKBONES["small_plain"].preprocess(np.array(cache_pixels(images, 32, tmp_path / "pixels"), np.float32))
    expected = []
    for layer in backbone.layers[1:]:
        seen = np.asarray(layer(seen))
        if layer.name in LAYERS:
            means = seen.mean(axis=(1, 2))
            expected.append(means / np.linalg.norm(means, axis=1, keepdims=True) / np.sqrt(2))
    assert features.shape == (10, 32 + 128) and features.dtype == np.float32
    np.testing.assert_allclose(features, np.hstack(expected), atol=1e-5)


def test_kept_features_are_read_and_not_computed_again(images, sample, tmp_path):
    experiment = small(sample, tmp_path)
    first = np.array(extract_features(images, experiment, LAYERS))
    (kept,) = (tmp_path / "features").iterdir()
    before = kept.stat().st_mtime_ns
    np.testing.assert_array_equal(extract_features(images, experiment, LAYERS), first)
    assert kept.stat().st_mtime_ns == before


@pytest.mark.parametrize("other", [{"seed": 1}, {"image_size": 40}, {"backbone": "small_residual"}])
def test_other_features_are_another_file(other, images, sample, tmp_path):
    extract_features(images, small(sample, tmp_path), ("block4_pool",))
    changed = small(sample, tmp_path, **other)
    extract_features(images, changed, ("last" if "backbone" in other else "block4_pool",))
    extract_features(images, small(sample, tmp_path), ("block4_pool",), mirrored=True)
    extract_features(images.iloc[:5], small(sample, tmp_path), ("block4_pool",))
    assert len(list((tmp_path / "features").iterdir())) == 4


def test_mirrored_features_are_those_of_the_mirrored_pixels(images, sample, tmp_path):
    experiment = small(sample, tmp_path)
    pixels = np.asarray(cache_pixels(images, 32, tmp_path / "pixels"))
    expected = feature_network(experiment, LAYERS)(np.ascontiguousarray(pixels[:, :, ::-1]))
    np.testing.assert_allclose(extract_features(images, experiment, LAYERS, mirrored=True), expected, atol=1e-5)


def test_a_killed_computation_goes_on_with_the_parts_it_has(images, sample, tmp_path, monkeypatch):
    monkeypatch.setattr("nblib.training.features.PART", 4)
    experiment = small(sample, tmp_path)
    whole = np.array(extract_features(images, experiment, LAYERS))
    (kept,) = (tmp_path / "features").iterdir()
    kept.unlink()
    kept.with_suffix("").mkdir()
    np.save(kept.with_suffix("") / "000000004.npy", np.full((4, 160), 7, dtype=np.float32))
    again = extract_features(images, experiment, LAYERS)
    assert (again[4:8] == 7).all()  # taken as it was found
    np.testing.assert_array_equal(np.delete(again, slice(4, 8), 0), np.delete(whole, slice(4, 8), 0))
    assert [path.name for path in (tmp_path / "features").iterdir()] == [kept.name]


def test_a_layer_that_is_not_there_is_refused(images, sample, tmp_path):
    with pytest.raises(ValueError, match=r"small_plain has no layer 'block9_pool'; it has .*block1_conv, block1_pool"):
        extract_features(images, small(sample, tmp_path), ("block9_pool",))


@pytest.mark.parametrize(("pooling", "shape"), [("flatten", (512,)), ("avg", (128,)), ("gem", (2, 2, 128))])
def test_frozen_part_and_head_are_the_network_in_two(pooling, shape, sample, tmp_path):
    network = build_network(small(sample, tmp_path, pooling=pooling), 7)
    frozen, head = split_frozen(network, small(sample, tmp_path, pooling=pooling))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    assert frozen.output_shape == (None, *shape)
    np.testing.assert_allclose(head(frozen(pixels)), from_pixels(network, "small_plain")(pixels), atol=1e-6)


@pytest.mark.parametrize(("first", "frozen"), [(None, False), ("block4", False), ("block4_pool", True), ("head", True)])
def test_features_are_kept_only_where_nothing_of_the_backbone_learns(first, frozen, sample, tmp_path):
    experiment = small(sample, tmp_path, trainable_from=first)
    assert (split_frozen(build_network(experiment, 7), experiment) is not None) == frozen


def test_a_batch_holds_the_features_of_mirrored_images_where_they_are_wanted():
    features = Features(np.arange(6.0).reshape(3, 2), -np.arange(6.0).reshape(3, 2))
    rows = np.array([2, 0, 2])
    np.testing.assert_array_equal(features.batch(rows), [[4, 5], [0, 1], [4, 5]])
    flipped = np.array([True, False, False])
    np.testing.assert_array_equal(features.batch(rows, flipped), [[-4, -5], [0, 1], [4, 5]])


def begun(experiment, data):
    """The run, and the network on pixels with nothing trained yet."""
    run = open_run(experiment, data.dataset, data.vocabulary)
    return run, build_network(experiment, len(data.vocabulary))


@pytest.mark.parametrize("conditions", [{"flipped_copies": True}, {"flipped_copies": False, "pooling": "gem"}])
def test_a_head_trained_on_kept_features_is_the_one_trained_on_pixels(conditions, sample, tmp_path):
    on_features = small(sample, tmp_path, **conditions)
    data = load_training_data(on_features)
    kept = train(on_features, data, begun(on_features, data)[1])

    on_pixels = small(sample, tmp_path, **conditions, experiment_name="pixels")
    run, network = begun(on_pixels, data)
    model = compile_model(from_pixels(network, "small_plain"), on_pixels)
    fit(model, on_pixels, data, run)
    columns = ["loss", "f1", "val_loss", "val_f1"]
    assert run.history["loss"].is_monotonic_decreasing
    pd.testing.assert_frame_equal(kept.history[columns], run.history[columns], rtol=1e-3, atol=1e-5)
    weights_only(model).load_weights(run.folder / "best.weights.h5")
    expected = predict(model, data.val1, 8)
    np.testing.assert_allclose(kept.probabilities("val1")[1], expected, atol=1e-4)
    assert np.ptp(expected, axis=0).max() > 1e-3

    predict_test(kept)  # from pixels, with the whole network's best weights
    once = kept.probabilities("test")[1]
    predict_test(kept, flip=True)
    assert 1e-5 < np.abs(kept.probabilities("test")[1] - once).max() < 0.2


def test_a_run_on_kept_features_that_was_killed_goes_on(sample, tmp_path):
    whole = train_anew(small(sample, tmp_path / "whole"))
    experiment = small(sample, tmp_path / "killed")
    data = load_training_data(experiment)
    run, network = begun(experiment, data)
    whole_network = from_pixels(network, "small_plain")
    learner, seen = on_kept_features(network, experiment, data)
    begin = experiment.model_copy(update={"epochs": 1})
    fit(compile_model(learner, experiment), begin, seen, run, whole=whole_network)
    resumed = train_anew(experiment)
    assert resumed.history["loss"].tolist() == whole.history["loss"].tolist()
    np.testing.assert_array_equal(resumed.probabilities("val1")[1], whole.probabilities("val1")[1])
