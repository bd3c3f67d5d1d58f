"""Networks: an ImageNet-pretrained backbone, fully connected layers, and one sigmoid per concept."""

from collections.abc import Sequence
from functools import cache, reduce
from itertools import pairwise
from math import isqrt, prod

import keras
import numpy as np
from keras import layers, ops

from nblib.experiments import HUB, Experiment, Run, naming_damage
from nblib.training.backbones import BACKBONES, Backbone
from nblib.training.devices import dtype_policy_scope, grow_memory, strategy_scope
from nblib.training.hub import hub_backbone, kept_backbone, preset_weights
from nblib.training.weights import imagenet_weights, load_backbone, weights_file


@keras.saving.register_keras_serializable("nblib")
class GeM(layers.Layer):
    """Generalised mean of each channel over its positions: `mean(x ** p) ** (1 / p)`, (N, h, w, C) -> (N, C).

    It is the mean for p = 1 and near the maximum for a large p; p starts at 3 and is trained.
    Radenović and others, "Fine-tuning CNN Image Retrieval with No Human Annotation" (2018).
    """

    def __init__(self, p=3.0, **options):
        super().__init__(**options)
        self.start = p

    def build(self, input_shape):
        """Adds p, one number for all channels."""
        self.p = self.add_weight(name="p", shape=(), initializer=keras.initializers.Constant(self.start))

    def call(self, features):
        """The pooled features; values below 1e-6 are raised to it."""
        return ops.mean(ops.maximum(features, 1e-6) ** self.p, axis=(1, 2)) ** (1 / self.p)

    def get_config(self):
        """The initial p, for Keras to build the layer again."""
        return {**super().get_config(), "p": self.start}


@keras.saving.register_keras_serializable("nblib")
class TokenPooling(layers.Layer):
    """Pools the tokens of a transformer, (N, tokens, C), to those of the class, the patches' mean, or both in a row.

    Images are square, so that the greatest square number of tokens, at the end, are those of patches.
    """

    def __init__(self, kind, **options):
        super().__init__(**options)
        self.kind = kind

    def call(self, tokens):
        """(N, C), or (N, 2 C) for both."""
        patches = isqrt(tokens.shape[1]) ** 2
        pooled = {"token": tokens[:, 0], "avg": ops.mean(tokens[:, -patches:], axis=1)}
        return pooled[self.kind] if self.kind in pooled else ops.concatenate(list(pooled.values()), axis=-1)

    def get_config(self):
        """Its argument, for Keras to build the layer again."""
        return {**super().get_config(), "kind": self.kind}


POOLINGS = {
    "flatten": lambda: layers.Flatten(name="flatten"),
    "avg": lambda: layers.GlobalAveragePooling2D(name="avg"),
    "gem": lambda: GeM(dtype="float32", name="gem"),  # powers need float32, whatever the precision of the rest
}


def build_network(experiment: Experiment, sigmoids: int) -> keras.Model:
    """The network of Listing 1.1: backbone, flatten, fully connected layers with dropout, `sigmoids` sigmoids.

    It takes (N, size, size, 3), preprocessed as its weights expect; `with_preprocessing` puts that in front. All
    weights are trainable, except the statistics of batch normalisation and the layers before `trainable_from`. The
    experiment's seed decides the random weights, its precision what the layers before the sigmoids compute in, its
    devices how many GPUs hold the network.

    Paper: section 3.4 and Listing 1.1. For ResNet50 and DenseNet169 the same head follows the flattened features
    ("all the layers after the last convolutional layer" are replaced); `pooling: avg` or `gem` averages them first.

    Raises:
        FileNotFoundError: `weights` is a path and nothing is there, or ImageNet weights can't be downloaded.
        ValueError: the file holds no weights of this backbone, it has no layer `trainable_from`, or GPUs are missing.
    """
    with strategy_scope(experiment.devices), dtype_policy_scope(experiment.precision):
        backbone = build_backbone(experiment)
        features = _pooling(experiment.pooling, backbone)(backbone.output)
        for number in range(1, experiment.fc_layers + 1):
            features = layers.Dense(experiment.fc_units, activation="relu", name=f"fc{number}")(features)
            features = layers.Dropout(experiment.dropout, name=f"dropout_{number}")(features)
        # float32 whatever the precision of the rest: a loss over thousands of small probabilities needs it.
        predictions = layers.Dense(sigmoids, activation="sigmoid", dtype="float32", name="predictions")(features)
        return keras.Model(backbone.input, predictions, name=f"{backbone.name}_{sigmoids}_sigmoids")


def _pooling(kind: str, backbone: keras.Model) -> layers.Layer:
    """The layer between backbone and head; of tokens the class's is the first, where there are more than patches."""
    shape = backbone.output.shape
    tokens = len(shape) == 3
    if kind == "flatten" or (kind in POOLINGS and not tokens):
        return POOLINGS[kind]()
    with_class = tokens and isqrt(shape[1]) ** 2 < shape[1]
    if not tokens or kind == "gem" or ("token" in kind and not with_class):
        raise ValueError(
            f"pooling {kind} does not fit {backbone.name}, which returns {' x '.join(map(str, shape[1:]))} features. "
            f"avg and flatten fit all backbones, gem feature maps, token and token_avg tokens with one of the class."
        )
    return TokenPooling(kind, dtype="float32", name=kind)


def build_backbone(experiment: Experiment) -> keras.Model:
    """The backbone alone with its initial weights, frozen as `trainable_from` says. Raises as `build_network`."""
    initial = initial_weights(experiment)  # before the seed, since a network that is built takes random numbers
    keras.utils.set_random_seed(experiment.seed)
    with dtype_policy_scope(experiment.precision):
        backbone = _backbone(experiment)
    if initial is not None:
        backbone.set_weights(initial)
    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.synchronized = experiment.devices > 1  # statistics of the whole batch, not of a device's part
    if experiment.trainable_from:
        _freeze_before(backbone, experiment.trainable_from)
    return backbone


def initial_weights(experiment: Experiment) -> list | None:
    """What the backbone's weights start from, in its order; None for random ones. Raises as `build_network`."""
    grow_memory()
    if experiment.weights is None:
        return None
    if experiment.weights == "imagenet" and experiment.backbone.startswith(HUB):
        return preset_weights(experiment.backbone, experiment.image_size)
    if experiment.weights == "imagenet":
        return imagenet_weights(experiment.backbone)
    return load_backbone(_backbone(experiment), weights_file(experiment)).get_weights()


def _backbone(experiment: Experiment) -> keras.Model:
    shape = (experiment.image_size, experiment.image_size, 3)
    return find_backbone(experiment.backbone).build(include_top=False, weights=None, input_shape=shape)


def find_backbone(name: str) -> Backbone:
    """The backbone of this name, of Keras, ours or of KerasHub. Raises as `nblib.training.hub.hub_backbone`."""
    return hub_backbone(name) if name.startswith(HUB) else BACKBONES[name]


def _freeze_before(backbone: keras.Model, first: str) -> None:
    """Freezes the layers before the named block or layer, with their statistics; all of them for `head`."""
    found = [n for n, layer in enumerate(backbone.layers) if f"{layer.name}_".startswith(f"{first}_")]
    if first != "head" and not found:
        raise ValueError(
            f"trainable_from must be head, a block or a layer of {backbone.name}; received {first!r}. Its layers are "
            f"{', '.join(layer.name for layer in backbone.layers if layer.weights)}."
        )
    for layer in backbone.layers[: None if first == "head" else found[0]]:
        layer.trainable = False


@keras.saving.register_keras_serializable("nblib")
class ToRGB(layers.Layer):
    """Converts bytes of images to RGB, float32: repeats the channel of grey ones, (N, size, size, 1), three times.

    It also takes what `nblib.data.Pixels.batch_by_colour` returns: places, grey images and colour images.
    Bytes are cast before anything else: TensorFlow's GPU kernels neither broadcast nor gather them.
    """

    def __init__(self, **options):
        super().__init__(autocast=False, **options)

    def call(self, pixels):
        """(N, size, size, 3)."""
        if not isinstance(pixels, list | tuple):
            return _three_channels(pixels)
        places, grey, colour = pixels
        return ops.take(ops.concatenate([_three_channels(grey), ops.cast(colour, "float32")]), places, axis=0)

    def compute_output_spec(self, pixels):
        """(None, size, size, 3), also where the number of channels is unknown."""
        shape = pixels[-1].shape if isinstance(pixels, list | tuple) else pixels.shape
        return keras.KerasTensor((None, *shape[1:3], 3), "float32")


def _three_channels(pixels):
    pixels = ops.cast(pixels, "float32")
    return ops.broadcast_to(pixels, (*ops.shape(pixels)[:3], 3))


def with_preprocessing(
    network: keras.Model, backbone: str, by_colour: bool = False, augmentation: Sequence[layers.Layer] = ()
) -> keras.Model:
    """The network with its preprocessing in front: takes uint8 as decoded, (N, size, size, 3) in RGB or 1 in grey.

    With `by_colour` it takes grey and colour images separately: places, (N,) int32, grey images, colour images. Pixels
    travel to the device as bytes; the preprocessing is float32 whatever the precision of the network. Layers of
    `augmentation` come before it; they change images while the network is trained.
    """
    size = network.input_shape[1:3]
    with network.distribute_strategy.scope():
        if by_colour:
            kinds = (keras.Input((*size, c), dtype="uint8", name=name) for name, c in (("grey", 1), ("colour", 3)))
            pixels = [keras.Input((), dtype="int32", name="places"), *kinds]
        else:
            pixels = keras.Input((*size, None), dtype="uint8", name="pixels")
        changed = reduce(lambda images, layer: layer(images), augmentation, ToRGB(dtype="float32")(pixels))
        prepared = find_backbone(backbone).preprocess(changed)
        return keras.Model(pixels, network(prepared), name=f"{network.name}_with_preprocessing")


def trained_network(run: Run) -> keras.Model:
    """The network with the run's best weights, without preprocessing in front, on one device."""
    changed = {"weights": None, "devices": 1, "backbone": kept_backbone(run)}
    experiment = run.experiment.model_copy(update=changed)
    network = build_network(experiment, len(run.vocabulary))
    load_best_weights(with_preprocessing(network, experiment.backbone), run)
    return network


def load_best_weights(model: keras.Model, run: Run) -> None:
    """Gives the network, with its preprocessing in front and not compiled, the run's best weights.

    Raises:
        FileNotFoundError, ValueError: their file is absent, or damaged; some of them may be overwritten then.
    """
    with naming_damage(path := run.folder / "best.weights.h5"):
        model.load_weights(path)
        if not all(np.isfinite(weights).all() for weights in model.get_weights()):
            raise ValueError("some weights are not finite")


def with_flip_augmentation(model: keras.Model) -> keras.Model:
    """The model with flip test-time augmentation: its mean prediction for an image and the image's mirror image."""
    pixels = keras.Input(model.input_shape[1:], dtype="uint8", name="pixels")
    return keras.Model(pixels, (model(pixels) + model(ops.flip(pixels, axis=2))) / 2, name=f"{model.name}_flipped")


def describe_network(experiment: Experiment, sigmoids: int) -> dict[str, object]:
    """The network in numbers, without building its head: feature map, convolutions, parameters. Paper: section 4."""
    features, convolutions, parameters, _ = _geometry(experiment.backbone, experiment.image_size)
    inputs = prod(features) if experiment.pooling == "flatten" else features[-1]
    inputs *= 1 + (experiment.pooling == "token_avg")
    widths = [inputs, *[experiment.fc_units] * experiment.fc_layers, sigmoids]
    return {
        "backbone": experiment.backbone,
        "convolutions": convolutions,
        "feature map": " x ".join(map(str, features)),
        "head inputs": inputs,
        "head": f"{experiment.fc_layers} x {experiment.fc_units}",
        "backbone parameters": parameters,
        "all parameters": parameters + (experiment.pooling == "gem") + sum((a + 1) * b for a, b in pairwise(widths)),
    }


def count_activations(experiment: Experiment, sigmoids: int) -> int:
    """The number of outputs of all layers together for one image, without building the head."""
    head = describe_network(experiment, sigmoids)["head inputs"] + sigmoids
    head += 2 * experiment.fc_layers * experiment.fc_units  # 2: dense, then dropout
    return head + _geometry(experiment.backbone, experiment.image_size)[-1]


@cache
def _geometry(backbone: str, size: int) -> tuple[tuple[int, ...], int, int, int]:
    """Shape of the last feature map or tokens, number of convolutions, of parameters, and of outputs of all layers."""
    grow_memory()
    network = find_backbone(backbone).build(include_top=False, weights=None, input_shape=(size, size, 3))
    convolutions = sum(isinstance(layer, layers.Conv2D) for layer in network.layers)
    outputs = keras.tree.flatten([layer.output for layer in network.layers])
    activations = sum(prod(output.shape[1:]) for output in outputs)
    return network.output_shape[1:], convolutions, network.count_params(), activations
