"""Batches: the order of each epoch, flipped copies included, and TensorFlow datasets of batches."""

from collections.abc import Iterator
from functools import partial
from itertools import count

import numpy as np
import tensorflow as tf

from nblib.data import Examples

Pixels = np.ndarray | tuple[np.ndarray, np.ndarray, np.ndarray]  # the latter: grey and colour images separately
Batches = Iterator[tuple[Pixels, np.ndarray]]


GREATEST_WEIGHT = 10  # of an image, as a multiple of the mean


def epoch_order(
    images: int, flipped_copies: bool, seed: int, epoch: int, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The order of one epoch: rows, and for each whether it is the flipped copy; seed and epoch decide it.

    With flipped copies every image comes once as it is and once flipped: 2N examples. With `weights`, (N,), as many
    are drawn with replacement, each image as often as its weight says on average.
    Paper: experiment 3, "each image is provided ... both as-it-is and flipped horizontally".
    """
    rng, copies = np.random.default_rng([seed, epoch]), 2 if flipped_copies else 1
    if weights is None:
        order = rng.permutation(copies * images)
    else:
        order = rng.choice(copies * images, copies * images, p=np.tile(weights / weights.sum(), copies) / copies)
    return order % images, order >= images


def rarest_weights(examples: Examples) -> np.ndarray:
    """Weights of images, (N,): 1 / the number of images that have the rarest of their concepts, cut at the greatest."""
    labels = examples.labels.tocsr()
    counts = np.asarray(labels.sum(axis=0), float).ravel()
    rarest = np.full(len(examples), np.inf)
    np.minimum.at(rarest, np.repeat(np.arange(len(examples)), np.diff(labels.indptr)), counts[labels.indices])
    weights = 1 / np.minimum(rarest, len(examples))  # an image may have none of the label space
    return np.minimum(weights, GREATEST_WEIGHT * weights.mean())


def training_batches(
    examples: Examples,
    batch_size: int,
    flipped_copies: bool,
    seed: int,
    first_epoch: int = 0,
    by_colour: bool = False,
    sampling: str = "uniform",
) -> Batches:
    """An endless series of batches, epoch after epoch, from `first_epoch` on.

    Pixels are (n, size, size, 1) uint8 where all images of the batch are grey, else (n, size, size, 3), RGB; with
    `by_colour` they are what `Pixels.batch_by_colour` gives. Labels are (n, K) float32; where the label space lacks
    concepts, one more column has the number of those that the image has. With `sampling` rarest, images are drawn by
    `rarest_weights`.
    """
    weights = rarest_weights(examples) if sampling == "rarest" else None
    for epoch in count(first_epoch):
        order = epoch_order(len(examples), flipped_copies, seed, epoch, weights)
        yield from _batches(examples, batch_size, *order, by_colour)


def ordered_batches(examples: Examples, batch_size: int, by_colour: bool = False) -> Batches:
    """Batches like those of `training_batches`, of all examples once, in their order."""
    return _batches(examples, batch_size, np.arange(len(examples)), np.zeros(len(examples), bool), by_colour)


def _batches(examples: Examples, batch_size: int, rows: np.ndarray, flipped: np.ndarray, by_colour: bool) -> Batches:
    pixels = examples.pixels.batch_by_colour if by_colour else examples.pixels.batch
    for start in range(0, len(rows), batch_size):
        part = slice(start, start + batch_size)
        labels = examples.labels[rows[part]].toarray().astype(np.float32)
        if examples.left_out is not None:
            labels = np.column_stack([labels, examples.left_out[rows[part]].astype(np.float32)])
        yield pixels(rows[part], flipped[part]), labels


def batches_per_epoch(examples: Examples, batch_size: int, flipped_copies: bool) -> int:
    """The number of batches of `training_batches` per epoch; the last one may be smaller."""
    return -(-len(examples) * (2 if flipped_copies else 1) // batch_size)


def stream(batches: partial, examples: Examples, steps: int) -> tf.data.Dataset:
    """`steps` batches of `examples` as a TensorFlow dataset, made in parallel with the training that uses them."""
    *sides, channels = examples.pixels.shape[1:]
    if examples.pixels.dtype != np.uint8:
        pixels = tf.TensorSpec((None, *sides, channels), examples.pixels.dtype)
    elif batches.keywords.get("by_colour"):
        kinds = (tf.TensorSpec((None, *sides, channels), tf.uint8) for channels in (1, 3))
        pixels = (tf.TensorSpec((None,), tf.int32), *kinds)
    else:
        pixels = tf.TensorSpec((None, *sides, None), tf.uint8)  # 1 or 3
    columns = examples.labels.shape[1] + (examples.left_out is not None)
    signature = (pixels, tf.TensorSpec((None, columns), tf.float32))
    made = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return made.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(2)


def ordered_stream(examples: Examples, batch_size: int, by_colour: bool) -> tf.data.Dataset:
    """`ordered_batches` as a TensorFlow dataset."""
    steps = batches_per_epoch(examples, batch_size, flipped_copies=False)
    return stream(partial(ordered_batches, examples, batch_size, by_colour=by_colour), examples, steps)
