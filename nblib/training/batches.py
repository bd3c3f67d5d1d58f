"""Batches: the order of each epoch, flipped copies included, as a network takes them."""

from collections.abc import Iterator
from itertools import count

import numpy as np
from scipy import sparse

from nblib.data import Examples

Batch = np.ndarray | tuple[np.ndarray, np.ndarray, np.ndarray]  # pixels together, or grey and coloured images apart


def epoch_order(images: int, flipped_copies: bool, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """The order of one epoch: rows, and for each whether it is the mirrored copy; seed and epoch decide it.

    With flipped copies every image comes once as it is and once mirrored: 2N examples.
    Paper: experiment 3, "each image is provided ... both as-it-is and flipped horizontally".
    """
    examples = 2 * images if flipped_copies else images
    order = np.random.default_rng([seed, epoch]).permutation(examples)
    return order % images, order >= images


def training_batches(
    examples: Examples, batch_size: int, flipped_copies: bool, seed: int, first_epoch: int = 0, apart: bool = False
) -> Iterator[tuple[Batch, np.ndarray]]:
    """Batches of epoch after epoch, without end, from `first_epoch` on.

    Pixels are (n, size, size, 1) uint8 where all images of the batch are grey, else (n, size, size, 3), RGB; with
    `apart` they are what `Pixels.apart` gives. Labels are (n, K) float32.
    """
    give = examples.pixels.apart if apart else examples.pixels.batch
    for epoch in count(first_epoch):
        rows, flipped = epoch_order(len(examples), flipped_copies, seed, epoch)
        for start in range(0, len(rows), batch_size):
            chosen, mirrored = rows[start : start + batch_size], flipped[start : start + batch_size]
            yield give(chosen, mirrored), _dense(examples.labels[chosen])


def ordered_batches(examples: Examples, batch_size: int, apart: bool = False) -> Iterator[tuple[Batch, np.ndarray]]:
    """Batches, as `training_batches` makes them, of all examples once, in their order."""
    give = examples.pixels.apart if apart else examples.pixels.batch
    for start in range(0, len(examples), batch_size):
        rows = np.arange(start, min(start + batch_size, len(examples)))
        yield give(rows), _dense(examples.labels[rows])


def batches_per_epoch(examples: Examples, batch_size: int, flipped_copies: bool) -> int:
    """Batches that `training_batches` makes of one epoch; the last may be smaller."""
    return -(-len(examples) * (2 if flipped_copies else 1) // batch_size)


def _dense(labels: sparse.csr_array) -> np.ndarray:
    return labels.toarray().astype(np.float32)
