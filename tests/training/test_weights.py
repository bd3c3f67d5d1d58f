import json
import pickle
import zipfile
from pathlib import Path
from urllib.error import URLError

import h5py
import keras
import numpy as np
import pytest
from keras.src.backend import config as keras_config
from keras.src.utils import file_utils

from nblib.experiments import SMALL_RELATIVES, Experiment, paper_experiment
from nblib.training.backbones import BACKBONES
from nblib.training.models import build_network, with_preprocessing
from nblib.training.trainer import train
from nblib.training.training_data import load_training_data
from nblib.training.weights import IMAGENET, cache_folder, load_backbone

SMALL = tuple(SMALL_RELATIVES.values())
HEAD = ["fc1", "dropout_1", "fc2", "dropout_2", "predictions"]


def small(**conditions):
    defaults = {"backbone": "small_plain", "weights": None, "image_size": 32, "fc_units": 16}
    return Experiment(**{**defaults, **conditions})


def build(name, seed=0, size=32):
    keras.utils.set_random_seed(seed)
    return BACKBONES[name].build(include_top=False, weights=None, input_shape=(size, size, 3))


def save_older(model, path):
    """Saves weights as Keras 2 did and the ImageNet files are: Keras 3 reads that form, but no longer offers it."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}:0" for weight in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, layer.get_weights(), strict=True):
                group.create_dataset(name, data=weight)
    return path


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


# ---- ImageNet


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Keras' cache of weights: an empty folder."""
    assert cache_folder() == Path(keras_config.keras_home()).expanduser() / "models"
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(keras_config, "_KERAS_DIR", str(tmp_path / "keras"))
    cache_folder().mkdir(parents=True)
    return cache_folder()


@pytest.fixture
def offline(monkeypatch):
    """Nothing can be downloaded."""

    def refuse(*arguments):
        raise URLError("no connection")

    monkeypatch.setattr(file_utils, "urlretrieve", refuse)


def test_every_backbone_of_the_paper_has_a_file_of_imagenet_weights():
    assert set(IMAGENET) == set(SMALL_RELATIVES)


@pytest.mark.parametrize("name", ["03_vgg16_flipped", "05_resnet50", "06_densenet169"])
def test_networks_of_table_3_start_from_the_imagenet_file_of_their_backbone(name, tmp_path, monkeypatch):
    experiment = paper_experiment(name).model_copy(update={"image_size": 32, "fc_units": 2})
    theirs, fetched = build(experiment.backbone, 1), []
    theirs.save_weights(tmp_path / "fetched.weights.h5")

    def get_file(name, url, **how):
        fetched.append((name, url, how["file_hash"], how["cache_subdir"]))
        return str(tmp_path / "fetched.weights.h5")

    monkeypatch.setattr(file_utils, "get_file", get_file)
    network = build_network(experiment, 3)
    file = IMAGENET[experiment.backbone]
    assert fetched == [(file.name, file.url, file.md5, "models")]
    for ours, layer in zip(network.layers, theirs.layers, strict=False):  # the head comes after
        assert_same(ours.get_weights(), layer.get_weights())


def test_imagenet_weights_leave_the_random_weights_of_the_head_as_they_are(cache, monkeypatch):
    """The head's weights follow the backbone's in the order of random numbers, whatever Keras builds to read a file."""
    theirs = build("VGG16", 1)
    save_older(theirs, cache / IMAGENET["VGG16"].name)
    monkeypatch.setattr(file_utils, "validate_file", lambda *arguments, **how: True)
    theirs.save_weights(cache / "same.weights.h5")
    names = ("imagenet", str(cache / "same.weights.h5"))
    ours, other = (build_network(small(backbone="VGG16", weights=weights), 5).get_weights() for weights in names)
    assert_same(ours, other)
    assert_same(ours[: len(theirs.weights)], theirs.get_weights())


@pytest.mark.parametrize("backbone", ["VGG16", "MobileNet"])
def test_imagenet_weights_that_cannot_be_downloaded_are_named_with_their_place_and_alternatives(
    backbone, cache, offline
):
    if backbone in IMAGENET:
        (cache / IMAGENET[backbone].name).write_bytes(b"half of it")
    with pytest.raises(FileNotFoundError) as error:
        build_network(Experiment(backbone=backbone, image_size=32, fc_units=1), 1)
    message = str(error.value)
    assert message.startswith(f"no ImageNet weights of {backbone}: their file is not in {cache} or is damaged there")
    assert "no connection" in message and "-p weights FILE" in message and "-p weights null" in message
    assert "$KERAS_HOME/models" in message and "storage.googleapis.com" in message
    assert backbone not in IMAGENET or (IMAGENET[backbone].url in message and IMAGENET[backbone].md5 in message)


# ---- files


@pytest.mark.parametrize("backbone", SMALL)
def test_weights_come_out_of_an_older_h5_as_keras_reads_it(backbone, tmp_path):
    theirs, ours, by_keras = build(backbone, 1), build(backbone, 2), build(backbone, 3)
    path = save_older(theirs, tmp_path / "older.h5")
    load_backbone(ours, path)
    by_keras.load_weights(path)
    assert_same(ours.get_weights(), theirs.get_weights())
    assert_same(ours.get_weights(), by_keras.get_weights())


@pytest.mark.parametrize("backbone", SMALL)
def test_weights_come_out_of_a_weights_h5(backbone, tmp_path):
    theirs, ours = build(backbone, 1), build(backbone, 2)
    theirs.save_weights(tmp_path / "new.weights.h5")
    load_backbone(ours, tmp_path / "new.weights.h5")
    assert_same(ours.get_weights(), theirs.get_weights())


@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5", "model.h5"])
@pytest.mark.parametrize("backbone", SMALL)
def test_the_backbone_comes_out_of_a_model_that_goes_on_with_a_head(backbone, name, tmp_path):
    theirs, ours = build(backbone, 1), build(backbone, 2, size=64)
    answer = keras.layers.Dense(3)(keras.layers.Flatten()(theirs.output))
    model = keras.Model(theirs.input, answer)
    model.save_weights(tmp_path / name) if ".weights" in name else model.save(tmp_path / name)
    load_backbone(ours, tmp_path / name)
    assert_same(ours.get_weights(), theirs.get_weights())


@pytest.mark.parametrize("backbone", SMALL)
def test_the_backbone_comes_out_of_a_saved_model_it_is_nested_in(backbone, tmp_path):
    network = build_network(small(backbone=backbone, seed=1), 5)
    with_preprocessing(network, backbone).save(tmp_path / "whole.keras")
    ours = build_network(small(backbone=backbone, seed=2, image_size=64, weights=str(tmp_path / "whole.keras")), 5)
    assert [layer.name for layer in ours.layers[-6:]] == ["flatten", *HEAD]
    for layer, theirs in zip(ours.layers[:-6], network.layers[:-6], strict=True):
        assert_same(layer.get_weights(), theirs.get_weights())


def test_code_in_a_saved_model_is_not_run(tmp_path):
    theirs, ours = build("small_plain", 1), build("small_plain", 2)
    keras.Model(theirs.input, keras.layers.Lambda(lambda x: x + 1)(theirs.output)).save(tmp_path / "lambda.keras")
    with pytest.raises(ValueError, match="lambda"):
        keras.models.load_model(tmp_path / "lambda.keras")
    load_backbone(ours, tmp_path / "lambda.keras")
    assert_same(ours.get_weights(), theirs.get_weights())


class Hostile:
    """An object whose unpickling leaves a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["pickled.h5", "pickled.weights.h5", "pickled.keras"])
def test_a_pickle_is_refused_and_not_run(name, tmp_path):
    (tmp_path / name).write_bytes(pickle.dumps(Hostile(tmp_path / "ran")))
    with pytest.raises(ValueError, match="holds no weights of small_plain"):
        load_backbone(build("small_plain"), tmp_path / name)
    assert not (tmp_path / "ran").exists()
    pickle.loads((tmp_path / name).read_bytes())
    assert (tmp_path / "ran").exists()  # it would have run


def test_weights_are_found_wherever_the_kernel_runs(tmp_path, monkeypatch):
    theirs = build("VGG16", 1)
    theirs.save_weights(tmp_path / "vgg16.weights.h5")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    network = build_network(small(backbone="VGG16", weights="vgg16.weights.h5"), 5)
    np.testing.assert_array_equal(network.get_weights()[0], theirs.get_weights()[0])


def test_real_imagenet_weights_reach_the_first_and_the_last_convolution(real_data):
    weights = real_data.parent / "weights" / "vgg16_imagenet_notop.weights.h5"
    network = build_network(small(backbone="VGG16", weights=str(weights)), 5)
    with h5py.File(weights) as kept:
        first, last = (kept[f"layers/{name}/vars/0"][()] for name in ("conv2d", "conv2d_12"))
    np.testing.assert_array_equal(network.get_layer("block1_conv1").get_weights()[0], first)
    np.testing.assert_array_equal(network.get_layer("block5_conv3").get_weights()[0], last)


# ---- runs


@pytest.fixture(scope="module")
def run(sample, tmp_path_factory):
    """A run of one epoch."""
    experiment = small(
        epochs=1, limit_images=16, data=str(sample), runs=str(tmp_path_factory.mktemp("runs")), learning_rate=0.01
    )
    data = load_training_data(experiment)
    return train(experiment, data, build_network(experiment, len(data.vocabulary)))


def test_the_backbone_of_a_run_goes_on_at_another_size(run):
    ours = build_network(small(weights=str(run.folder), image_size=64), 7)
    trained = with_preprocessing(build_network(run.experiment, len(run.vocabulary)), "small_plain")
    untrained = [layer.get_weights() for layer in trained.layers[-1].layers]
    trained.load_weights(run.folder / "best.weights.h5")
    convolutions = [number for number, layer in enumerate(ours.layers) if isinstance(layer, keras.layers.Conv2D)]
    assert len(convolutions) == 4
    for number in convolutions:
        assert_same(ours.layers[number].get_weights(), trained.layers[-1].layers[number].get_weights())
        assert not np.array_equal(ours.layers[number].get_weights()[0], untrained[number][0])


def test_a_run_with_another_backbone_is_refused_naming_both(run):
    with pytest.raises(ValueError, match=r"has the backbone small_plain; this experiment's is small_dense"):
        build_network(small(backbone="small_dense", weights=str(run.folder)), 5)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no run with best\.weights\.h5"):
        build_network(small(weights=str(tmp_path)), 5)


# ---- wrong files


@pytest.mark.parametrize("backbone", ["VGG16", "small_plain"])
def test_weights_that_are_not_there_are_refused_by_name(backbone, tmp_path):
    absent = str(tmp_path / "absent.weights.h5")
    with pytest.raises(FileNotFoundError, match=r"weights must be imagenet, null, or a file.*absent\.weights\.h5"):
        build_network(small(backbone=backbone, weights=absent), 5)


def wrong_files(folder):
    """Kind -> path of files that hold no weights of small_plain."""
    files = {kind: folder / f"{kind}.h5" for kind in ("text", "empty", "truncated", "plain_hdf5")}
    files["text"].write_text("weights of a network\n")
    files["empty"].touch()
    whole = folder / "whole.weights.h5"
    build("small_plain").save_weights(whole)
    files["truncated"].write_bytes(whole.read_bytes()[:20_000])
    with h5py.File(files["plain_hdf5"], "w") as file:
        file["layers/conv2d"] = [1.0]
    files["zip"] = folder / "zip.keras"
    with zipfile.ZipFile(files["zip"], "w") as archive:
        archive.writestr("config.json", json.dumps({}))
    return files


@pytest.mark.parametrize("kind", ["text", "empty", "truncated", "plain_hdf5", "zip"])
def test_a_wrong_file_is_refused_by_name_and_changes_nothing(kind, tmp_path):
    backbone, untouched = build("small_plain", 1), build("small_plain", 1)
    path = wrong_files(tmp_path)[kind]
    with pytest.raises(ValueError, match=rf"{path} .*weights of small_plain.* [Nn]ame ") as refused:
        load_backbone(backbone, path)
    assert "\n" not in str(refused.value)
    assert_same(backbone.get_weights(), untouched.get_weights())


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras", ".h5"])
def test_weights_of_another_architecture_are_refused(suffix, tmp_path):
    path, other = tmp_path / f"other{suffix}", build("small_residual")
    other.save_weights(path) if suffix == ".weights.h5" else other.save(path)
    with pytest.raises(ValueError, match=r"other\S+ holds no weights of small_plain: .* Name a file "):
        load_backbone(build("small_plain"), path)
