from typing import get_args

import keras
import numpy as np
import pytest
from keras.src.utils import file_utils

from nblib.experiments import KERAS_BACKBONES, SMALL_RELATIVES, Experiment, table_3
from nblib.experiments.experiment import BackboneName
from nblib.training.backbones import BACKBONES, IMAGENET_DEVIATION
from nblib.training.models import build_backbone, with_preprocessing


def test_backbones_are_those_an_experiment_can_name():
    assert set(BACKBONES) == set(get_args(BackboneName))


def test_every_backbone_of_the_paper_has_a_small_relative():
    assert set(SMALL_RELATIVES) == set(table_3()["backbone"])
    assert set(SMALL_RELATIVES.values()) == set(BACKBONES) - set(KERAS_BACKBONES)


def test_the_names_of_keras_backbones_are_all_of_keras_applications():
    assert set(KERAS_BACKBONES) == {name for name in dir(keras.applications) if name[0].isupper()}


@pytest.mark.parametrize(
    ("name", "builder"),
    [
        ("VGG16", keras.applications.VGG16),
        ("ResNet50", keras.applications.ResNet50),
        ("DenseNet169", keras.applications.DenseNet169),
    ],
)
def test_the_backbones_of_the_paper_are_those_of_keras(name, builder):
    assert BACKBONES[name].build is builder


def test_every_backbone_of_keras_has_a_preprocessing_of_its_own_module():
    for name in KERAS_BACKBONES:
        module = getattr(keras.applications, name).__module__
        assert BACKBONES[name].preprocess.__module__ == module and "keras" in module
    assert BACKBONES["VGG19"].preprocess is keras.applications.vgg19.preprocess_input
    assert BACKBONES["MobileNetV2"].preprocess is keras.applications.mobilenet_v2.preprocess_input


def imagenet_efficientnet(folder, monkeypatch):
    """EfficientNetB0 as Keras builds it with `weights="imagenet"`, which it reads from a file made here."""
    keras.utils.set_random_seed(1)
    network = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3))
    network.layers[2].set_weights([np.array([0.485, 0.456, 0.406]), np.square(IMAGENET_DEVIATION), np.array(0)])
    network.save_weights(folder / "imagenet.weights.h5")
    monkeypatch.setattr(file_utils, "get_file", lambda *arguments, **how: str(folder / "imagenet.weights.h5"))
    return keras.applications.EfficientNetB0(include_top=False, weights="imagenet", input_shape=(32, 32, 3))


def test_efficientnet_with_imagenet_weights_is_that_of_keras(tmp_path, monkeypatch):
    theirs = imagenet_efficientnet(tmp_path, monkeypatch)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    expected = np.asarray(theirs(pixels.astype("float32")))
    for weights in ("imagenet", str(tmp_path / "imagenet.weights.h5")):
        ours = build_backbone(Experiment(backbone="EfficientNetB0", weights=weights, image_size=32))
        features = with_preprocessing(ours, "EfficientNetB0")(pixels)
        np.testing.assert_allclose(features, expected, atol=1e-5 * expected.max())
