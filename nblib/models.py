"""Networks: an ImageNet-pretrained backbone, fully connected layers, and one sigmoid a concept."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import prod

import keras
from keras import applications, layers, ops

from nblib.devices import computing_in, grow_memory, sharing
from nblib.experiment import Experiment
from nblib.weights import load_backbone, weights_file


def _small_plain(include_top, weights, input_shape):
    """Four times convolution and pooling, after VGG16."""
    image = features = keras.Input(input_shape)
    for filters in (16, 32, 64, 128):
        features = layers.Conv2D(filters, 3, padding="same", activation="relu")(features)
        features = layers.MaxPooling2D()(features)
    return keras.Model(image, features, name="small_plain")


def _small_residual(include_top, weights, input_shape):
    """Four blocks with a shortcut around them, after ResNet50."""
    image = keras.Input(input_shape)
    features = layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False)(image)
    for filters in (32, 64, 128, 128):
        shortcut = layers.Conv2D(filters, 1, strides=2, use_bias=False)(features)
        block = layers.BatchNormalization()(features)
        block = layers.Activation("relu")(block)
        block = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(block)
        block = layers.BatchNormalization()(block)
        block = layers.Activation("relu")(block)
        block = layers.Conv2D(filters, 3, padding="same", use_bias=False)(block)
        features = layers.Add()([shortcut, block])
    features = layers.Activation("relu")(layers.BatchNormalization()(features))
    return keras.Model(image, features, name="small_residual")


def _small_dense(include_top, weights, input_shape):
    """Four blocks whose convolutions see all features before them, after DenseNet169."""
    image = keras.Input(input_shape)
    features = layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False)(image)
    for growth in (16, 16, 32, 32):
        for _ in range(2):
            new = layers.Activation("relu")(layers.BatchNormalization()(features))
            new = layers.Conv2D(growth, 3, padding="same", use_bias=False)(new)
            features = layers.Concatenate()([features, new])
        features = layers.AveragePooling2D(2)(features)
    features = layers.Activation("relu")(layers.BatchNormalization()(features))
    return keras.Model(image, features, name="small_dense")


def _between_minus_one_and_one(pixels):
    return pixels / 127.5 - 1


@dataclass(frozen=True)
class Backbone:
    """A convolutional network without its top, and what its weights expect of pixels in [0, 255]."""

    build: Callable[..., keras.Model]
    preprocess: Callable


BACKBONES = {
    "VGG16": Backbone(applications.VGG16, applications.vgg16.preprocess_input),
    "ResNet50": Backbone(applications.ResNet50, applications.resnet50.preprocess_input),
    "DenseNet169": Backbone(applications.DenseNet169, applications.densenet.preprocess_input),
    "small_plain": Backbone(_small_plain, _between_minus_one_and_one),
    "small_residual": Backbone(_small_residual, _between_minus_one_and_one),
    "small_dense": Backbone(_small_dense, _between_minus_one_and_one),
}


def build_network(experiment: Experiment, sigmoids: int) -> keras.Model:
    """The network of Listing 1.1: backbone, flatten, fully connected layers with dropout, `sigmoids` sigmoids.

    It takes (N, size, size, 3), preprocessed as its weights expect; `from_pixels` puts that in front. All weights are
    trainable, but the statistics of batch normalisation. The experiment's seed decides the random ones, its precision
    what the layers before the sigmoids compute in, its devices how many GPUs hold the network.

    Paper: section 3.4 and Listing 1.1. For ResNet50 and DenseNet169 the same head sits on the flattened features
    ("all the layers after the last convolutional layer" are replaced); `pooling: avg` averages them first.

    Raises:
        FileNotFoundError: `weights` is a path and nothing is there, or ImageNet weights can't be fetched.
        ValueError: the file holds no weights of this backbone.
        ValueError: TensorFlow sees fewer GPUs than `devices`.
    """
    keras.utils.set_random_seed(experiment.seed)
    with sharing(experiment.devices), computing_in(experiment.precision):
        return _network(experiment, sigmoids)


def _network(experiment: Experiment, sigmoids: int) -> keras.Model:
    shape = (experiment.image_size, experiment.image_size, 3)
    backbone = BACKBONES[experiment.backbone].build(include_top=False, weights=None, input_shape=shape)
    if start := weights_file(experiment):
        load_backbone(backbone, start)
    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.synchronized = experiment.devices > 1  # statistics of the whole batch, not of a device's part
    pool = layers.Flatten(name="flatten") if experiment.pooling == "flatten" else layers.GlobalAveragePooling2D()
    features = pool(backbone.output)
    for number in range(1, experiment.fc_layers + 1):
        features = layers.Dense(experiment.fc_units, activation="relu", name=f"fc{number}")(features)
        features = layers.Dropout(experiment.dropout, name=f"dropout_{number}")(features)
    # float32 whatever the precision of the rest: a loss over thousands of small probabilities needs it.
    predictions = layers.Dense(sigmoids, activation="sigmoid", dtype="float32", name="predictions")(features)
    return keras.Model(backbone.input, predictions, name=f"{backbone.name}_{sigmoids}_sigmoids")


@keras.saving.register_keras_serializable("nblib")
class InColour(layers.Layer):
    """Pixels in grey, (N, size, size, 1), three times; pixels in RGB, (N, size, size, 3), as they are."""

    def call(self, pixels):
        """(N, size, size, 3)."""
        return ops.broadcast_to(pixels, (*ops.shape(pixels)[:3], 3))

    def compute_output_shape(self, shape):
        """Also where the number of channels is not known."""
        return (*shape[:3], 3)


def from_pixels(network: keras.Model, backbone: str) -> keras.Model:
    """The network with its preprocessing in front: takes uint8 as decoded, (N, size, size, 3) in RGB or 1 in grey.

    Pixels travel to the device as bytes, and nobody can forget the preprocessing, which is float32 whatever the
    precision of the network.
    """
    with network.distribute_strategy.scope():
        pixels = keras.Input((*network.input_shape[1:3], None), dtype="uint8", name="pixels")
        prepared = BACKBONES[backbone].preprocess(ops.cast(InColour(dtype="uint8")(pixels), "float32"))
        return keras.Model(pixels, network(prepared), name=f"{network.name}_from_pixels")


def describe_network(experiment: Experiment, sigmoids: int) -> dict[str, object]:
    """The network in numbers, without building its head: feature map, convolutions, parameters. Paper: section 4."""
    (height, width, channels), convolutions, parameters, _ = _geometry(experiment.backbone, experiment.image_size)
    inputs = channels if experiment.pooling == "avg" else height * width * channels
    widths = [inputs, *[experiment.fc_units] * experiment.fc_layers, sigmoids]
    return {
        "backbone": experiment.backbone,
        "convolutions": convolutions,
        "feature map": f"{height} x {width} x {channels}",
        "into the head": inputs,
        "head": f"{experiment.fc_layers} x {experiment.fc_units}",
        "backbone parameters": parameters,
        "all parameters": parameters + sum((a + 1) * b for a, b in pairwise(widths)),
    }


def count_activations(experiment: Experiment, sigmoids: int) -> int:
    """How many numbers all layers together put out for one image, without building the head."""
    (height, width, channels), _, _, activations = _geometry(experiment.backbone, experiment.image_size)
    inputs = channels if experiment.pooling == "avg" else height * width * channels
    return activations + inputs + 2 * experiment.fc_layers * experiment.fc_units + sigmoids  # 2: dense, then dropout


@cache
def _geometry(backbone: str, size: int) -> tuple[tuple[int, int, int], int, int, int]:
    """Shape of the last feature map, number of convolutions, parameters, and numbers put out by all layers."""
    grow_memory()
    network = BACKBONES[backbone].build(include_top=False, weights=None, input_shape=(size, size, 3))
    convolutions = sum(isinstance(layer, layers.Conv2D) for layer in network.layers)
    activations = sum(prod(layer.output.shape[1:]) for layer in network.layers)
    return network.output_shape[1:], convolutions, network.count_params(), activations
