"""Backbones: convolutional networks without their top, and what preprocesses pixels for each of them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module

import keras
import numpy as np
from keras import applications, layers, ops

from nblib.experiments import KERAS_BACKBONES

IMAGENET_DEVIATION = (0.229, 0.224, 0.225)  # of the pixels of ImageNet, in red, green and blue, from 0 to 1


@keras.saving.register_keras_serializable("nblib")
class Normalization(layers.Normalization):
    """The normalisation of EfficientNetB0 to B7, divided by the root of each channel's standard deviation.

    With `weights="imagenet"`, and only then, Keras adds a layer that does so: its weights were trained with it. Mean
    and variance are read where `set_weights` puts them; Keras' own layer would go on with those it had before. Files of
    weights have the class's name, which is therefore Keras' own.
    """

    def call(self, inputs):
        """Normalised images, (N, size, size, 3)."""
        deviation = ops.sqrt(self.adapt_variance) * np.sqrt(IMAGENET_DEVIATION)
        return (inputs - self.adapt_mean) / ops.cast(deviation, inputs.dtype)


def _small_plain(include_top, weights, input_shape):
    """Four convolutions, each with pooling, after VGG16."""
    image = features = keras.Input(input_shape)
    for block, filters in enumerate((16, 32, 64, 128), start=1):
        features = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"block{block}_conv")(features)
        features = layers.MaxPooling2D(name=f"block{block}_pool")(features)
    return keras.Model(image, features, name="small_plain")


def _small_residual(include_top, weights, input_shape):
    """Four blocks with a shortcut around them, after ResNet50."""
    image = keras.Input(input_shape)
    features = layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False)(image)
    for filters in (32, 64, 128, 128):
        shortcut = layers.Conv2D(filters, 1, strides=2, use_bias=False)(features)
        block = layers.Activation("relu")(layers.BatchNormalization()(features))
        block = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(block)
        block = layers.Activation("relu")(layers.BatchNormalization()(block))
        block = layers.Conv2D(filters, 3, padding="same", use_bias=False)(block)
        features = layers.Add()([shortcut, block])
    features = layers.Activation("relu", name="last")(layers.BatchNormalization()(features))
    return keras.Model(image, features, name="small_residual")


def _small_dense(include_top, weights, input_shape):
    """Four blocks whose convolutions take all features before them, after DenseNet169."""
    image = keras.Input(input_shape)
    features = layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False)(image)
    for growth in (16, 16, 32, 32):
        for _ in range(2):
            new = layers.Activation("relu")(layers.BatchNormalization()(features))
            new = layers.Conv2D(growth, 3, padding="same", use_bias=False)(new)
            features = layers.Concatenate()([features, new])
        features = layers.AveragePooling2D(2)(features)
    features = layers.Activation("relu", name="last")(layers.BatchNormalization()(features))
    return keras.Model(image, features, name="small_dense")


@dataclass(frozen=True)
class Backbone:
    """What builds a convolutional network without its top, and what preprocesses pixels in [0, 255] for it."""

    build: Callable[..., keras.Model]
    preprocess: Callable


def _of_keras(name: str) -> Backbone:
    """A backbone of `keras.applications` with the preprocessing of its own module there."""
    build = getattr(applications, name)
    preprocess = import_module(build.__module__).preprocess_input
    return Backbone(partial(_build_efficientnet, build) if name.startswith("EfficientNetB") else build, preprocess)


def _build_efficientnet(build, include_top, weights, input_shape):
    """The network that Keras' ImageNet weights of EfficientNetB0 to B7 are for, also where they are not fetched."""
    network = build(include_top=include_top, weights=weights, input_shape=input_shape)
    return keras.models.clone_model(network, clone_function=_with_scaled_normalisation)


def _with_scaled_normalisation(layer: layers.Layer) -> layers.Layer:
    kind = Normalization if isinstance(layer, layers.Normalization) else type(layer)
    return kind.from_config(layer.get_config())


_SMALL = {"small_plain": _small_plain, "small_residual": _small_residual, "small_dense": _small_dense}
BACKBONES = {
    **{name: _of_keras(name) for name in KERAS_BACKBONES},
    **{name: Backbone(build, applications.mobilenet.preprocess_input) for name, build in _SMALL.items()},  # to [-1, 1]
}
