"""Where a network looks for a concept: Grad-CAM (Selvaraju and others, ICCV 2017)."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from PIL import Image

from nblib.data import ImageSource, decode_image
from nblib.experiments import Run
from nblib.training.models import BACKBONES, trained_network


def explain(run: Run, path: str | ImageSource, concepts: list[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The image as the run's network sees it, (size, size, 3) uint8, and for each concept where it looks, (size, size).

    Raises:
        ValueError: a concept has no sigmoid in this run, or the image can't be read.
    """
    unknown = [concept for concept in concepts if concept not in run.vocabulary.index]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: no concept of {run.folder}; its vocabulary.txt lists them.")
    experiment, network = run.experiment, trained_network(run)
    pixels = decode_image(path, experiment.image_size)
    prepared = BACKBONES[experiment.backbone].preprocess(pixels.astype(np.float32))
    return pixels, {concept: grad_cam(network, prepared, run.vocabulary.index[concept]) for concept in concepts}


def grad_cam(network: keras.Model, prepared: np.ndarray, sigmoid: int) -> np.ndarray:
    """How much each place of an image speaks for one sigmoid, (size, size) float32 from 0 to 1; all 0 if none does.

    The last feature maps, weighted by the mean gradient of what goes into the sigmoid, negative sums cut off, spread
    over the image and divided by their maximum. Of the sigmoid's input, since near 1 its own gradient vanishes.

    Args:
        network: ends in a dense layer of sigmoids, as `nblib.training.models.build_network` makes them.
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
    found = np.maximum(tf.reduce_sum(tf.cast(weights * maps, tf.float32), axis=-1)[0].numpy(), 0)
    found = found / found.max() if found.max() > 0 else found
    return np.asarray(Image.fromarray(found).resize(prepared.shape[1::-1], Image.Resampling.BILINEAR))


def last_feature_maps(network: keras.Model) -> keras.Layer:
    """The last layer that puts out (height, width, channels), but for pooling, which only makes them coarser."""
    pooling = (layers.MaxPooling2D, layers.AveragePooling2D)
    return next(
        layer for layer in reversed(network.layers) if len(layer.output.shape) == 4 and not isinstance(layer, pooling)
    )
