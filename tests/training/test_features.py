import os
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
from benchmarks.killing import train_anew, train_in_part
from finished import finished_run

from nblib.data import Examples, cache_pixels
from nblib.experiments import Experiment, open_run
from nblib.training.backbones import BACKBONES
from nblib.training.callbacks import weights_only
from nblib.training.features import Features, extract_features, on_features, similarity_features, split_frozen
from nblib.training.gradcam import last_feature_maps
from nblib.training.models import build_backbone, build_network, trained_network, with_preprocessing
from nblib.training.trainer import compile_model, fit, predict, predict_test
from nblib.training.training_data import load_training_data


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


def test_cached_features_are_read_and_not_extracted_again(images, sample, tmp_path):
    experiment = small(sample, tmp_path)
    first = np.array(extract_features(images, experiment, LAYERS))
    (cached,) = (tmp_path / "features").iterdir()
    before = cached.stat().st_mtime_ns
    np.testing.assert_array_equal(extract_features(images, experiment, LAYERS), first)
    assert cached.stat().st_mtime_ns == before


@pytest.mark.parametrize("other", [{"seed": 1}, {"image_size": 40}, {"backbone": "small_residual"}])
def test_other_features_are_another_file(other, images, sample, tmp_path):
    extract_features(images, small(sample, tmp_path), ("block4_pool",))
    changed = small(sample, tmp_path, **other)
    extract_features(images, changed, ("last" if "backbone" in other else "block4_pool",))
    extract_features(images, small(sample, tmp_path), ("block3_pool",))
    extract_features(images.iloc[:5], small(sample, tmp_path), ("block4_pool",))
    assert len(list((tmp_path / "features").iterdir())) == 4


def test_a_killed_extraction_resumes_with_the_parts_it_has(images, sample, tmp_path, monkeypatch):
    monkeypatch.setattr("nblib.training.features.PART", 4)
    experiment = small(sample, tmp_path)
    whole = np.array(extract_features(images, experiment, LAYERS))
    (cached,) = (tmp_path / "features").iterdir()
    cached.unlink()
    cached.with_suffix("").mkdir()
    np.save(cached.with_suffix("") / "000000004.npy", np.full((4, 160), 7, dtype=np.float32))
    again = extract_features(images, experiment, LAYERS)
    assert (again[4:8] == 7).all()  # the part that was there
    np.testing.assert_array_equal(np.delete(again, slice(4, 8), 0), np.delete(whole, slice(4, 8), 0))
    assert [path.name for path in (tmp_path / "features").iterdir()] == [cached.name]


@pytest.mark.parametrize("name", ["whole file", "part"])
@pytest.mark.parametrize("damage", ["empty", "cut", "zeros", "NaN", "pickled", "fewer"])
def test_damaged_features_are_extracted_anew(images, sample, tmp_path, name, damage):
    experiment = small(sample, tmp_path)
    whole = np.array(extract_features(images, experiment, LAYERS))
    (path,) = (tmp_path / "features").iterdir()
    size = path.stat().st_size
    if name == "part":
        path.unlink()
        path.with_suffix("").mkdir()
        path = path.with_suffix("") / "000000000.npy"
    values = {"NaN": np.where(whole == whole[3, 3], np.nan, whole), "pickled": whole.astype(object), "fewer": whole[1:]}
    with path.open("wb") as file:
        np.save(file, values.get(damage, whole))
    if damage not in values:
        os.truncate(path, size // 2 if damage == "cut" else 0)
    if damage == "zeros":
        os.truncate(path, size)
    np.testing.assert_array_equal(extract_features(images, experiment, LAYERS), whole)
    np.testing.assert_array_equal(extract_features(images, experiment, LAYERS), whole)


def test_a_layer_that_is_not_there_is_refused(images, sample, tmp_path):
    with pytest.raises(ValueError, match=r"small_plain has no layer 'block9_pool'; it has .*block1_conv, block1_pool"):
        extract_features(images, small(sample, tmp_path), ("block9_pool",))


@pytest.mark.parametrize(("pooling", "shape"), [("flatten", (512,)), ("avg", (128,)), ("gem", (2, 2, 128))])
def test_frozen_part_and_head_are_the_network_in_two(pooling, shape, sample, tmp_path):
    network = build_network(small(sample, tmp_path, pooling=pooling), 7)
    frozen, head = split_frozen(network, small(sample, tmp_path, pooling=pooling))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    assert frozen.output_shape == (None, *shape)
    np.testing.assert_allclose(head(frozen(pixels)), with_preprocessing(network, "small_plain")(pixels), atol=1e-6)


@pytest.mark.parametrize(("first", "frozen"), [(None, False), ("block4", False), ("block4_pool", True), ("head", True)])
def test_a_network_is_split_only_where_nothing_of_the_backbone_is_trained(first, frozen, sample, tmp_path):
    experiment = small(sample, tmp_path, trainable_from=first)
    assert (split_frozen(build_network(experiment, 7), experiment) is not None) == frozen


def test_cached_features_are_those_of_the_pixels_and_of_the_flipped_pixels(images, sample, tmp_path):
    experiment = small(sample, tmp_path)
    frozen, _ = split_frozen(build_network(experiment, 7), experiment)
    pixels = cache_pixels(images, 32, tmp_path / "pixels")
    examples = replace(Examples.of(images), pixels=pixels)
    features = on_features(frozen, examples, experiment, flipped_copies=True).pixels
    np.testing.assert_allclose(features.plain, frozen(pixels[:]), atol=1e-5)
    np.testing.assert_allclose(features.flipped, frozen(np.ascontiguousarray(pixels[:][:, :, ::-1])), atol=1e-5)
    assert on_features(frozen, examples, experiment, flipped_copies=False).pixels.flipped is None


def test_a_batch_holds_the_features_of_flipped_images_where_they_are_wanted():
    features = Features(np.arange(6.0).reshape(3, 2), -np.arange(6.0).reshape(3, 2))
    rows = np.array([2, 0, 2])
    np.testing.assert_array_equal(features.batch(rows), [[4, 5], [0, 1], [4, 5]])
    flipped = np.array([True, False, False])
    np.testing.assert_array_equal(features.batch(rows, flipped), [[-4, -5], [0, 1], [4, 5]])


@pytest.mark.parametrize("conditions", [{"flipped_copies": True}, {"flipped_copies": False, "pooling": "gem"}])
def test_a_head_trained_on_cached_features_is_the_one_trained_on_pixels(conditions, sample, tmp_path):
    cached = train_anew(small(sample, tmp_path, **conditions))

    on_pixels = small(sample, tmp_path, **conditions, experiment_name="pixels")
    data = load_training_data(on_pixels)
    run = open_run(on_pixels, data.dataset, data.vocabulary)
    network = build_network(on_pixels, len(data.vocabulary))
    model = compile_model(with_preprocessing(network, "small_plain"), on_pixels)
    fit(model, on_pixels, data, model, show=None)
    columns = ["loss", "f1", "val_loss", "val_f1"]
    assert run.history["loss"].is_monotonic_decreasing
    pd.testing.assert_frame_equal(cached.history[columns], run.history[columns], rtol=1e-3, atol=1e-5)
    weights_only(model).load_weights(run.folder / "best.weights.h5")
    expected = predict(model, data.val1, 8)
    np.testing.assert_allclose(cached.probabilities("val1")[1], expected, atol=1e-4)
    assert np.ptp(expected, axis=0).max() > 1e-3

    predict_test(cached)  # from pixels, with the whole network's best weights
    plain = cached.probabilities("test")[1]
    predict_test(cached, flip=True)
    assert 1e-5 < np.abs(cached.probabilities("test")[1] - plain).max() < 0.2


def test_a_killed_run_on_cached_features_resumes(sample, tmp_path):
    whole = train_anew(small(sample, tmp_path / "whole"))
    experiment = small(sample, tmp_path / "killed")
    train_in_part(experiment, 1)
    resumed = train_anew(experiment)
    assert resumed.history["loss"].tolist() == whole.history["loss"].tolist()
    np.testing.assert_array_equal(resumed.probabilities("val1")[1], whole.probabilities("val1")[1])


def test_similarity_features_are_those_of_the_trained_network_and_nothing_of_new_images_is_kept(
    sample, sample_dataset, tmp_path
):
    run = finished_run(sample, tmp_path / "runs", "small", seed=3)
    images = sample_dataset.images.iloc[:10]
    known, new = similarity_features(run, images, images["path"].tolist()[4:6])
    np.testing.assert_allclose(new, known[4:6], atol=1e-6)
    network = trained_network(run)
    maps = keras.Model(network.input, last_feature_maps(network).output)
    seen = BACKBONES["small_plain"].preprocess(np.array(cache_pixels(images, 32, tmp_path / "pixels"), np.float32))
    means = np.asarray(maps(seen)).mean(axis=(1, 2))
    np.testing.assert_allclose(known, means / np.linalg.norm(means, axis=1, keepdims=True), atol=1e-5)
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"small", "pixels", "features"}
    assert len(list((tmp_path / "runs" / "features").iterdir())) == 1
