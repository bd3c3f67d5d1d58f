"""Class activation maps of a concept: Grad-CAM (Selvaraju and others, ICCV 2017)."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from PIL import Image

from nblib.data import ImageSource, decode_image
from nblib.experiments import Run
from nblib.training.hub import kept_backbone
from nblib.training.models import find_backbone, trained_network


def explain(
    run: Run, path: str | ImageSource, concepts: list[str], network: keras.Model | None = None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The pixels of an image, (size, size, 3) uint8, and for each concept its class activation map, (size, size).

    `network` is that of the run, `trained_network(run)`, where it is needed for several images.

    Raises:
        ValueError: a concept has no sigmoid in this run, or the image can't be read.
    """
    if unknown := [concept for concept in concepts if concept not in run.vocabulary.index]:
        raise ValueError(f"{', '.join(unknown)}: no concept of {run.folder}; its vocabulary.txt lists them.")
    experiment, network = run.experiment, network or trained_network(run)
    pixels = decode_image(path, experiment.image_size, experiment.resize)
    prepared = np.asarray(find_backbone(kept_backbone(run)).preprocess(pixels.astype(np.float32)))
    return pixels, {concept: grad_cam(network, prepared, run.vocabulary.index[concept]) for concept in concepts}


def grad_cam(network: keras.Model, prepared: np.ndarray, sigmoid: int) -> np.ndarray:
    """How much each position of an image speaks for one sigmoid, (size, size) float32 from 0 to 1; all 0 if none does.

    The last feature maps, weighted by the mean gradient of the sigmoid's input, summed, clipped at 0, resized to the
    image and divided by their maximum. The gradient is that of the input, since the sigmoid's own vanishes near 1.

    Args:
        network: ends in a dense layer of sigmoids, as `build_network` builds it.
        prepared: (size, size, 3), preprocessed as the network's weights expect.
        sigmoid: its position.
    """
    head = network.layers[-1]
    inside = keras.Model(network.input, [last_feature_maps(network).output, head.input])
    image = tf.convert_to_tensor(prepared[None])
    with tf.GradientTape() as tape:
        tape.watch(image)  # else nothing is recorded where all layers are frozen
        maps, into_head = inside(image, training=False)
        evidence = tf.linalg.matvec(tf.cast(into_head, tf.float32), head.kernel[:, sigmoid])
    weights = tf.reduce_mean(tape.gradient(evidence, maps), axis=(1, 2), keepdims=True)
    activation = np.maximum(tf.reduce_sum(tf.cast(weights * maps, tf.float32), axis=-1)[0].numpy(), 0)
    activation = activation / activation.max() if activation.max() > 0 else activation
    return np.asarray(Image.fromarray(activation).resize(prepared.shape[1::-1], Image.Resampling.BILINEAR))


def last_feature_maps(network: keras.Model) -> keras.Layer:
    """The last layer with outputs (height, width, channels), except pooling, which only makes them coarser.

    Raises:
        ValueError: there is none, as in a transformer.
    """
    others = (layers.InputLayer, layers.MaxPooling2D, layers.AveragePooling2D)
    kept = [layer for layer in network.layers if not isinstance(layer, others)]
    maps = [layer for layer in kept if len(getattr(layer.output, "shape", ())) == 4]
    if not maps:
        raise ValueError(f"{network.name} has no feature maps, which Grad-CAM needs; convolutional backbones have.")
    return maps[-1]
